//! The statements of one transaction, each with its arguments as the wire takes them, and how many rows it must write.
//!
//! The columns are those of the product's `persist/orders.rs` and `persist/journal.rs`; `digest` finds out when they are not any more.
//! Invariant: everything is encoded here, beforehand; while the limit is measured, bytes are only copied.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use orderstream::ids::OrderId;
use orderstream::order::Policy;
use orderstream::order::decision::Order;
use orderstream::persist::orders::MACHINE_VERSION;
use serde::Serialize;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::{Arguments, Encode, Type};

use super::journaled::JournalRow;

/// Moves the lanes to their next row.
const FENCE: &str = "update lanes l set last_seq = n.seq from unnest($1::int[], $2::bigint[]) as n(lane, seq)
     where l.lane = n.lane and l.last_seq = n.seq - 1";
/// Moves the checkpoints.
const ADVANCE: &str = "update checkpoints c
        set next_offset = n.next, record_timestamp = 'epoch'::timestamptz + n.at * interval '1 microsecond'
       from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) as n(topic, partition, next, at)
      where c.topic = n.topic and c.partition = n.partition";
/// Locks the rows of orders that have one.
const LOCK: &str = "select from orders where order_id = any($1) order by order_id for update";
/// The orders of a transaction as a table `n`, from columns as [`bind`] binds them.
macro_rules! given {
    () => {
        " from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                      $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[],
                      $16::bigint[], $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::bigint[], $22::bigint[],
                      $23::text[])
               as n(order_id, lane, version, facts, status, payment, inventory, fulfilment, returns, flags, attention,
                    cancel_reason, currency, total_minor, authorized_minor, captured_minor, refunded_minor,
                    charged_back_minor, lines, owed, journal_row, next_deadline, commands) "
    };
}
/// A deadline as the table has it.
macro_rules! next_deadline {
    () => {
        "'epoch'::timestamptz + n.next_deadline / 1000000 * interval '1 second'
             + n.next_deadline % 1000000 * interval '1 microsecond'"
    };
}
/// Makes the rows of new orders.
const MAKE: &str = concat!(
    "insert into orders (order_id, home_lane, version, facts, status, payment, inventory, fulfilment, returns, flags, attention,
            cancel_reason, currency, total_minor, authorized_minor, captured_minor, refunded_minor, charged_back_minor, lines,
            owed, journal_rows, next_deadline, commands, machine_version)
     select n.order_id, n.lane, n.version, n.facts, n.status::order_status, n.payment::payment_region,
            n.inventory::inventory_region, n.fulfilment::fulfilment_region, n.returns::returns_region, n.flags::text[],
            n.attention::text[], n.cancel_reason, n.currency, n.total_minor, n.authorized_minor, n.captured_minor,
            n.refunded_minor, n.charged_back_minor, n.lines::json, n.owed::jsonb, array[n.journal_row], ",
    next_deadline!(),
    ", n.commands::jsonb, $24::smallint",
    given!()
);
/// Writes the others.
const WRITE: &str = concat!(
    "update orders o
        set version = n.version, facts = n.facts, status = n.status::order_status,
            payment = n.payment::payment_region, inventory = n.inventory::inventory_region,
            fulfilment = n.fulfilment::fulfilment_region, returns = n.returns::returns_region,
            flags = n.flags::text[], attention = n.attention::text[], cancel_reason = n.cancel_reason,
            currency = n.currency, total_minor = n.total_minor, authorized_minor = n.authorized_minor,
            captured_minor = n.captured_minor, refunded_minor = n.refunded_minor,
            charged_back_minor = n.charged_back_minor, lines = n.lines::json, owed = n.owed::jsonb,
            journal_rows = o.journal_rows || n.journal_row, next_deadline = ",
    next_deadline!(),
    ", commands = n.commands::jsonb, machine_version = $24,
            changed_at = case when n.version > o.version then now() else o.changed_at end",
    given!(),
    "where o.order_id = n.order_id"
);
/// Appends the journal rows.
const APPEND: &str = "insert into journal (lane, seq, day, epoch, events, emitted_records, applied, emitted)
     select n.lane, n.seq, current_date, n.epoch, n.events, n.emitted_records, n.applied, n.emitted
       from unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::bytea[], $7::bytea[])
            as n(lane, seq, epoch, events, emitted_records, applied, emitted)";

/// One transaction, ready to be written.
#[derive(Debug)]
pub struct Batch {
    /// How many events it applies.
    pub events: u64,
    /// Its statements between `begin` and `commit`, in their order.
    pub statements: Vec<Statement>,
}

/// A statement.
#[derive(Debug)]
pub struct Statement {
    /// Its text.
    pub sql: &'static str,
    /// Its arguments, encoded.
    pub arguments: PgArguments,
    /// How many rows it must write, or lock.
    pub rows: u64,
}

/// Where a checkpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The next offset.
    pub next: i64,
    /// The timestamp of the last record before it, in microseconds.
    pub at: Option<i64>,
}

/// An order that a transaction writes.
#[derive(Clone, Copy, Debug)]
pub struct Touched<'a> {
    /// Which.
    pub order_id: &'a OrderId,
    /// What it is after the transaction.
    pub order: &'a Order,
    /// The lane of its events.
    pub home_lane: i32,
    /// The journal row that tells of it.
    pub journal_row: i64,
    /// Whether it has no row before.
    pub is_new: bool,
}

impl Batch {
    /// Encodes a transaction: its journal rows, the checkpoints by topic and partition, and the orders sorted by their ids.
    ///
    /// # Errors
    /// An order that cannot be written: a bug.
    pub fn of(
        rows: &[JournalRow],
        advances: &BTreeMap<(String, i32), Advance>,
        touched: &[Touched<'_>],
        policy: &Policy,
    ) -> Result<Self> {
        let events = rows.iter().map(|row| u64::from(row.events.unsigned_abs())).sum();
        let (new, known): (Vec<_>, Vec<_>) = touched.iter().partition(|touched| touched.is_new);
        let mut statements = vec![fence(rows)?, advance(advances)?, lock(&known)?];
        statements.extend([bind(MAKE, &new, policy)?, bind(WRITE, &known, policy)?, append(rows)?]);
        statements.retain(|statement| statement.rows > 0);
        Ok(Self { events, statements })
    }
}

fn fence(rows: &[JournalRow]) -> Result<Statement> {
    let mut statement = Statement::new(FENCE, rows.len());
    statement.bind(rows.iter().map(|row| row.lane).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.seq).collect::<Vec<_>>())?;
    Ok(statement)
}

fn advance(advances: &BTreeMap<(String, i32), Advance>) -> Result<Statement> {
    let mut statement = Statement::new(ADVANCE, advances.len());
    statement.bind(advances.keys().map(|(topic, _)| topic.as_str()).collect::<Vec<_>>())?;
    statement.bind(advances.keys().map(|(_, partition)| *partition).collect::<Vec<_>>())?;
    statement.bind(advances.values().map(|advance| advance.next).collect::<Vec<_>>())?;
    statement.bind(advances.values().map(|advance| advance.at).collect::<Vec<_>>())?;
    Ok(statement)
}

fn lock(known: &[&Touched<'_>]) -> Result<Statement> {
    let mut statement = Statement::new(LOCK, known.len());
    statement.bind(known.iter().map(|touched| touched.order_id.as_str()).collect::<Vec<_>>())?;
    Ok(statement)
}

fn bind(sql: &'static str, touched: &[&Touched<'_>], policy: &Policy) -> Result<Statement> {
    let orders = || touched.iter().map(|touched| touched.order);
    let views = orders().map(|order| order.view.as_ref().context("an order that was heard of has a view"));
    let views = views.collect::<Result<Vec<_>>>()?;
    let mut statement = Statement::new(sql, touched.len());
    statement.bind(touched.iter().map(|touched| touched.order_id.as_str()).collect::<Vec<_>>())?;
    statement.bind(touched.iter().map(|touched| touched.home_lane).collect::<Vec<_>>())?;
    statement.bind(orders().map(|order| order.version).collect::<Vec<_>>())?;
    statement.bind(orders().map(|order| json(&order.facts)).collect::<Result<Vec<_>>>()?)?;
    statement.bind(views.iter().map(|view| view.status.as_str()).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.payment.as_str()).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.inventory.as_str()).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.fulfilment.as_str()).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.returns.as_str()).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| words(view.flags.iter().map(|flag| flag.as_str()))).collect::<Vec<_>>())?;
    let attention = views.iter().map(|view| words(view.attention.iter().map(|reason| reason.as_str())));
    statement.bind(attention.collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.cancel_reason.map(|reason| reason.as_str())).collect::<Vec<_>>())?;
    let currencies = views.iter().map(|view| view.currency.as_ref().map(|currency| currency.as_str()));
    statement.bind(currencies.collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.total_minor.map(|amount| amount.0)).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.authorized_minor.0).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.captured_minor.0).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.refunded_minor.0).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| view.charged_back_minor.0).collect::<Vec<_>>())?;
    statement.bind(views.iter().map(|view| json(&view.lines)).collect::<Result<Vec<_>>>()?)?;
    statement.bind(views.iter().map(|view| json(&view.owed)).collect::<Result<Vec<_>>>()?)?;
    statement.bind(touched.iter().map(|touched| touched.journal_row).collect::<Vec<_>>())?;
    let deadlines = orders().map(|order| order.next_look(policy, false, false).map(|due| due.0));
    statement.bind(deadlines.collect::<Vec<_>>())?;
    statement.bind(orders().map(|order| json(&order.commands)).collect::<Result<Vec<_>>>()?)?;
    statement.bind(MACHINE_VERSION)?;
    Ok(statement)
}

fn append(rows: &[JournalRow]) -> Result<Statement> {
    let mut statement = Statement::new(APPEND, rows.len());
    statement.bind(rows.iter().map(|row| row.lane).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.seq).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.epoch).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.events).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.emitted_records).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.applied.as_slice()).collect::<Vec<_>>())?;
    statement.bind(rows.iter().map(|row| row.emitted.as_slice()).collect::<Vec<_>>())?;
    Ok(statement)
}

impl Statement {
    fn new(sql: &'static str, rows: usize) -> Self {
        Self { sql, arguments: PgArguments::default(), rows: rows as u64 }
    }

    fn bind<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: T) -> Result<()> {
        Arguments::add(&mut self.arguments, value).map_err(anyhow::Error::from_boxed)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// A Postgres array of words that need no quoting.
fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("{{{}}}", words.collect::<Vec<_>>().join(","))
}
