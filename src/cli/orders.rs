//! `orderstream orders list`: which orders are in a state, for how long, and what they owe.
//!
//! Invariant: a name that is none of ours is refused with the names that there are, before the database is asked.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::ConfigFile;
use super::database::with_database;
use super::exit::Exit;
use super::instant;
use super::output::{Output, plain, table};
use super::with_config;
use crate::config::units;
use crate::ids::Timestamp;
use crate::order::attention::{Attention, Flag};
use crate::order::cancel::CancelReason;
use crate::order::status::Status;
use crate::persist::listing::{self, Listed, Wanted};
use crate::persist::snapshot;

/// What can be asked of many orders.
#[derive(Debug, Subcommand)]
pub(super) enum OrdersCommand {
    /// Lists orders, those first that changed longest ago. Archived orders are not listed.
    #[command(after_help = "Several values of one option: any of them. Several options: all of them.\n\n\
                      Example:\n  orderstream orders list --status CANCELLING --older-than 2h --config orderstream.toml")]
    List(ListArgs),
}

/// Which orders, and how many.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only with this status; may be repeated.
    #[arg(long, value_name = "STATUS")]
    status: Vec<Status>,
    /// Only those whose view last changed longer ago, for example 2h or 3d.
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    older_than: Option<Duration>,
    /// Only with this reason for attention; may be repeated.
    #[arg(long, value_name = "REASON")]
    attention: Vec<Attention>,
    /// Only with this flag; may be repeated.
    #[arg(long, value_name = "FLAG")]
    flag: Vec<Flag>,
    /// Only those that are cancelled for this reason; may be repeated.
    #[arg(long, value_name = "REASON")]
    cancel_reason: Vec<CancelReason>,
    /// How many are listed at most; all are counted.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl OrdersCommand {
    /// Asks and answers.
    pub(super) fn run(self) -> Exit {
        let Self::List(asked) = self;
        with_config(&asked.file, |config| {
            with_database(&config, "orders", async |connection| {
                let now = snapshot::begin(connection).await?;
                let (total, orders) = listing::orders(connection, &asked.wanted(now), asked.limit.into()).await?;
                let list = List { total, orders: orders.into_iter().map(Row::from).collect() };
                Ok(asked.output.answer(&list, || list.text(now)))
            })
        })
    }
}

impl ListArgs {
    fn wanted(&self, now: Timestamp) -> Wanted {
        let micros = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        Wanted {
            statuses: self.status.clone(),
            attention: self.attention.clone(),
            flags: self.flag.clone(),
            cancel_reasons: self.cancel_reason.clone(),
            changed_before: self.older_than.map(|age| Timestamp(now.0.saturating_sub(micros(age)))),
        }
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
struct List {
    /// How many orders are so, listed or not.
    total: i64,
    orders: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    order_id: String,
    status: &'static str,
    changed_at: Timestamp,
    version: i64,
    payment: &'static str,
    inventory: &'static str,
    fulfilment: &'static str,
    returns: &'static str,
    flags: Vec<&'static str>,
    attention: Vec<&'static str>,
    cancel_reason: Option<&'static str>,
    owed: i32,
}

impl From<Listed> for Row {
    fn from(listed: Listed) -> Self {
        Self {
            order_id: listed.order_id.to_string(),
            status: listed.status.as_str(),
            changed_at: listed.changed_at,
            version: listed.version,
            payment: listed.payment.as_str(),
            inventory: listed.inventory.as_str(),
            fulfilment: listed.fulfilment.as_str(),
            returns: listed.returns.as_str(),
            flags: listed.flags.iter().map(|flag| flag.as_str()).collect(),
            attention: listed.attention.iter().map(|reason| reason.as_str()).collect(),
            cancel_reason: listed.cancel_reason.map(CancelReason::as_str),
            owed: listed.owed,
        }
    }
}

impl List {
    fn text(&self, now: Timestamp) -> String {
        let rows = self.orders.iter().map(|row| {
            let age = instant::length(now.0.saturating_sub(row.changed_at.0).unsigned_abs());
            let texts = [row.status, &age, row.payment, row.inventory, row.fulfilment, row.returns];
            let beside: Vec<&str> = row.flags.iter().chain(&row.attention).copied().collect();
            let owed = if row.owed == 0 { String::new() } else { row.owed.to_string() };
            let id = plain(&row.order_id).into_owned();
            let texts = texts.map(str::to_owned).into_iter();
            std::iter::once(id).chain(texts).chain([owed, beside.join(", ")]).collect()
        });
        let headings = [
            "order",
            "status",
            "since",
            "payment",
            "inventory",
            "fulfilment",
            "returns",
            "owed",
            "flags and attention",
        ];
        let listed = match self.total {
            0 => return "no order is so\n".to_owned(),
            1 => "1 order\n".to_owned(),
            total if total == i64::try_from(self.orders.len()).unwrap_or(i64::MAX) => format!("{total} orders\n"),
            total => format!("{total} orders, {} of them listed: --limit lists more\n", self.orders.len()),
        };
        table::<String>(&headings, rows) + &listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row {
        Row {
            order_id: id.to_owned(),
            status: "CANCELLING",
            changed_at: Timestamp(0),
            version: 3,
            payment: "PAID",
            inventory: "NONE",
            fulfilment: "NOT_STARTED",
            returns: "NONE",
            flags: vec!["on_hold"],
            attention: vec!["overpaid"],
            cancel_reason: None,
            owed: 1,
        }
    }

    #[test]
    fn a_list_ends_with_how_many_there_are() {
        let now = Timestamp(7_200_000_000);
        let one = List { total: 1, orders: vec![row("a")] };
        let text = one.text(now);
        assert!(
            text.contains("on_hold, overpaid") && text.contains(" 2 h ") && text.ends_with("\n1 order\n"),
            "{text}"
        );
        let more = List { total: 70, orders: vec![row("a"), row("b\u{1b}")] };
        let text = more.text(now);
        assert!(text.ends_with("70 orders, 2 of them listed: --limit lists more\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(List { total: 0, orders: Vec::new() }.text(now), "no order is so\n");
    }
}
