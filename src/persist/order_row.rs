//! A row of `orders` or of `archived_orders`, read back: the same columns, the same meaning.
//!
//! For the writers, who read it under lock, and for commands, which only look. Invariant: what cannot be read is an error that
//! names the column's trouble, never a default.

use std::collections::BTreeSet;
use std::str::FromStr;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::{Error, Result};
use super::orders::Locked;
use crate::ids::{AmountMinor, Lane};
use crate::order::decision::Order;
use crate::order::{Facts, View};

/// The columns that [`read`] takes, in its order. What a query adds comes behind them.
macro_rules! columns {
    () => {
        "order_id, home_lane, version, facts, status::text, payment::text, inventory::text, fulfilment::text, \
         returns::text, flags, attention, cancel_reason, currency, total_minor, authorized_minor, captured_minor, \
         refunded_minor, charged_back_minor, lines::text, owed::text, commands::text, off_lane"
    };
}

pub(super) use columns;

/// How many columns [`columns`] names: the place of the first that a query adds.
pub(super) const COLUMNS: usize = 22;

/// Reads an order.
///
/// # Errors
/// A bug: a row that this release did not write and cannot read.
pub(super) fn read(row: &PgRow) -> Result<Locked> {
    let version: i64 = row.try_get(2)?;
    let stored_facts: Option<String> = row.try_get(3)?;
    let order = Order {
        version,
        facts: read_facts(stored_facts.as_deref())?,
        view: if version == 0 { None } else { Some(read_view(row)?) },
        commands: json(row.try_get(20)?)?,
        version_floor: 0,
    };
    Ok(Locked { home_lane: Lane(row.try_get(1)?), off_lane: row.try_get(21)?, order, stored_facts })
}

/// Reads the column `facts`; a new order has none.
///
/// # Errors
/// A bug: facts that were written by us and cannot be read.
pub(super) fn read_facts(text: Option<&str>) -> Result<Facts> {
    let Some(text) = text else { return Ok(Facts::default()) };
    serde_json::from_str(text).map_err(|error| Error::bug(format!("its facts cannot be read: {error}")))
}

fn read_view(row: &PgRow) -> Result<View> {
    Ok(View {
        status: named(row.try_get(4)?)?,
        payment: named(row.try_get(5)?)?,
        inventory: named(row.try_get(6)?)?,
        fulfilment: named(row.try_get(7)?)?,
        returns: named(row.try_get(8)?)?,
        flags: set(row.try_get(9)?)?,
        attention: set(row.try_get(10)?)?,
        cancel_reason: row.try_get::<Option<&str>, _>(11)?.map(named).transpose()?,
        currency: row.try_get::<Option<&str>, _>(12)?.map(named).transpose()?,
        total_minor: row.try_get::<Option<i64>, _>(13)?.map(AmountMinor),
        authorized_minor: AmountMinor(row.try_get(14)?),
        captured_minor: AmountMinor(row.try_get(15)?),
        refunded_minor: AmountMinor(row.try_get(16)?),
        charged_back_minor: AmountMinor(row.try_get(17)?),
        lines: json(row.try_get(18)?)?,
        owed: json(row.try_get(19)?)?,
    })
}

/// Reads a word of one of our enums.
pub(super) fn named<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| Error::bug(format!("{error}")))
}

/// Reads an array of such words.
pub(super) fn set<T: FromStr<Err: std::fmt::Display> + Ord>(texts: Vec<String>) -> Result<BTreeSet<T>> {
    texts.iter().map(|text| named(text)).collect()
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::bug(format!("its view cannot be read: {error}")))
}
