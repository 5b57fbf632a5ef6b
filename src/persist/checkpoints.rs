//! The table `checkpoints`: how far each input partition is applied.
//!
//! Invariant: a checkpoint moves only from the offset that its owner expects, in the transaction that applies the records in
//! between. A difference is a bug or a foreign hand, and stops the lane with both numbers.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use crate::crash::{self, Point};
use crate::ids::{Lane, NextOffset, Timestamp};

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The input topic.
    pub topic: String,
    /// The partition's lane.
    pub lane: Lane,
    /// The next offset to read.
    pub next_offset: NextOffset,
    /// Kafka's id of the topic at the time the checkpoint was made.
    pub topic_id: Option<String>,
}

/// One partition's move in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The input topic.
    pub topic: String,
    /// The partition's lane.
    pub lane: Lane,
    /// Where we believe the checkpoint stands.
    pub expected: NextOffset,
    /// Where it goes.
    pub next: NextOffset,
    /// Timestamp of the last record applied, where there was one.
    pub record_timestamp: Option<Timestamp>,
}

/// Makes the checkpoints that are missing; those that exist stay as they are, and nobody who is moving them is waited for.
///
/// # Errors
/// The statement's failure.
pub async fn insert_missing(connection: &mut PgConnection, checkpoints: &[Checkpoint]) -> Result<()> {
    sqlx::query(
        "insert into checkpoints (topic, partition, next_offset, topic_id)
         select * from unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) as n(topic, partition, next_offset, topic_id)
          where not exists (select from checkpoints c where c.topic = n.topic and c.partition = n.partition)
         on conflict do nothing",
    )
    .bind(checkpoints.iter().map(|c| c.topic.as_str()).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|c| c.lane.0).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|c| c.next_offset.0).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|c| c.topic_id.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Fills in the topics' ids in checkpoints that were made while they were not known. One that somebody is moving is left to the
/// next who looks.
///
/// # Errors
/// The statement's failure.
pub async fn fill_in_ids(connection: &mut PgConnection, ids: &BTreeMap<String, String>) -> Result<()> {
    sqlx::query(
        "with unknown as (
             select topic, partition from checkpoints where topic_id is null and topic = any($1) for update skip locked)
         update checkpoints c set topic_id = n.topic_id
           from unknown u join unnest($1::text[], $2::text[]) as n(topic, topic_id) using (topic)
          where c.topic = u.topic and c.partition = u.partition",
    )
    .bind(ids.keys().map(String::as_str).collect::<Vec<_>>())
    .bind(ids.values().map(String::as_str).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The checkpoints of these lanes of these topics, in the order of topic and lane.
///
/// # Errors
/// The query's failure.
pub async fn read(connection: &mut PgConnection, topics: &[String], lanes: &[Lane]) -> Result<Vec<Checkpoint>> {
    let rows = sqlx::query(
        "select topic, partition, next_offset, topic_id from checkpoints
          where topic = any($1) and partition = any($2) order by topic, partition",
    )
    .bind(topics)
    .bind(lanes.iter().map(|lane| lane.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut checkpoints = Vec::with_capacity(rows.len());
    for row in rows {
        checkpoints.push(Checkpoint {
            topic: row.try_get(0)?,
            lane: Lane(row.try_get(1)?),
            next_offset: NextOffset(row.try_get(2)?),
            topic_id: row.try_get(3)?,
        });
    }
    Ok(checkpoints)
}

/// What came of an advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// All moved.
    All,
    /// This one stands elsewhere than its owner believes.
    Mismatch {
        /// The lane that must stop.
        lane: Lane,
        /// A sentence with both numbers.
        text: String,
    },
}

/// Moves the checkpoints of a batch, each only from where its owner believes it to be.
///
/// # Errors
/// The statements' failures.
pub async fn advance(connection: &mut PgConnection, advances: &[Advance]) -> Result<Advanced> {
    let moved = sqlx::query(
        "update checkpoints c
            set next_offset = n.next,
                record_timestamp = coalesce('epoch'::timestamptz + n.at * interval '1 microsecond', c.record_timestamp)
           from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
                as n(topic, partition, expected, next, at)
          where c.topic = n.topic and c.partition = n.partition and c.next_offset = n.expected
      returning c.topic, c.partition",
    )
    .bind(advances.iter().map(|a| a.topic.as_str()).collect::<Vec<_>>())
    .bind(advances.iter().map(|a| a.lane.0).collect::<Vec<_>>())
    .bind(advances.iter().map(|a| a.expected.0).collect::<Vec<_>>())
    .bind(advances.iter().map(|a| a.next.0).collect::<Vec<_>>())
    .bind(advances.iter().map(|a| a.record_timestamp.map(|at| at.0)).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    crash::at(Point::BatchCheckpointed);
    if moved.len() == advances.len() {
        return Ok(Advanced::All);
    }
    let mut ours: Vec<(String, i32)> = Vec::with_capacity(moved.len());
    for row in moved {
        ours.push((row.try_get(0)?, row.try_get(1)?));
    }
    let stuck = advances.iter().find(|advance| !ours.iter().any(|(t, p)| *t == advance.topic && *p == advance.lane.0));
    let Some(advance) = stuck else {
        return Err(Error::bug(format!(
            "{} of {} checkpoints moved, and no one is missing",
            ours.len(),
            advances.len()
        )));
    };
    let found = read(connection, std::slice::from_ref(&advance.topic), &[advance.lane]).await?;
    let text = format!(
        "checkpoint of `{}` partition {} is {} and not {}: somebody else moved it",
        advance.topic,
        advance.lane,
        found.first().map_or_else(|| "missing".to_owned(), |checkpoint| checkpoint.next_offset.to_string()),
        advance.expected
    );
    Ok(Advanced::Mismatch { lane: advance.lane, text })
}
