//! How a topic lies on the brokers: partitions, replicas, leaders.
//!
//! For `orderstream check` and `topics plan`; a worker needs no more than the number of partitions.

use rdkafka::error::RDKafkaErrorCode;

use super::observer::{Observer, TopicError};
use super::rights::Missing;

/// A topic's partitions and replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many partitions it has.
    pub partitions: i32,
    /// On how many brokers each of them is; where they differ, the fewest.
    pub replicas: usize,
    /// How many partitions lack a replica that is in sync.
    pub lagging: usize,
    /// How many partitions have no leader: nothing can be written to or read from them.
    pub leaderless: usize,
}

impl Observer {
    /// How a topic lies on the brokers; none where there is no such topic.
    ///
    /// # Errors
    /// Kafka out of reach, or a topic that we may not see.
    pub fn layout(&self, topic: &str) -> Result<Option<Layout>, TopicError> {
        let metadata = self.metadata(topic)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        if found.error().map(RDKafkaErrorCode::from) == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            return Err(TopicError::Forbidden(Missing::describe(topic)));
        }
        let partitions = found.partitions();
        if partitions.is_empty() {
            return Ok(None);
        }
        Ok(Some(Layout {
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replicas: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or_default(),
            lagging: partitions.iter().filter(|partition| partition.isr().len() < partition.replicas().len()).count(),
            leaderless: partitions.iter().filter(|partition| partition.leader() < 0).count(),
        }))
    }

    /// The ids of the brokers that are there, as the one says that knows of this topic.
    ///
    /// # Errors
    /// Kafka out of reach.
    pub fn brokers(&self, topic: &str) -> Result<Vec<i32>, TopicError> {
        Ok(self.metadata(topic)?.brokers().iter().map(rdkafka::metadata::MetadataBroker::id).collect())
    }
}
