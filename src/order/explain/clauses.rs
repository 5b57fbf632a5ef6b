//! The clauses of the status table in words: why each holds, or does not.
//!
//! Invariant: exhaustive, so a new clause must say what it means; whether it holds is asked of `status` alone.

use crate::order::cancel::CancelReason;
use crate::order::event::GivenUp;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::ShipmentKind;
use crate::order::facts::told::{Entity, Fact, LEFT};
use crate::order::goods::Goods;
use crate::order::policy::Shell;
use crate::order::region::is_in_progress;
use crate::order::status::Clause;

use super::Sentence;
use super::evidence::{Evidence, is_stock};

impl Evidence<'_> {
    /// Why a clause holds, or does not.
    pub fn of_clause(&self, clause: Clause) -> Sentence {
        let reading = self.reading;
        let holds = clause.holds(reading, !self.owed.is_empty());
        let is_shipment = |kinds: &[&str], fact: &Fact| fact.entity == Entity::Shipment && kinds.contains(&fact.kind);
        match clause {
            Clause::CancelIntent => self.cancel_intent(),
            Clause::NothingOwed => {
                let owed: Vec<String> = self.owed.iter().map(|owed| format!("{} {}", owed.kind(), owed.id())).collect();
                let text = if holds { "nothing is owed".to_owned() } else { format!("owed: {}", owed.join(", ")) };
                self.say(text, |_| false)
            }
            Clause::NothingOut => {
                let back = self.of_shipped("that left came back", Goods::back_again);
                let is_behind = |fact: &Fact| is_shipment(&[LEFT], fact) || fact.entity == Entity::Return;
                match (holds, reading.goods.iter().any(|goods| goods.shipped > 0)) {
                    (true, false) => self.say("nothing left", |_| false),
                    (true, true) => self.say(format!("nothing is out: {back}"), is_behind),
                    // Without cancel intent nothing is owed in any case.
                    (false, _) if reading.is_cancelled() => {
                        self.say(format!("something is out, and until it is back no money is owed: {back}"), is_behind)
                    }
                    (false, _) => self.say(format!("something is out: {back}"), is_behind),
                }
            }
            Clause::EverythingReturned | Clause::SomethingReturned | Clause::NoReturnRequested => {
                let came = self.of_shipped("that left came back by a return", |goods| goods.returned);
                let text = match (reading.facts.returns.is_empty(), came.is_empty()) {
                    (true, _) => "no return was heard of".to_owned(),
                    (false, true) => "nothing left that could come back".to_owned(),
                    (false, false) => came,
                };
                self.say(format!("returns are {}: {text}", reading.returns), |fact| fact.entity == Entity::Return)
            }
            Clause::EverythingDelivered => {
                let delivered = self.of_ordered("delivered", |_, goods| goods.delivered);
                let kinds = [ShipmentKind::Delivered.as_str(), ShipmentKind::ReturnedToSender.as_str()];
                self.say(format!("fulfilment is {}: {delivered}", reading.fulfilment), |fact| is_shipment(&kinds, fact))
            }
            Clause::EverythingShipped | Clause::SomethingShipped => {
                let shipped = self.of_ordered("shipped", |_, goods| goods.shipped);
                let what = match (clause == Clause::EverythingShipped, holds) {
                    (true, true) => "every line left",
                    (true, false) => "not every line left",
                    (false, true) => "something left",
                    (false, false) => "nothing left",
                };
                self.say(format!("{what}: {shipped}"), |fact| is_shipment(&[LEFT], fact))
            }
            Clause::ShipmentBegun => self.shipment_begun(),
            Clause::Secured => self.covered(holds, "secured", reading.sums.authorized, "held or taken"),
            Clause::Settled => self.covered(holds, "settled", 0, "taken"),
            Clause::EverythingReserved => {
                let reserved = self.of_ordered("reserved", |row, _| reading.stock.lines[row].reserved);
                self.say(format!("inventory is {}: {reserved}", reading.inventory), is_stock)
            }
        }
    }

    /// What asked to cancel, and whether that came before anything left.
    pub fn cancel_intent(&self) -> Sentence {
        let race = &self.reading.race;
        let Some(reason) = race.intent else {
            return if race.was_asked {
                let text = "no cancel intent: what asked to cancel came at or after the dispatch";
                self.say(text, |fact| is_asking(fact) || self.is_dispatch(fact))
            } else {
                self.say("no cancel intent: nothing asked to cancel", |_| false)
            };
        };
        let decisive = self.told.iter().find(|fact| asks_for(reason, fact));
        let when = if race.is_dispatched() { "before the first parcel left" } else { "and nothing left" };
        let text = format!("cancel intent, reason {reason}: {}, {when}", asked(reason));
        self.say(text, |fact| Some(fact) == decisive || self.is_dispatch(fact))
    }

    /// Whether a fact is the one by which the order was dispatched.
    pub fn is_dispatch(&self, fact: &Fact) -> bool {
        fact.kind == LEFT && self.reading.race.dispatched_at == Some(fact.occurred_at)
    }

    fn shipment_begun(&self) -> Sentence {
        let begun = self.reading.facts.shipments.iter().filter(|(_, shipment)| is_in_progress(shipment));
        let begun: Vec<&str> = begun.map(|(id, _)| id.as_str()).collect();
        let what = match begun.as_slice() {
            [] => "no shipment is being made ready".to_owned(),
            [one] => format!("shipment {one} is being made ready"),
            many => format!("shipments {} are being made ready", many.join(", ")),
        };
        let is_behind = |fact: &Fact| fact.entity == Entity::Shipment && begun.contains(&&*fact.id);
        self.say(format!("fulfilment is {}: {what}", self.reading.fulfilment), is_behind)
    }

    /// Whether money covers what we should have: `held` and what was taken less what is gone again.
    fn covered(&self, holds: bool, word: &str, held: i128, what: &str) -> Sentence {
        let sums = &self.reading.sums;
        let not = if holds { "" } else { "not " };
        let why = match sums.known_total {
            Some(0) => "the order costs nothing".to_owned(),
            None if self.reading.policy.shell == Shell::Wait => {
                "nobody said what the order costs, and the policy is to wait for that".to_owned()
            }
            None if holds => format!("{} {what}, and nobody said what the order costs", self.money(held + sums.net())),
            Some(_) | None => {
                let parts = [
                    (held, "held"),
                    (sums.captured, "taken"),
                    (-sums.refunded - sums.charged_back, "given back or lost"),
                ];
                let parts = parts.into_iter().filter(|(amount, _)| *amount != 0);
                let have: Vec<String> =
                    parts.map(|(amount, what)| format!("{} {what}", self.money(amount.abs()))).collect();
                let have = if have.is_empty() { format!("nothing {what}") } else { have.join(", ") };
                format!("{have}, against the {} that we should have", self.money(sums.target()))
            }
        };
        self.say(format!("{not}{word}: {why}"), |fact| self.is_money(fact))
    }
}

/// Whether a fact asks to cancel.
pub(super) fn is_asking(fact: &Fact) -> bool {
    CancelReason::ALL.into_iter().any(|reason| asks_for(reason, fact))
}

/// Whether a fact asks to cancel for this reason.
fn asks_for(reason: CancelReason, fact: &Fact) -> bool {
    let fired = |deadline: GivenUp| fact.entity == Entity::Deadline && fact.id == deadline.as_str();
    match reason {
        CancelReason::Customer | CancelReason::Merchant => {
            fact.entity == Entity::Order && fact.kind == OrderKind::CancelRequested.as_str()
        }
        CancelReason::Fraud => fact.kind == PaymentKind::ReviewRejected.as_str(),
        CancelReason::OutOfStock => fired(GivenUp::Rejection),
        CancelReason::PaymentExpired => fired(GivenUp::PaymentDue),
        CancelReason::PaymentFailed => fired(GivenUp::PaymentRetry),
    }
}

fn asked(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Customer => "the customer asked",
        CancelReason::Merchant => "the merchant asked",
        CancelReason::Fraud => "a fraud review ended badly",
        CancelReason::OutOfStock => "the deadline rejection fired, because nothing of it can be supplied",
        CancelReason::PaymentExpired => "the deadline payment_due fired, because it was not paid",
        CancelReason::PaymentFailed => "the deadline payment_retry fired, because no other attempt to pay came",
    }
}
