//! The table `output_topics`: what the topics that are published to were when a worker last looked.
//!
//! Nothing of the guarantee rests on it: it is there so that a change of theirs is told, once, whoever notices it first.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connection::{begin, commit};
use super::error::Result;

/// A topic as Kafka describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTopic {
    /// Its name.
    pub topic: String,
    /// Kafka's id of it, where the broker says one.
    pub topic_id: Option<String>,
    /// How many partitions it has.
    pub partitions: i32,
}

impl OutputTopic {
    /// Whether it was made again since: never, where either id is not known.
    #[must_use]
    pub fn is_another(&self, then: &Self) -> bool {
        self.topic_id.as_ref().zip(then.topic_id.as_ref()).is_some_and(|(now, then)| now != then)
    }

    /// Whether there is something to tell about it.
    fn has_changed(&self, then: &Self) -> bool {
        self.is_another(then) || self.partitions != then.partitions
    }
}

/// Writes down what topics are now, an id where it is known, and returns what they were where that is something else.
///
/// # Errors
/// The statements' failures.
pub async fn note(connection: &mut PgConnection, topics: &[OutputTopic]) -> Result<Vec<(OutputTopic, OutputTopic)>> {
    begin(connection).await?;
    let mut changed = Vec::new();
    for now in topics {
        let row = sqlx::query("select topic_id, partitions from output_topics where topic = $1 for update");
        if let Some(row) = row.bind(&now.topic).fetch_optional(&mut *connection).await? {
            let then = OutputTopic { topic: now.topic.clone(), topic_id: row.try_get(0)?, partitions: row.try_get(1)? };
            if now.has_changed(&then) {
                changed.push((then, now.clone()));
            }
        }
        sqlx::query(
            "insert into output_topics (topic, topic_id, partitions) values ($1, $2, $3)
                 on conflict (topic) do update
                set topic_id = coalesce(excluded.topic_id, output_topics.topic_id), partitions = excluded.partitions, seen_at = now()
              where (output_topics.topic_id, output_topics.partitions)
                    is distinct from (coalesce(excluded.topic_id, output_topics.topic_id), excluded.partitions)",
        )
        .bind(&now.topic)
        .bind(now.topic_id.as_deref())
        .bind(now.partitions)
        .execute(&mut *connection)
        .await?;
    }
    commit(connection).await?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_not_known_is_no_news() {
        let topic = |id: Option<&str>, partitions: i32| OutputTopic {
            topic: "order-status".to_owned(),
            topic_id: id.map(str::to_owned),
            partitions,
        };
        let now = topic(Some("a"), 8);
        assert!(![topic(Some("a"), 8), topic(None, 8)].iter().any(|then| now.has_changed(then)));
        assert!(!topic(None, 8).has_changed(&now));
        assert!([topic(Some("b"), 8), topic(Some("a"), 4), topic(None, 4)].iter().all(|then| now.has_changed(then)));
        assert!(now.is_another(&topic(Some("b"), 8)) && !now.is_another(&topic(None, 4)));
    }
}
