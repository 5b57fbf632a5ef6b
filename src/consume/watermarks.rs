//! Where partitions end: the high watermarks, with records of open transactions counted in.
//!
//! A client of its own, which reads uncommitted: one that reads committed is told the last stable offset, and what an open
//! transaction has written already would look as if it were not there (DESIGN section 7). Invariant: a lane's answer is complete,
//! every partition of it, or the lane is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::access::Access;
use super::client;
use super::topics::InputTopics;
use crate::config;
use crate::ids::{Lane, NextOffset};
use crate::order::Source;

const TIMEOUT: Duration = Duration::from_secs(2);
/// For how long the client believes what it once learned of a topic. librdkafka (2.12.1) takes a partition that had no leader just then
/// for one without a leader until it learns anew, 15 minutes by default: for so long no deadline of that lane would fire.
const METADATA_MAX_AGE_MS: &str = "3000";

/// The client.
pub struct Watermarks {
    client: BaseConsumer<Access>,
}

impl Watermarks {
    /// Opens one; nothing is sent yet.
    ///
    /// # Errors
    /// A property that librdkafka does not take.
    pub fn open(kafka: &config::Kafka, instance: &str) -> KafkaResult<Self> {
        let mut settings = client::observer(kafka, instance);
        settings.set("isolation.level", "read_uncommitted").set("metadata.max.age.ms", METADATA_MAX_AGE_MS);
        Ok(Self { client: settings.create_with_context(Access::of(kafka))? })
    }

    /// The end of every input partition of these lanes: the offset that the next record will have. One request a broker, however
    /// many lanes there are.
    ///
    /// A lane with a partition that has no answer, for want of a leader for example, is left out; the others do not suffer.
    ///
    /// # Errors
    /// No broker is in reach.
    pub fn ends(&self, topics: &InputTopics, lanes: &[Lane]) -> KafkaResult<BTreeMap<Lane, Vec<(Source, NextOffset)>>> {
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
        let answered = self.client.offsets_for_times(asked, TIMEOUT)?;
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
