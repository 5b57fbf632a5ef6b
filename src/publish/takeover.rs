//! What the relay does before it publishes a lane: end what a former owner left open, and read where the lane stands.
//!
//! Both are answers from Kafka, never from memory. Invariant: while any transaction over the lane's offsets is unfinished, the
//! read waits (it asks for stable offsets); a time-out or the error of one partition is "ask again", never "no position".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::producer::{Producer, Settings};
use crate::consume::topics::InputTopics;
use crate::ids::Lane;

/// Takes former owners' transactional ids over and lets them go: what they left open ends at once, and not after
/// `transaction.timeout.ms` plus the broker's scan interval (measured: 0.6 s against 16 s).
///
/// # Errors
/// A broker out of reach; the ids that are done are removed from the set.
pub fn end_open_transactions(settings: &Settings, former: &mut BTreeSet<String>) -> KafkaResult<()> {
    while let Some(id) = former.first() {
        tracing::info!(transactional_id = %id, "ending what the former owner may have left open");
        Producer::open(settings, id)?;
        former.pop_first();
    }
    Ok(())
}

/// The metadata of the committed offsets of each lane's partitions; `None` where nothing was committed.
///
/// # Errors
/// A broker out of reach, an unfinished transaction (a time-out), or the error of any one partition.
pub fn read_positions(
    observer: &BaseConsumer,
    topics: &InputTopics,
    lanes: &[Lane],
    timeout: Duration,
) -> KafkaResult<BTreeMap<Lane, Vec<Option<String>>>> {
    let mut asked = TopicPartitionList::new();
    for (_, topic) in topics.iter() {
        for lane in lanes {
            asked.add_partition(topic, lane.0);
        }
    }
    let answered = observer.committed_offsets(asked, timeout)?;
    let mut positions: BTreeMap<Lane, Vec<Option<String>>> = BTreeMap::new();
    for element in answered.elements() {
        element.error()?;
        let committed = matches!(element.offset(), Offset::Offset(_)).then(|| element.metadata().to_owned());
        positions.entry(Lane(element.partition())).or_default().push(committed);
    }
    Ok(positions)
}
