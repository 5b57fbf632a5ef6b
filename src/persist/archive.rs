//! The table `archived_orders`: orders that reached their end long ago, moved out of the way, and back when an event comes after all.
//!
//! An order is in exactly one of the two tables: it moves whole, under its row's lock, in one transaction. Invariant: whoever
//! looked for an order's row under lock, found none, and looks here in a **later** statement sees it if it was archived: the first
//! look has waited for whoever was archiving it.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::connection::{begin, commit};
use super::error::{Error, Result};
use crate::ids::Timestamp;
use crate::order::status::Status;

/// Every column of `orders`, by name: the two tables need not have them in the same order. A test compares.
pub const COLUMNS: &str = "order_id, version, home_lane, status, payment, inventory, fulfilment, returns, flags, attention,
    cancel_reason, currency, total_minor, authorized_minor, captured_minor, refunded_minor, charged_back_minor, lines, owed,
    facts, journal_rows, next_deadline, machine_version, created_at, changed_at, commands, off_lane";

/// Which orders are at their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// With one of these statuses.
    pub statuses: Vec<Status>,
    /// Not changed since then.
    pub unchanged_since: Timestamp,
}

/// What keeps an order that is at its end where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Something is owed.
    Owes,
    /// Time has something to do for it still.
    Deadline,
    /// A dead letter under its key was neither applied nor discarded.
    DeadLetter,
    /// A person marked it.
    Mark,
}

impl Held {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Owes, Self::Deadline, Self::DeadLetter, Self::Mark];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owes => "owes",
            Self::Deadline => "deadline",
            Self::DeadLetter => "dead_letter",
            Self::Mark => "mark",
        }
    }
}

/// What keeps an order, in SQL.
const HELD: &str = "case when o.owed <> '[]' then 'owes'
         when o.next_deadline is not null then 'deadline'
         when exists (select from dead_letters d where d.order_id = o.order_id and d.state in ('open', 'replay'))
         then 'dead_letter'
         when exists (select from marks m where m.order_id = o.order_id) then 'mark' end";

/// An order that is at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub order_id: String,
    /// How it ended.
    pub status: Status,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// What keeps it, if anything does.
    pub held: Option<Held>,
}

/// Part of the table, in the order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many orders it has.
    pub orders: u64,
    /// The last of them; none at the end of the table.
    pub last: Option<String>,
    /// Those of them that are at their end.
    pub ended: Vec<Ended>,
}

/// The next `limit` orders behind `after`.
///
/// # Errors
/// The query's failure.
pub async fn page(connection: &mut PgConnection, which: &Which, after: &str, limit: i64) -> Result<Page> {
    let statement = format!(
        "select o.order_id, o.at_end, o.status::text, (extract(epoch from o.changed_at) * 1000000)::bigint,
                case when o.at_end then {HELD} end
           from (select *, status = any($3::text[]::order_status[])
                           and changed_at < 'epoch'::timestamptz + $4 * interval '1 microsecond' as at_end
                   from orders where order_id > $1 order by order_id limit $2) as o
          order by o.order_id"
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(after)
        .bind(limit)
        .bind(which.statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>())
        .bind(which.unchanged_since.0)
        .fetch_all(connection)
        .await?;
    let mut page = Page { orders: rows.len() as u64, ..Page::default() };
    for row in &rows {
        let order_id: String = row.try_get(0)?;
        page.last = Some(order_id.clone());
        if row.try_get(1)? {
            let held =
                row.try_get::<Option<&str>, _>(4)?.and_then(|name| Held::ALL.into_iter().find(|h| h.as_str() == name));
            let status: &str = row.try_get(2)?;
            let status = status.parse().map_err(|error| Error::bug(format!("order `{order_id}`: {error}")))?;
            page.ended.push(Ended { order_id, status, changed_at: Timestamp(row.try_get(3)?), held });
        }
    }
    Ok(page)
}

/// Moves those of these orders that are at their end, and that nothing keeps, in one transaction. Judged again under lock, in a
/// statement of its own: one sees what was there when it began, and a mark may have come before the lock. An order that somebody
/// works on or marks is left alone. Returns those that were moved.
///
/// # Errors
/// The statements' failures; a bug when not every order that left the one table arrived in the other.
pub async fn move_out(connection: &mut PgConnection, which: &Which, orders: &[&str]) -> Result<BTreeSet<String>> {
    begin(connection).await?;
    let locked = sqlx::query(
        "select order_id from orders
          where order_id = any($1) and status = any($2::text[]::order_status[])
            and changed_at < 'epoch'::timestamptz + $3 * interval '1 microsecond'
          order by order_id for update skip locked",
    );
    let locked = locked
        .bind(orders)
        .bind(which.statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>())
        .bind(which.unchanged_since.0)
        .fetch_all(&mut *connection)
        .await?;
    let locked = locked.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>>>()?;
    let statement = format!("select o.order_id from orders o where o.order_id = any($1) and {HELD} is null");
    let free = sqlx::query(AssertSqlSafe(statement)).bind(&locked).fetch_all(&mut *connection).await?;
    let free = free.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>>>()?;
    let statement = format!(
        "with gone as (delete from orders where order_id = any($1) returning {COLUMNS})
         insert into archived_orders ({COLUMNS}) select {COLUMNS} from gone returning order_id"
    );
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(&free).fetch_all(&mut *connection).await?;
    if rows.len() != free.len() {
        return Err(Error::bug(format!("{} of {} orders arrived in the archive", rows.len(), free.len())));
    }
    commit(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Brings those of these orders that are archived back into `orders`, and says which they are. One that another transaction is
/// bringing back is waited for and not among them; its row then stands in the way of a new one.
///
/// # Errors
/// The statement's failure.
pub async fn bring_back(connection: &mut PgConnection, orders: &[&str]) -> Result<Vec<String>> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let statement = format!(
        "with back as (delete from archived_orders where order_id = any($1) returning {COLUMNS})
         insert into orders ({COLUMNS}) select {COLUMNS} from back returning order_id"
    );
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(orders).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// How many orders are archived.
///
/// # Errors
/// The query's failure.
pub async fn count(connection: &mut PgConnection) -> Result<u64> {
    let row = sqlx::query("select count(*) from archived_orders").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// Tells the planner how large the archive is. A writer looks every new order up in it, with a plan that it made when the archive
/// may have been empty and that it keeps until this.
///
/// # Errors
/// The statement's failure.
pub async fn analyze(connection: &mut PgConnection) -> Result<()> {
    connection.execute("analyze archived_orders").await?;
    Ok(())
}
