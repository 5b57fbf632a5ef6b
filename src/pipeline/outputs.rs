//! The topics that are published to: a change of theirs stops nobody, and is told once.
//!
//! Looked at when a worker starts and every few seconds (`topic_watch`). Invariant: what is told here is about what consumers find;
//! whether a record is published, and once, never depends on it.

use crate::config::Config;
use crate::consume::observer::{Observer, TopicError};
use crate::persist::output_topics::{self, OutputTopic};
use crate::persist::{PgConnection, Result};

/// The names of the topics that a worker publishes to.
pub fn names(config: &Config) -> Vec<String> {
    let outputs = [Some(&config.topics.status), config.topics.command.as_ref(), config.topics.dead_letter.as_ref()];
    outputs.into_iter().flatten().cloned().collect()
}

/// Asks Kafka what they are.
///
/// # Errors
/// Kafka out of reach, or a topic that does not exist.
pub fn look(observer: &Observer, names: &[String]) -> std::result::Result<Vec<OutputTopic>, TopicError> {
    let counts = observer.partition_counts(names)?;
    let mut ids = observer.topic_ids(names)?;
    let topic = |(topic, partitions): (String, i32)| OutputTopic { topic_id: ids.remove(&topic), topic, partitions };
    Ok(counts.into_iter().map(topic).collect())
}

/// Tells what has changed since somebody looked last.
///
/// # Errors
/// The statements' failures.
pub async fn tell_changes(connection: &mut PgConnection, now: &[OutputTopic]) -> Result<()> {
    for (then, now) in output_topics::note(connection, now).await? {
        tracing::warn!(topic = now.topic, "{}", sentence(&then, &now));
    }
    Ok(())
}

fn sentence(then: &OutputTopic, now: &OutputTopic) -> String {
    let topic = &now.topic;
    if now.is_another(then) {
        return format!(
            "output topic `{topic}` was deleted and made again: what had been published to it is gone; what is published from now on is complete, and `orderstream recover --republish` tells every order again"
        );
    }
    format!(
        "output topic `{topic}` has {} partitions and had {}: an order's next versions may stand in another partition than those before, so consumers that keep an order's sequence read all that is there before they go on",
        now.partitions, then.partitions
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_made_again_and_one_that_grew_are_told_apart() {
        let topic = |id: &str, partitions: i32| OutputTopic {
            topic: "order-status".to_owned(),
            topic_id: Some(id.to_owned()),
            partitions,
        };
        assert!(sentence(&topic("a", 4), &topic("b", 8)).contains("was deleted and made again"));
        assert!(sentence(&topic("a", 4), &topic("a", 8)).contains("has 8 partitions and had 4"));
    }
}
