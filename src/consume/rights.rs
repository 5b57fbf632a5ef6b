//! What a worker must be allowed to do in Kafka, and what of it is missing. The same list as in `deploy/kafka/acls.sh`.
//!
//! Kafka itself tells what we may do (KIP-430), so a missing right is found before anything is read. The right to our transactional
//! ids is the one that it does not tell: that shows when the producer takes its own over.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys::rd_kafka_AclOperation_t as Operation;

use super::describe::Topics;

const READ: Operation = Operation::RD_KAFKA_ACL_OPERATION_READ;
const WRITE: Operation = Operation::RD_KAFKA_ACL_OPERATION_WRITE;
const DESCRIBE_CONFIGS: Operation = Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS;

/// Rights that we do not have; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(Vec<String>);

/// Compares what is needed with what is allowed. A topic that does not exist misses no right.
#[must_use]
pub fn missing(inputs: &[String], outputs: &[String], topics: &Topics, group: (&str, &[Operation])) -> Option<Missing> {
    let mut needed: BTreeMap<&str, &[(Operation, &str)]> = BTreeMap::new();
    needed.extend(inputs.iter().map(|topic| (topic.as_str(), &[(READ, "Read")][..])));
    needed.extend(
        outputs.iter().map(|topic| (topic.as_str(), &[(WRITE, "Write"), (DESCRIBE_CONFIGS, "DescribeConfigs")][..])),
    );
    let mut missing = Vec::new();
    for (topic, operations) in needed {
        let allowed: &[Operation] = match topics.get(topic) {
            Some(Ok(described)) => &described.allowed,
            Some(Err(RDKafkaErrorCode::TopicAuthorizationFailed)) => &[],
            Some(Err(_)) | None => continue,
        };
        let lacking = operations.iter().filter(|(operation, _)| !allowed.contains(operation));
        missing.extend(lacking.map(|(_, name)| format!("{name} on topic `{topic}`")));
    }
    let (name, allowed) = group;
    if !allowed.contains(&READ) {
        missing.push(format!("Read on group `{name}`"));
    }
    (!missing.is_empty()).then_some(Missing(missing))
}

impl Missing {
    /// The right to see a topic at all.
    #[must_use]
    pub fn describe(topic: &str) -> Self {
        Self(vec![format!("Describe on topic `{topic}`")])
    }

    /// The right to see the group at all.
    #[must_use]
    pub fn read(group: &str) -> Self {
        Self(vec![format!("Read on group `{group}`")])
    }

    /// The right to take over a transactional id, which shows when it is tried.
    #[must_use]
    pub fn transactional_id(id: &str, group: &str) -> Self {
        Self(vec![format!("Write on transactional id `{id}` (and all others that begin with `{group}-`)")])
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kafka does not grant this worker's user what it needs: {}: add the ACLs, deploy/kafka/acls.sh prints the commands",
            self.0.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::describe::Topic;

    fn allowed(operations: &[Operation]) -> Result<Topic, RDKafkaErrorCode> {
        Ok(Topic { id: String::new(), allowed: operations.to_vec() })
    }

    #[test]
    fn every_right_that_is_missing_is_named_at_once() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let topics = Topics::from([
            ("in".to_owned(), allowed(&[READ])),
            ("hidden".to_owned(), Err(RDKafkaErrorCode::TopicAuthorizationFailed)),
            ("absent".to_owned(), Err(RDKafkaErrorCode::UnknownTopicOrPartition)),
            ("out".to_owned(), allowed(&[WRITE])),
        ]);
        let found = missing(&names(&["in", "hidden", "absent"]), &names(&["out"]), &topics, ("g", &[]));
        let text = found.expect("three").to_string();
        for part in ["Read on topic `hidden`", "DescribeConfigs on topic `out`", "Read on group `g`", "acls.sh"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("`in`") && !text.contains("`absent`"), "{text}");
        assert_eq!(missing(&names(&["in"]), &[], &topics, ("g", &[READ])), None);
    }
}
