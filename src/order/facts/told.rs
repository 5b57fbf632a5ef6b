//! The facts of an order one by one, each under the address of its register, so that a person can find what was said.
//!
//! For explanations; the derivation reads the registers themselves. Invariant: every register that holds a value is listed
//! once, by the address that DOMAIN section 1 gives it.

use std::fmt;

use serde::Serialize;

use super::register::Value;
use super::reservation::Said;
use super::{Facts, Hold};
use crate::ids::{EventId, LineId, Timestamp};
use crate::order::event::inventory::InventoryKind;
use crate::order::event::line::WHOLE;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::{ReturnKind, ShipmentKind};
use crate::order::names::named;

named! {
    /// What a fact is about.
    pub enum Entity, "entity" {
        /// The order itself.
        Order = "order",
        /// An attempt to hold money.
        Authorization = "authorization",
        /// A taking of money.
        Capture = "capture",
        /// A giving back of money.
        Refund = "refund",
        /// A chargeback or inquiry.
        Dispute = "dispute",
        /// A fraud review.
        Review = "review",
        /// A hold on stock.
        Reservation = "reservation",
        /// A parcel.
        Shipment = "shipment",
        /// Goods that come back.
        Return = "return",
        /// A hold on the order.
        Hold = "hold",
        /// A deadline of ours.
        Deadline = "deadline",
    }
}

/// The register of the first word of a parcel having left, which no event's kind names.
pub const LEFT: &str = "LEFT";
/// The kind of the fact that a deadline records which gives the order up.
pub const FIRED: &str = "FIRED";

/// What one register holds, without its content. Sorted by when it occurred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub entity: Entity,
    /// Which one; empty for the order itself, the name of a deadline.
    pub id: String,
    /// The line, of a stock fact; `*` is the whole order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LineId>,
    /// What was said.
    pub kind: &'static str,
    /// The event that said it.
    pub event_id: EventId,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// The address of its register: `(capture, "cap-7", CAPTURED)`.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}", self.entity)?;
        if self.entity == Entity::Deadline {
            write!(f, ", {}", self.id)?;
        } else if self.entity != Entity::Order {
            write!(f, ", \"{}\"", self.id)?;
        }
        if let Some(line) = &self.line {
            write!(f, ", line \"{line}\"")?;
        }
        write!(f, ", {})", self.kind)
    }
}

impl Facts {
    /// Every fact, the earliest first.
    #[must_use]
    pub fn told(&self) -> Vec<Fact> {
        let mut told = Told(Vec::with_capacity(self.len()));
        self.tell_payment(&mut told);
        self.tell_goods(&mut told);
        self.tell_order(&mut told);
        let Told(mut facts) = told;
        facts.sort_by(|a, b| (a.occurred_at, &a.event_id).cmp(&(b.occurred_at, &b.event_id)));
        facts
    }

    fn tell_payment(&self, told: &mut Told) {
        for (id, of) in &self.authorizations {
            let mut put = told.of(Entity::Authorization, id.as_str());
            put.one(PaymentKind::Pending.as_str(), of.pending.get());
            put.one(PaymentKind::ActionRequired.as_str(), of.action_required.get());
            put.one(PaymentKind::Authorized.as_str(), of.authorized.get());
            put.one(PaymentKind::Declined.as_str(), of.declined.get());
            put.one(PaymentKind::Voided.as_str(), of.voided.get());
            put.one(PaymentKind::AuthorizationExpired.as_str(), of.expired.get());
        }
        for (id, of) in &self.captures {
            let mut put = told.of(Entity::Capture, id.as_str());
            put.one(PaymentKind::Captured.as_str(), of.captured.get());
            put.one(PaymentKind::CaptureFailed.as_str(), of.failed.get());
        }
        for (id, of) in &self.refunds {
            let mut put = told.of(Entity::Refund, id.as_str());
            put.one(PaymentKind::Refunded.as_str(), of.refunded.get());
            put.one(PaymentKind::RefundFailed.as_str(), of.failed.get());
        }
        for (id, of) in &self.disputes {
            let mut put = told.of(Entity::Dispute, id.as_str());
            put.one(PaymentKind::DisputeOpened.as_str(), of.opened.get());
            put.one(PaymentKind::DisputeWon.as_str(), of.won.get());
            put.one(PaymentKind::DisputeLost.as_str(), of.lost.get());
        }
        for (id, of) in &self.reviews {
            let mut put = told.of(Entity::Review, id.as_str());
            put.one(PaymentKind::ReviewOpened.as_str(), of.opened.get());
            put.one(PaymentKind::ReviewApproved.as_str(), of.approved.get());
            put.one(PaymentKind::ReviewRejected.as_str(), of.rejected.get());
        }
    }

    fn tell_goods(&self, told: &mut Told) {
        for (id, of) in &self.reservations {
            let mut put = told.of(Entity::Reservation, id.as_str());
            put.said(&LineId::from(WHOLE), &of.whole);
            of.lines.iter().for_each(|(line, said)| put.said(line, said));
        }
        for (id, of) in &self.shipments {
            let mut put = told.of(Entity::Shipment, id.as_str());
            for (kind, register) in &of.said {
                put.one(ShipmentKind::as_str(*kind), register.get());
            }
            put.one(LEFT, of.left.get());
        }
        for (id, of) in &self.returns {
            let mut put = told.of(Entity::Return, id.as_str());
            put.one(ReturnKind::Requested.as_str(), of.requested.get());
            put.one(ReturnKind::Received.as_str(), of.received.get());
            put.one(ReturnKind::Closed.as_str(), of.closed.get());
        }
    }

    fn tell_order(&self, told: &mut Told) {
        let mut put = told.of(Entity::Order, "");
        put.one(OrderKind::Placed.as_str(), self.placed.get());
        put.one(OrderKind::Amended.as_str(), self.amended.get());
        put.one(OrderKind::CancelRequested.as_str(), self.cancel_requested.get());
        for (id, Hold { placed, released }) in &self.holds {
            let mut put = told.of(Entity::Hold, id.as_str());
            put.one(OrderKind::HoldPlaced.as_str(), placed.get());
            put.one(OrderKind::HoldReleased.as_str(), released.get());
        }
        for (name, register) in &self.given_up {
            told.of(Entity::Deadline, name.as_str()).one(FIRED, register.get());
        }
    }
}

struct Told(Vec<Fact>);

/// Puts the facts of one entity.
struct Put<'a> {
    told: &'a mut Vec<Fact>,
    entity: Entity,
    id: &'a str,
}

impl Told {
    fn of<'a>(&'a mut self, entity: Entity, id: &'a str) -> Put<'a> {
        Put { told: &mut self.0, entity, id }
    }
}

impl Put<'_> {
    fn one<T>(&mut self, kind: &'static str, value: Option<&Value<T>>) {
        self.put(None, kind, value);
    }

    fn said(&mut self, line: &LineId, said: &Said) {
        for (kind, register) in said {
            self.put(Some(line), InventoryKind::as_str(*kind), register.get());
        }
    }

    fn put<T>(&mut self, line: Option<&LineId>, kind: &'static str, value: Option<&Value<T>>) {
        let fact = value.map(|value| Fact {
            entity: self.entity,
            id: self.id.to_owned(),
            line: line.cloned(),
            kind,
            event_id: value.event_id.clone(),
            occurred_at: value.at,
        });
        self.told.extend(fact);
    }
}
