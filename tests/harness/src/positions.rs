//! The consumer group's committed offsets, with the metadata that says how far each lane's journal is published.
//!
//! Asked for without joining the group, so nothing is disturbed. An offset of an unfinished transaction is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::deployment::Deployment;
use crate::stack;
use crate::topic_log::{LogReader, Partition};

/// How long the group's coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset.
    pub offset: i64,
    /// What stands beside it.
    pub metadata: String,
}

/// What an offset's metadata says of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The journal row up to which the lane is published.
    pub seq: i64,
    /// The epoch under which it was published.
    pub epoch: i64,
    /// The database whose journal it is.
    pub database: uuid::Uuid,
}

impl Mark {
    /// Reads `v1;seq=…;epoch=…;db=…`.
    #[must_use]
    pub fn read(metadata: &str) -> Option<Self> {
        let mut parts = metadata.strip_prefix("v1;")?.split(';');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let mark = Self {
            seq: part("seq")?.parse().ok()?,
            epoch: part("epoch")?.parse().ok()?,
            database: part("db")?.parse().ok()?,
        };
        parts.next().is_none().then_some(mark)
    }
}

/// What a group has committed for these partitions; those without an offset are left out.
///
/// # Errors
/// Kafka does not answer.
pub fn committed(brokers: &str, group: &str, partitions: &[Partition]) -> Result<BTreeMap<Partition, Committed>> {
    committed_of(&self::group(brokers, group)?, partitions, PATIENCE)
}

/// A client that may ask for a group's offsets.
fn group(brokers: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = stack::client(brokers);
    config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
    Ok(config.create()?)
}

/// [`committed`], asked over a connection that stays open.
pub(crate) fn committed_of(
    group: &BaseConsumer,
    partitions: &[Partition],
    at_most: Duration,
) -> Result<BTreeMap<Partition, Committed>> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition(&partition.topic, partition.number);
    }
    let answer = group.committed_offsets(asked, at_most).context("the group's offsets cannot be read")?;
    let mut offsets = BTreeMap::new();
    for element in answer.elements() {
        element.error().context("the group's offsets cannot be read")?;
        if let Offset::Offset(offset) = element.offset() {
            let partition = Partition { topic: element.topic().to_owned(), number: element.partition() };
            offsets.insert(partition, Committed { offset, metadata: element.metadata().to_owned() });
        }
    }
    Ok(offsets)
}

/// All partitions of all input topics.
///
/// # Errors
/// Kafka does not answer, or a topic does not exist.
pub fn input_partitions(reader: &LogReader, deployment: &Deployment) -> Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for (_, topic) in deployment.topics.inputs() {
        partitions.extend(reader.partitions(topic)?);
    }
    Ok(partitions)
}

/// How far each lane's journal is published, as the group's offsets say; lanes of which they say nothing are absent.
///
/// # Errors
/// Kafka does not answer.
pub fn published(deployment: &Deployment) -> Result<BTreeMap<i32, i64>> {
    let brokers = &deployment.stack.brokers;
    let partitions = input_partitions(&LogReader::on(brokers)?, deployment)?;
    let mut published: BTreeMap<i32, i64> = BTreeMap::new();
    for (partition, committed) in committed(brokers, &deployment.group, &partitions)? {
        if let Some(mark) = Mark::read(&committed.metadata) {
            let seq = published.entry(partition.number).or_default();
            *seq = mark.seq.max(*seq);
        }
    }
    Ok(published)
}

/// How many offsets lie between what the group has committed and the ends of the input topics: 0 once everything that went in
/// is applied and published.
///
/// # Errors
/// Kafka does not answer, or a topic does not exist.
pub fn lag(deployment: &Deployment) -> Result<i64> {
    Lag::of(deployment)?.offsets()
}

/// Where partitions end.
pub type Ends = BTreeMap<Partition, i64>;

/// A [`lag`] that is looked at again and again, over connections that stay open.
pub struct Lag {
    reader: LogReader,
    group: BaseConsumer,
    partitions: Vec<Partition>,
}

impl Lag {
    /// The lag of a deployment.
    ///
    /// # Errors
    /// Kafka does not answer, or a topic does not exist.
    pub fn of(deployment: &Deployment) -> Result<Self> {
        let reader = LogReader::on(&deployment.stack.brokers)?;
        let partitions = input_partitions(&reader, deployment)?;
        Ok(Self { reader, group: group(&deployment.stack.brokers, &deployment.group)?, partitions })
    }

    /// Where the input partitions end now.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn ends(&self) -> Result<Ends> {
        let end = |partition: &Partition| Ok((partition.clone(), self.reader.extent(partition)?.end));
        self.partitions.iter().map(end).collect()
    }

    /// Whether the group has committed all that lies before these ends.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn has_reached(&self, ends: &Ends) -> Result<bool> {
        let committed = committed_of(&self.group, &self.partitions, PATIENCE)?;
        Ok(ends
            .iter()
            .all(|(partition, end)| *end == 0 || committed.get(partition).is_some_and(|at| at.offset >= *end)))
    }

    /// How many offsets are missing.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn offsets(&self) -> Result<i64> {
        let committed = committed_of(&self.group, &self.partitions, PATIENCE)?;
        let mut lag = 0;
        for partition in &self.partitions {
            let extent = self.reader.extent(partition)?;
            let at = committed.get(partition).map_or(extent.beginning, |committed| committed.offset);
            lag += (extent.end - at).max(0);
        }
        Ok(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    const DATABASE: &str = "6f1c2e0b8b6e4b0b9d8e3f6a1c2d3e4f";

    #[test]
    fn metadata_in_our_form_is_a_mark() {
        let mark = Mark::read(&format!("v1;seq=41;epoch=3;db={DATABASE}")).expect("a mark");
        assert_eq!((mark.seq, mark.epoch, mark.database.simple().to_string()), (41, 3, DATABASE.to_owned()));
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "v1;seq=41;epoch=3", "v2;seq=1;epoch=1;db=x", "v1;epoch=3;seq=41;db=x"] {
            assert_eq!(Mark::read(text), None, "{text}");
        }
        assert_eq!(Mark::read(&format!("v1;seq=1;epoch=1;db={DATABASE};more=1")), None);
    }
}
