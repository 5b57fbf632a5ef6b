//! Deadlines that fired as they may, and each way in which they can be wrong.

use std::collections::HashSet;

use orderstream::decode::refusal::Reason;
use orderstream::order::policy::Micros;
use orderstream::persist::journal_format::AppliedEntry;
use serde_json::json;

use super::super::fixture::{self, NOW, history::History, history::SECOND};
use super::super::input_log::Try;
use super::super::replay::Replay;
use super::*;

/// An order whose hold and whose stock lapse in 5 seconds, both looked at after 6; then a payment that was declined for good.
fn lapsed() -> History {
    let policy = Policy { payment_retry_window: Micros::from_seconds(60), ..Policy::default() };
    let mut history = History::new(policy);
    let expires_at = NOW.0 + 5 * SECOND;
    let authorized =
        json!({"authorization_id": "auth-1", "amount_minor": 5000, "currency": "EUR", "expires_at": expires_at});
    history
        .hears("payment", "AUTHORIZED", authorized)
        .hears("inventory", "RESERVED", json!({"reservation_id": "res-1", "expires_at": expires_at}))
        .pass(6)
        .fires()
        .hears("payment", "DECLINED", json!({"authorization_id": "auth-2"}))
        .pass(61)
        .fires();
    history
}

fn found(history: &History) -> Findings {
    let (topics, none) = (fixture::topics(), HashSet::new());
    let mut findings = Findings::default();
    let mut replay = Replay::new(history.asking(), &topics, &none);
    for row in &history.rows {
        replay.take(row.clone(), &mut findings);
    }
    findings
}

fn fired(history: &mut History) -> &mut AppliedEntry {
    history.rows.last_mut().unwrap().entries.last_mut().unwrap()
}

#[test]
fn deadlines_that_were_due_and_held_are_fine_and_several_at_once_are_one_change() {
    let history = lapsed();
    assert_eq!((history.rows[2].entries.len(), history.rows[2].said.len()), (2, 1));
    assert!(found(&history).is_clean(), "{:?}", found(&history));
}

#[test]
fn a_deadline_that_was_not_due_not_armed_or_records_something_else_is_invented() {
    let mut early = lapsed();
    early.rows[4].written_at.0 -= 2 * SECOND;
    assert_eq!(found(&early).of(Kind::DeadlineInvented), 1);
    let mut unarmed = lapsed();
    unarmed.rows.remove(3);
    assert_eq!(found(&unarmed).of(Kind::DeadlineInvented), 1);
    let changes: [fn(&mut Event); 3] = [
        |event| event.occurred_at.0 -= 1,
        |event| event.event_id = "deadline:payment_retry::7".into(),
        |event| event.body = Body::Fired(GivenUp::Rejection),
    ];
    for change in changes {
        let mut history = lapsed();
        change(fired(&mut history).event.as_mut().unwrap());
        assert_eq!(found(&history).of(Kind::DeadlineInvented), 1);
    }
}

#[test]
fn a_deadline_whose_condition_did_not_hold_is_invented() {
    let mut paid = lapsed();
    let payment = json!({"capture_id": "cap-1", "amount_minor": 5000, "currency": "EUR"});
    let mut other = lapsed();
    other.hears("payment", "CAPTURED", payment);
    paid.rows.insert(4, other.rows.pop().unwrap());
    assert_eq!(found(&paid).of(Kind::DeadlineInvented), 1);
}

#[test]
fn of_two_that_are_due_the_one_that_was_due_first_fires_first() {
    let mut history = lapsed();
    history.rows[2].entries.swap(0, 1);
    assert_eq!(found(&history).of(Kind::DeadlineInvented), 1);
}

#[test]
fn a_change_that_is_told_before_the_last_of_several_is_out_of_turn() {
    let mut history = lapsed();
    let (first, last) = (history.rows[2].entries[0].clone(), history.rows[2].entries[1].clone());
    history.rows[2].entries[0].version = last.version;
    assert_eq!(found(&history).of(Kind::WrongProgress), 1);
    history.rows[2].entries[0] = first;
    history.rows[2].entries.pop();
    assert!(found(&history).of(Kind::ChangeInvented) > 0);
}

#[test]
fn an_order_that_was_derived_anew_under_another_policy_is_fine_and_without_a_change_invented() {
    let mut history = lapsed();
    history.rederived(Policy { shell: orderstream::order::Shell::Wait, ..Policy::default() });
    let is_changed = !history.rows.last().unwrap().said.is_empty();
    assert_eq!(found(&history).of(Kind::EntryInvented), u64::from(!is_changed));
    let mut placed = History::new(Policy::default());
    placed.hears("payment", "AUTHORIZED", json!({"authorization_id": "a", "amount_minor": 1, "currency": "EUR"}));
    placed.rederived(Policy { shell: orderstream::order::Shell::Wait, ..Policy::default() });
    assert!(found(&placed).is_clean(), "{:?}", found(&placed));
    assert_eq!(placed.rows[1].said.len(), 1);
    placed.rederived(Policy { shell: orderstream::order::Shell::Wait, ..Policy::default() });
    assert_eq!(found(&placed).of(Kind::EntryInvented), 1);
}

/// A deadline that fired in row 2 and was due at [`NOW`], after all records were applied by row 1.
fn compared(change: impl FnOnce(&mut [InputPartition], &mut Firing, &mut StoredDeadLetter)) -> Findings {
    compared_with(&[], change)
}

/// The same where brokers were kept from replicating at times.
fn compared_with(
    unreplicated: &[Unreplicated],
    change: impl FnOnce(&mut [InputPartition], &mut Firing, &mut StoredDeadLetter),
) -> Findings {
    let mut inputs = fixture::inputs();
    for record in inputs.iter_mut().flat_map(|partition| &mut partition.records) {
        record.appended_at = Some(Timestamp(NOW.0 - 5 * SECOND));
        let outcome = record.judged.as_ref().map_or_else(|reason| Outcome::DeadLetter(*reason), |_| Outcome::Applied);
        record.tries.push(Try { seq: 1, letter: None, outcome });
    }
    let event = History::new(Policy::default());
    let mut history = event;
    history.hears("inventory", "REJECTED", json!({"reservation_id": "r"})).fires();
    let event = fired(&mut history).event.clone().unwrap();
    assert_eq!(event.occurred_at, NOW);
    let mut firing = Firing { seq: 2, written_at: Timestamp(NOW.0 + SECOND), event };
    let mut letter = StoredDeadLetter {
        id: 7,
        topic: "payments".to_owned(),
        offset: 3,
        key: None,
        value: None,
        order_id: Some("another".into()),
        reason: "bad_avro".to_owned(),
        state: "open".to_owned(),
        attempts: 1,
        resolved_at: None,
        actions: Vec::new(),
    };
    change(&mut inputs, &mut firing, &mut letter);
    let mut findings = Findings::default();
    compare((&inputs, unreplicated), &[firing], &[letter], &mut findings);
    findings
}

#[test]
fn a_deadline_that_waited_for_all_that_came_in_before_it_was_due_is_fine() {
    assert!(compared(|_, _, _| {}).is_clean(), "{:?}", compared(|_, _, _| {}));
    // What came in after it was due, or so shortly before that clocks may differ, may be applied later.
    let later = compared(|inputs, _, _| {
        inputs[1].records[0].tries[0].seq = 3;
        inputs[1].records[0].appended_at = Some(Timestamp(NOW.0 - SECOND / 2));
    });
    assert!(later.is_clean(), "{later:?}");
    // A producer's own time says nothing.
    let of_the_producer = compared(|inputs, _, _| {
        inputs[1].records[0].tries[0].seq = 3;
        inputs[1].records[0].appended_at = None;
    });
    assert!(of_the_producer.is_clean(), "{of_the_producer:?}");
}

#[test]
fn a_deadline_that_fired_before_a_record_that_had_come_in_is_hasty() {
    assert_eq!(compared(|inputs, _, _| inputs[1].records[0].tries[0].seq = 3).of(Kind::DeadlineHasty), 1);
    assert_eq!(compared(|inputs, _, _| inputs[1].records[0].tries.clear()).of(Kind::DeadlineHasty), 1);
}

#[test]
fn what_brokers_could_not_replicate_yet_could_not_be_seen() {
    let until = |after| Timestamp(NOW.0 - 6 * SECOND)..=Timestamp(NOW.0 + after);
    let late =
        |inputs: &mut [InputPartition], _: &mut Firing, _: &mut StoredDeadLetter| inputs[1].records[0].tries[0].seq = 3;
    assert!(compared_with(&[until(-4 * SECOND), until(SECOND)], late).is_clean());
    assert_eq!(compared_with(&[until(-4 * SECOND)], late).of(Kind::DeadlineHasty), 1, "it could be seen in time");
}

#[test]
fn what_cancels_waits_for_the_dead_letters_of_its_order() {
    let of_the_order = |letter: &mut StoredDeadLetter| letter.order_id = Some(fixture::order());
    assert_eq!(compared(|_, _, letter| of_the_order(letter)).of(Kind::DeadlineHasty), 1);
    let resolved: [fn(&mut [InputPartition], &mut Firing, &mut StoredDeadLetter); 4] = [
        |inputs, _, _| inputs[0].at(3).unwrap().tries.push(Try { seq: 2, letter: Some(7), outcome: Outcome::Applied }),
        |_, _, letter| (letter.state, letter.resolved_at) = ("discarded".to_owned(), Some(NOW)),
        |_, firing, _| firing.seq = 1,
        |_, firing, _| {
            firing.event.body = Body::Payment(Payment::Authorization("a".into(), AuthorizationFact::Expired));
        },
    ];
    for (number, resolve) in resolved.into_iter().enumerate() {
        let findings = compared(|inputs, firing, letter| {
            of_the_order(letter);
            resolve(inputs, firing, letter);
        });
        assert!(findings.is_clean(), "case {number}: {findings:?}");
    }
    let again = compared(|inputs, _, letter| {
        of_the_order(letter);
        let outcome = Outcome::DeadLetter(Reason::BadAvro);
        inputs[0].at(3).unwrap().tries.push(Try { seq: 2, letter: Some(7), outcome });
    });
    assert_eq!(again.of(Kind::DeadlineHasty), 1);
}

#[test]
fn a_deadline_that_is_long_due_is_overdue_unless_a_dead_letter_holds_it_back() {
    let mut history = lapsed();
    history.rows.pop();
    let mut facts = Facts::default();
    for entry in history.rows.iter().flat_map(|row| &row.entries) {
        let _ = facts.merge(entry.event.as_ref().unwrap());
    }
    let policy = &history.asking().policies[0];
    let due = NOW.0 + 66 * SECOND;
    let overdue = |from: Option<i64>, until: i64, is_waiting| {
        let after_due = |seconds: i64| Timestamp(due + seconds * SECOND);
        overdue(&facts, policy, (from.map(after_due), after_due(until)), is_waiting).map(|deadline| deadline.name)
    };
    assert_eq!(overdue(None, 20, false), None);
    assert_eq!(overdue(None, 40, false), Some(DeadlineName::PaymentRetry));
    assert_eq!(overdue(None, 40, true), None);
    assert_eq!(overdue(Some(20), 40, false), None, "nobody could fire it for long");
    assert_eq!(overdue(Some(20), 60, false), Some(DeadlineName::PaymentRetry));
}
