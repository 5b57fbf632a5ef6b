//! The poll thread: takes records from Kafka and hands them to the writers of their lanes.
//!
//! It never waits for a writer: a lane whose queue is full is paused, with hysteresis, and polling goes on, because rebalances
//! and heartbeats need it. Invariant: offsets of a partition rise; one that falls is a bug that stops the process, since its
//! record would be applied under a checkpoint that is past it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::access;
use super::headers;
use super::inlet::Inlet;
use super::outside::{self, Wanted};
use super::rebalance::Handover;
use super::record::Record;
use super::tenure::End;
use crate::ids::{Lane, NextOffset, Timestamp};
use crate::metrics;
use crate::shutdown::Shutdown;

const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// How long records are taken in a row before the queues are looked after.
const LOOK_AFTER: Duration = Duration::from_millis(5);
/// The end of the year 9999: a record may claim any timestamp, the database cannot hold any.
const LATEST_MILLIS: i64 = 253_402_300_799_999;
/// How long leaving the group may take before the lanes are given back without it.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);
const POSITIONS_EVERY: Duration = Duration::from_millis(250);
/// What all lanes of a process may hold together; each gets an equal share, at most its own limit.
const PROCESS_RECORDS: usize = 10_000;
const PROCESS_BYTES: usize = 16 << 20;
/// How long a process stays out of the group when it gives its lanes up to take them again.
const REJOIN_AFTER: Duration = Duration::from_millis(500);

/// How much of a lane may wait in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records, at most.
    pub records: usize,
    /// Bytes, at most.
    pub bytes: usize,
}

impl Limits {
    /// A lane's limits when so many lanes share the process.
    fn share(self, lanes: usize) -> Self {
        let lanes = lanes.max(1);
        Self {
            records: self.records.min(PROCESS_RECORDS / lanes).max(1),
            bytes: self.bytes.min(PROCESS_BYTES / lanes).max(1),
        }
    }
}

/// Whether a lane's partitions should be paused, given whether they are and what is queued.
fn should_pause(paused: bool, (records, bytes): (usize, usize), limits: Limits) -> bool {
    if paused {
        records > limits.records / 2 || bytes > limits.bytes / 2
    } else {
        records >= limits.records || bytes >= limits.bytes
    }
}

/// The consumer, and what its thread remembers between two records.
pub struct Poller<'a> {
    consumer: BaseConsumer<Handover>,
    limits: Limits,
    rejoin: &'a AtomicBool,
    shutdown: &'a Shutdown,
    positions_at: Instant,
}

impl<'a> Poller<'a> {
    /// A poller over a consumer that has not subscribed yet. `rejoin` is set by whoever wants all lanes taken anew.
    #[must_use]
    pub fn new(
        consumer: BaseConsumer<Handover>,
        limits: Limits,
        rejoin: &'a AtomicBool,
        shutdown: &'a Shutdown,
    ) -> Self {
        Self { consumer, limits, rejoin, shutdown, positions_at: Instant::now() }
    }

    /// Polls until shutdown, then leaves the group: the last revoke callback runs in here.
    pub fn run(mut self) {
        self.subscribe();
        while !self.shutdown.is_requested() {
            let since = Instant::now();
            while self.poll() && since.elapsed() < LOOK_AFTER {}
            self.look_after_queues();
            self.look_after_positions();
            if self.rejoin.swap(false, Ordering::SeqCst) {
                self.leave();
                std::thread::sleep(REJOIN_AFTER);
                self.subscribe();
            }
        }
        self.leave();
    }

    fn subscribe(&self) {
        let names: Vec<&str> = self.handover().topics().iter().map(|(_, name)| name).collect();
        if let Err(error) = self.consumer.subscribe(&names) {
            self.handover().refuse(format!("kafka does not take the subscription to {names:?}: {error}"));
        }
    }

    /// Leaves the group and waits until the lanes are given back.
    fn leave(&self) {
        self.consumer.unsubscribe();
        let since = Instant::now();
        while !self.handover().inlets().is_empty() {
            self.poll();
            if since.elapsed() > LEAVE_WITHIN {
                // A consumer that failed for good unassigns without a callback.
                self.handover().revoked(End::Lost);
            }
        }
    }

    fn handover(&self) -> &Handover {
        self.consumer.context()
    }

    /// Takes one record or serves one event; false when there was none.
    fn poll(&self) -> bool {
        match self.consumer.poll(POLL_TIMEOUT) {
            None => false,
            Some(Ok(message)) => {
                let handover: &Handover = self.consumer.context();
                if let Err(text) = hand_on(handover, &message) {
                    handover.refuse(text);
                }
                true
            }
            Some(Err(error)) => {
                self.judge(&error);
                false
            }
        }
    }

    fn judge(&self, error: &KafkaError) {
        match error {
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                let wanted = self.wanted();
                self.handover().refuse(outside::describe(&self.consumer, &wanted));
            }
            // librdkafka skips what it cannot read and goes on behind it; a restart reads again from the checkpoint.
            KafkaError::MessageConsumption(RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::NotImplemented) => {
                self.handover().refuse(format!("kafka gave records that cannot be read ({error}): start again; if that does not help, look at the broker's disk"));
            }
            KafkaError::MessageConsumptionFatal(_) => {
                self.handover().refuse(format!("the consumer cannot go on: {error}"));
            }
            // The context has said it, with what to do about it.
            KafkaError::MessageConsumption(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {}
            _ => {
                let missing = access::missing_right(error);
                metrics::RETRIES.increment(1, &[missing.map_or("kafka_consume", |_| "kafka_access")]);
                tracing::warn!(%error, "{}, trying again", missing.unwrap_or("kafka: consuming"));
            }
        }
    }

    /// What is to be read next of each partition.
    fn wanted(&self) -> Vec<Wanted> {
        let (inlets, topics) = (self.handover().inlets(), self.handover().topics());
        let of_lane = |inlet: &Inlet| {
            let lane = inlet.tenure.lane;
            let wanted = inlet.expected.iter().map(|(source, next)| (topics.name(*source).to_owned(), lane, *next));
            wanted.collect::<Vec<_>>()
        };
        inlets.values().flat_map(of_lane).collect()
    }

    fn look_after_queues(&self) {
        let mut inlets = self.handover().inlets();
        let limits = self.limits.share(inlets.len());
        for pause in [true, false] {
            let changed: Vec<Lane> = inlets
                .iter()
                .filter(|(_, inlet)| inlet.paused != pause)
                .filter(|(_, inlet)| should_pause(inlet.paused, inlet.tenure.queued(), limits) == pause)
                .map(|(lane, _)| *lane)
                .collect();
            if changed.is_empty() {
                continue;
            }
            let partitions = self.partitions(&changed);
            let done = if pause { self.consumer.pause(&partitions) } else { self.consumer.resume(&partitions) };
            if done.is_ok() {
                inlets
                    .iter_mut()
                    .filter(|(lane, _)| changed.contains(lane))
                    .for_each(|(_, inlet)| inlet.paused = pause);
            }
        }
    }

    fn partitions(&self, lanes: &[Lane]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (_, name) in self.handover().topics().iter() {
            for lane in lanes {
                list.add_partition(name, lane.0);
            }
        }
        list
    }

    /// Tells writers where partitions stand behind their last record, so that markers at the end count as read.
    fn look_after_positions(&mut self) {
        if self.positions_at.elapsed() < POSITIONS_EVERY {
            return;
        }
        self.positions_at = Instant::now();
        self.handover().access().renew(self.consumer.client());
        let Ok(positions) = self.consumer.position() else { return };
        let handover = self.handover();
        let mut inlets = handover.inlets();
        for element in positions.elements() {
            let inlet = inlets.get_mut(&Lane(element.partition()));
            if let (Some(source), Some(inlet), Offset::Offset(position)) =
                (handover.topics().source(element.topic()), inlet, element.offset())
            {
                inlet.passed(source, NextOffset(position));
            }
        }
    }
}

/// Hands a message to its lane's writer. A message of a lane that is not ours any more is dropped: its new owner reads it.
fn hand_on(handover: &Handover, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let lane = Lane(message.partition());
    // After a refusal nothing is handed on: what comes may lie behind a hole.
    if handover.is_refused() {
        return Ok(());
    }
    let mut inlets = handover.inlets();
    let (Some(source), Some(inlet)) = (handover.topics().source(message.topic()), inlets.get_mut(&lane)) else {
        return Ok(());
    };
    metrics::RECORDS_CONSUMED.increment(1, &[source.as_str()]);
    inlet.push(Record {
        source,
        lane,
        offset: message.offset(),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or_default().clamp(0, LATEST_MILLIS) * 1000),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers::read(message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { records: 100, bytes: 1000 };

    #[test]
    fn a_full_queue_pauses_and_only_a_half_empty_one_resumes() {
        assert!(!should_pause(false, (99, 999), LIMITS));
        assert!(should_pause(false, (100, 0), LIMITS));
        assert!(should_pause(false, (0, 1000), LIMITS));
        assert!(should_pause(true, (51, 0), LIMITS));
        assert!(!should_pause(true, (50, 500), LIMITS));
    }

    #[test]
    fn many_lanes_share_what_the_process_may_hold() {
        let generous = Limits { records: 1_000_000, bytes: 1 << 30 };
        assert_eq!(generous.share(64).records, PROCESS_RECORDS / 64);
        assert_eq!(generous.share(1).bytes, PROCESS_BYTES);
        assert_eq!(LIMITS.share(4).records, 100);
    }
}
