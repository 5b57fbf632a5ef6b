//! What keeps tables from growing for ever, beside the journal's partitions (`journal_days.rs`).
//!
//! Everything is removed in pieces, each a transaction of its own, so that nobody waits for long. Invariant: what a person or a
//! worker has still to decide on is never removed.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;
use crate::ids::{Epoch, Lane, Seq};

/// Whether this session is the one that removes things: one at a time of all that ask, until it ends.
///
/// # Errors
/// The query's failure.
pub async fn is_our_turn(connection: &mut PgConnection) -> Result<bool> {
    let row =
        sqlx::query("select pg_try_advisory_lock(hashtext('orderstream.retention'))").fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// What the database knows of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLane {
    /// The lane.
    pub lane: Lane,
    /// The epoch of its latest claim.
    pub epoch: Epoch,
    /// Its last journal row.
    pub last_seq: Seq,
    /// Up to which row the journal is known to be published; a lower bound.
    pub published_seq: Seq,
}

/// All lanes, in their order.
///
/// # Errors
/// The query's failure.
pub async fn lanes(connection: &mut PgConnection) -> Result<Vec<KnownLane>> {
    let rows = sqlx::query("select lane, epoch, last_seq, published_seq from lanes order by lane");
    let rows = rows.fetch_all(connection).await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(KnownLane {
            lane: Lane(row.try_get(0)?),
            epoch: Epoch(row.try_get(1)?),
            last_seq: Seq(row.try_get(2)?),
            published_seq: Seq(row.try_get(3)?),
        })
    };
    rows.iter().map(read).collect()
}

/// Removes dead letters that were applied or discarded longer ago than `older_than`, with what was done to them: at most
/// `limit`, those first that were resolved first. Returns how many. What another process is removing is left to it.
///
/// # Errors
/// The statement's failure.
pub async fn remove_resolved_letters(connection: &mut PgConnection, older_than: Duration, limit: i64) -> Result<u64> {
    let removed = sqlx::query(
        "delete from dead_letters where id = any(array(
             select id from dead_letters
              where state in ('applied', 'discarded') and resolved_at < now() - $1 * interval '1 microsecond'
              order by resolved_at limit $2 for update skip locked))",
    )
    .bind(i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX))
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(removed.rows_affected())
}
