//! The derived view: everything that downstream services are told of an order.
//!
//! [`derive()`] is the product's one function from facts to meaning; an OrderStatusChanged is emitted exactly when its
//! result differs from the last one emitted (DOMAIN section 9). Invariant: equal facts and equal policy give an equal
//! view, byte for byte. Its JSON form is the `expect` of a scenario.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{AmountMinor, LineId};
use crate::order::event::money::Currency;
use crate::order::facts::Facts;

use super::attention::{Attention, Flag, attention, flags};
use super::cancel::CancelReason;
use super::obligation::{Obligation, owed};
use super::policy::Policy;
use super::reading::Reading;
use super::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
use super::status::{Status, status};

/// What an order's facts mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Where the order is, in one word.
    pub status: Status,
    /// Where the money is.
    pub payment: PaymentState,
    /// Where the stock is.
    pub inventory: InventoryState,
    /// Where the goods are on their way out.
    pub fulfilment: FulfilmentState,
    /// Where the goods are on their way back.
    pub returns: ReturnsState,
    /// What holds for now.
    pub flags: BTreeSet<Flag>,
    /// Why a person should look.
    pub attention: BTreeSet<Attention>,
    /// Why the order is to be cancelled; none without cancel intent.
    pub cancel_reason: Option<CancelReason>,
    /// The currency of the amounts; none while no money is known.
    pub currency: Option<Currency>,
    /// What the order costs; none for a shell.
    pub total_minor: Option<AmountMinor>,
    /// What is held and not taken.
    pub authorized_minor: AmountMinor,
    /// What was taken.
    pub captured_minor: AmountMinor,
    /// What was given back.
    pub refunded_minor: AmountMinor,
    /// What was lost in disputes.
    pub charged_back_minor: AmountMinor,
    /// The lines, sorted by id.
    pub lines: Vec<LineView>,
    /// The open obligations, sorted by kind and id.
    pub owed: Vec<Obligation>,
}

/// One line of an order, in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineView {
    /// Which line.
    pub line_id: LineId,
    /// How many are ordered.
    pub ordered: i64,
    /// How many are held for the order.
    pub reserved: i64,
    /// How many left.
    pub shipped: i64,
    /// How many arrived.
    pub delivered: i64,
    /// How many came back by a return.
    pub returned: i64,
}

/// Reads the facts: the view of an order, obligations included.
#[must_use]
pub fn derive(facts: &Facts, policy: &Policy) -> View {
    let reading = Reading::of(facts, policy);
    let owed = owed(&reading);
    let sums = &reading.sums;
    View {
        status: status(&reading, !owed.is_empty()),
        payment: reading.payment,
        inventory: reading.inventory,
        fulfilment: reading.fulfilment,
        returns: reading.returns,
        flags: flags(facts),
        attention: attention(&reading),
        cancel_reason: reading.race.intent,
        currency: sums.currency,
        total_minor: sums.known_total.map(amount),
        authorized_minor: amount(sums.authorized),
        captured_minor: amount(sums.captured),
        refunded_minor: amount(sums.refunded),
        charged_back_minor: amount(sums.charged_back),
        lines: lines(&reading),
        owed,
    }
}

fn lines(reading: &Reading<'_>) -> Vec<LineView> {
    let lines = reading.lines.iter().map(|(row, line)| LineView {
        line_id: line.id.clone(),
        ordered: line.ordered,
        reserved: reading.stock.lines[row].reserved,
        shipped: reading.goods[row].shipped,
        delivered: reading.goods[row].delivered,
        returned: reading.goods[row].returned,
    });
    lines.collect()
}

/// A sum as it is emitted. Only more than 9,223 facts of the greatest amount would not fit; then the greatest number is shown.
fn amount(sum: i128) -> AmountMinor {
    AmountMinor(i64::try_from(sum).unwrap_or(i64::MAX))
}
