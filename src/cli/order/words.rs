//! The parts of a view in words: what is owed, in which pieces, and what one view changed against another.
//!
//! Pure. Invariant: two views that differ differ in words, so a change is never shown as nothing.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::cli::output::plain;
use crate::ids::AmountMinor;
use crate::order::View;
use crate::order::event::money::{self, Currency};
use crate::order::obligation::Obligation;

/// What is owed of an obligation: an amount, pieces of lines, or nothing but itself.
pub(super) fn owed(obligation: &Obligation) -> String {
    if let Some(money) = obligation.money() {
        return money.to_string();
    }
    let pieces = obligation.lines().iter();
    let pieces = pieces.map(|piece| format!("{} of line {}", piece.quantity, plain(piece.line_id.as_str())));
    pieces.collect::<Vec<_>>().join(", ")
}

/// An amount as a person writes it; while no currency is known, the minor units as they are.
pub(super) fn amount_text(amount: AmountMinor, currency: Option<Currency>) -> String {
    currency.map_or_else(|| amount.to_string(), |currency| money::shown(amount.0.into(), currency))
}

/// A set as one text: its members separated by commas.
pub(super) fn members<T: Display>(set: &BTreeSet<T>) -> String {
    set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Every difference between two views, one sentence each, in the order of the fields.
pub(super) fn changes(before: &View, after: &View) -> Vec<String> {
    let mut said = Changes::default();
    said.field("status", before.status, after.status);
    said.field("payment", before.payment, after.payment);
    said.field("inventory", before.inventory, after.inventory);
    said.field("fulfilment", before.fulfilment, after.fulfilment);
    said.field("returns", before.returns, after.returns);
    said.set("flags", &before.flags, &after.flags);
    said.set("attention", &before.attention, &after.attention);
    let none = || "none".to_owned();
    let reason = |view: &View| view.cancel_reason.map_or_else(none, |reason| reason.to_string());
    said.field("cancel reason", reason(before), reason(after));
    let total = |view: &View| view.total_minor.map_or_else(none, |total| amount_text(total, view.currency));
    said.field("total", total(before), total(after));
    type Amount = fn(&View) -> AmountMinor;
    let amounts: [(&str, Amount); 4] = [
        ("authorized", |view| view.authorized_minor),
        ("captured", |view| view.captured_minor),
        ("refunded", |view| view.refunded_minor),
        ("charged back", |view| view.charged_back_minor),
    ];
    for (name, amount) in amounts {
        // The currency of the first amount is no change of an amount that stays 0.
        if amount(before) != amount(after) {
            let currency = before.currency.or(after.currency);
            said.field(name, amount_text(amount(before), currency), amount_text(amount(after), after.currency));
        }
    }
    if before.currency.is_some() {
        let currency = |view: &View| view.currency.map_or_else(none, |currency| currency.to_string());
        said.field("currency", currency(before), currency(after));
    } else if let Some(currency) = after.currency
        && said.0.iter().all(|said| !said.contains(currency.as_str()))
    {
        said.field("currency", none(), currency.to_string());
    }
    said.lines(before, after);
    said.owed(before, after);
    said.0
}

#[derive(Default)]
struct Changes(Vec<String>);

impl Changes {
    fn field<T: Display + PartialEq>(&mut self, name: &str, before: T, after: T) {
        if before != after {
            self.0.push(format!("{name} {before} -> {after}"));
        }
    }

    fn set<T: Display + Ord>(&mut self, name: &str, before: &BTreeSet<T>, after: &BTreeSet<T>) {
        let gone = before.difference(after).map(|member| format!("-{member}"));
        let come = after.difference(before).map(|member| format!("+{member}"));
        let said: Vec<String> = come.chain(gone).collect();
        if !said.is_empty() {
            self.0.push(format!("{name} {}", said.join(" ")));
        }
    }

    fn lines(&mut self, before: &View, after: &View) {
        for line in &after.lines {
            let was = before.lines.iter().find(|was| was.line_id == line.line_id);
            let numbers = [
                ("ordered", was.map(|was| was.ordered), line.ordered),
                ("reserved", was.map(|was| was.reserved), line.reserved),
                ("shipped", was.map(|was| was.shipped), line.shipped),
                ("delivered", was.map(|was| was.delivered), line.delivered),
                ("returned", was.map(|was| was.returned), line.returned),
            ];
            let moved = numbers.iter().filter(|(_, was, is)| was.unwrap_or(0) != *is);
            let moved = moved.map(|(name, was, is)| match was {
                Some(was) => format!("{name} {was} -> {is}"),
                None => format!("{name} {is}"),
            });
            let moved: Vec<String> = moved.collect();
            if !moved.is_empty() || was.is_none() {
                let new = if was.is_none() { "new line" } else { "line" };
                self.0.push(format!("{new} {}: {}", plain(line.line_id.as_str()), moved.join(", ")));
            }
        }
        for was in &before.lines {
            if after.lines.iter().all(|line| line.line_id != was.line_id) {
                self.0.push(format!("line {} is gone", plain(was.line_id.as_str())));
            }
        }
    }

    fn owed(&mut self, before: &View, after: &View) {
        let is_same = |one: &Obligation, other: &Obligation| one.kind() == other.kind() && one.id() == other.id();
        for obligation in &after.owed {
            let (kind, id, what) = (obligation.kind(), plain(obligation.id()), owed(obligation));
            match before.owed.iter().find(|was| is_same(was, obligation)) {
                None => self.0.push(format!("owed +{kind} {id} {what}").trim_end().to_owned()),
                Some(was) if was != obligation => self.0.push(format!("owed {kind} {id} {} -> {what}", owed(was))),
                Some(_) => {}
            }
        }
        for was in &before.owed {
            if !after.owed.iter().any(|obligation| is_same(was, obligation)) {
                self.0.push(format!("owed -{} {}", was.kind(), plain(was.id())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::attention::Flag;
    use crate::order::view::LineView;
    use crate::order::{Facts, Policy, Status, derive};

    fn nothing() -> View {
        View { lines: Vec::new(), ..derive(&Facts::default(), &Policy::default()) }
    }

    #[test]
    fn money_stock_flags_and_debts_are_told_by_what_they_were_and_are() {
        let line = LineView { line_id: "1".into(), ordered: 2, reserved: 0, shipped: 0, delivered: 0, returned: 0 };
        let before = View { currency: "EUR".parse().ok(), lines: vec![line.clone()], ..nothing() };
        let after = View {
            status: Status::Cancelling,
            flags: BTreeSet::from([Flag::OnHold]),
            authorized_minor: AmountMinor(5_000),
            lines: vec![LineView { reserved: 2, ..line.clone() }, LineView { line_id: "2".into(), ..line }],
            owed: vec![Obligation::CancelShipment("shp-1".into())],
            ..before.clone()
        };
        assert_eq!(
            changes(&before, &after),
            [
                "status PENDING -> CANCELLING",
                "flags +on_hold",
                "authorized 0.00 EUR -> 50.00 EUR",
                "line 1: reserved 0 -> 2",
                "new line 2: ordered 2",
                "owed +CANCEL_SHIPMENT shp-1",
            ]
        );
        assert_eq!(
            changes(&after, &before)[3..],
            ["line 1: reserved 2 -> 0", "line 2 is gone", "owed -CANCEL_SHIPMENT shp-1"]
        );
        assert!(changes(&after, &after).is_empty());
    }

    #[test]
    fn a_currency_is_told_once() {
        let after = View { currency: "EUR".parse().ok(), ..nothing() };
        assert_eq!(changes(&nothing(), &after), ["currency none -> EUR"]);
        let priced = View { total_minor: Some(AmountMinor(500)), ..after };
        assert_eq!(changes(&nothing(), &priced), ["total none -> 5.00 EUR"]);
    }
}
