//! The ways between the statuses: the well-known ones are found, and each that is found is taken again, from nothing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{facts_of, say};
use crate::order::event::GivenUp;
use crate::order::event::inventory::InventoryKind;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::{ReturnKind, ShipmentKind};
use crate::order::ways::{Cause, Way, explore, policy};
use crate::order::{Body, Event, Facts, Merged, Status, derive};

/// All ways, looked for once.
pub(crate) static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| explore(true));

fn way(from: Status, to: Status) -> &'static Way {
    let found = WAYS.iter().find(|way| way.from == from && way.to == to);
    found.unwrap_or_else(|| panic!("no way from {from} to {to}"))
}

fn status(events: &[Event]) -> Status {
    derive(&facts_of(events), &policy()).status
}

#[test]
fn the_well_known_ways_are_found_by_what_takes_them() {
    use Status::*;
    let known = [
        (Pending, AwaitingPayment, "RESERVED"),
        (Pending, AwaitingStock, "AUTHORIZED"),
        (AwaitingPayment, Confirmed, "AUTHORIZED"),
        (AwaitingStock, Confirmed, "RESERVED"),
        (Confirmed, InFulfilment, "LABEL_CREATED"),
        (InFulfilment, Shipped, "DISPATCHED"),
        (InFulfilment, PartiallyShipped, "DISPATCHED"),
        (InFulfilment, Confirmed, "shipping CANCELLED"),
        (Shipped, Completed, "shipping DELIVERED"),
        (Delivered, Completed, "CAPTURED"),
        (Completed, Delivered, "RETURN_REQUESTED"),
        (Delivered, PartiallyReturned, "RETURN_RECEIVED"),
        (PartiallyReturned, Returned, "RETURN_RECEIVED"),
        (Returned, Completed, "RETURN_CLOSED refused"),
        (Confirmed, Cancelling, "CANCEL_REQUESTED"),
        (AwaitingPayment, Cancelling, "deadline payment_retry"),
        (Pending, Cancelled, "deadline rejection"),
        (Cancelling, Cancelled, "VOIDED"),
        (Cancelled, Cancelling, "AUTHORIZED"),
    ];
    for (from, to, cause) in known {
        let causes: Vec<String> = way(from, to).causes.iter().map(Cause::to_string).collect();
        assert!(causes.iter().any(|found| found == cause), "{from} to {to}: {causes:?}");
    }
    let late = |from, to| way(from, to).late_causes.iter().map(Cause::to_string).collect::<Vec<_>>();
    assert!(late(Shipped, Cancelling).contains(&"CANCEL_REQUESTED".to_owned()), "it was asked before the dispatch");
    assert!(late(Cancelled, Shipped).contains(&"DISPATCHED".to_owned()), "it had left before anybody asked");
}

#[test]
fn what_the_rules_forbid_is_no_way() {
    let has = |from, to| WAYS.iter().any(|way| way.from == from && way.to == to && way.is_ordinary());
    for dispatched in [Status::PartiallyShipped, Status::Shipped, Status::Delivered, Status::Completed] {
        assert!(!has(dispatched, Status::Cancelling), "at the same instant dispatch wins, and later all the more");
        assert!(!has(Status::Cancelled, dispatched), "late money or stock never resurrects");
    }
    assert!(WAYS.iter().all(|way| way.from != way.to));
}

#[test]
fn every_status_is_reached_and_left() {
    let ordinary = || WAYS.iter().filter(|way| way.is_ordinary());
    let reached: BTreeSet<Status> = ordinary().map(|way| way.to).chain([Status::Pending]).collect();
    let left: BTreeSet<Status> = ordinary().map(|way| way.from).collect();
    assert_eq!((reached.len(), left.len()), (Status::ALL.len(), Status::ALL.len()));
}

#[test]
fn each_way_is_taken_again_by_the_facts_of_its_example() {
    for way in WAYS.iter() {
        let mut facts = Facts::default();
        for event in &way.example {
            assert_eq!(facts.merge(event), Merged::Changed, "{} to {}", way.from, way.to);
        }
        let last = way.example.last().expect("what took it");
        // Deadlines that fire together are one step, of which the last fact is the cause.
        let step = way.example.iter().rev().take_while(|event| event.is_internal()).count().max(1);
        let before: Vec<Status> = (1..=step).map(|fired| status(&way.example[..way.example.len() - fired])).collect();
        assert!(before.contains(&way.from), "{} to {}: it was {before:?}", way.from, way.to);
        assert_eq!(status(&way.example), way.to);
        let all = || way.causes.iter().chain(&way.late_causes);
        assert!(all().any(|cause| *cause == Cause::of(last)), "{} to {}", way.from, way.to);
        // A deadline may fire long after it was due, and is recorded as of then.
        let from_outside = way.example.iter().filter(|event| !event.is_internal());
        let in_turn = from_outside.is_sorted_by_key(|event| event.occurred_at);
        assert!(in_turn || !way.is_ordinary(), "{} to {}", way.from, way.to);
    }
}

#[test]
fn the_ways_are_the_same_from_run_to_run() {
    assert_eq!(*WAYS, explore(true));
    assert!(WAYS.is_sorted_by(|a, b| (a.from, a.to) < (b.from, b.to)), "sorted, each once");
    let ordinary: Vec<(Status, Status)> = explore(false).iter().map(|way| (way.from, way.to)).collect();
    let without: Vec<_> = WAYS.iter().filter(|way| way.is_ordinary()).map(|way| (way.from, way.to)).collect();
    assert_eq!(ordinary, without);
}

#[test]
fn every_kind_is_in_the_alphabet() {
    let all = PaymentKind::ALL.map(PaymentKind::as_str).into_iter();
    let all = all.chain(InventoryKind::ALL.map(InventoryKind::as_str));
    let all = all.chain(ShipmentKind::ALL.map(ShipmentKind::as_str));
    let all = all.chain(ReturnKind::ALL.map(ReturnKind::as_str));
    let all = all.chain(OrderKind::ALL.map(OrderKind::as_str));
    let said = crate::order::ways::alphabet();
    let missing: Vec<&str> = all.filter(|kind| !said.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_cause_is_told_apart_from_a_status_and_from_another_deadline() {
    let cause = |event: Event| Cause::of(&event).to_string();
    assert_eq!(cause(say::authorized("a1", 1)), "AUTHORIZED");
    assert_eq!(cause(say::shipment("p1", ShipmentKind::Cancelled, &[])), "shipping CANCELLED");
    assert_eq!(cause(say::event("o", Body::Fired(GivenUp::PaymentDue))), "deadline payment_due");
}
