//! What to say when a checkpoint lies outside of what Kafka has: which partitions, by how much, and the way out.
//!
//! `auto.offset.reset` is `error`, so nothing is ever skipped silently. Pure but for the question.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use crate::ids::{Lane, NextOffset};

/// How long all questions together may take.
const IN_ALL: Duration = Duration::from_secs(5);
/// How long one partition's answer may take of it.
const EACH: Duration = Duration::from_secs(2);

/// A partition and the offset that is to be read of it next.
pub type Wanted = (String, Lane, NextOffset);

/// Asks Kafka what it has of these partitions, and says of which it lacks what comes next.
pub fn describe<C: ConsumerContext>(consumer: &BaseConsumer<C>, wanted: &[Wanted]) -> String {
    sentence(&ask(consumer, wanted, IN_ALL))
}

/// Begin and end of the partitions whose answers came in time.
fn ask<C: ConsumerContext>(consumer: &BaseConsumer<C>, wanted: &[Wanted], in_all: Duration) -> Vec<(Wanted, i64, i64)> {
    let deadline = Instant::now() + in_all;
    let mut answered = Vec::new();
    for partition in wanted {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        if let Ok((low, high)) = consumer.fetch_watermarks(&partition.0, partition.1.0, left.min(EACH)) {
            answered.push((partition.clone(), low, high));
        }
    }
    answered
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
    use rdkafka::ClientConfig;

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

    #[test]
    fn partitions_without_an_answer_are_not_waited_for_one_by_one() {
        // It takes connections and says nothing, as a broker does that was put to sleep.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("bound").to_string();
        let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", address).create().expect("a client");
        let wanted: Vec<Wanted> = (0..100_000).map(|lane| ("t".to_owned(), Lane(lane), NextOffset(0))).collect();
        assert_eq!(ask(&client, &wanted, Duration::from_millis(50)), []);
    }
}
