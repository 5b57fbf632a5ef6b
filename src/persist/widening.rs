//! What `orderstream topics add` and `orderstream repartition` write while no worker runs: more topics, more lanes, other homes.
//!
//! Invariant: what workers compare at their start (`deployment`) changes last, in one transaction with the rows that it speaks of,
//! so whatever is broken off before leaves a deployment that workers refuse or run as before.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::checkpoints::{self, Checkpoint};
use super::connection::{begin, commit, rollback};
use super::deployment::{self, Identity};
use super::error::Result;
use super::letters::By;
use super::operations;
use super::recovery::{LaneRow, Seizure, seize};
use crate::ids::Lane;

/// Claims all lanes as they were seen, so that nobody who owned one before can write any more. In the caller's transaction.
async fn take_all(connection: &mut PgConnection, seen: &[LaneRow]) -> Result<bool> {
    let seizure = |row: &LaneRow| Seizure { seen: *row, epoch: row.epoch.next(), published_seq: row.published_seq };
    seize(connection, &seen.iter().map(seizure).collect::<Vec<_>>(), None).await
}

/// Adds input topics: their checkpoints, and the deployment that names them. False when a lane was not as it was seen; then
/// nothing is changed.
///
/// # Errors
/// The statements' failures.
pub async fn add_topics(
    connection: &mut PgConnection,
    seen: &[LaneRow],
    (identity, checkpoints): (&Identity, &[Checkpoint]),
    by: &By,
    what: &serde_json::Value,
) -> Result<bool> {
    begin(connection).await?;
    if !take_all(connection, seen).await? {
        rollback(connection).await?;
        return Ok(false);
    }
    checkpoints::insert_missing(connection, checkpoints).await?;
    deployment::change(connection, identity).await?;
    let id = operations::begin(connection, "topics add", by, what, None).await?;
    operations::end(connection, id).await?;
    commit(connection).await?;
    Ok(true)
}

/// Claims all lanes and writes down that orders begin to move. Returns the operation's number; `None` when a lane was not as it
/// was seen.
///
/// # Errors
/// The statements' failures.
pub async fn begin_moving(
    connection: &mut PgConnection,
    seen: &[LaneRow],
    by: &By,
    what: &serde_json::Value,
) -> Result<Option<i64>> {
    begin(connection).await?;
    if !take_all(connection, seen).await? {
        rollback(connection).await?;
        return Ok(None);
    }
    let id = operations::begin(connection, "repartition", by, what, None).await?;
    commit(connection).await?;
    Ok(Some(id))
}

/// The two tables that orders lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The living.
    Orders,
    /// The archived.
    Archived,
}

/// The next orders of a table behind `after`, with their homes.
///
/// # Errors
/// The query's failure.
pub async fn homes(
    connection: &mut PgConnection,
    table: Table,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, Lane)>> {
    let rows = sqlx::query(match table {
        Table::Orders => "select order_id, home_lane from orders where order_id > $1 order by order_id limit $2",
        Table::Archived => {
            "select order_id, home_lane from archived_orders where order_id > $1 order by order_id limit $2"
        }
    });
    let rows = rows.bind(after).bind(limit).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, Lane(row.try_get(1)?)))).collect()
}

/// Gives orders another home, with the marks that their lanes' owners look for. What is still unread of them may lie in the lane
/// that was theirs, so from now on their deadlines wait for all lanes.
///
/// # Errors
/// The statements' failures.
pub async fn rehome(connection: &mut PgConnection, table: Table, orders: &[(String, Lane)]) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let (ids, lanes): (Vec<&str>, Vec<i32>) = orders.iter().map(|(id, lane)| (id.as_str(), lane.0)).unzip();
    begin(connection).await?;
    let moved = sqlx::query(match table {
        Table::Orders => {
            "update orders o set home_lane = n.lane, off_lane = true
               from unnest($1::text[], $2::int[]) as n(order_id, lane) where o.order_id = n.order_id"
        }
        Table::Archived => {
            "update archived_orders o set home_lane = n.lane, off_lane = true
               from unnest($1::text[], $2::int[]) as n(order_id, lane) where o.order_id = n.order_id"
        }
    });
    moved.bind(&ids).bind(&lanes).execute(&mut *connection).await?;
    sqlx::query(
        "update marks m set lane = n.lane from unnest($1::text[], $2::int[]) as n(order_id, lane)
          where m.order_id = n.order_id",
    )
    .bind(&ids)
    .bind(&lanes)
    .execute(&mut *connection)
    .await?;
    commit(connection).await
}

/// Makes the lanes and checkpoints of new partitions, and the deployment that has them; then the operation is over.
///
/// # Errors
/// The statements' failures.
pub async fn widen(
    connection: &mut PgConnection,
    identity: &Identity,
    checkpoints: &[Checkpoint],
    operation: i64,
) -> Result<()> {
    begin(connection).await?;
    sqlx::query(
        "insert into lanes (lane, version_floor)
         select n, (select coalesce(max(version_floor), 0) from lanes) from generate_series(0, $1 - 1) as n
          where not exists (select from lanes where lane = n)",
    )
    .bind(identity.lane_count)
    .execute(&mut *connection)
    .await?;
    checkpoints::insert_missing(connection, checkpoints).await?;
    deployment::change(connection, identity).await?;
    operations::end(connection, operation).await?;
    commit(connection).await
}
