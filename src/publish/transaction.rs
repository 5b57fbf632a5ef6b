//! One transaction of the relay: which chunks go into it, the offsets that say so, and what is counted once it is committed.
//!
//! Invariant: the position that a transaction writes for a lane is the last row that the same transaction publishes of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::chunk::Chunk;
use super::inbox::Setup;
use super::plan;
use super::position::Mark;
use super::producer::Trust;
use super::relay::{Relay, TRANSACTION_BYTES};
use crate::crash::{self, Point};
use crate::ids::{Lane, Timestamp};
use crate::metrics;

/// How many chunks one transaction carries, at most.
const TRANSACTION_CHUNKS: usize = 256;

impl Relay {
    /// How many chunks of each lane go into the next transaction: in order, without gaps, within the limits.
    fn portions(&self, lanes: &[Lane]) -> Vec<(Lane, usize)> {
        let (mut bytes, mut chunks) = (0, 0);
        let mut portions = Vec::with_capacity(lanes.len());
        for number in lanes {
            let Some(lane) = self.lanes.get(number) else { continue };
            let mut taken = 0;
            let fit = plan::in_sequence(lane.position.unwrap_or_default(), lane.queue.iter().map(|chunk| chunk.seq));
            for chunk in lane.queue.iter().take(fit) {
                if chunks > 0 && (bytes >= TRANSACTION_BYTES || chunks >= TRANSACTION_CHUNKS) {
                    break;
                }
                (taken, chunks, bytes) = (taken + 1, chunks + 1, bytes + chunk.size_bytes());
            }
            if taken > 0 {
                portions.push((*number, taken));
            }
        }
        portions
    }

    pub(super) fn transact(&mut self, lanes: &[Lane]) -> KafkaResult<Trust> {
        let portions = self.portions(lanes);
        let Some(capture) =
            portions.first().and_then(|(lane, _)| self.lanes.get(lane)).map(|l| l.tenure.capture.clone())
        else {
            return Ok(Trust::Fit);
        };
        let since = Instant::now();
        let offsets = self.offsets(&portions)?;
        let chunks = |(lane, taken): &(Lane, usize)| self.lanes.get(lane).map(|l| l.queue.iter().take(*taken));
        let records = portions.iter().filter_map(chunks).flatten().flat_map(|chunk| &chunk.records);
        let Some(producer) = &self.producer else { return Ok(Trust::Fit) };
        let trust = producer.publish(records, &offsets, capture.metadata())?;
        metrics::TRANSACTION_SECONDS.record_duration(since.elapsed(), &[]);
        let mut published = 0;
        for (number, taken) in portions {
            let Some(lane) = self.lanes.get_mut(&number) else { continue };
            for chunk in lane.queue.drain(..taken) {
                lane.position = Some(chunk.seq);
                lane.tenure.set_published(chunk.seq);
                count(&chunk, &self.setup);
                published += chunk.records.len();
                if let Some(spans) = &self.setup.spans {
                    spans.published(chunk.spans);
                }
            }
        }
        crash::at(Point::RelayNoted);
        #[expect(clippy::cast_precision_loss, reason = "a transaction has far fewer than 2^52 records")]
        metrics::TRANSACTION_RECORDS.record(published as f64, &[]);
        Ok(trust)
    }

    /// The group's offsets of every input partition of these lanes, each saying how far its lane will be published.
    fn offsets(&self, portions: &[(Lane, usize)]) -> KafkaResult<TopicPartitionList> {
        let (mut offsets, mut marks) = (TopicPartitionList::new(), Vec::new());
        for (number, taken) in portions {
            let Some(lane) = self.lanes.get(number) else { continue };
            let Some(last) = lane.queue.get(taken - 1) else { continue };
            let mark = Mark { seq: last.seq, epoch: lane.tenure.epoch, database: self.setup.database }.to_string();
            for (source, next_offset) in &last.offsets {
                // librdkafka drops an offset below 0 without a word, and with it the position.
                assert!(next_offset.0 >= 0, "a checkpoint is never negative");
                let topic = self.setup.topics.name(*source);
                offsets.add_partition_offset(topic, number.0, Offset::Offset(next_offset.0))?;
                marks.push(mark.clone());
            }
        }
        // In the order in which they were added.
        for (mut element, mark) in offsets.elements().into_iter().zip(&marks) {
            element.set_metadata(mark);
        }
        Ok(offsets)
    }
}

/// Counts a chunk that Kafka confirmed.
fn count(chunk: &Chunk, setup: &Setup) {
    for record in &chunk.records {
        let target = if *record.topic == *setup.status_topic {
            "status"
        } else if Some(&*record.topic) == setup.dead_letter_topic.as_deref() {
            "dead_letter"
        } else {
            "command"
        };
        metrics::RECORDS_PUBLISHED.increment(1, &[target]);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for cause in &chunk.causes {
        let since = |instant: Timestamp| {
            let micros = u64::try_from(instant.0).unwrap_or_default();
            now.saturating_sub(Duration::from_micros(micros))
        };
        metrics::EVENT_TO_PUBLISH_SECONDS.record_duration(since(cause.occurred_at), &["occurred"]);
        metrics::EVENT_TO_PUBLISH_SECONDS.record_duration(since(cause.record_timestamp), &["recorded"]);
        metrics::EVENT_TO_PUBLISH_SECONDS.record_duration(cause.consumed_at.elapsed(), &["consumed"]);
    }
}
