//! The table `orders`: locked, read and written in sets, one statement each a batch.
//!
//! Invariant: an order is read under its row's lock, or decided as one that nobody has a row of. `select … for update` locks nothing
//! for a row that is not there yet, so a row that cannot be made because another lane made one first undoes the whole batch.

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use super::order_columns::Columns;
use super::{archive, order_row};
use crate::crash::{self, Point};
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::Facts;
use crate::order::decision::Order;

/// Something of each order of a batch, in no order.
pub type ByOrder<T> = foldhash::HashMap<OrderId, T>;

/// The version of the rules that this release derives views by.
pub const MACHINE_VERSION: i16 = 1;

/// The most journal rows that an order's row lists; of a longer history the beginning is found by `journal export` alone.
pub const MAX_JOURNAL_ROWS: i32 = 10_000;

/// An order under lock.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The lane of its first event.
    pub home_lane: Lane,
    /// Whether an event ever came through another lane.
    pub off_lane: bool,
    /// What is stored of it.
    pub order: Order,
    /// The facts as they were read, for taking an event back; none for a new order.
    pub stored_facts: Option<String>,
}

impl Locked {
    /// An order that has no row yet.
    fn new(home_lane: Lane) -> Self {
        Self { home_lane, off_lane: false, order: Order::default(), stored_facts: None }
    }

    /// Whether the order has no row yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.stored_facts.is_none()
    }

    /// The facts as they were when the order was locked.
    ///
    /// # Errors
    /// A bug: facts that were written by us and cannot be read.
    pub fn facts_before(&self) -> Result<Facts> {
        order_row::read_facts(self.stored_facts.as_deref())
    }
}

/// Locks orders in the order of their ids and reads them: those of `orders`, and those of `visited` that still have a row. An
/// archived order comes back. One that is nowhere is new, at home in the lane of its event; [`write()`] makes its row.
///
/// # Errors
/// The queries' failures; a bug when a row holds what this release cannot read.
pub async fn lock<'a>(
    connection: &mut PgConnection,
    orders: &'a ByOrder<Lane>,
    visited: impl Iterator<Item = &'a OrderId>,
) -> Result<ByOrder<Locked>> {
    let mut locked = ByOrder::with_capacity_and_hasher(orders.len(), foldhash::fast::RandomState::default());
    let wanted: Vec<&str> = orders.keys().chain(visited).map(OrderId::as_str).collect();
    lock_rows(connection, &wanted, &mut locked).await?;
    let mut missing: Vec<&str> = orders.keys().filter(|id| !locked.contains_key(*id)).map(OrderId::as_str).collect();
    missing.sort_unstable();
    // In a statement of its own: one that was archived while its row was waited for is seen there (0.3 µs an order while the
    // archive is empty, 0.8 µs with a million orders in it).
    let back = archive::bring_back(connection, &missing).await?;
    lock_rows(connection, &back.iter().map(String::as_str).collect::<Vec<_>>(), &mut locked).await?;
    crash::at(Point::BatchRowsLocked);
    for (order_id, home_lane) in orders {
        locked.entry(order_id.clone()).or_insert_with(|| Locked::new(*home_lane));
    }
    Ok(locked)
}

async fn lock_rows(connection: &mut PgConnection, orders: &[&str], locked: &mut ByOrder<Locked>) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let mut rows = sqlx::query(concat!(
        "select ",
        order_row::columns!(),
        " from orders o where order_id = any($1) order by order_id for update of o"
    ))
    .bind(orders)
    .fetch(connection);
    // One after the other: all rows of a batch at once are as much again as what is read from them.
    while let Some(row) = rows.try_next().await? {
        let order_id: OrderId = row.try_get::<&str, _>(0)?.into();
        let read = order_row::read(&row).map_err(|error| Error::bug(format!("order `{order_id}`: {error}")))?;
        locked.insert(order_id, read);
    }
    Ok(())
}

/// An order on its way back into its row.
#[derive(Debug)]
pub struct Changed<'a> {
    /// Which order.
    pub order_id: &'a OrderId,
    /// The lane that its row is to be made in; none where it has one.
    pub new_in: Option<Lane>,
    /// What it is now.
    pub order: &'a Order,
    /// The journal rows of this batch that speak of it.
    pub journal_rows: Vec<i64>,
    /// When time has something to do for it.
    pub next_deadline: Option<Timestamp>,
    /// Whether an event ever came through another lane than its first.
    pub off_lane: bool,
}

/// Whether orders could be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// All of them.
    All,
    /// Another lane made the row of an order that is new to us; what was decided was decided without it.
    Overtaken,
}

/// Writes orders: makes the rows of new ones, and writes the others back. Those that no event of which was applied, only to note
/// where their history is. In the order of their ids: so no two writers deadlock over rows that both want to make, and pages of the
/// index are visited once each.
///
/// # Errors
/// The statements' failures; a bug when a row was not there to be written.
pub async fn write(connection: &mut PgConnection, orders: &[Changed<'_>]) -> Result<Wrote> {
    let mut sorted: Vec<_> = orders.iter().collect();
    sorted.sort_unstable_by_key(|changed| changed.order_id);
    let (new, stored): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|changed| changed.new_in.is_some());
    if !new.is_empty() {
        let made = Columns::of(&new)?.bind_to(MAKE).execute(&mut *connection).await?.rows_affected();
        crash::at(Point::BatchOrdersMade);
        if usize::try_from(made).ok() != Some(new.len()) {
            return Ok(Wrote::Overtaken);
        }
    }
    if !stored.is_empty() {
        let written =
            Columns::of(&stored)?.bind_to(WRITE).bind(MAX_JOURNAL_ROWS).execute(connection).await?.rows_affected();
        if usize::try_from(written).ok() != Some(stored.len()) {
            return Err(Error::bug(format!("{written} of {} orders were written", stored.len())));
        }
    }
    crash::at(Point::BatchOrdersWritten);
    Ok(Wrote::All)
}

/// The orders of a batch as a table `n`, from columns as [`Columns`] binds them.
macro_rules! given {
    () => {
        " from (select order_id, lane, version, facts, status::order_status as status,
                       payment::payment_region as payment, inventory::inventory_region as inventory,
                       fulfilment::fulfilment_region as fulfilment, returns::returns_region as returns,
                       flags::text[] as flags, attention::text[] as attention, cancel_reason, currency, total_minor,
                       authorized_minor, captured_minor, refunded_minor, charged_back_minor, lines::json as lines,
                       owed::jsonb as owed, journal_rows::bigint[] as journal_rows,
                       'epoch'::timestamptz + next_deadline / 1000000 * interval '1 second'
                           + next_deadline % 1000000 * interval '1 microsecond' as next_deadline,
                       commands::jsonb as commands, off_lane
                  from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                              $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[],
                              $16::bigint[], $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::text[],
                              $22::bigint[], $23::text[], $24::boolean[])
                       as given(order_id, lane, version, facts, status, payment, inventory, fulfilment, returns, flags,
                                attention, cancel_reason, currency, total_minor, authorized_minor, captured_minor,
                                refunded_minor, charged_back_minor, lines, owed, journal_rows, next_deadline, commands,
                                off_lane)) as n "
    };
}

const MAKE: &str = concat!(
    "insert into orders (order_id, home_lane, version, facts, status, payment, inventory, fulfilment, returns, flags, attention,
            cancel_reason, currency, total_minor, authorized_minor, captured_minor, refunded_minor, charged_back_minor, lines,
            owed, journal_rows, next_deadline, commands, off_lane, machine_version)
     select n.*, $25::smallint",
    given!(),
    "on conflict do nothing"
);
const WRITE: &str = concat!(
    "update orders o
        set version = n.version, facts = n.facts, status = n.status, payment = n.payment, inventory = n.inventory,
            fulfilment = n.fulfilment, returns = n.returns, flags = n.flags, attention = n.attention,
            cancel_reason = n.cancel_reason, currency = n.currency, total_minor = n.total_minor,
            authorized_minor = n.authorized_minor, captured_minor = n.captured_minor, refunded_minor = n.refunded_minor,
            charged_back_minor = n.charged_back_minor, lines = n.lines, owed = n.owed,
            journal_rows = case when cardinality(o.journal_rows) < $26 then o.journal_rows || n.journal_rows
                                else o.journal_rows[2 + cardinality(o.journal_rows) - $26:] || n.journal_rows end,
            next_deadline = n.next_deadline, commands = n.commands, off_lane = n.off_lane, machine_version = $25,
            changed_at = case when n.version > o.version then now() else o.changed_at end",
    given!(),
    "where o.order_id = n.order_id"
);
