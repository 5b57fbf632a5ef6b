//! Where partitions end: the high watermarks, with records of open transactions counted in.
//!
//! A client of its own, which reads uncommitted: one that reads committed is told the last stable offset, and what an open
//! transaction has written already would look as if it were not there (DESIGN section 7). Invariant: a lane's answer is complete,
//! every partition of it, or the lane is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::access::Access;
use super::client;
use super::topics::InputTopics;
use crate::config;
use crate::ids::{Lane, NextOffset};
use crate::order::Source;

const TIMEOUT: Duration = Duration::from_secs(2);

/// The client.
pub struct Watermarks {
    client: BaseConsumer<Access>,
    kafka: config::Kafka,
    instance: String,
}

impl Watermarks {
    /// Opens one; nothing is sent yet.
    ///
    /// # Errors
    /// A property that librdkafka does not take.
    pub fn open(kafka: &config::Kafka, instance: &str) -> KafkaResult<Self> {
        Ok(Self { client: create(kafka, instance)?, kafka: kafka.clone(), instance: instance.to_owned() })
    }

    /// The end of every input partition of these lanes: the offset that the next record will have. One request a broker, however
    /// many lanes there are.
    ///
    /// A lane with a partition that has no answer, for want of a leader for example, is left out; the others do not suffer.
    ///
    /// # Errors
    /// No broker is in reach.
    pub fn ends(
        &mut self,
        topics: &InputTopics,
        lanes: &[Lane],
    ) -> KafkaResult<BTreeMap<Lane, Vec<(Source, NextOffset)>>> {
        // Serves what piled up for a client that nothing else polls: log lines and errors.
        while self.client.poll(Duration::ZERO).is_some() {}
        self.client.context().renew(self.client.client());
        let mut asked = TopicPartitionList::new();
        for (_, topic) in topics.iter() {
            for lane in lanes {
                asked.add_partition_offset(topic, lane.0, Offset::End)?;
            }
        }
        // The "timestamp" -1 asks for the end, as in the protocol's ListOffsets.
        let answered = match self.client.offsets_for_times(asked, TIMEOUT) {
            Ok(answered) => answered,
            Err(error) => {
                if knows_too_little(&error) {
                    self.client = create(&self.kafka, &self.instance)?;
                }
                return Err(error);
            }
        };
        let mut ends: BTreeMap<Lane, Vec<(Source, NextOffset)>> = BTreeMap::new();
        for element in answered.elements() {
            if let (Ok(()), Some(source), Offset::Offset(end)) =
                (element.error(), topics.source(element.topic()), element.offset())
            {
                ends.entry(Lane(element.partition())).or_default().push((source, NextOffset(end)));
            }
        }
        ends.retain(|_, ends| ends.len() == topics.len());
        Ok(ends)
    }
}

fn create(kafka: &config::Kafka, instance: &str) -> KafkaResult<BaseConsumer<Access>> {
    let mut settings = client::observer(kafka, instance);
    settings.set("isolation.level", "read_uncommitted");
    settings.create_with_context(Access::of(kafka))
}

/// Whether the client itself, and no broker, says that there is no such topic or partition. One that learned of the topics while
/// brokers came and went may say so for minutes (librdkafka keeps what it learned for `metadata.max.age.ms`, 15 minutes); a new one asks.
fn knows_too_little(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_knows_too_little_is_told_from_a_broker_that_does_not_answer() {
        assert!(knows_too_little(&KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition)));
        assert!(!knows_too_little(&KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut)));
    }
}
