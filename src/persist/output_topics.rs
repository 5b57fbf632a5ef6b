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

/// Writes down what topics are now, and returns what they were where that is something else.
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
            if then != *now {
                changed.push((then, now.clone()));
            }
        }
        sqlx::query(
            "insert into output_topics (topic, topic_id, partitions) values ($1, $2, $3)
                 on conflict (topic) do update
                set topic_id = excluded.topic_id, partitions = excluded.partitions, seen_at = now()
              where (output_topics.topic_id, output_topics.partitions) is distinct from (excluded.topic_id, excluded.partitions)",
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
