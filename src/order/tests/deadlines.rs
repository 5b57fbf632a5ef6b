//! The table of DOMAIN section 8, row by row, and what makes deadlines safe.
//!
//! When each is due, when it holds, what it records; that one fires once, and that the next is chosen anew after it.

use super::facts_of;
use super::say::{self, minute, placed, reserved, shipment};
use crate::ids::{OrderId, Timestamp};
use crate::order::cancel::CancelReason;
use crate::order::event::GivenUp;
use crate::order::event::inventory::StockFact;
use crate::order::event::line::Lines;
use crate::order::event::ordering::RequestedBy;
use crate::order::event::payment::AuthorizationFact;
use crate::order::event::shipping::ShipmentKind;
use crate::order::policy::Micros;
use crate::order::{Body, DeadlineName, Event, Facts, Fired, Policy, deadlines, derive, fire_due, next_due};

fn fire(facts: &mut Facts, policy: &Policy, until: Timestamp) -> Vec<Fired> {
    fire_due(facts, policy, until, &OrderId::from("o"))
}

/// What fires of these events when the stream is read to its end.
fn fired(events: &[Event], policy: &Policy) -> Vec<(DeadlineName, Timestamp)> {
    let fired = fire(&mut facts_of(events), policy, Timestamp(i64::MAX));
    fired.iter().map(|fired| (fired.deadline.name, fired.deadline.due)).collect()
}

fn declined(id: &str) -> Event {
    say::authorization(id, AuthorizationFact::Declined)
}

fn rejected(id: &str) -> Event {
    say::stock(id, StockFact::Rejected, Lines::default())
}

#[test]
fn out_of_stock_fires_after_the_grace_and_cancels() {
    let policy = Policy { rejection_grace: Micros::from_seconds(600), ..Policy::default() };
    let mut facts = facts_of(&[placed(5_000, &[("1", 1)]), rejected("s1").at(10)]);
    assert!(fire(&mut facts, &policy, Timestamp(minute(20).0 - 1)).is_empty(), "within the grace");
    let fired = fire(&mut facts, &policy, minute(20));
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].event.event_id.as_str(), format!("deadline:rejection::{}", minute(20)));
    assert_eq!(fired[0].event.occurred_at, minute(20));
    assert_eq!((fired[0].event.kind(), fired[0].event.order_id.as_str()), ("FIRED", "o"));
    assert_eq!(derive(&facts, &policy).cancel_reason, Some(CancelReason::OutOfStock));
}

#[test]
fn a_payment_due_time_that_was_agreed_goes_before_the_window() {
    let policy = Policy { payment_window: Some(Micros::from_seconds(60)), ..Policy::default() };
    let agreed = [placed(5_000, &[]).until(30), say::amended(6_000, &[]).at(5)];
    assert_eq!(fired(&agreed, &policy), [(DeadlineName::PaymentDue, minute(30))]);
    let amended = [placed(5_000, &[]).until(30), say::amended(6_000, &[]).at(5).until(20)];
    assert_eq!(fired(&amended, &policy), [(DeadlineName::PaymentDue, minute(20))]);
    assert_eq!(fired(&[placed(5_000, &[]).at(7)], &policy), [(DeadlineName::PaymentDue, minute(8))]);
    assert_eq!(fired(&[say::amended(5_000, &[])], &policy), [], "the window hangs on PLACED");
    assert_eq!(fired(&[placed(5_000, &[])], &Policy::default()), [], "no window by default");
}

#[test]
fn a_due_time_before_its_fact_counts_as_the_fact() {
    let policy = Policy::default();
    assert_eq!(fired(&[placed(5_000, &[]).at(50).until(30)], &policy), [(DeadlineName::PaymentDue, minute(50))]);
    let authorized = say::authorized("a1", 5_000).at(50).until(30);
    assert_eq!(fired(&[authorized], &policy), [(DeadlineName::AuthorizationExpiry, minute(50))]);
}

#[test]
fn nobody_waits_for_payment_of_what_is_secured_dispatched_free_or_a_shell() {
    let policy = Policy::default();
    let due = placed(5_000, &[("1", 1)]).until(30);
    assert_eq!(fired(&[due.clone(), say::authorized("a1", 5_000)], &policy), []);
    assert_eq!(fired(&[due, shipment("p1", ShipmentKind::Lost, &[])], &policy), []);
    assert_eq!(fired(&[placed(0, &[]).until(30)], &policy), []);
    assert_eq!(fired(&[say::captured("c1", 1)], &policy), []);
}

#[test]
fn a_decline_without_another_attempt_gives_the_order_up_after_a_day() {
    let policy = Policy::default();
    let day = 24 * 60;
    assert_eq!(fired(&[declined("a1").at(10)], &policy), [(DeadlineName::PaymentRetry, minute(10 + day))]);
    let again = [declined("a1").at(10), declined("a2").at(40)];
    assert_eq!(fired(&again, &policy), [(DeadlineName::PaymentRetry, minute(40 + day))]);
    let pending = [declined("a1").at(10), say::authorization("a2", AuthorizationFact::Pending).at(20)];
    assert_eq!(fired(&pending, &policy), [], "another attempt is under way");
}

#[test]
fn an_authorization_lapses_while_there_is_money_left_in_it() {
    let policy = Policy::default();
    let held = say::authorized("a1", 5_000).until(30);
    let mut facts = facts_of([&held]);
    let fired_events = fire(&mut facts, &policy, minute(30));
    assert_eq!(fired_events[0].event.event_id.as_str(), format!("deadline:authorization_expiry:a1:{}", minute(30)));
    assert_eq!(fired_events[0].event.kind(), "AUTHORIZATION_EXPIRED");
    let used_up = [held.clone(), say::captured("c1", 5_000).of("a1")];
    assert_eq!(fired(&used_up, &policy), []);
    let voided = [held.clone(), say::authorization("a1", AuthorizationFact::Voided).at(1)];
    assert_eq!(fired(&voided, &policy), []);
    assert_eq!(fired(&[held, say::authorized("a1", 6_000).at(1)], &policy), [], "the adjustment does not lapse");
}

#[test]
fn a_reservation_lapses_as_a_whole_until_it_was_dispatched() {
    let policy = Policy::default();
    let held = [reserved("s1", &[("1", 1)]).until(30), reserved("s1", &[("2", 1)]).at(40)];
    let mut facts = facts_of(&held);
    let lapsed = fire(&mut facts, &policy, minute(60));
    assert_eq!(lapsed[0].deadline.due, minute(30), "of the latest RESERVED that lapses");
    let reserved: Vec<i64> = derive(&facts, &policy).lines.iter().map(|line| line.reserved).collect();
    assert_eq!(reserved, [0, 1], "what was reserved after it lapsed is held");
    let dispatched = [held[0].clone(), shipment("p1", ShipmentKind::Dispatched, &[])];
    assert_eq!(fired(&dispatched, &policy), []);
    let released = [held[0].clone(), say::stock("s1", StockFact::Released, Lines::default()).at(1)];
    assert_eq!(fired(&released, &policy), [], "nothing is reserved");
}

#[test]
fn a_deadline_that_does_not_hold_stays_armed_and_fires_as_soon_as_it_does() {
    let policy = Policy::default();
    let mut facts = facts_of(&[placed(5_000, &[]).until(30), say::authorized("a1", 5_000)]);
    assert!(fire(&mut facts, &policy, minute(60)).is_empty());
    assert_eq!(deadlines(&facts, &policy).len(), 1, "armed");
    assert_eq!(next_due(&facts, &policy), None, "nothing fires unless another fact comes");
    let _ = facts.merge(&say::authorization("a1", AuthorizationFact::Voided).at(40));
    assert_eq!(next_due(&facts, &policy), Some(minute(30)), "long past");
    let fired = fire(&mut facts, &policy, minute(60));
    assert_eq!(fired[0].event.occurred_at, minute(30), "recorded at its due time");
    assert!(deadlines(&facts, &policy).is_empty(), "it would change nothing any more");
}

#[test]
fn of_several_due_the_smallest_that_holds_is_chosen_anew_after_each() {
    // When the first hold lapses, the capture that names none falls on the second, which then has nothing left to lapse.
    let events = [
        say::authorized("a1", 5_000).until(30),
        say::authorized("a2", 5_000).at(1).until(30),
        say::captured("c1", 4_000).at(2),
    ];
    let due = (DeadlineName::AuthorizationExpiry, minute(30));
    assert_eq!(fired(&events, &Policy::default()), [due, due], "1,000 are left in each in turn");
    let used_up = [events[0].clone(), events[1].clone(), say::captured("c1", 5_000).at(2)];
    let fired = fire(&mut facts_of(&used_up), &Policy::default(), minute(60));
    let ids: Vec<&str> = fired.iter().map(|fired| &*fired.deadline.entity_id).collect();
    assert_eq!(ids, ["a2"], "nothing is left in the first, and when the second lapsed nothing changes that");
}

#[test]
fn deadlines_due_together_fire_by_name_and_one_that_cancels_disarms_the_next() {
    let policy = Policy { payment_retry_window: Micros::from_seconds(0), ..Policy::default() };
    let events = [placed(5_000, &[("1", 1)]).until(30), declined("a1").at(30), rejected("s1").at(30)];
    assert_eq!(fired(&events, &policy), [(DeadlineName::PaymentDue, minute(30))]);
}

#[test]
fn a_deadline_that_fired_does_not_fire_again_for_the_same_reason() {
    let policy = Policy::default();
    let events = [placed(5_000, &[("1", 1)]), rejected("s1").at(10)];
    let mut facts = facts_of(&events);
    assert_eq!(fire(&mut facts, &policy, minute(60)).len(), 1);
    let _ = facts.merge(&rejected("s2").at(20));
    assert!(fire(&mut facts, &policy, minute(60)).is_empty(), "a later due time changes no register");
}

#[test]
fn a_cancel_that_came_first_leaves_nothing_to_give_up() {
    let policy = Policy::default();
    let events = [
        placed(5_000, &[("1", 1)]).until(30),
        rejected("s1").at(10),
        say::cancel_requested(RequestedBy::Customer).at(5),
    ];
    assert_eq!(fired(&events, &policy), []);
    let given_up = say::event("o", Body::Fired(GivenUp::Rejection)).at(10);
    assert_eq!(fired(&[events[0].clone(), events[1].clone(), given_up], &policy), []);
}

#[test]
fn an_expiry_at_the_end_of_time_is_no_overflow() {
    let policy = Policy { payment_retry_window: Micros::new(i64::MAX).expect("0 or more"), ..Policy::default() };
    assert_eq!(fired(&[declined("a1")], &policy), [(DeadlineName::PaymentRetry, Timestamp(i64::MAX))]);
}
