//! The table `orders`: locked, read and written in sets, one statement each a batch.
//!
//! Invariant: an order is read under its row's lock and in a statement of its own, after placeholders for new orders are in:
//! `select … for update` locks nothing for a row that is not there yet, and two lanes would each lose the other's update.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use super::{archive, order_row};
use crate::crash::{self, Point};
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::decision::Order;
use crate::order::{Facts, View};

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
    /// The facts as they were when the order was locked.
    ///
    /// # Errors
    /// A bug: facts that were written by us and cannot be read.
    pub fn facts_before(&self) -> Result<Facts> {
        order_row::read_facts(self.stored_facts.as_deref())
    }
}

/// Makes a row for each order that has none, at home in the lane of its event. `orders` is sorted, so no two writers deadlock.
///
/// # Errors
/// The statement's failure.
pub async fn insert_placeholders(connection: &mut PgConnection, orders: &BTreeMap<OrderId, Lane>) -> Result<()> {
    sqlx::query(
        "insert into orders (order_id, home_lane)
         select n.order_id, n.lane from unnest($1::text[], $2::int[]) with ordinality as n(order_id, lane, place)
          order by n.place
             on conflict do nothing",
    )
    .bind(orders.keys().map(OrderId::as_str).collect::<Vec<_>>())
    .bind(orders.values().map(|lane| lane.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    crash::at(Point::BatchPlaced);
    Ok(())
}

/// Locks orders in the order of their ids and reads them: those of `orders`, which have rows, and those of `visited` that still have
/// one. An archived order comes back into its placeholder.
///
/// # Errors
/// The query's failure; a conflict when an order was archived since its placeholder was not needed; a bug when a row holds what
/// this release cannot read.
pub async fn lock<'a>(
    connection: &mut PgConnection,
    orders: &'a BTreeMap<OrderId, Lane>,
    visited: impl Iterator<Item = &'a OrderId>,
) -> Result<BTreeMap<OrderId, Locked>> {
    let locked =
        lock_existing(connection, &orders.keys().chain(visited).map(OrderId::as_str).collect::<Vec<_>>()).await?;
    crash::at(Point::BatchRowsLocked);
    match orders.keys().find(|order_id| !locked.contains_key(*order_id)) {
        // Its row stood in the way of a placeholder and was archived before we had its lock. The next attempt finds it archived.
        Some(moved) => Err(Error::passing("conflict", format!("order `{moved}` was archived while a batch began"))),
        None => Ok(locked),
    }
}

/// Locks those of these orders that exist in the order of their ids and reads them.
///
/// # Errors
/// The queries' failures; a bug when a row holds what this release cannot read.
async fn lock_existing(connection: &mut PgConnection, orders: &[&str]) -> Result<BTreeMap<OrderId, Locked>> {
    let mut locked = BTreeMap::new();
    let archived = lock_rows(connection, orders, &mut locked).await?;
    if !archived.is_empty() {
        let archived: Vec<&str> = archived.iter().map(String::as_str).collect();
        archive::bring_back(connection, &archived).await?;
        lock_rows(connection, &archived, &mut locked).await?;
    }
    Ok(locked)
}

/// Locks and reads rows. Returns those that are placeholders of archived orders.
async fn lock_rows(
    connection: &mut PgConnection,
    orders: &[&str],
    locked: &mut BTreeMap<OrderId, Locked>,
) -> Result<Vec<String>> {
    // Only placeholders are looked up in the archive (0.3 µs each while it is empty, 0.8 µs with a million orders in it), and only
    // here: the statement that made them has a snapshot from before the archiving that it may have waited for.
    let rows = sqlx::query(concat!(
        "select ",
        order_row::columns!(),
        ", coalesce(case when version = 0 then (select true from archived_orders a where a.order_id = o.order_id) end, false)
           from orders o where order_id = any($1) order by order_id for update of o"
    ))
    .bind(orders)
    .fetch_all(connection)
    .await?;
    let mut archived = Vec::new();
    for row in &rows {
        let order_id: OrderId = row.try_get::<&str, _>(0)?.into();
        if row.try_get(order_row::COLUMNS)? {
            archived.push(order_id.as_str().to_owned());
        }
        let read = order_row::read(row).map_err(|error| Error::bug(format!("order `{order_id}`: {error}")))?;
        locked.insert(order_id, read);
    }
    Ok(archived)
}

/// An order on its way back into its row.
#[derive(Debug)]
pub struct Changed<'a> {
    /// Which order.
    pub order_id: &'a OrderId,
    /// What it is now.
    pub order: &'a Order,
    /// The journal rows of this batch that speak of it.
    pub journal_rows: Vec<i64>,
    /// When time has something to do for it.
    pub next_deadline: Option<Timestamp>,
    /// Whether an event ever came through another lane than its first.
    pub off_lane: bool,
}

/// Writes orders back. Those that no event of which was applied, only to note where their history is.
///
/// # Errors
/// The statement's failure; a bug when a row was not there to be written.
pub async fn write(connection: &mut PgConnection, orders: &[Changed<'_>]) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(orders)?;
    let statement = sqlx::query(
        "update orders o
            set version = n.version, facts = n.facts::jsonb, status = n.status::order_status,
                payment = n.payment::payment_region, inventory = n.inventory::inventory_region,
                fulfilment = n.fulfilment::fulfilment_region, returns = n.returns::returns_region,
                flags = n.flags::text[], attention = n.attention::text[], cancel_reason = n.cancel_reason,
                currency = n.currency, total_minor = n.total_minor, authorized_minor = n.authorized_minor,
                captured_minor = n.captured_minor, refunded_minor = n.refunded_minor,
                charged_back_minor = n.charged_back_minor, lines = n.lines::jsonb, owed = n.owed::jsonb,
                journal_rows = case when cardinality(o.journal_rows) < $25 then o.journal_rows || n.journal_rows::bigint[]
                                    else o.journal_rows[2 + cardinality(o.journal_rows) - $25:] || n.journal_rows::bigint[] end,
                next_deadline = 'epoch'::timestamptz + n.next_deadline / 1000000 * interval '1 second'
                    + n.next_deadline % 1000000 * interval '1 microsecond',
                commands = n.commands::jsonb, off_lane = n.off_lane,
                machine_version = $24, changed_at = case when n.version > o.version then now() else o.changed_at end
           from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[],
                       $16::bigint[], $17::bigint[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::text[],
                       $23::boolean[])
                as n(order_id, version, facts, status, payment, inventory, fulfilment, returns, flags, attention,
                     cancel_reason, currency, total_minor, authorized_minor, captured_minor, refunded_minor,
                     charged_back_minor, lines, owed, journal_rows, next_deadline, commands, off_lane)
          where o.order_id = n.order_id",
    );
    let written = columns.bind_to(statement).execute(connection).await?.rows_affected();
    crash::at(Point::BatchOrdersWritten);
    if usize::try_from(written).ok() == Some(orders.len()) {
        Ok(())
    } else {
        Err(Error::bug(format!("{written} of {} orders were written", orders.len())))
    }
}

/// Takes the placeholders of orders away again that nothing was applied to: every event of theirs was refused.
///
/// # Errors
/// The statement's failure.
pub async fn remove_placeholders(connection: &mut PgConnection, orders: &[&str]) -> Result<()> {
    if !orders.is_empty() {
        sqlx::query("delete from orders where order_id = any($1) and version = 0")
            .bind(orders)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The orders of a batch turned into columns, as UNNEST takes them.
#[derive(Default)]
struct Columns<'a> {
    texts: [Vec<&'a str>; 6],
    versions: Vec<i64>,
    facts: Vec<String>,
    flags: Vec<String>,
    attention: Vec<String>,
    cancel_reasons: Vec<Option<&'static str>>,
    currencies: Vec<Option<&'a str>>,
    totals: Vec<Option<i64>>,
    amounts: [Vec<i64>; 4],
    lines: Vec<String>,
    owed: Vec<String>,
    journal_rows: Vec<String>,
    next_deadlines: Vec<Option<i64>>,
    commands: Vec<String>,
    off_lane: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(orders: &'a [Changed<'a>]) -> Result<Self> {
        let mut columns = Self::default();
        for changed in orders {
            let order = changed.order;
            // A row without a version would say that nothing was ever said of an order that has facts.
            let view = order
                .view
                .as_ref()
                .ok_or_else(|| Error::bug(format!("order `{}` was touched and has no view", changed.order_id)))?;
            columns.push(changed, view)?;
        }
        Ok(columns)
    }

    fn push(&mut self, changed: &'a Changed<'a>, view: &'a View) -> Result<()> {
        let texts = [
            changed.order_id.as_str(),
            view.status.as_str(),
            view.payment.as_str(),
            view.inventory.as_str(),
            view.fulfilment.as_str(),
            view.returns.as_str(),
        ];
        self.texts.iter_mut().zip(texts).for_each(|(column, text)| column.push(text));
        self.versions.push(changed.order.version);
        self.facts.push(to_json(&changed.order.facts)?);
        self.flags.push(array_literal(view.flags.iter().map(|flag| flag.as_str())));
        self.attention.push(array_literal(view.attention.iter().map(|reason| reason.as_str())));
        self.cancel_reasons.push(view.cancel_reason.map(|reason| reason.as_str()));
        self.currencies.push(view.currency.as_ref().map(|currency| currency.as_str()));
        self.totals.push(view.total_minor.map(|amount| amount.0));
        let amounts = [view.authorized_minor, view.captured_minor, view.refunded_minor, view.charged_back_minor];
        self.amounts.iter_mut().zip(amounts).for_each(|(column, amount)| column.push(amount.0));
        self.lines.push(to_json(&view.lines)?);
        self.owed.push(to_json(&view.owed)?);
        self.journal_rows.push(array_literal(changed.journal_rows.iter()));
        self.next_deadlines.push(changed.next_deadline.map(|due| due.0));
        self.commands.push(to_json(&changed.order.commands)?);
        self.off_lane.push(changed.off_lane);
        Ok(())
    }

    fn bind_to(self, statement: Statement<'a>) -> Statement<'a> {
        let [order_ids, statuses, payments, inventories, fulfilments, returns] = self.texts;
        let [authorized, captured, refunded, charged_back] = self.amounts;
        statement
            .bind(order_ids)
            .bind(self.versions)
            .bind(self.facts)
            .bind(statuses)
            .bind(payments)
            .bind(inventories)
            .bind(fulfilments)
            .bind(returns)
            .bind(self.flags)
            .bind(self.attention)
            .bind(self.cancel_reasons)
            .bind(self.currencies)
            .bind(self.totals)
            .bind(authorized)
            .bind(captured)
            .bind(refunded)
            .bind(charged_back)
            .bind(self.lines)
            .bind(self.owed)
            .bind(self.journal_rows)
            .bind(self.next_deadlines)
            .bind(self.commands)
            .bind(self.off_lane)
            .bind(MACHINE_VERSION)
            .bind(MAX_JOURNAL_ROWS)
    }
}

type Statement<'a> = sqlx::query::Query<'a, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::bug(format!("an order cannot be written as JSON: {error}")))
}

/// A Postgres array of words or numbers that need no quoting.
fn array_literal(items: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("{{{}}}", items.join(","))
}
