//! What to say when a checkpoint lies outside of what Kafka has: which partitions, by how much, and the way out.
//!
//! `auto.offset.reset` is `error`, so nothing is ever skipped silently. Pure but for the question.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use crate::ids::{Lane, NextOffset};

const TIMEOUT: Duration = Duration::from_secs(2);

/// A partition and the offset that is to be read of it next.
pub type Wanted = (String, Lane, NextOffset);

/// Asks Kafka what it has of these partitions, and says of which it lacks what comes next.
pub fn describe<C: ConsumerContext>(consumer: &BaseConsumer<C>, wanted: &[Wanted]) -> String {
    let asked = wanted.iter().filter_map(|wanted| {
        let (low, high) = consumer.fetch_watermarks(&wanted.0, wanted.1.0, TIMEOUT).ok()?;
        Some((wanted.clone(), low, high))
    });
    sentence(&asked.collect::<Vec<_>>())
}

fn sentence(partitions: &[(Wanted, i64, i64)]) -> String {
    let outside: Vec<&(Wanted, i64, i64)> =
        partitions.iter().filter(|((_, _, next), low, high)| next.0 < *low || next.0 > *high).collect();
    let found = match outside.first() {
        // Kafka has it again, or does not answer.
        None => "a checkpoint lies outside of what Kafka has".to_owned(),
        Some(((topic, lane, next), low, high)) => {
            let what = if next.0 < *low {
                format!("offsets {next} to {} were deleted before they were read", low - 1)
            } else {
                "Kafka lost records that it had confirmed, or the topic was made again".to_owned()
            };
            let others = match outside.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more partitions are like that"),
            };
            format!(
                "topic `{topic}` partition {lane}: the checkpoint is {next} and Kafka has {low} to {high}: {what}{others}"
            )
        }
    };
    format!(
        "{found}; stop all workers, see what is lost with `orderstream recover`, then say there where to read on (--input-topic, --from)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(lane: i32, next: i64, low: i64, high: i64) -> (Wanted, i64, i64) {
        (("payments".to_owned(), Lane(lane), NextOffset(next)), low, high)
    }

    #[test]
    fn what_was_deleted_unread_is_named_with_its_offsets_and_how_many_partitions_are_like_that() {
        let text = sentence(&[partition(0, 9, 0, 20), partition(1, 100, 250, 900), partition(2, 0, 1, 1)]);
        assert!(text.starts_with("topic `payments` partition 1: the checkpoint is 100 and Kafka has 250 to 900: offsets 100 to 249 were deleted before they were read, and 1 more partitions are like that; "), "{text}");
    }

    #[test]
    fn a_partition_that_ends_too_early_lost_records() {
        let text = sentence(&[partition(1, 1000, 250, 900)]);
        assert!(text.contains("Kafka lost records") && text.contains("orderstream recover"), "{text}");
    }
}
