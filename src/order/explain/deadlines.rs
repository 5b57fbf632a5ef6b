//! The armed deadlines in words: what each hangs on, and what it would do, which is tried on a copy of the facts.
//!
//! Invariant: whether one holds, and what it needs, is asked of `deadline`; what follows from it is derived, not told.

use crate::ids::OrderId;
use crate::order::deadline::{Deadline, DeadlineName, Need, deadlines};
use crate::order::event::inventory::InventoryKind;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::PaymentKind;
use crate::order::facts::told::{Entity, FIRED, Fact};
use crate::order::view::derive;

use super::evidence::Evidence;
use super::{Armed, Sentence};

impl Evidence<'_> {
    /// The deadlines that are armed, the next first: those that hold before those that wait for a fact.
    pub fn deadlines(&self) -> Vec<Armed> {
        let mut armed = deadlines(self.reading.facts, self.reading.policy);
        armed.sort_by_key(|deadline| !deadline.holds);
        armed.iter().map(|deadline| self.of_deadline(deadline)).collect()
    }

    fn of_deadline(&self, deadline: &Deadline) -> Armed {
        let after = deadline.holds.then(|| {
            let mut facts = self.reading.facts.clone();
            // The id of the order is no part of its facts.
            let _ = facts.merge(&deadline.event(&OrderId::from("")));
            Box::new(derive(&facts, self.reading.policy))
        });
        Armed {
            name: deadline.name,
            id: Some(deadline.entity_id.to_string()).filter(|id| !id.is_empty()),
            due: deadline.due,
            holds: deadline.holds,
            why: self.say_of(deadline),
            after,
        }
    }

    fn say_of(&self, deadline: &Deadline) -> Sentence {
        let id = &*deadline.entity_id;
        let unmet = deadline.name.needs().iter().filter(|need| !need.is_met(deadline, self.reading));
        let unmet: Vec<String> = unmet.map(|need| self.of_need(*need, id)).collect();
        let text = if unmet.is_empty() {
            format!("unless another fact comes before, records {}", records(deadline.name, id))
        } else {
            format!("does not fire as things are: {}", unmet.join("; "))
        };
        // Facts come sorted, so the last of a kind is the latest.
        let latest = self.told.iter().rev().find(|fact| is_hung_on(deadline, fact));
        let hangs_on = |fact: &Fact| match deadline.name {
            DeadlineName::PaymentRetry | DeadlineName::Rejection => Some(fact) == latest,
            DeadlineName::PaymentDue | DeadlineName::AuthorizationExpiry | DeadlineName::ReservationExpiry => {
                is_hung_on(deadline, fact)
            }
        };
        self.say(text, hangs_on)
    }

    /// Why a need of a deadline is not met.
    fn of_need(&self, need: Need, id: &str) -> String {
        let reading = self.reading;
        match need {
            Need::NotDispatched => "the order was dispatched".to_owned(),
            Need::NoCancelIntent => "the order is given up already".to_owned(),
            Need::StockRejected => format!("not everything is rejected, inventory is {}", reading.inventory),
            Need::TotalKnown => "nobody said what the order costs".to_owned(),
            Need::NotSecured => "the order is secured".to_owned(),
            Need::PaymentDeclined => format!("payment is {} and not DECLINED", reading.payment),
            Need::MoneyHeld => format!("authorization {id} is not live or has no money left"),
            Need::StockHeld => format!("reservation {id} holds nothing"),
        }
    }
}

/// The fact that a deadline records, as a person would look for it.
fn records(name: DeadlineName, id: &str) -> String {
    match name {
        DeadlineName::AuthorizationExpiry => format!("AUTHORIZATION_EXPIRED of authorization {id}"),
        DeadlineName::ReservationExpiry => format!("RESERVATION_EXPIRED of the whole reservation {id}"),
        DeadlineName::PaymentDue | DeadlineName::PaymentRetry | DeadlineName::Rejection => {
            format!("{FIRED} of {name}, which gives the order up")
        }
    }
}

/// Whether a deadline's due time comes from facts of this kind.
fn is_hung_on(deadline: &Deadline, fact: &Fact) -> bool {
    let is_of = |entity: Entity| fact.entity == entity && *fact.id == *deadline.entity_id;
    match deadline.name {
        DeadlineName::AuthorizationExpiry => {
            is_of(Entity::Authorization) && fact.kind == PaymentKind::Authorized.as_str()
        }
        DeadlineName::PaymentDue => fact.entity == Entity::Order && fact.kind != OrderKind::CancelRequested.as_str(),
        DeadlineName::PaymentRetry => fact.kind == PaymentKind::Declined.as_str(),
        DeadlineName::Rejection => {
            [InventoryKind::Rejected.as_str(), InventoryKind::Shorted.as_str()].contains(&fact.kind)
        }
        DeadlineName::ReservationExpiry => is_of(Entity::Reservation) && fact.kind == InventoryKind::Reserved.as_str(),
    }
}
