//! Parcels and returns (DOMAIN sections 5, 6).
//!
//! Stages, the instant of dispatch, lines of a parcel, annotations, what came back and how.

use crate::order::attention::{Attention, Flag};
use crate::order::event::shipping::{ReturnFact, ShipmentKind};
use crate::order::region::{FulfilmentState, ReturnsState};
use crate::order::tests::say::{captured, minute, placed, reserved, returned, shipment};
use crate::order::tests::{facts_of, view_of};
use crate::order::{Event, Status, View};

fn has_exception(view: &View) -> bool {
    view.flags.contains(&Flag::DeliveryException)
}

fn ordered() -> Event {
    placed(5_000, &[("1", 2), ("2", 1)])
}

#[test]
fn a_stage_is_the_greatest_rank_whatever_the_clocks_say() {
    let events = [
        ordered(),
        shipment("p1", ShipmentKind::Delivered, &[]).at(1),
        shipment("p1", ShipmentKind::InTransit, &[]).at(2),
    ];
    assert_eq!(view_of(&events).fulfilment, FulfilmentState::Delivered);
    let found =
        [ordered(), shipment("p1", ShipmentKind::Delivered, &[]).at(1), shipment("p1", ShipmentKind::Lost, &[]).at(2)];
    assert_eq!(view_of(&found).fulfilment, FulfilmentState::Delivered);
    assert!(view_of(&found).attention.is_empty());
}

#[test]
fn the_dispatch_is_the_earliest_word_of_leaving_even_when_it_was_said_again() {
    let said = [
        shipment("p1", ShipmentKind::Dispatched, &[]).at(5),
        shipment("p1", ShipmentKind::Dispatched, &[]).at(9),
        shipment("p2", ShipmentKind::Picked, &[]).at(1),
        shipment("p2", ShipmentKind::Delivered, &[]).at(7),
    ];
    assert_eq!(facts_of(&said).dispatched_at(), Some(minute(5)));
}

#[test]
fn a_parcel_holds_the_lines_named_last_by_any_word_of_it() {
    let events = [
        ordered(),
        shipment("p1", ShipmentKind::LabelCreated, &[("1", 2)]).at(1),
        shipment("p1", ShipmentKind::Delayed, &[("1", 1)]).at(2),
        shipment("p1", ShipmentKind::Dispatched, &[]).at(3),
    ];
    let shipped: Vec<i64> = view_of(&events).lines.iter().map(|line| line.shipped).collect();
    assert_eq!(shipped, [1, 0]);
}

#[test]
fn a_cancel_counts_only_while_the_parcel_has_not_left() {
    let cancelled = shipment("p1", ShipmentKind::Cancelled, &[]).at(5);
    assert_eq!(view_of([&cancelled]).fulfilment, FulfilmentState::Cancelled);
    let left = shipment("p1", ShipmentKind::Dispatched, &[]).at(1);
    assert_eq!(view_of([&cancelled, &left]).fulfilment, FulfilmentState::Shipped);
    let other = shipment("p2", ShipmentKind::Delayed, &[]);
    assert_eq!(
        view_of([&cancelled, &other]).fulfilment,
        FulfilmentState::NotStarted,
        "an annotation alone begins nothing"
    );
}

#[test]
fn an_annotation_stands_until_the_parcel_moves_on_later_or_is_delivered() {
    for annotation in [ShipmentKind::DeliveryFailed, ShipmentKind::Delayed] {
        let noted = shipment("p1", annotation, &[]).at(5);
        assert!(has_exception(&view_of([&noted])));
        for kind in [ShipmentKind::InTransit, ShipmentKind::OutForDelivery, ShipmentKind::ReadyForPickup] {
            let exception = |at| has_exception(&view_of([&noted, &shipment("p1", kind, &[]).at(at)]));
            assert_eq!([exception(4), exception(5), exception(6)], [true, true, false], "{kind}");
        }
        assert!(!has_exception(&view_of([&noted, &shipment("p1", ShipmentKind::Delivered, &[]).at(1)])));
        assert!(has_exception(&view_of([&noted, &shipment("p1", ShipmentKind::Dispatched, &[]).at(9)])));
        assert!(
            has_exception(&view_of([&noted, &shipment("p2", ShipmentKind::Delivered, &[]).at(9)])),
            "another parcel"
        );
        assert!(has_exception(&view_of([&noted, &shipment("p1", ShipmentKind::Cancelled, &[]).at(9)])), "cancelled");
    }
}

#[test]
fn what_is_lost_or_back_at_the_sender_was_shipped_and_not_delivered() {
    for (kind, reason) in
        [(ShipmentKind::Lost, Attention::ShipmentLost), (ShipmentKind::ReturnedToSender, Attention::ReturnedToSender)]
    {
        let view = view_of([&ordered(), &shipment("p1", kind, &[])]);
        assert_eq!(view.fulfilment, FulfilmentState::Shipped);
        assert!(has_exception(&view) && view.attention.contains(&reason));
    }
}

#[test]
fn a_refused_return_brings_nothing_back_although_the_goods_were_here() {
    let shipped = [ordered(), shipment("p1", ShipmentKind::Delivered, &[])];
    let with = |events: &[Event]| view_of(shipped.iter().chain(events)).returns;
    let received = returned("t1", ReturnFact::Received, &[("1", 1)]).at(1);
    let closed = |accepted| returned("t1", ReturnFact::Closed { accepted }, &[]).at(2);
    assert_eq!(with(&[returned("t1", ReturnFact::Requested, &[])]), ReturnsState::Requested);
    assert_eq!(with(std::slice::from_ref(&received)), ReturnsState::PartiallyReturned);
    assert_eq!(with(&[received.clone(), closed(true)]), ReturnsState::PartiallyReturned);
    assert_eq!(with(&[received, closed(false)]), ReturnsState::Closed);
    assert_eq!(with(&[closed(true)]), ReturnsState::Returned, "all that was shipped, when no lines are named");
}

#[test]
fn nothing_caps_what_came_back() {
    let events = [
        ordered(),
        shipment("p1", ShipmentKind::Delivered, &[("1", 1)]),
        returned("t1", ReturnFact::Received, &[("1", 5), ("2", 3)]).at(1),
        returned("t2", ReturnFact::Received, &[]).at(2),
    ];
    let view = view_of(&events);
    let returned: Vec<i64> = view.lines.iter().map(|line| line.returned).collect();
    assert_eq!((returned, view.returns), (vec![6, 3], ReturnsState::Returned));
}

#[test]
fn goods_back_at_the_sender_are_no_return() {
    let events = [ordered(), shipment("p1", ShipmentKind::ReturnedToSender, &[("1", 2)])];
    assert_eq!(view_of(&events).returns, ReturnsState::None);
    let mixed = [
        ordered(),
        shipment("p1", ShipmentKind::ReturnedToSender, &[("1", 1)]),
        shipment("p2", ShipmentKind::Delivered, &[("1", 1)]),
        returned("t1", ReturnFact::Received, &[("1", 1)]).at(1),
    ];
    assert_eq!(view_of(&mixed).returns, ReturnsState::PartiallyReturned);
}

#[test]
fn a_requested_return_keeps_a_delivered_order_from_being_completed() {
    let delivered = [
        placed(500, &[("1", 1)]),
        captured("c1", 500),
        reserved("s1", &[]),
        shipment("p1", ShipmentKind::Delivered, &[]).at(1),
    ];
    assert_eq!(view_of(&delivered).status, Status::Completed);
    let asked = returned("t1", ReturnFact::Requested, &[]).at(2);
    assert_eq!(view_of(delivered.iter().chain([&asked])).status, Status::Delivered);
}
