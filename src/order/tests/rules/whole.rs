//! What is said of the order as a whole (DOMAIN sections 5, 6, 7).
//!
//! Cancel and dispatch, holds, reviews, terms, shells, and what an event did to the registers.

use crate::order::attention::{Attention, Flag};
use crate::order::cancel::CancelReason;
use crate::order::event::GivenUp;
use crate::order::event::ordering::{Ordering, RequestedBy};
use crate::order::event::payment::ReviewFact;
use crate::order::event::shipping::ShipmentKind;
use crate::order::obligation::{Obligation, ObligationKind};
use crate::order::region::PaymentState;
use crate::order::tests::say::{
    self, amended, authorized, cancel_requested, captured, placed, refunded, reserved, review, shipment,
};
use crate::order::tests::{facts_of, view_of};
use crate::order::{Body, Event, Merged, Policy, Shell, Status, derive};

fn given_up(deadline: GivenUp) -> Event {
    say::event("o", Body::Fired(deadline))
}

#[test]
fn event_time_decides_between_cancel_and_dispatch_and_at_the_same_instant_dispatch_wins() {
    let cancel = cancel_requested(RequestedBy::Customer).at(5);
    let dispatched = |at| view_of([&shipment("p1", ShipmentKind::Dispatched, &[]).at(at), &cancel]);
    for late in [dispatched(4), dispatched(5)] {
        assert_eq!((late.status, late.cancel_reason), (Status::Shipped, None));
        assert_eq!(late.attention, [Attention::CancelAfterDispatch].into());
    }
    let in_time = dispatched(6);
    assert_eq!((in_time.status, in_time.cancel_reason), (Status::Cancelling, Some(CancelReason::Customer)));
    assert_eq!(in_time.attention, [Attention::DispatchedAfterCancel].into());
}

#[test]
fn the_first_of_several_reasons_counts_and_ties_go_by_the_list() {
    let asks = [
        (cancel_requested(RequestedBy::Customer), CancelReason::Customer),
        (review("v1", ReviewFact::Rejected), CancelReason::Fraud),
        (given_up(GivenUp::Rejection), CancelReason::OutOfStock),
        (given_up(GivenUp::PaymentDue), CancelReason::PaymentExpired),
        (given_up(GivenUp::PaymentRetry), CancelReason::PaymentFailed),
    ];
    for (index, (first, reason)) in asks.iter().enumerate() {
        let tied = asks[index..].iter().map(|(event, _)| event.clone());
        assert_eq!(view_of(&tied.collect::<Vec<_>>()).cancel_reason, Some(*reason));
        let others = asks.iter().map(|(event, _)| event.clone().at(1));
        let events: Vec<Event> = others.chain([first.clone()]).collect();
        assert_eq!(view_of(&events).cancel_reason, Some(*reason), "first in time");
    }
    let merchant = [cancel_requested(RequestedBy::Merchant), review("v1", ReviewFact::Rejected)];
    assert_eq!(view_of(&merchant).cancel_reason, Some(CancelReason::Merchant));
}

#[test]
fn a_rejected_review_is_final_whatever_is_approved_later() {
    let rejected = [review("v1", ReviewFact::Rejected).at(1), review("v1", ReviewFact::Approved).at(9)];
    assert_eq!(view_of(&rejected).cancel_reason, Some(CancelReason::Fraud));
    let opened = review("v1", ReviewFact::Opened).at(9);
    assert_eq!(view_of([&opened]).flags, [Flag::InReview].into());
    assert!(view_of([&opened, &review("v1", ReviewFact::Approved)]).flags.is_empty());
}

#[test]
fn the_earliest_request_to_cancel_is_kept() {
    let early = cancel_requested(RequestedBy::Merchant).at(1);
    let late = cancel_requested(RequestedBy::Customer).at(2);
    assert_eq!(view_of([&early, &late]).cancel_reason, Some(CancelReason::Merchant));
    let mut facts = facts_of([&early]);
    assert_eq!(facts.merge(&late), Merged::Stale);
    assert_eq!(facts.merge(&early), Merged::Duplicate);
}

#[test]
fn a_hold_is_on_until_it_is_released_at_or_after_it_was_placed() {
    let placed = say::event("h1", Body::Order(Ordering::HoldPlaced("h1".into()))).at(5);
    let on = |at| {
        let released = say::event("h1", Body::Order(Ordering::HoldReleased("h1".into()))).at(at);
        view_of([&placed, &released]).flags.contains(&Flag::OnHold)
    };
    assert_eq!([on(4), on(5), on(6)], [true, false, false]);
    assert!(view_of([&placed]).flags.contains(&Flag::OnHold));
}

#[test]
fn the_later_of_placed_and_amended_gives_the_terms() {
    let total = |events: &[Event]| view_of(events).total_minor.map(|total| total.0);
    assert_eq!(total(&[placed(100, &[]).at(1), amended(200, &[]).at(2)]), Some(200));
    assert_eq!(total(&[placed(100, &[]).at(2), amended(200, &[]).at(1)]), Some(100));
    assert_eq!(total(&[amended(200, &[])]), Some(200));
}

#[test]
fn what_costs_nothing_is_secured_and_settled() {
    let free = [placed(0, &[("1", 1)]), reserved("s1", &[])];
    assert_eq!((view_of(&free).status, view_of(&free).payment), (Status::Confirmed, PaymentState::Paid));
    let delivered = free.iter().cloned().chain([shipment("p1", ShipmentKind::Delivered, &[])]);
    assert_eq!(view_of(&delivered.collect::<Vec<_>>()).status, Status::Completed);
}

#[test]
fn a_shell_that_waits_is_never_secured_or_settled() {
    let wait = Policy { shell: Shell::Wait, ..Policy::default() };
    let events = [captured("c1", 500), reserved("s1", &[]), shipment("p1", ShipmentKind::Delivered, &[])];
    assert_eq!(derive(&facts_of(&events[..2]), &wait).status, Status::AwaitingPayment);
    assert_eq!(derive(&facts_of(&events), &wait).status, Status::Delivered);
    assert_eq!(derive(&facts_of(&events), &Policy::default()).status, Status::Completed);
}

#[test]
fn nothing_of_money_is_owed_while_something_is_out() {
    let cancelled = [
        captured("c1", 500),
        authorized("a1", 800).at(1),
        cancel_requested(RequestedBy::Customer).at(2),
        shipment("p1", ShipmentKind::Dispatched, &[("1", 2)]).at(3),
        shipment("p2", ShipmentKind::Picked, &[("1", 1)]).at(3),
    ];
    let kinds =
        |events: &[Event]| -> Vec<ObligationKind> { view_of(events).owed.iter().map(Obligation::kind).collect() };
    assert_eq!(kinds(&cancelled), [ObligationKind::CancelShipment]);
    let back = [&cancelled[..], &[shipment("p1", ShipmentKind::ReturnedToSender, &[]).at(9)]].concat();
    let all = [ObligationKind::CancelShipment, ObligationKind::RefundPayment, ObligationKind::VoidPayment];
    assert_eq!(kinds(&back), all);
}

#[test]
fn a_cancelled_order_rests_when_nothing_is_owed_and_nothing_is_out() {
    let cancelled = cancel_requested(RequestedBy::Customer).at(2);
    let status = |events: &[Event]| view_of(events.iter().chain([&cancelled])).status;
    assert_eq!(status(&[]), Status::Cancelled);
    assert_eq!(status(&[captured("c1", 500)]), Status::Cancelling);
    assert_eq!(status(&[captured("c1", 500), refunded("r1", 500).at(3)]), Status::Cancelled);
    assert_eq!(status(&[shipment("p1", ShipmentKind::Delivered, &[]).at(9)]), Status::Cancelling, "out");
}

#[test]
fn payment_before_the_first_payment_deadline_that_fired_calls_for_a_person() {
    let order = placed(500, &[]);
    let attention = |paid: Event, fired: &[Event]| {
        let view = view_of([&order, &paid].into_iter().chain(fired));
        view.attention.contains(&Attention::PaidBeforeDeadline)
    };
    let due = given_up(GivenUp::PaymentDue).at(10);
    assert!(attention(captured("c1", 500).at(9), std::slice::from_ref(&due)));
    assert!(attention(authorized("a1", 500).at(9), std::slice::from_ref(&due)));
    assert!(!attention(captured("c1", 500).at(10), std::slice::from_ref(&due)), "not before");
    assert!(!attention(captured("c1", 400).at(9), std::slice::from_ref(&due)), "not secured");
    let late_too = [due.clone(), captured("c2", 1).at(11)];
    assert!(attention(captured("c1", 500).at(9), &late_too), "some of it came before");
    let free = [due.clone(), amended(0, &[]).at(1)];
    assert!(!attention(refunded("r1", 0).at(9), &free), "nothing was ever paid");
    let retry = given_up(GivenUp::PaymentRetry).at(8);
    assert!(!attention(captured("c1", 500).at(9), &[due.clone(), retry]), "the first that fired");
    let stock = given_up(GivenUp::Rejection).at(1);
    assert!(!attention(captured("c1", 500).at(9), &[due, stock]), "cancelled for another reason");
}

#[test]
fn an_event_is_stale_where_a_later_one_is_held_and_a_duplicate_where_itself_is() {
    let (early, late) = (reserved("s1", &[("1", 1), ("2", 1)]).at(1), reserved("s1", &[("1", 2)]).at(2));
    let mut facts = facts_of([&early, &late]);
    assert_eq!(facts.merge(&late), Merged::Duplicate);
    assert_eq!(facts.merge(&early), Merged::Duplicate, "line 2 is still of that event");
    assert_eq!(facts.merge(&reserved("s1", &[("1", 9)]).at(0)), Merged::Stale);
    assert_eq!(facts.merge(&reserved("s1", &[("1", 9), ("3", 1)]).at(0)), Merged::Changed, "line 3 is new");
}
