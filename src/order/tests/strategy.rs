//! Draws events that collide: few ids, few lines, few instants, so that registers meet and ties are common.
//!
//! Every kind of every topic is drawn, and the internal facts of deadlines too; now and then two events share an id and
//! differ all the same, because no producer is perfect and the order must not depend on who comes first even then.

use std::sync::Arc;

use proptest::prelude::*;

use super::say;
use crate::ids::{LineId, Timestamp};
use crate::order::event::GivenUp;
use crate::order::event::inventory::{Condition, Inventory, StockFact};
use crate::order::event::line::{Line, Lines, Quantity};
use crate::order::event::money::Money;
use crate::order::event::ordering::{Ordering, RequestedBy, Terms};
use crate::order::event::payment::{
    AuthorizationFact, Authorized, CaptureFact, DisputeFact, Lost, Moved, Payment, RefundFact, ReviewFact,
};
use crate::order::event::shipping::{ReturnFact, ShipmentKind, Shipping, ShippingFact};
use crate::order::policy::Micros;
use crate::order::{Body, Event, Policy, Shell};

/// Up to `max` events of one order.
pub fn events(max: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..=max)
}

/// One event.
pub fn event() -> impl Strategy<Value = Event> {
    (body(), 0_i64..12, 0_u32..1_000, any::<bool>()).prop_map(|(body, hour, number, texts)| {
        let event_id = format!("e{number:03}");
        let event = say::event("o", body).id(&event_id);
        let producer: Option<Arc<str>> = texts.then(|| Arc::from("shop"));
        Event { occurred_at: say::minute(hour * 60), producer: producer.clone(), reason: producer, ..event }
    })
}

/// The events in another order, some of them more than once.
pub fn shuffled(events: Vec<Event>) -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    let again = prop::collection::vec(any::<prop::sample::Index>(), 0..=events.len());
    let repeated = (Just(events.clone()), again).prop_map(|(events, again)| {
        let mut repeated = events.clone();
        if !events.is_empty() {
            repeated.extend(again.iter().map(|index| index.get(&events).clone()));
        }
        repeated
    });
    (Just(events), repeated.prop_shuffle())
}

/// A policy with each choice now and then.
pub fn policy() -> impl Strategy<Value = Policy> {
    let hours = || (0_u32..6).prop_map(|hours| Micros::from_seconds(hours * 3_600));
    let shell = prop_oneof![Just(Shell::Trust), Just(Shell::Wait)];
    (shell, prop::option::of(hours()), hours(), hours()).prop_map(
        |(shell, payment_window, payment_retry_window, rejection_grace)| Policy {
            shell,
            payment_window,
            payment_retry_window,
            rejection_grace,
            ..Policy::default()
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        5 => payment().prop_map(Body::Payment),
        4 => inventory().prop_map(Body::Inventory),
        4 => shipping().prop_map(Body::Shipping),
        2 => ordering().prop_map(Body::Order),
        1 => prop::sample::select(GivenUp::ALL.as_slice()).prop_map(Body::Fired),
    ]
}

fn id(prefix: &'static str) -> impl Strategy<Value = String> {
    (1..=2).prop_map(move |number| format!("{prefix}{number}"))
}

fn money() -> impl Strategy<Value = Money> {
    let amount = prop::sample::select([0, 1_000, 2_500, 4_000, 5_000, 10_000].as_slice());
    let currency = prop_oneof![9 => Just("EUR"), 1 => Just("USD")];
    (amount, currency)
        .prop_map(|(amount, currency)| Money { currency: currency.parse().expect("a currency"), ..say::eur(amount) })
}

fn instant() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::of((0_i64..14).prop_map(|hour| say::minute(hour * 60)))
}

fn lines() -> impl Strategy<Value = Lines> {
    let sku = prop::option::of(prop::sample::select(["sku-a", "sku-b"].as_slice()));
    let line = (prop::sample::select(["1", "2", "3", "9"].as_slice()), 1_i64..=3, sku);
    let named = prop::collection::vec(line, 0..=3).prop_map(|lines| {
        let mut lines: Vec<Line> = lines
            .into_iter()
            .map(|(id, pieces, sku)| Line {
                line_id: LineId::from(id),
                quantity: Quantity::new(pieces).expect("1 to 3"),
                sku: sku.map(Into::into),
            })
            .collect();
        lines.sort_by(|a, b| a.line_id.cmp(&b.line_id));
        lines.dedup_by(|a, b| a.line_id == b.line_id);
        Lines::new(lines).expect("each line once")
    });
    prop_oneof![1 => Just(Lines::default()), 2 => named]
}

fn payment() -> impl Strategy<Value = Payment> {
    let authorization = prop_oneof![
        1 => Just(AuthorizationFact::Pending),
        1 => Just(AuthorizationFact::ActionRequired),
        3 => (money(), instant()).prop_map(|(money, expires_at)| AuthorizationFact::Authorized(Authorized { money, expires_at })),
        1 => Just(AuthorizationFact::Declined),
        1 => Just(AuthorizationFact::Voided),
        1 => Just(AuthorizationFact::Expired),
    ];
    let of_authorization = prop::option::of(id("a"));
    let capture = prop_oneof![
        3 => (money(), of_authorization).prop_map(|(money, of)| CaptureFact::Captured(Moved { money, of: of.map(Into::into) })),
        1 => Just(CaptureFact::Failed),
    ];
    let of_capture = || prop::option::of(id("c"));
    let refund = prop_oneof![
        2 => (money(), of_capture()).prop_map(|(money, of)| RefundFact::Refunded(Moved { money, of: of.map(Into::into) })),
        1 => Just(RefundFact::Failed),
    ];
    let dispute = prop_oneof![
        (money(), of_capture()).prop_map(|(money, of)| DisputeFact::Opened(Moved { money, of: of.map(Into::into) })),
        Just(DisputeFact::Won),
        (prop::option::of(money()), of_capture())
            .prop_map(|(money, of)| DisputeFact::Lost(Lost { money, of: of.map(Into::into) })),
    ];
    let review = prop::sample::select([ReviewFact::Opened, ReviewFact::Approved, ReviewFact::Rejected].as_slice());
    prop_oneof![
        3 => (id("a"), authorization).prop_map(|(id, fact)| Payment::Authorization(id.into(), fact)),
        2 => (id("c"), capture).prop_map(|(id, fact)| Payment::Capture(id.into(), fact)),
        2 => (id("r"), refund).prop_map(|(id, fact)| Payment::Refund(id.into(), fact)),
        1 => (id("d"), dispute).prop_map(|(id, fact)| Payment::Dispute(id.into(), fact)),
        1 => (id("v"), review).prop_map(|(id, fact)| Payment::Review(id.into(), fact)),
    ]
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let condition = prop::option::of(prop::sample::select(Condition::ALL.as_slice()));
    let fact = prop_oneof![
        4 => instant().prop_map(|expires_at| StockFact::Reserved { expires_at }),
        1 => Just(StockFact::Backordered),
        2 => Just(StockFact::Rejected),
        1 => Just(StockFact::Shorted),
        1 => Just(StockFact::ReservationExpired),
        1 => Just(StockFact::Released),
        1 => condition.prop_map(|condition| StockFact::Restocked { condition }),
    ];
    (id("s"), lines(), fact).prop_map(|(id, lines, fact)| Inventory { reservation: id.into(), lines, fact })
}

fn shipping() -> impl Strategy<Value = Shipping> {
    let shipment = (id("p"), prop::sample::select(ShipmentKind::ALL.as_slice()));
    let back = prop_oneof![
        Just(ReturnFact::Requested),
        Just(ReturnFact::Received),
        any::<bool>().prop_map(|accepted| ReturnFact::Closed { accepted }),
    ];
    let fact = prop_oneof![
        4 => shipment.prop_map(|(id, kind)| ShippingFact::Shipment(id.into(), kind)),
        1 => (id("t"), back).prop_map(|(id, fact)| ShippingFact::Return(id.into(), fact)),
    ];
    (lines(), fact).prop_map(|(lines, fact)| Shipping { lines, carrier: None, tracking_number: None, fact })
}

fn ordering() -> impl Strategy<Value = Ordering> {
    let terms = || {
        (money(), lines(), instant()).prop_map(|(total, lines, payment_due_at)| Terms { total, lines, payment_due_at })
    };
    prop_oneof![
        3 => terms().prop_map(Ordering::Placed),
        1 => terms().prop_map(Ordering::Amended),
        1 => prop::sample::select(RequestedBy::ALL.as_slice()).prop_map(Ordering::CancelRequested),
        1 => id("h").prop_map(|id| Ordering::HoldPlaced(id.into())),
        1 => id("h").prop_map(|id| Ordering::HoldReleased(id.into())),
    ]
}
