//! Small worlds, all of them: every interleaving of three short streams, and every pair of kinds.
//!
//! Where `properties` samples, this enumerates: what one topic says in its own order may meet what the others say in any way.

use super::say::{self, cancel_requested, placed, reserved, returned, shipment};
use super::{facts_of, view_of};
use crate::order::event::GivenUp;
use crate::order::event::inventory::{InventoryKind, StockFact};
use crate::order::event::line::Lines;
use crate::order::event::ordering::{OrderKind, Ordering, RequestedBy};
use crate::order::event::payment::{AuthorizationFact, PaymentKind, ReviewFact};
use crate::order::event::shipping::{ReturnFact, ReturnKind, ShipmentKind};
use crate::order::{Body, Event};

#[test]
fn every_interleaving_of_payment_stock_and_shipping_ends_in_the_same_order() {
    let payment = [
        say::authorized("a1", 5_000).at(1),
        say::captured("c1", 2_000).of("a1").at(5),
        say::captured("c2", 3_000).at(6),
    ];
    let stock = [
        reserved("s1", &[("1", 2), ("2", 1)]).at(2),
        say::stock("s1", StockFact::Shorted, say::lines(&[("2", 1)])).at(4),
        reserved("s2", &[("2", 1)]).at(5),
    ];
    let shipping = [
        shipment("p1", ShipmentKind::Picked, &[("1", 2)]).at(3),
        shipment("p1", ShipmentKind::Dispatched, &[]).at(7),
        shipment("p2", ShipmentKind::Delivered, &[("2", 1)]).at(8),
    ];
    all_end_the_same(&payment, &stock, &shipping);
}

#[test]
fn every_interleaving_of_a_cancel_a_refund_and_a_parcel_ends_in_the_same_order() {
    let order = [
        placed(5_000, &[("1", 1)]),
        cancel_requested(RequestedBy::Customer).at(6),
        cancel_requested(RequestedBy::Merchant).at(3),
    ];
    let payment =
        [say::captured("c1", 5_000).at(2), say::refunded("r1", 1_000).of("c1").at(7), say::refund_failed("r1").at(8)];
    let shipping = [
        shipment("p1", ShipmentKind::InTransit, &[]).at(5),
        shipment("p1", ShipmentKind::Dispatched, &[]).at(4),
        returned("t1", ReturnFact::Received, &[]).at(9),
    ];
    all_end_the_same(&order, &payment, &shipping);
}

/// Folds every interleaving of three streams of three: 1,680 of them.
fn all_end_the_same(a: &[Event; 3], b: &[Event; 3], c: &[Event; 3]) {
    let streams = [a, b, c];
    let in_turn: Vec<&Event> = streams.iter().flat_map(|stream| stream.iter()).collect();
    let (facts, view) = (facts_of(in_turn.iter().copied()), view_of(in_turn.iter().copied()));
    let mut count = 0;
    interleave(streams, [0; 3], &mut Vec::new(), &mut |order| {
        count += 1;
        assert_eq!(facts_of(order.iter().copied()), facts);
        assert_eq!(view_of(order.iter().copied()), view);
    });
    assert_eq!(count, 1_680);
}

fn interleave<'a>(
    streams: [&'a [Event; 3]; 3],
    heard: [usize; 3],
    order: &mut Vec<&'a Event>,
    visit: &mut impl FnMut(&[&'a Event]),
) {
    if order.len() == 9 {
        return visit(order);
    }
    for stream in 0..3 {
        if let Some(event) = streams[stream].get(heard[stream]) {
            let mut heard = heard;
            heard[stream] += 1;
            order.push(event);
            interleave(streams, heard, order, visit);
            order.pop();
        }
    }
}

#[test]
fn every_pair_of_kinds_commutes_whichever_happened_first() {
    let kinds = one_of_each_kind();
    for a in &kinds {
        for b in &kinds {
            for at in [0, 1, 2] {
                let (a, b) = (a.clone().at(1), b.clone().at(at).id("other"));
                assert_eq!(facts_of([&a, &b]), facts_of([&b, &a]), "{} and {} at {at}", a.kind(), b.kind());
                assert_eq!(view_of([&a, &b, &a]), view_of([&b, &a, &b]), "{} and {} at {at}", a.kind(), b.kind());
            }
        }
    }
}

#[test]
fn every_kind_is_among_the_pairs() {
    let kinds: Vec<&str> = one_of_each_kind().iter().map(Event::kind).collect();
    let all = PaymentKind::ALL.map(PaymentKind::as_str).into_iter();
    let all = all.chain(InventoryKind::ALL.map(InventoryKind::as_str));
    let all = all.chain(ShipmentKind::ALL.map(ShipmentKind::as_str));
    let all = all.chain(ReturnKind::ALL.map(ReturnKind::as_str));
    let all = all.chain(OrderKind::ALL.map(OrderKind::as_str)).chain(["FIRED"]);
    let missing: Vec<&str> = all.filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_register_counts_once_and_one_that_names_lines_once_a_line() {
    let kinds = one_of_each_kind();
    let held: usize = kinds.len() - ["CANCEL_REQUESTED", "RETURN_CLOSED"].len() + ["LEFT"].len();
    assert_eq!(facts_of(&kinds).len(), held, "two registers are written twice, and LEFT by all that left");
    let three = [("1", 1), ("2", 1), ("3", 1)];
    assert_eq!(facts_of(&[reserved("s1", &three)]).len(), 3);
    assert_eq!(facts_of(&[placed(5, &three)]).len(), 3);
    assert_eq!(facts_of(&[returned("t1", ReturnFact::Received, &three)]).len(), 3);
    assert_eq!(facts_of(&[shipment("p1", ShipmentKind::Picked, &three)]).len(), 3);
    assert_eq!(facts_of(&[shipment("p1", ShipmentKind::Dispatched, &three)]).len(), 4, "and LEFT");
    assert!(facts_of(&[]).is_empty() && !facts_of(&kinds[..1]).is_empty());
}

/// One event of each kind, all of the same entities.
fn one_of_each_kind() -> Vec<Event> {
    let authorization = [
        AuthorizationFact::Pending,
        AuthorizationFact::ActionRequired,
        AuthorizationFact::Declined,
        AuthorizationFact::Voided,
        AuthorizationFact::Expired,
    ];
    let review = [ReviewFact::Opened, ReviewFact::Approved, ReviewFact::Rejected];
    let stock = [
        StockFact::Reserved { expires_at: Some(say::minute(9)) },
        StockFact::Backordered,
        StockFact::Rejected,
        StockFact::Shorted,
        StockFact::ReservationExpired,
        StockFact::Released,
        StockFact::Restocked { condition: None },
    ];
    let back = [ReturnFact::Requested, ReturnFact::Received, ReturnFact::Closed { accepted: true }];
    let order = |ordering| say::event("o", Body::Order(ordering));
    let mut kinds = vec![
        say::authorized("a1", 5_000),
        say::captured("c1", 3_000).of("a1"),
        say::capture_failed("c1"),
        say::refunded("r1", 1_000),
        say::refund_failed("r1"),
        say::dispute_opened("d1", 500).of("c1"),
        say::dispute_won("d1"),
        say::dispute_lost("d1", None),
        placed(5_000, &[("1", 1)]),
        say::amended(4_000, &[("1", 2)]),
        cancel_requested(RequestedBy::Customer),
        cancel_requested(RequestedBy::Merchant),
        order(Ordering::HoldPlaced("h1".into())),
        order(Ordering::HoldReleased("h1".into())),
        returned("t1", ReturnFact::Closed { accepted: false }, &[("1", 1)]),
    ];
    kinds.extend(authorization.map(|fact| say::authorization("a1", fact)));
    kinds.extend(review.map(|fact| say::review("v1", fact)));
    kinds.extend(stock.clone().map(|fact| say::stock("s1", fact, say::lines(&[("1", 1)]))));
    kinds.extend(stock.map(|fact| say::stock("s1", fact, Lines::default())));
    kinds.extend(ShipmentKind::ALL.map(|kind| shipment("p1", kind, &[("1", 1)])));
    kinds.extend(back.map(|fact| returned("t1", fact, &[])));
    kinds.extend(GivenUp::ALL.map(|deadline| say::event("o", Body::Fired(deadline))));
    kinds
}
