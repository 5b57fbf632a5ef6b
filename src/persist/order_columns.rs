//! The orders of a batch as columns, as UNNEST takes them: one array of each for a whole statement.
//!
//! Filled from what was decided, bound by `orders`, whose statements name the columns in the same order. Invariant: all columns are
//! of one length, and nothing in them needs quoting that is not quoted here.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

use super::error::{Error, Result};
use super::orders::{Changed, MACHINE_VERSION};
use crate::order::View;

/// The orders of a batch turned into columns, as UNNEST takes them.
pub(super) struct Columns<'a> {
    texts: [Vec<&'a str>; 6],
    lanes: Vec<i32>,
    versions: Vec<i64>,
    facts: Vec<String>,
    flags: Vec<Cow<'static, str>>,
    attention: Vec<Cow<'static, str>>,
    cancel_reasons: Vec<Option<&'static str>>,
    currencies: Vec<Option<&'a str>>,
    totals: Vec<Option<i64>>,
    amounts: [Vec<i64>; 4],
    lines: Vec<String>,
    owed: Vec<Cow<'static, str>>,
    journal_rows: Vec<Cow<'static, str>>,
    next_deadlines: Vec<Option<i64>>,
    commands: Vec<Cow<'static, str>>,
    off_lane: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn with_room_for(orders: usize) -> Self {
        Self {
            texts: std::array::from_fn(|_| Vec::with_capacity(orders)),
            lanes: Vec::with_capacity(orders),
            versions: Vec::with_capacity(orders),
            facts: Vec::with_capacity(orders),
            flags: Vec::with_capacity(orders),
            attention: Vec::with_capacity(orders),
            cancel_reasons: Vec::with_capacity(orders),
            currencies: Vec::with_capacity(orders),
            totals: Vec::with_capacity(orders),
            amounts: std::array::from_fn(|_| Vec::with_capacity(orders)),
            lines: Vec::with_capacity(orders),
            owed: Vec::with_capacity(orders),
            journal_rows: Vec::with_capacity(orders),
            next_deadlines: Vec::with_capacity(orders),
            commands: Vec::with_capacity(orders),
            off_lane: Vec::with_capacity(orders),
        }
    }

    /// The columns of these orders.
    ///
    /// # Errors
    /// A bug: an order that was touched and has no view.
    pub(super) fn of(orders: &[&'a Changed<'a>]) -> Result<Self> {
        let mut columns = Self::with_room_for(orders.len());
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
        // Only a row that is made has a use for it.
        self.lanes.push(changed.new_in.unwrap_or_default().0);
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
        self.owed.push(list(&view.owed)?);
        self.journal_rows.push(array_literal(changed.journal_rows.iter()));
        self.next_deadlines.push(changed.next_deadline.map(|due| due.0));
        self.commands.push(list(changed.order.commands.all())?);
        self.off_lane.push(changed.off_lane);
        Ok(())
    }

    /// About what the columns weigh on their way to the server.
    fn size_bytes(&self) -> usize {
        const BESIDE_FACTS_AND_LINES: usize = 24 * 4 + 250;
        let texts = self.facts.iter().chain(&self.lines).map(String::len).sum::<usize>();
        texts + self.facts.len() * BESIDE_FACTS_AND_LINES
    }

    /// A statement with these columns for its parameters 1 to 24, and the version of the rules for 25.
    pub(super) fn bind_to(self, sql: &'static str) -> Statement<'a> {
        let mut room = PgArguments::default();
        room.reserve(26, self.size_bytes());
        let statement = sqlx::query_with(sql, room);
        let [order_ids, statuses, payments, inventories, fulfilments, returns] = self.texts;
        let [authorized, captured, refunded, charged_back] = self.amounts;
        statement
            .bind(order_ids)
            .bind(self.lanes)
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
    }
}

type Statement<'a> = sqlx::query::Query<'a, sqlx::Postgres, PgArguments>;

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::bug(format!("an order cannot be written as JSON: {error}")))
}

/// A JSON array; most are empty.
fn list(items: &[impl serde::Serialize]) -> Result<Cow<'static, str>> {
    if items.is_empty() { Ok(Cow::Borrowed("[]")) } else { to_json(&items).map(Cow::Owned) }
}

/// A Postgres array of words or numbers that need no quoting; most are empty.
fn array_literal(items: impl Iterator<Item = impl Display>) -> Cow<'static, str> {
    let mut text = String::new();
    for item in items {
        text.push(if text.is_empty() { '{' } else { ',' });
        write!(text, "{item}").expect("memory takes every word");
    }
    if text.is_empty() {
        return Cow::Borrowed("{}");
    }
    text.push('}');
    Cow::Owned(text)
}
