//! Topics as logs: partitions read from their beginning to their end as a read_committed consumer sees them.
//!
//! Without a group, so nothing is joined, committed or left behind. Invariant: what is handed out is complete up to the last
//! stable offset at the time of the call, in the order of each partition.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, Timestamp, TopicPartitionList};

use crate::stack;
use crate::wait;

/// How long Kafka may say nothing while something is still to be read.
const PATIENCE: Duration = Duration::from_secs(30);
/// Polls without a partition's end before its positions are looked at.
const POLL: Duration = Duration::from_millis(20);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub number: i32,
}

/// What a partition holds for a read_committed consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first offset.
    pub beginning: i64,
    /// The offset behind its last committed record or marker.
    pub end: i64,
}

/// A record as it stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was produced, in milliseconds.
    pub timestamp_millis: Option<i64>,
    /// When the broker wrote it, in milliseconds, where the topic keeps that instead.
    pub appended_millis: Option<i64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers in their order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl LogRecord {
    /// The value of the first header of that name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(key, _)| key == name)?;
        str::from_utf8(value.as_deref()?).ok()
    }
}

/// A reader of logs.
pub struct LogReader {
    consumer: BaseConsumer,
    /// Sees what transactions have not committed yet; only asked where partitions end.
    uncommitted: BaseConsumer,
}

impl LogReader {
    /// A reader on these brokers.
    ///
    /// # Errors
    /// librdkafka refuses the address.
    pub fn on(brokers: &str) -> Result<Self> {
        let mut config = stack::client(brokers);
        // Assigning needs the name of a group; nothing is ever committed to it.
        config.set("group.id", "orderstream-harness-reader").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("auto.offset.reset", "error");
        config.set("enable.partition.eof", "false").set("fetch.message.max.bytes", "4194304");
        config.set("queued.max.messages.kbytes", "65536");
        // A fetch that waits at a partition's end would hold back the partitions that are assigned after it.
        config.set("fetch.wait.max.ms", "10");
        let consumer = config.create()?;
        config.set("isolation.level", "read_uncommitted");
        Ok(Self { consumer, uncommitted: config.create()? })
    }

    /// Whether a transaction is open on a partition: what stands behind its first record cannot be read yet.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn has_open_transaction(&self, partition: &Partition) -> Result<bool> {
        let Partition { topic, number } = partition;
        let (_, end) = self.uncommitted.fetch_watermarks(topic, *number, PATIENCE).context("kafka does not answer")?;
        Ok(self.extent(partition)?.end < end)
    }

    /// Waits until no transaction is open on these partitions, so that whatever they hold can be read.
    ///
    /// # Errors
    /// One is, after so many seconds; says on which partition.
    pub async fn until_no_transaction_is_open(&self, seconds: u64, partitions: &[Partition]) -> Result<()> {
        wait::within(seconds, "all transactions to end", async || {
            for partition in partitions {
                if self.has_open_transaction(partition)? {
                    bail!("one is open on `{}` partition {}", partition.topic, partition.number);
                }
            }
            Ok(true)
        })
        .await
    }

    /// All partitions of a topic.
    ///
    /// # Errors
    /// Kafka does not answer, or there is no such topic.
    pub fn partitions(&self, topic: &str) -> Result<Vec<Partition>> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).context("kafka does not answer")?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.filter(|topic| !topic.partitions().is_empty());
        let found = found.with_context(|| format!("topic `{topic}` does not exist"))?;
        let mut numbers: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| Partition { topic: topic.to_owned(), number }).collect())
    }

    /// What a partition holds.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn extent(&self, partition: &Partition) -> Result<Extent> {
        let Partition { topic, number } = partition;
        let marks = self.consumer.fetch_watermarks(topic, *number, PATIENCE);
        let (beginning, end) =
            marks.with_context(|| format!("kafka does not say where `{topic}` partition {number} ends"))?;
        Ok(Extent { beginning, end })
    }

    /// Hands out every record of these partitions, and what each of them held.
    ///
    /// # Errors
    /// Kafka does not answer, or `each` fails.
    pub fn read(
        &self,
        partitions: &[Partition],
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
    ) -> Result<Vec<(Partition, Extent)>> {
        let mut extents = Vec::with_capacity(partitions.len());
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            let extent = self.extent(partition)?;
            if extent.end > extent.beginning {
                assignment.add_partition_offset(
                    &partition.topic,
                    partition.number,
                    Offset::Offset(extent.beginning),
                )?;
            }
            extents.push((partition.clone(), extent));
        }
        self.consumer.assign(&assignment)?;
        let mut last_word = Instant::now();
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    last_word = Instant::now();
                    // What came in after the extent was taken is not of this reading.
                    if message.offset() < end(&extents, message.topic(), message.partition()) {
                        each(&message)?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error).context("kafka cannot be read"),
                None if self.is_at_end(&assignment, &extents)? => break,
                None if last_word.elapsed() > PATIENCE => bail!("kafka hands out nothing for {} s", PATIENCE.as_secs()),
                None => {}
            }
        }
        self.consumer.unassign()?;
        Ok(extents)
    }

    /// Hands out every record of one partition, and what it held.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_one(
        &self,
        partition: &Partition,
        each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
    ) -> Result<Extent> {
        let extents = self.read(std::slice::from_ref(partition), each)?;
        let (_, extent) = extents.into_iter().next().context("what was read has an extent")?;
        Ok(extent)
    }

    /// Every record of a topic, in the order of its partitions.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&self, topic: &str) -> Result<Vec<LogRecord>> {
        let mut records = Vec::new();
        self.read(&self.partitions(topic)?, |message| {
            records.push(owned(message));
            Ok(())
        })?;
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Whether every partition's position, which passes the markers of transactions, has reached its end.
    fn is_at_end(&self, assignment: &TopicPartitionList, extents: &[(Partition, Extent)]) -> Result<bool> {
        let positions = self.consumer.position()?;
        for element in assignment.elements() {
            let end = end(extents, element.topic(), element.partition());
            let at = positions.find_partition(element.topic(), element.partition()).map(|element| element.offset());
            match at {
                Some(Offset::Offset(at)) if at >= end => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Where a partition ends; nothing of a partition that is not read counts.
fn end(extents: &[(Partition, Extent)], topic: &str, number: i32) -> i64 {
    let found = extents.iter().find(|(partition, _)| partition.number == number && partition.topic == topic);
    found.map_or(i64::MIN, |(_, extent)| extent.end)
}

/// A record that outlives the consumer's buffer.
#[must_use]
pub fn owned(message: &BorrowedMessage<'_>) -> LogRecord {
    LogRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_millis: message.timestamp().to_millis(),
        appended_millis: match message.timestamp() {
            Timestamp::LogAppendTime(at) => Some(at),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        },
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers(message),
    }
}

/// A record's headers in their order.
#[must_use]
pub fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Bytes>)> {
    let headers = message.headers().map(|headers| {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map(Bytes::copy_from_slice))
        };
        headers.iter().map(header).collect()
    });
    headers.unwrap_or_default()
}
