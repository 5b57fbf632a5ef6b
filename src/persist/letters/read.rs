//! Reading dead letters: how many there are of which kind, a page of them, one with everything, what was done to it.
//!
//! Every query is a snapshot and locks nothing. Invariant: a page and the counts beside it come from the same filter.

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::filter::over;
use super::{Filter, Letter, State, WholeLetter, instant, name};
use crate::decode::Reason;
use crate::ids::{SchemaId, Timestamp};
use crate::persist::dead_letters;
use crate::persist::error::Result;

/// The letters of one reason and topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Why they were refused.
    pub reason: Reason,
    /// Where they came from.
    pub topic: String,
    /// How many they are.
    pub letters: u64,
    /// When the one that waits longest was refused first.
    pub oldest: Timestamp,
}

/// One thing that was done to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// What: `replay`, `applied`, `refused`, `discard` or `reopen`.
    pub action: String,
    /// Who: the name given to a command, or a worker's transactional id.
    pub actor: String,
    /// Why, or what came of it.
    pub note: Option<String>,
}

/// How many letters match, by reason and topic: the largest group first.
///
/// # Errors
/// The query's failure.
pub async fn groups(connection: &mut PgConnection, filter: &Filter) -> Result<Vec<Group>> {
    let query = filter.query(over!(
        "select reason::text, topic, count(*), (extract(epoch from min(first_seen_at)) * 1000000)::bigint as oldest
           from dead_letters where ",
        " group by dead_letters.reason, topic order by count(*) desc, dead_letters.reason, topic"
    ));
    let rows = query.fetch_all(connection).await?;
    let group = |row: &PgRow| {
        let letters: i64 = row.try_get("count")?;
        Ok(Group {
            reason: name(row, "reason")?,
            topic: row.try_get("topic")?,
            letters: letters.unsigned_abs(),
            oldest: instant(row, "oldest")?,
        })
    };
    rows.iter().map(group).collect()
}

/// The letters that match, those refused last first; at most `limit`.
///
/// # Errors
/// The query's failure.
pub async fn page(connection: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Letter>> {
    let query = filter.query(over!(
        "select id, topic, partition, record_offset, order_id, reason::text, explanation, attempts, state::text,
                (extract(epoch from first_seen_at) * 1000000)::bigint as first_seen_at,
                (extract(epoch from last_seen_at) * 1000000)::bigint as last_seen_at
           from dead_letters where ",
        " order by id desc limit $8"
    ));
    let rows = query.bind(limit).fetch_all(connection).await?;
    rows.iter().map(letter).collect()
}

/// One letter with everything, if there is one of that number.
///
/// # Errors
/// The query's failure.
pub async fn one(connection: &mut PgConnection, id: i64) -> Result<Option<WholeLetter>> {
    let row = sqlx::query(
        "select id, topic, partition, record_offset, order_id, reason::text, explanation, attempts, state::text,
                (extract(epoch from first_seen_at) * 1000000)::bigint as first_seen_at,
                (extract(epoch from last_seen_at) * 1000000)::bigint as last_seen_at,
                key, value, headers::text, schema_id,
                (extract(epoch from record_timestamp) * 1000000)::bigint as record_timestamp,
                (extract(epoch from resolved_at) * 1000000)::bigint as resolved_at
           from dead_letters where id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let bytes = |column: Option<Vec<u8>>| column.map(Bytes::from);
    let schema_id: Option<i64> = row.try_get("schema_id")?;
    Ok(Some(WholeLetter {
        letter: letter(&row)?,
        key: bytes(row.try_get("key")?),
        value: bytes(row.try_get("value")?),
        headers: dead_letters::read_headers(row.try_get("headers")?)?,
        record_timestamp: instant(&row, "record_timestamp")?,
        schema_id: schema_id.and_then(|id| u32::try_from(id).ok()).map(SchemaId),
        resolved_at: row.try_get::<Option<i64>, _>("resolved_at")?.map(Timestamp),
    }))
}

/// What was done to a letter, in that order.
///
/// # Errors
/// The query's failure.
pub async fn action_history(connection: &mut PgConnection, id: i64) -> Result<Vec<Action>> {
    let rows = sqlx::query(
        "select (extract(epoch from at) * 1000000)::bigint as at, action::text, actor, note
           from dead_letter_actions where letter_id = $1 order by id",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    let action = |row: &PgRow| {
        Ok(Action {
            at: instant(row, "at")?,
            action: row.try_get("action")?,
            actor: row.try_get("actor")?,
            note: row.try_get("note")?,
        })
    };
    rows.iter().map(action).collect()
}

/// Those of these letters that exist, each with its state, in the order of their numbers.
///
/// # Errors
/// The query's failure.
pub async fn states(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<(i64, State)>> {
    let query = sqlx::query("select id, state::text from dead_letters where id = any($1) order by id");
    let rows = query.bind(ids).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, name(row, "state")?))).collect()
}

fn letter(row: &PgRow) -> Result<Letter> {
    Ok(Letter {
        id: row.try_get("id")?,
        topic: row.try_get("topic")?,
        partition: row.try_get("partition")?,
        offset: row.try_get("record_offset")?,
        order_id: row.try_get("order_id")?,
        reason: name(row, "reason")?,
        explanation: row.try_get("explanation")?,
        attempts: row.try_get("attempts")?,
        state: name(row, "state")?,
        first_seen_at: instant(row, "first_seen_at")?,
        last_seen_at: instant(row, "last_seen_at")?,
    })
}
