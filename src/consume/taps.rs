//! One queue a partition: records stay in the client until there is room for them, and nobody else's have to wait behind them.
//!
//! librdkafka throws away what it has fetched of a partition that is paused, and fetches it again: with pauses as the only brake, a
//! catch-up read everything up to four times. A partition is paused from its assignment until its queue stands, so that none of its records
//! goes another way. Invariant: what a tap gives belongs to the tenure that it was opened for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::Thread;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::inlet::Inlet;
use super::rebalance::Handover;
use super::tenure::Tenure;
use crate::ids::Lane;
use crate::order::Source;

/// A partition's queue, and the tenure under which it is read.
pub struct Tap {
    /// The lane's tenure.
    pub tenure: Arc<Tenure>,
    /// The topic.
    pub source: Source,
    /// Where the partition's records come out.
    pub queue: PartitionQueue<Handover>,
}

/// The taps of all lanes that are ours.
#[derive(Default)]
pub struct Taps {
    taps: BTreeMap<(Lane, Source), Tap>,
}

impl Taps {
    /// Closes the taps of lanes that are gone, and opens those of lanes that have come. `thread` is woken when one that was empty has
    /// something.
    pub fn follow(&mut self, consumer: &Arc<BaseConsumer<Handover>>, inlets: &BTreeMap<Lane, Inlet>, thread: &Thread) {
        self.taps.retain(|(lane, _), tap| inlets.get(lane).is_some_and(|inlet| inlet.tenure.id == tap.tenure.id));
        let mut opened = TopicPartitionList::new();
        for (lane, inlet) in inlets {
            for (source, name) in consumer.context().topics().iter() {
                if self.taps.contains_key(&(*lane, source)) {
                    continue;
                }
                let Some(mut queue) = consumer.split_partition_queue(name, lane.0) else {
                    consumer.context().refuse(
                        "consumer",
                        format!("the client has no queue for `{name}` partition {lane}: start again"),
                    );
                    return;
                };
                let thread = thread.clone();
                queue.set_nonempty_callback(move || thread.unpark());
                self.taps.insert((*lane, source), Tap { tenure: inlet.tenure.clone(), source, queue });
                opened.add_partition(name, lane.0);
            }
        }
        if opened.count() > 0
            && let Err(error) = consumer.resume(&opened)
        {
            consumer
                .context()
                .refuse("consumer", format!("kafka does not let partitions be read that it gave us: {error}"));
        }
    }

    /// The taps, lane by lane.
    pub fn iter(&self) -> impl Iterator<Item = &Tap> {
        self.taps.values()
    }
}
