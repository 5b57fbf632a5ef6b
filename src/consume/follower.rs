//! A reader beside the path: follows partitions of any topics, for a person who looks.
//!
//! It assigns partitions to itself under a group id that nobody else has, joins no group and commits nothing. Each partition has a
//! queue of its own, so that its end is told apart from another topic's. Invariant: whatever is read here moves nothing that a
//! worker stands on; records of a partition come in the order of their offsets.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::access::Access;
use super::client;
use super::heard::Heard;
use super::observer::TopicError;
use crate::config;
use crate::ids::{Lane, NextOffset, Timestamp};

const TIMEOUT: Duration = Duration::from_secs(5);
/// What all partitions together may keep in memory before they are looked at.
const PREFETCHED_KIB: usize = 32 << 10;

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Those of committed transactions, and those without one.
    Committed,
    /// All, also of transactions that are open or were aborted. Kafka does not say which those are.
    Uncommitted,
}

/// Where reading begins, in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first record that Kafka has.
    Beginning,
    /// Behind the last.
    End,
    /// This offset.
    Offset(i64),
    /// So many offsets before the end.
    Last(i64),
    /// The first record of this instant or later, by the records' own timestamps.
    At(Timestamp),
}

/// Where a partition was to begin and could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: Lane,
    /// Where it begins instead.
    pub begins: NextOffset,
}

/// One partition that is followed.
struct Followed {
    topic: Arc<str>,
    partition: i32,
    begins: i64,
    /// Where it ended when it was first looked at.
    ends: i64,
    queue: PartitionQueue<Access>,
    /// The next record, taken from the queue and not given out yet.
    head: Option<Heard>,
    is_at_end: bool,
}

/// The reader.
pub struct Follower {
    consumer: Arc<BaseConsumer<Access>>,
    followed: Vec<Followed>,
    until_end: bool,
    /// Whose turn it is.
    turn: usize,
}

/// Settings of a consumer that nothing remembers.
fn settings(kafka: &config::Kafka, isolation: Isolation, partitions: usize) -> ClientConfig {
    let mut client = client::shared(kafka, "tap");
    client
        .set("group.id", format!("{}tap-{}", client::CLIENT_ID, uuid::Uuid::new_v4()))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // What is deleted under the reader's feet is passed over.
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", (PREFETCHED_KIB / partitions.max(1)).max(64).to_string());
    let level = match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    };
    client.set("isolation.level", level);
    client
}

impl Follower {
    /// Opens a reader of these partitions. With `until_end` it reads as far as they go now, merged by the records' timestamps.
    ///
    /// # Errors
    /// Kafka out of reach, or a property that librdkafka does not take.
    pub fn open(
        kafka: &config::Kafka,
        isolation: Isolation,
        partitions: &[(Arc<str>, Lane)],
        start: Start,
        until_end: bool,
    ) -> Result<(Self, Vec<Elsewhere>), TopicError> {
        let consumer = settings(kafka, isolation, partitions.len()).create_with_context(Access::of(kafka));
        let consumer: BaseConsumer<Access> = consumer.map_err(|error| TopicError::Denied(client::unusable(&error)))?;
        let consumer = Arc::new(consumer);
        let times = times(&consumer, partitions, start)?;
        let (mut followed, mut elsewhere) = (Vec::with_capacity(partitions.len()), Vec::new());
        let mut assigned = TopicPartitionList::new();
        for (topic, partition) in partitions {
            let (low, high) = consumer.fetch_watermarks(topic, partition.0, TIMEOUT)?;
            let of_time = times.as_ref().and_then(|times| times.find_partition(topic, partition.0)?.offset().to_raw());
            let begins = begin(start, low, high, of_time);
            if matches!(start, Start::Offset(asked) if asked != begins) {
                elsewhere.push(Elsewhere { topic: topic.clone(), partition: *partition, begins: NextOffset(begins) });
            }
            // Before the assignment, so that no record goes another way.
            let queue = consumer.split_partition_queue(topic, partition.0).ok_or_else(|| {
                TopicError::Denied(format!("the client has no queue for `{topic}` partition {partition}: start again"))
            })?;
            assigned.add_partition_offset(topic, partition.0, Offset::Offset(begins))?;
            let is_at_end = begins >= high;
            let (topic, partition) = (topic.clone(), partition.0);
            followed.push(Followed { topic, partition, begins, ends: high, queue, head: None, is_at_end });
        }
        consumer.assign(&assigned)?;
        Ok((Self { consumer, followed, until_end, turn: 0 }, elsewhere))
    }

    /// The next record, if there is one by now.
    ///
    /// # Errors
    /// What no waiting would mend. Other trouble is tried again by the client; see [`Self::trouble`].
    pub fn take_next(&mut self) -> Result<Option<Heard>, TopicError> {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            judge(&error, "a topic")?;
        }
        if let Some(refused) = self.consumer.context().refused() {
            return Err(TopicError::Denied(self.consumer.context().explain(&refused)));
        }
        let heard = if self.until_end { self.next_by_time()? } else { self.next_that_came()? };
        match &heard {
            Some(_) => self.consumer.context().let_in(),
            None => self.consumer.context().renew(self.consumer.client()),
        }
        Ok(heard)
    }

    /// What keeps records from coming, in librdkafka's words, since the last one came.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.consumer.context().trouble()
    }

    /// Whether everything was read that was there at the start, for a reader that stops there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.until_end && self.followed.iter().all(|followed| followed.is_at_end && followed.head.is_none())
    }

    /// Looks at all partitions once, beginning behind the one that had something last.
    fn next_that_came(&mut self) -> Result<Option<Heard>, TopicError> {
        for step in 0..self.followed.len() {
            let index = (self.turn + step) % self.followed.len();
            if let Some(heard) = self.take(index)? {
                self.turn = index + 1;
                return Ok(Some(heard));
            }
        }
        Ok(None)
    }

    /// The oldest of the partitions' next records, once each partition has one or is at its end.
    fn next_by_time(&mut self) -> Result<Option<Heard>, TopicError> {
        let mut is_complete = true;
        for index in 0..self.followed.len() {
            if self.followed[index].head.is_none() && !self.followed[index].is_at_end {
                self.followed[index].head = self.take(index)?;
                is_complete &= self.followed[index].head.is_some() || self.followed[index].is_at_end;
            }
        }
        let oldest = |followed: &&mut Followed| followed.head.as_ref().map(|head| head.timestamp);
        let with_head = self.followed.iter_mut().filter(|followed| followed.head.is_some());
        Ok(if is_complete { with_head.min_by_key(oldest).and_then(|followed| followed.head.take()) } else { None })
    }

    /// What one partition has next. At the end of one that is read no further there is nothing.
    fn take(&mut self, index: usize) -> Result<Option<Heard>, TopicError> {
        let followed = &mut self.followed[index];
        if self.until_end && followed.is_at_end {
            return Ok(None);
        }
        let error = match followed.queue.poll(Duration::ZERO) {
            None => return Ok(None),
            Some(Ok(message)) => {
                let heard = Heard::of(followed.topic.clone(), &message);
                followed.is_at_end = heard.offset + 1 >= followed.ends;
                let is_wanted = heard.offset >= followed.begins && (!self.until_end || heard.offset < followed.ends);
                return Ok(is_wanted.then_some(heard));
            }
            Some(Err(error)) => error,
        };
        if matches!(error, KafkaError::PartitionEOF(partition) if partition == followed.partition) {
            followed.is_at_end = true;
            // The client calls this an error too; it is an answer.
            self.consumer.context().let_in();
            return Ok(None);
        }
        judge(&error, &format!("`{}`", followed.topic)).map(|()| None)
    }
}

/// Whether no waiting would mend what a client says about a topic.
fn judge(error: &KafkaError, topic: &str) -> Result<(), TopicError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(TopicError::Denied(format!(
            "kafka does not let us read {topic}: grant Read on it, or give another user in the configuration"
        ))),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Err(TopicError::Denied(format!("{topic} was deleted while it was read: start again")))
        }
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => Err(TopicError::Unreachable(error.clone())),
        // The client tries again. A group that nobody has granted us is such an error too, and we need none.
        _ => Ok(()),
    }
}

/// The offsets of an instant, where one was asked for.
fn times(
    consumer: &BaseConsumer<Access>,
    partitions: &[(Arc<str>, Lane)],
    start: Start,
) -> Result<Option<TopicPartitionList>, TopicError> {
    let Start::At(instant) = start else { return Ok(None) };
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions {
        // Rounded up: a record's timestamp has milliseconds, and none from before the instant is wanted.
        asked.add_partition_offset(topic, partition.0, Offset::Offset(instant.0.max(0).saturating_add(999) / 1_000))?;
    }
    Ok(Some(consumer.offsets_for_times(asked, TIMEOUT)?))
}

/// Where a partition begins that has records from `low` to before `high`. `of_time` is the first offset of the instant, if there is
/// one: librdkafka says a negative number where no record is as late.
fn begin(start: Start, low: i64, high: i64, of_time: Option<i64>) -> i64 {
    match start {
        Start::Beginning => low,
        Start::End => high,
        Start::Offset(offset) => offset.clamp(low, high),
        Start::Last(count) => high.saturating_sub(count).clamp(low, high),
        Start::At(_) => of_time.filter(|offset| *offset >= 0).map_or(high, |offset| offset.clamp(low, high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_is_within_what_kafka_has() {
        for (start, of_time, begins) in [
            (Start::Beginning, None, 10),
            (Start::End, None, 20),
            (Start::Offset(15), None, 15),
            (Start::Offset(3), None, 10),
            (Start::Offset(99), None, 20),
            (Start::Last(3), None, 17),
            (Start::Last(99), None, 10),
            (Start::At(Timestamp(1)), Some(12), 12),
            (Start::At(Timestamp(1)), Some(-1), 20),
            (Start::At(Timestamp(1)), None, 20),
        ] {
            assert_eq!(begin(start, 10, 20, of_time), begins, "{start:?} {of_time:?}");
        }
    }
}
