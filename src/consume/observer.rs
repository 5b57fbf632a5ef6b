//! A client that asks Kafka about topics and about the group's offsets, and never joins the group.
//!
//! Used at start, at every assignment and by the relay. Invariant: an answer that did not come is an error, never an empty answer:
//! a time-out or the error of one partition means "ask again".

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::access::{Access, Refused};
use super::rights::{self, Missing};
use super::topics::InputTopics;
use super::{client, describe, tls_probe};
use crate::config;
use crate::ids::{Lane, NextOffset};

const TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt to reach a broker may take before it is looked whether we are refused.
const SLICE: Duration = Duration::from_millis(300);

/// Why the topics could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// Kafka does not answer; ask again.
    #[error("kafka: {0}")]
    Unreachable(#[from] KafkaError),
    /// The same, with what its connections say.
    #[error("kafka: {0} ({1})")]
    Troubled(KafkaError, String),
    /// It does not let us in, or is not whom we trust. The text says why and what to do.
    #[error("{0}")]
    Denied(String),
    /// It does not let us see a topic.
    #[error("{0}")]
    Forbidden(Missing),
    /// A topic is not there.
    #[error("topic `{0}` does not exist: create it, or correct its name in [topics]")]
    Missing(String),
}

impl TopicError {
    /// Whether it is Kafka that is not there; anything else is set up wrong.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Troubled(..))
    }
}

/// A member of the group, as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
}

impl Member {
    /// Whether it calls itself one of ours, as `client.rs` names them.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.client_id.starts_with(client::CLIENT_ID)
    }
}

/// The client.
pub struct Observer {
    client: BaseConsumer<Access>,
    kafka: config::Kafka,
}

impl Observer {
    /// Opens one; nothing is sent yet.
    ///
    /// # Errors
    /// A property that librdkafka does not take, in words that quote no value.
    pub fn open(kafka: &config::Kafka, instance: &str) -> Result<Self, String> {
        let client = client::observer(kafka, instance).create_with_context(Access::of(kafka));
        let client = client.map_err(|error| client::unusable(&error))?;
        Ok(Self { client, kafka: kafka.clone() })
    }

    /// Kafka's own id of its cluster.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.client.client().fetch_cluster_id(TIMEOUT)
    }

    /// Sees whether Kafka lets us in and grants what a worker does with these topics and its group.
    ///
    /// # Errors
    /// Kafka out of reach, a refusal, or the rights that are missing.
    pub fn knock(&self, inputs: &[String], outputs: &[String]) -> Result<(), TopicError> {
        let all = [inputs, outputs].concat();
        self.metadata(all.first().map_or("", String::as_str))?;
        let client = self.client.client();
        let topics = describe::topics(client, &all, TIMEOUT)?;
        let group = describe::group(client, &self.kafka.group, TIMEOUT)?;
        let allowed = group.map_or_else(Vec::new, |group| group.allowed);
        let missing = rights::missing(inputs, outputs, &topics, (&self.kafka.group, &allowed));
        missing.map_or(Ok(()), |missing| Err(TopicError::Forbidden(missing)))
    }

    /// The partition counts of topics.
    ///
    /// # Errors
    /// Kafka out of reach, or a topic that does not exist or that we may not see.
    pub fn partition_counts(&self, topics: &[String]) -> Result<Vec<(String, i32)>, TopicError> {
        let mut counts = Vec::with_capacity(topics.len());
        for topic in topics {
            let metadata = self.metadata(topic)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let error = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
            if error == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
                return Err(TopicError::Forbidden(Missing::describe(topic)));
            }
            let partitions = found.map_or(0, |found| found.partitions().len());
            if partitions == 0 {
                return Err(TopicError::Missing(topic.clone()));
            }
            counts.push((topic.clone(), i32::try_from(partitions).unwrap_or(i32::MAX)));
        }
        Ok(counts)
    }

    /// Asks for a topic's metadata in slices, so that a refusal is noticed while librdkafka goes on trying.
    pub(super) fn metadata(&self, topic: &str) -> Result<Metadata, TopicError> {
        let access = self.client.context();
        let began = Instant::now();
        loop {
            access.renew(self.client.client());
            let error = match self.client.fetch_metadata(Some(topic), SLICE) {
                Ok(metadata) => {
                    access.let_in();
                    return Ok(metadata);
                }
                Err(error) => error,
            };
            self.listen();
            if let Some(refused) = access.refused() {
                let found = match &refused {
                    Refused::Credentials(_) => None,
                    Refused::Certificate(_) => tls_probe::look(&self.kafka),
                };
                return Err(TopicError::Denied(access.explain(&found.map_or(refused, Refused::Certificate))));
            }
            if began.elapsed() > TIMEOUT {
                return Err(match access.trouble() {
                    Some(trouble) => TopicError::Troubled(error, trouble),
                    None => error.into(),
                });
            }
        }
    }

    /// Serves what piled up for a client that nothing else polls: log lines and errors.
    fn listen(&self) {
        let since = Instant::now();
        while self.client.poll(Duration::from_millis(1)).is_some() || since.elapsed() < Duration::from_millis(20) {}
    }

    /// The first offset of a partition that Kafka still has.
    ///
    /// # Errors
    /// Kafka out of reach.
    pub fn beginning(&self, topic: &str, lane: Lane) -> Result<NextOffset, TopicError> {
        let (low, _) = self.client.fetch_watermarks(topic, lane.0, TIMEOUT)?;
        Ok(NextOffset(low))
    }

    /// Where a partition begins and ends, for a consumer that reads committed records.
    ///
    /// # Errors
    /// Kafka out of reach.
    pub fn extent(&self, topic: &str, lane: Lane) -> Result<(NextOffset, NextOffset), TopicError> {
        let (low, high) = self.client.fetch_watermarks(topic, lane.0, TIMEOUT)?;
        Ok((NextOffset(low), NextOffset(high)))
    }

    /// Who is in the group, as its coordinator knows it; nobody where there is no such group.
    ///
    /// # Errors
    /// Kafka out of reach, or a group that we may not see.
    pub fn members(&self, group: &str) -> Result<Vec<Member>, TopicError> {
        let described = describe::group(self.client.client(), group, TIMEOUT)?;
        described.map(|group| group.members).ok_or_else(|| TopicError::Forbidden(Missing::read(group)))
    }

    /// Commits offsets with their metadata in place of whatever the group has. Kafka takes that from us only while nobody is in
    /// the group.
    ///
    /// # Errors
    /// Kafka out of reach, or somebody has joined.
    pub fn place(&self, positions: &[(String, Lane, NextOffset, String)]) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::new();
        for (topic, lane, next_offset, metadata) in positions {
            let mut element = offsets.add_partition(topic, lane.0);
            element.set_offset(Offset::Offset(next_offset.0))?;
            element.set_metadata(metadata);
        }
        self.client.commit(&offsets, CommitMode::Sync)
    }

    /// Kafka's own ids of topics, of each one asked for.
    ///
    /// # Errors
    /// Kafka out of reach, or a topic that it does not describe.
    pub fn topic_ids(&self, topics: &[String]) -> Result<BTreeMap<String, String>, TopicError> {
        describe::ids(topics, describe::topics(self.client.client(), topics, TIMEOUT)?)
    }

    /// The metadata of the group's committed offsets of each lane's partitions; `None` where nothing was committed.
    ///
    /// Asks for stable offsets: while any transaction over them is unfinished, the broker does not answer.
    ///
    /// # Errors
    /// A broker out of reach, an unfinished transaction (a time-out), or the error of any one partition.
    pub fn committed(&self, topics: &InputTopics, lanes: &[Lane]) -> KafkaResult<BTreeMap<Lane, Vec<Option<String>>>> {
        let mut asked = TopicPartitionList::new();
        for (_, topic) in topics.iter() {
            for lane in lanes {
                asked.add_partition(topic, lane.0);
            }
        }
        self.client.context().renew(self.client.client());
        let answered = self.client.committed_offsets(asked, TIMEOUT)?;
        let mut committed: BTreeMap<Lane, Vec<Option<String>>> = BTreeMap::new();
        for (index, element) in answered.elements().iter().enumerate() {
            element.error()?;
            let metadata = matches!(element.offset(), Offset::Offset(_)).then(|| metadata_of(&answered, index));
            committed.entry(Lane(element.partition())).or_default().push(metadata);
        }
        Ok(committed)
    }
}

/// The metadata of one element. rdkafka's accessor panics where it is not UTF-8, and a stranger may have written anything.
fn metadata_of(list: &TopicPartitionList, index: usize) -> String {
    // SAFETY: the list is valid and borrowed for the whole call, `index` is one of its elements', and the metadata, where there
    // is any, is `metadata_size` bytes that the list owns.
    unsafe {
        let element = &*(*list.ptr()).elems.add(index);
        if element.metadata.is_null() {
            return String::new();
        }
        let bytes = std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
        String::from_utf8_lossy(bytes).into_owned()
    }
}
