//! Orders that are looked at without an event of theirs: because time has come for them, or because a person marked them; and dead
//! letters that were marked for replay.
//!
//! Looked up by the lane's owner between its batches, and judged again inside the batch's transaction. Invariant: what is
//! looked up is a hint; only what [`ground`] reads under the lane's lock decides.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::checkpoints;
use super::error::Result;
use crate::ids::{Lane, NextOffset, OrderId, Timestamp};

/// An order to be looked at, with its lane.
pub type Visit = (Lane, OrderId);

/// Orders for which time has come, the longest overdue of each lane first; at most `limit` a lane, none of `aside`. A lane
/// is given with its horizon. An order that was ever seen in a foreign lane waits for the horizons of all lanes.
///
/// # Errors
/// The query's failure.
pub async fn due(
    connection: &mut PgConnection,
    lanes: &[(Lane, Timestamp)],
    aside: &[String],
    limit: i64,
) -> Result<Vec<Visit>> {
    let rows = sqlx::query(
        "select due.home_lane, due.order_id
           from unnest($1::int[], $2::bigint[]) as l(lane, horizon),
                lateral (select o.home_lane, o.order_id from orders o
                          where o.home_lane = l.lane
                            and o.next_deadline <= 'epoch'::timestamptz + l.horizon * interval '1 microsecond'
                            and (not o.off_lane or o.next_deadline <= (
                                select min(coalesce(horizon, '-infinity')) from lanes))
                            and o.order_id <> all($4)
                          order by o.next_deadline limit $3) as due",
    )
    .bind(lanes.iter().map(|(lane, _)| lane.0).collect::<Vec<_>>())
    .bind(lanes.iter().map(|(_, horizon)| horizon.0).collect::<Vec<_>>())
    .bind(limit)
    .bind(aside)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((Lane(row.try_get(0)?), row.try_get::<&str, _>(1)?.into()))).collect()
}

/// Orders of these lanes that were marked, the oldest mark first; at most `limit`. Also those that were set aside before: a mark
/// of one goes once the order was tried.
///
/// # Errors
/// The query's failure.
pub async fn marked(connection: &mut PgConnection, lanes: &[Lane], limit: i64) -> Result<Vec<Visit>> {
    let rows =
        sqlx::query("select lane, order_id from marks where lane = any($1) order by marked_at, order_id limit $2")
            .bind(lanes.iter().map(|lane| lane.0).collect::<Vec<_>>())
            .bind(limit)
            .fetch_all(connection)
            .await?;
    rows.iter().map(|row| Ok((Lane(row.try_get(0)?), row.try_get::<&str, _>(1)?.into()))).collect()
}

/// Removes the marks that the ground has under lock. One that was made since stays: who made it wants what it did to be seen.
///
/// # Errors
/// The statement's failure.
pub async fn unmark(connection: &mut PgConnection, ground: &Ground) -> Result<()> {
    if !ground.marks.is_empty() {
        sqlx::query("delete from marks where order_id = any($1)").bind(&ground.marks).execute(connection).await?;
    }
    Ok(())
}

/// Until when orders that were seen in a foreign lane wait: the latest of their deadlines that are due by the database's clock.
///
/// # Errors
/// The query's failure.
pub async fn latest_due_off_lane(connection: &mut PgConnection) -> Result<Option<Timestamp>> {
    let row = sqlx::query(
        "select (extract(epoch from max(next_deadline)) * 1000000)::bigint from orders
          where off_lane and next_deadline <= now()",
    )
    .fetch_one(connection)
    .await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp))
}

/// What the visits of a batch stand on, as the transaction sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// The checkpoints of the lanes with visits: topic, lane, next offset.
    pub checkpoints: Vec<(String, Lane, NextOffset)>,
    /// The horizon that all lanes have passed; none while one of them has none.
    pub all_lanes: Option<Timestamp>,
    /// Visited orders that were marked, with their marks under lock since before the rest was read.
    pub marks: Vec<String>,
    /// Visited orders with an unresolved dead letter under their key.
    pub held: BTreeSet<OrderId>,
    /// The dead letters of the batch that are still to be replayed, under lock.
    pub letters: BTreeSet<i64>,
}

/// Of what the ground is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The input topics.
    pub topics: Vec<String>,
    /// The lanes with visits.
    pub lanes: Vec<Lane>,
    /// The visited orders, and those that are left as they are for all that they are marked.
    pub orders: Vec<String>,
    /// The dead letters to be replayed.
    pub letters: Vec<i64>,
}

/// Reads what visits and replayed letters stand on, and locks the letters. After the fence: under the lanes' locks. Asks nothing
/// where there are none.
///
/// # Errors
/// The queries' failures.
pub async fn ground(connection: &mut PgConnection, asked: &Asked) -> Result<Ground> {
    let mut ground = Ground::default();
    // Letters before marks, as `dead-letters discard` takes them.
    if !asked.letters.is_empty() {
        let live =
            sqlx::query("select id from dead_letters where id = any($1) and state = 'replay' order by id for update");
        for row in live.bind(&asked.letters).fetch_all(&mut *connection).await? {
            ground.letters.insert(row.try_get(0)?);
        }
    }
    if !asked.orders.is_empty() {
        let marks = sqlx::query("select order_id from marks where order_id = any($1) order by order_id for update");
        for row in marks.bind(&asked.orders).fetch_all(&mut *connection).await? {
            ground.marks.push(row.try_get(0)?);
        }
        let stored = checkpoints::read(connection, &asked.topics, &asked.lanes).await?;
        ground.checkpoints = stored.into_iter().map(|stored| (stored.topic, stored.lane, stored.next_offset)).collect();
        let row = sqlx::query(
            "select (extract(epoch from min(horizon)) * 1000000)::bigint from lanes
             having bool_and(horizon is not null)",
        );
        let row = row.fetch_optional(&mut *connection).await?;
        ground.all_lanes = row.map(|row| row.try_get(0)).transpose()?.flatten().map(Timestamp);
        let held = sqlx::query(
            "select distinct order_id from dead_letters where order_id = any($1) and state in ('open', 'replay')",
        );
        for row in held.bind(&asked.orders).fetch_all(&mut *connection).await? {
            ground.held.insert(row.try_get::<&str, _>(0)?.into());
        }
    }
    Ok(ground)
}
