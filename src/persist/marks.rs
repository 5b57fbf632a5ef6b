//! The table `marks`, from the side of those who want orders looked at; lanes' owners take the marks away (`visits.rs`).
//!
//! And orders as a command that marks them reads them: without a lock, a page at a time. Invariant: a mark changes nothing but
//! when an order is looked at, so a mark too many costs a look and a mark too few is made again.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use super::order_row;
use crate::ids::{OrderId, Timestamp};
use crate::order::decision::Order;

/// An order as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Which.
    pub order_id: OrderId,
    /// Its facts and what was last said of it.
    pub order: Order,
    /// When time will next have something to do for it.
    pub next_deadline: Option<Timestamp>,
    /// Whether a dead letter under its key holds back what would cancel it.
    pub is_held: bool,
}

/// The next `limit` orders behind `after`, in the order of their ids. Each page is of one instant.
///
/// # Errors
/// The query's failure; a bug when a row holds what this release cannot read.
pub async fn page(connection: &mut PgConnection, after: &str, limit: i64) -> Result<Vec<Stored>> {
    let rows = sqlx::query(concat!(
        "select ",
        order_row::columns!(),
        ", (extract(epoch from next_deadline) * 1000000)::bigint,
           exists (select from dead_letters d where d.order_id = o.order_id and d.state in ('open', 'replay'))
           from orders o where order_id > $1 order by order_id limit $2"
    ))
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut page = Vec::with_capacity(rows.len());
    for row in &rows {
        let order_id: OrderId = row.try_get::<&str, _>(0)?.into();
        let read = order_row::read(row).map_err(|error| Error::bug(format!("order `{order_id}`: {error}")))?;
        page.push(Stored {
            order_id,
            order: read.order,
            next_deadline: row.try_get::<Option<i64>, _>(order_row::COLUMNS)?.map(Timestamp),
            is_held: row.try_get(order_row::COLUMNS + 1)?,
        });
    }
    Ok(page)
}

/// Marks orders, so that the owners of their home lanes look at them. Those that are marked already stay as they are, archived
/// ones are left out: whoever is archiving one is waited for. Returns how many marks are new.
///
/// # Errors
/// The statement's failure.
pub async fn mark(connection: &mut PgConnection, orders: &[&str], why: &str) -> Result<u64> {
    let marked = sqlx::query(
        "insert into marks (order_id, lane, why)
         select order_id, home_lane, $2 from orders where order_id = any($1) order by order_id for key share
             on conflict do nothing",
    )
    .bind(orders)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(marked.rows_affected())
}

/// How many marks that were made for this reason nobody has taken yet.
///
/// # Errors
/// The query's failure.
pub async fn outstanding(connection: &mut PgConnection, why: &str) -> Result<u64> {
    let row = sqlx::query("select count(*) from marks where why = $1").bind(why).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// How many writers are connected: sessions of orderstream's workers, whose `application_name` begins with `prefix`.
///
/// # Errors
/// The query's failure.
pub async fn writers(connection: &mut PgConnection, prefix: &str) -> Result<u64> {
    let row = sqlx::query(
        "select count(*) from pg_stat_activity where datname = current_database()
            and starts_with(application_name, $1) and application_name like '%/writer-%'",
    );
    Ok(row.bind(prefix).fetch_one(connection).await?.try_get::<i64, _>(0)?.unsigned_abs())
}
