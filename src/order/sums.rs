//! The money of an order: what is held, taken, given back and lost, in the order's currency.
//!
//! Between the payment registers and the payment region. Invariant: sums are 128 bits wide, so that no number of facts
//! can overflow them; money of another currency is never in them (DOMAIN section 6).

use crate::ids::AuthorizationId;
use crate::order::event::money::{Currency, Money};
use crate::order::facts::Facts;
use crate::order::facts::payment::{Authorization, Capture, Dispute, DisputeState, Refund};
use crate::order::facts::register::Stamp;

use super::balance::Balance;

/// The sums of section 6, in the order's currency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// The currency they are in; none while no money is known.
    pub currency: Option<Currency>,
    /// T, unless the order is a shell.
    pub known_total: Option<i128>,
    /// A: what live authorizations have left.
    pub authorized: i128,
    /// C: ok captures.
    pub captured: i128,
    /// R: ok refunds.
    pub refunded: i128,
    /// B: lost disputes.
    pub charged_back: i128,
}

impl Sums {
    pub fn of(facts: &Facts, authorizations: &[Balance<'_, AuthorizationId>]) -> Self {
        let currency = currency(facts);
        let captured = facts.captures.values().filter_map(Capture::ok);
        let refunded = facts.refunds.values().filter_map(Refund::ok);
        Self {
            currency,
            known_total: facts.terms().map(|terms| i128::from(terms.content.total.amount.0)),
            authorized: sum(currency, authorizations.iter().map(|balance| balance.left)),
            captured: sum(currency, captured.map(|value| value.content.money)),
            refunded: sum(currency, refunded.map(|value| value.content.money)),
            charged_back: sum(currency, facts.disputes.values().filter_map(lost)),
        }
    }

    /// T: the total; of a shell all that is authorized or captured.
    pub fn total(&self) -> i128 {
        self.known_total.unwrap_or(self.authorized + self.captured)
    }

    /// Whether the total is not known.
    pub fn is_shell(&self) -> bool {
        self.known_total.is_none()
    }

    /// What we have: taken, less given back, less lost.
    pub fn net(&self) -> i128 {
        self.captured - self.refunded - self.charged_back
    }

    /// What we should have: the total, less what was given back.
    pub fn target(&self) -> i128 {
        self.total() - self.refunded
    }
}

/// Whether any money is in another currency than the order's.
pub(super) fn is_mixed(facts: &Facts, currency: Option<Currency>) -> bool {
    in_other_currencies(facts, currency).next().is_some()
}

/// The facts whose money is in another currency than the order's.
pub(super) fn in_other_currencies(facts: &Facts, currency: Option<Currency>) -> impl Iterator<Item = Stamp<'_>> {
    let said = taken(facts).chain(given_back(facts));
    said.filter(move |(_, money)| Some(money.currency) != currency).map(|(stamp, _)| stamp)
}

/// The currency of the terms; else of the earliest AUTHORIZED or CAPTURED; else of the earliest REFUNDED or DISPUTE_OPENED.
fn currency(facts: &Facts) -> Option<Currency> {
    let of_terms = facts.terms().map(|terms| terms.content.total.currency);
    of_terms.or_else(|| earliest(taken(facts))).or_else(|| earliest(given_back(facts)))
}

fn earliest<'a>(said: impl Iterator<Item = (Stamp<'a>, Money)>) -> Option<Currency> {
    said.map(|(stamp, money)| (stamp, money.currency)).min().map(|(_, currency)| currency)
}

/// Every AUTHORIZED and CAPTURED, in force or not.
fn taken(facts: &Facts) -> impl Iterator<Item = (Stamp<'_>, Money)> {
    let authorized = facts.authorizations.values().filter_map(Authorization::authorized);
    let captured = facts.captures.values().filter_map(Capture::captured);
    authorized
        .map(|value| (Stamp::of(value), value.content.money))
        .chain(captured.map(|value| (Stamp::of(value), value.content.money)))
}

/// Every REFUNDED and DISPUTE_OPENED, in force or not.
fn given_back(facts: &Facts) -> impl Iterator<Item = (Stamp<'_>, Money)> {
    let refunded = facts.refunds.values().filter_map(Refund::refunded);
    let opened = facts.disputes.values().filter_map(Dispute::opened);
    refunded
        .map(|value| (Stamp::of(value), value.content.money))
        .chain(opened.map(|value| (Stamp::of(value), value.content.money)))
}

fn lost(dispute: &Dispute) -> Option<Money> {
    match dispute.state()? {
        DisputeState::Lost(money, _) => money,
        DisputeState::Open(_) | DisputeState::Won => None,
    }
}

fn sum(currency: Option<Currency>, moneys: impl Iterator<Item = Money>) -> i128 {
    let ours = moneys.filter(|money| Some(money.currency) == currency);
    ours.map(|money| i128::from(money.amount.0)).sum()
}
