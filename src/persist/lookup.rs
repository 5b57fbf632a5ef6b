//! One order as a person asks for it: its row, wherever it lies, and what stands beside it.
//!
//! Read inside a [`super::snapshot`], without a lock. Invariant: an order is in `orders` or in `archived_orders`, and which of
//! the two it was is said.

use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{Row, postgres::PgRow};

use super::error::{Error, Result};
use super::order_row::{self, COLUMNS};
use super::snapshot::micros;
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::decision::Order;

/// An order's row.
#[derive(Clone, Debug)]
pub struct StoredOrder {
    /// Which order.
    pub order_id: OrderId,
    /// The lane of its first event.
    pub home_lane: Lane,
    /// Whether an event ever came through another lane.
    pub off_lane: bool,
    /// Version, facts, view, and what was asked for what is owed.
    pub order: Order,
    /// The journal rows in which it appears: lane times 2^40 plus seq.
    pub journal_rows: Vec<i64>,
    /// When time has something to do for it.
    pub next_deadline: Option<Timestamp>,
    /// The version of the rules that derived the view.
    pub machine_version: i16,
    /// When the first event of it was applied.
    pub created_at: Timestamp,
    /// When the view last changed.
    pub changed_at: Timestamp,
    /// When it was moved to the archive, if it was.
    pub archived_at: Option<Timestamp>,
}

/// What [`read_stored`] takes, in its order.
macro_rules! stored_columns {
    ($archived_at:literal) => {
        concat!(
            crate::persist::order_row::columns!(),
            ", journal_rows, ",
            crate::persist::snapshot::micros!("next_deadline"),
            ", machine_version, ",
            crate::persist::snapshot::micros!("created_at"),
            ", ",
            crate::persist::snapshot::micros!("changed_at"),
            ", ",
            $archived_at
        )
    };
}

pub(super) use stored_columns;

/// Looks an order up: among the living first, then in the archive.
///
/// # Errors
/// The query's failure; a bug when the row holds what this release cannot read.
pub async fn order(connection: &mut PgConnection, order_id: &OrderId) -> Result<Option<StoredOrder>> {
    let row = sqlx::query(concat!(
        "select ",
        stored_columns!("null::bigint"),
        " from orders where order_id = $1 union all select ",
        stored_columns!("(extract(epoch from archived_at) * 1000000)::bigint"),
        " from archived_orders where order_id = $1 limit 1"
    ))
    .bind(order_id.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read_stored).transpose()
}

/// Reads a row of [`stored_columns`].
pub(super) fn read_stored(row: &PgRow) -> Result<StoredOrder> {
    let order_id: OrderId = row.try_get::<&str, _>(0)?.into();
    let read = order_row::read(row).map_err(|error| Error::bug(format!("order `{order_id}`: {error}")))?;
    Ok(StoredOrder {
        order_id,
        home_lane: read.home_lane,
        off_lane: read.off_lane,
        order: read.order,
        journal_rows: row.try_get(COLUMNS)?,
        next_deadline: row.try_get::<Option<i64>, _>(COLUMNS + 1)?.map(Timestamp),
        machine_version: row.try_get(COLUMNS + 2)?,
        created_at: Timestamp(row.try_get(COLUMNS + 3)?),
        changed_at: Timestamp(row.try_get(COLUMNS + 4)?),
        archived_at: row.try_get::<Option<i64>, _>(COLUMNS + 5)?.map(Timestamp),
    })
}

/// A dead letter that is neither applied nor discarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnresolvedLetter {
    /// Its id, as `dead-letters` takes it.
    pub id: i64,
    /// Where its record stands.
    pub topic: String,
    /// Where its record stands.
    pub partition: i32,
    /// Where its record stands.
    pub offset: i64,
    /// The reason code.
    pub reason: String,
    /// What is wrong with it.
    pub explanation: String,
    /// How often it was tried.
    pub attempts: i32,
    /// `open`, or `replay` when it is marked.
    pub state: String,
    /// When it was first refused.
    pub first_seen_at: Timestamp,
    /// When it was last refused.
    pub last_seen_at: Timestamp,
}

/// The dead letters under an order's key that still wait, in the order of their ids.
///
/// # Errors
/// The query's failure.
pub async fn unresolved_letters(connection: &mut PgConnection, order_id: &OrderId) -> Result<Vec<UnresolvedLetter>> {
    let rows = sqlx::query(concat!(
        "select id, topic, partition, record_offset, reason::text, explanation, attempts, state::text, ",
        micros!("first_seen_at"),
        ", ",
        micros!("last_seen_at"),
        " from dead_letters where order_id = $1 and state in ('open', 'replay') order by id"
    ))
    .bind(order_id.as_str())
    .fetch_all(connection)
    .await?;
    let mut letters = Vec::with_capacity(rows.len());
    for row in rows {
        letters.push(UnresolvedLetter {
            id: row.try_get(0)?,
            topic: row.try_get(1)?,
            partition: row.try_get(2)?,
            offset: row.try_get(3)?,
            reason: row.try_get(4)?,
            explanation: row.try_get(5)?,
            attempts: row.try_get(6)?,
            state: row.try_get(7)?,
            first_seen_at: Timestamp(row.try_get(8)?),
            last_seen_at: Timestamp(row.try_get(9)?),
        });
    }
    Ok(letters)
}

/// Up to when the input of lanes is known to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Horizons {
    /// The order's own lane; none while no worker has looked.
    pub home_lane: Option<Timestamp>,
    /// The least of all lanes; none while one of them has none.
    pub all_lanes: Option<Timestamp>,
}

/// The horizons that an order's deadlines are judged against.
///
/// # Errors
/// The query's failure.
pub async fn horizons(connection: &mut PgConnection, home_lane: Lane) -> Result<Horizons> {
    let row = sqlx::query(concat!(
        "select ",
        micros!("max(horizon) filter (where lane = $1)"),
        ", case when bool_and(horizon is not null) then ",
        micros!("min(horizon)"),
        " end from lanes"
    ))
    .bind(home_lane.0)
    .fetch_one(connection)
    .await?;
    Ok(Horizons {
        home_lane: row.try_get::<Option<i64>, _>(0)?.map(Timestamp),
        all_lanes: row.try_get::<Option<i64>, _>(1)?.map(Timestamp),
    })
}
