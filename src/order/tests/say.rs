//! Events in few words: `say::captured("c1", 500).of("a1").at(30)`.
//!
//! All are of one order, in EUR, and at minute 0 unless said; an event's id is its kind, its entity and its minute.

// A kind that a test cannot mean here fails that test.
#![allow(clippy::wildcard_enum_match_arm)]

use crate::ids::{AmountMinor, LineId, Sku, Timestamp};
use crate::order::event::inventory::{Inventory, StockFact};
use crate::order::event::line::{Line, Lines, Quantity};
use crate::order::event::money::Money;
use crate::order::event::ordering::{Ordering, RequestedBy, Terms};
use crate::order::event::payment::{
    AuthorizationFact, Authorized, CaptureFact, DisputeFact, Lost, Moved, Payment, RefundFact, ReviewFact,
};
use crate::order::event::shipping::{ReturnFact, ShipmentKind, Shipping, ShippingFact};
use crate::order::{Body, Event};

/// Minute 0 of these tests.
const START_MICROS: i64 = 1_700_000_000_000_000;

/// The instant of a minute.
pub fn minute(minute: i64) -> Timestamp {
    Timestamp(START_MICROS + minute * 60_000_000)
}

/// An event with this body, at minute 0.
pub fn event(entity: &str, body: Body) -> Event {
    let event = Event {
        event_id: entity.into(),
        order_id: "o".into(),
        occurred_at: minute(0),
        producer: None,
        correlation_id: None,
        causation_id: None,
        reason: None,
        body,
    };
    let event_id = format!("{}-{entity}", event.kind());
    Event { event_id: event_id.into(), ..event }
}

impl Event {
    /// The same, later.
    #[must_use]
    pub fn at(self, at: i64) -> Self {
        let event_id = format!("{}@{at}", self.event_id);
        Self { event_id: event_id.into(), occurred_at: minute(at), ..self }
    }

    /// The same under another id.
    #[must_use]
    pub fn id(self, event_id: &str) -> Self {
        Self { event_id: event_id.into(), ..self }
    }

    /// The same in another currency.
    #[must_use]
    pub fn in_currency(mut self, code: &str) -> Self {
        let money = match &mut self.body {
            Body::Payment(Payment::Authorization(_, AuthorizationFact::Authorized(held))) => &mut held.money,
            Body::Payment(Payment::Capture(_, CaptureFact::Captured(moved))) => &mut moved.money,
            Body::Payment(
                Payment::Refund(_, RefundFact::Refunded(moved)) | Payment::Dispute(_, DisputeFact::Opened(moved)),
            ) => &mut moved.money,
            body => panic!("{body:?} has no money"),
        };
        money.currency = code.parse().expect("a currency");
        self
    }

    /// The same, naming the entity that the money came from.
    #[must_use]
    pub fn of(mut self, id: &str) -> Self {
        match &mut self.body {
            Body::Payment(Payment::Capture(_, CaptureFact::Captured(moved))) => moved.of = Some(id.into()),
            Body::Payment(
                Payment::Refund(_, RefundFact::Refunded(moved)) | Payment::Dispute(_, DisputeFact::Opened(moved)),
            ) => moved.of = Some(id.into()),
            Body::Payment(Payment::Dispute(_, DisputeFact::Lost(lost))) => lost.of = Some(id.into()),
            body => panic!("{body:?} names nothing"),
        }
        self
    }

    /// The same with an expiry, or with a due time.
    #[must_use]
    pub fn until(mut self, at: i64) -> Self {
        let end = match &mut self.body {
            Body::Payment(Payment::Authorization(_, AuthorizationFact::Authorized(held))) => &mut held.expires_at,
            Body::Inventory(Inventory { fact: StockFact::Reserved { expires_at }, .. }) => expires_at,
            Body::Order(Ordering::Placed(terms) | Ordering::Amended(terms)) => &mut terms.payment_due_at,
            body => panic!("{body:?} has no end"),
        };
        *end = Some(minute(at));
        self
    }
}

/// EUR.
pub fn eur(amount: i64) -> Money {
    Money { amount: AmountMinor(amount), currency: "EUR".parse().expect("a currency") }
}

/// Lines by id and quantity.
pub fn lines(named: &[(&str, i64)]) -> Lines {
    let line = |&(id, pieces): &(&str, i64)| Line {
        line_id: LineId::from(id),
        quantity: Quantity::new(pieces).expect("a quantity"),
        sku: None,
    };
    Lines::new(named.iter().map(line).collect()).expect("each line once")
}

/// Lines by id, quantity and article.
pub fn articles(named: &[(&str, i64, &str)]) -> Lines {
    let line = |&(id, pieces, sku): &(&str, i64, &str)| Line {
        line_id: LineId::from(id),
        quantity: Quantity::new(pieces).expect("a quantity"),
        sku: Some(Sku::from(sku)),
    };
    Lines::new(named.iter().map(line).collect()).expect("each line once")
}

pub fn placed(total: i64, named: &[(&str, i64)]) -> Event {
    event("o", Body::Order(Ordering::Placed(Terms { total: eur(total), lines: lines(named), payment_due_at: None })))
}

pub fn amended(total: i64, named: &[(&str, i64)]) -> Event {
    event("o", Body::Order(Ordering::Amended(Terms { total: eur(total), lines: lines(named), payment_due_at: None })))
}

pub fn cancel_requested(by: RequestedBy) -> Event {
    event("o", Body::Order(Ordering::CancelRequested(by)))
}

pub fn authorization(id: &str, fact: AuthorizationFact) -> Event {
    event(id, Body::Payment(Payment::Authorization(id.into(), fact)))
}

pub fn authorized(id: &str, amount: i64) -> Event {
    authorization(id, AuthorizationFact::Authorized(Authorized { money: eur(amount), expires_at: None }))
}

pub fn captured(id: &str, amount: i64) -> Event {
    event(id, Body::Payment(Payment::Capture(id.into(), CaptureFact::Captured(Moved { money: eur(amount), of: None }))))
}

pub fn capture_failed(id: &str) -> Event {
    event(id, Body::Payment(Payment::Capture(id.into(), CaptureFact::Failed)))
}

pub fn refunded(id: &str, amount: i64) -> Event {
    event(id, Body::Payment(Payment::Refund(id.into(), RefundFact::Refunded(Moved { money: eur(amount), of: None }))))
}

pub fn refund_failed(id: &str) -> Event {
    event(id, Body::Payment(Payment::Refund(id.into(), RefundFact::Failed)))
}

pub fn dispute_opened(id: &str, amount: i64) -> Event {
    event(id, Body::Payment(Payment::Dispute(id.into(), DisputeFact::Opened(Moved { money: eur(amount), of: None }))))
}

pub fn dispute_won(id: &str) -> Event {
    event(id, Body::Payment(Payment::Dispute(id.into(), DisputeFact::Won)))
}

pub fn dispute_lost(id: &str, amount: Option<i64>) -> Event {
    let lost = Lost { money: amount.map(eur), of: None };
    event(id, Body::Payment(Payment::Dispute(id.into(), DisputeFact::Lost(lost))))
}

pub fn review(id: &str, fact: ReviewFact) -> Event {
    event(id, Body::Payment(Payment::Review(id.into(), fact)))
}

pub fn stock(id: &str, fact: StockFact, lines: Lines) -> Event {
    event(id, Body::Inventory(Inventory { reservation: id.into(), lines, fact }))
}

pub fn reserved(id: &str, named: &[(&str, i64)]) -> Event {
    stock(id, StockFact::Reserved { expires_at: None }, lines(named))
}

pub fn shipment(id: &str, kind: ShipmentKind, named: &[(&str, i64)]) -> Event {
    let fact = ShippingFact::Shipment(id.into(), kind);
    event(id, Body::Shipping(Shipping { lines: lines(named), carrier: None, tracking_number: None, fact }))
}

pub fn returned(id: &str, fact: ReturnFact, named: &[(&str, i64)]) -> Event {
    let fact = ShippingFact::Return(id.into(), fact);
    event(id, Body::Shipping(Shipping { lines: lines(named), carrier: None, tracking_number: None, fact }))
}
