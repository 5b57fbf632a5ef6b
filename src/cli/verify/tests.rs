//! What `verify` makes of rows and journals that differ in one thing each.

use super::account::{Account, Accounts};
use super::compare::{Compared, Known, compare};
use crate::decode::json::from_json;
use crate::ids::{Epoch, Lane, OrderId, Seq, Timestamp};
use crate::order::decision::Order;
use crate::order::facts::register::Merged;
use crate::order::status::Status;
use crate::order::{Event, Facts, Policy, Shell};
use crate::persist::audit::LaneState;
use crate::persist::history::Place;
use crate::persist::journal::row_number;
use crate::persist::journal_format::{self, AppliedEntry, Outcome};
use crate::persist::lookup::StoredOrder;

fn event(kind: &str, second: i64) -> Event {
    let event = serde_json::json!({
        "topic": "payment", "event_id": format!("{kind}-{second}"), "order_id": "ord-1", "kind": kind,
        "occurred_at": 1_760_000_000_000_000_i64 + second * 1_000_000,
        "authorization_id": "auth-1", "amount_minor": 500, "currency": "EUR",
    });
    from_json(event, Timestamp(i64::MAX / 4)).unwrap()
}

fn place(lane: i32, seq: i64) -> Place {
    Place { lane: Lane(lane), seq: Seq(seq), epoch: Epoch(1), written_at: Timestamp(seq) }
}

/// An order's row and its entries, one a row of lane 0: an attempt, money held, the same word again.
fn honest() -> (StoredOrder, Vec<(Place, AppliedEntry)>) {
    let mut order = Order::default();
    let mut entries = Vec::new();
    for (seq, event) in (1..).zip([event("PENDING", 1), event("AUTHORIZED", 2), event("AUTHORIZED", 2)]) {
        let (merged, _) = order.apply(&event, &Policy::default());
        let outcome = if merged == Merged::Changed { Outcome::Applied } else { Outcome::Duplicate };
        let entry = AppliedEntry {
            place: journal_format::Place::NOWHERE,
            outcome,
            order_id: Some("ord-1".into()),
            version: Some(order.version),
            status: order.view.as_ref().map(|view| view.status),
            sent: Vec::new(),
            event: Some(event),
        };
        entries.push((place(0, seq), entry));
    }
    let stored = StoredOrder {
        order_id: "ord-1".into(),
        home_lane: Lane(0),
        off_lane: false,
        order,
        journal_rows: entries.iter().map(|(place, _)| row_number(place.lane, place.seq)).collect(),
        next_deadline: None,
        machine_version: 1,
        created_at: Timestamp(0),
        changed_at: Timestamp(0),
        archived_at: None,
    };
    (stored, entries)
}

fn lane(first_kept: i64) -> LaneState {
    LaneState {
        lane: Lane(0),
        last_seq: Some(Seq(3)),
        first_kept: Seq(first_kept),
        last_kept: Seq(3),
        rows: 4 - first_kept.unsigned_abs(),
    }
}

fn compare_by(stored: &StoredOrder, account: &mut Account, first_kept: i64, floors: &[i64]) -> Compared {
    let (lanes, version_floors) = ([lane(first_kept)], floors.iter().copied().collect());
    let policy = Policy::default();
    compare(stored, account, Known { lanes: &lanes, version_floors: &version_floors, policy: &policy })
}

#[test]
fn a_leap_of_versions_is_honest_only_to_where_a_recovery_set_the_floor() {
    let leapt = |floors: &[i64]| {
        let (mut stored, mut entries) = honest();
        entries[1..].iter_mut().for_each(|(_, entry)| entry.version = Some(41));
        stored.order.version = 41;
        let mut account = Account::default();
        entries.iter().for_each(|(place, entry)| account.take(*place, entry));
        compare_by(&stored, &mut account, 1, floors).findings.len()
    };
    assert_eq!((leapt(&[40]), leapt(&[39]), leapt(&[])), (0, 1, 1));
}

fn verify(stored: &StoredOrder, mut account: Account, entries: &[(Place, AppliedEntry)], first_kept: i64) -> Compared {
    entries.iter().for_each(|(place, entry)| account.take(*place, entry));
    compare_by(stored, &mut account, first_kept, &[])
}

/// What is found when a row or its journal is changed.
fn found(change: impl FnOnce(&mut StoredOrder, &mut Vec<(Place, AppliedEntry)>)) -> Vec<String> {
    let (mut stored, mut entries) = honest();
    change(&mut stored, &mut entries);
    let compared = verify(&stored, Account::default(), &entries, 1);
    assert!(!compared.is_outdated);
    compared.findings.into_iter().map(|finding| finding.what).collect()
}

#[test]
fn an_honest_row_equals_its_journal() {
    assert!(found(|_, _| {}).is_empty());
}

#[test]
fn what_somebody_changed_in_a_row_is_named() {
    let authorized = |stored: &mut StoredOrder, _: &mut Vec<_>| {
        stored.order.view.as_mut().unwrap().authorized_minor.0 += 1;
    };
    assert_eq!(found(authorized), ["authorized_minor"]);
    assert_eq!(found(|stored, _| stored.order.version = 7), ["version"]);
    assert_eq!(found(|stored, _| stored.order.facts = Facts::default()), ["facts of authorization `auth-1`"]);
    let status =
        |stored: &mut StoredOrder, _: &mut Vec<_>| stored.order.view.as_mut().unwrap().status = Status::Shipped;
    assert_eq!(found(status), ["status"]);
    let rows = |stored: &mut StoredOrder, _: &mut Vec<_>| stored.journal_rows = vec![1, 2, 4];
    let words = found(rows).join("; ");
    assert!(
        words.contains("do not speak of it: 0/4") && words.contains("does not list journal rows that speak of it: 0/3")
    );
}

#[test]
fn what_somebody_changed_in_the_journal_is_named() {
    let missing = |_: &mut StoredOrder, entries: &mut Vec<(Place, AppliedEntry)>| drop(entries.remove(0));
    let words = found(missing).join("; ");
    assert!(words.contains("facts of authorization") && words.contains("begins with version 2"), "{words}");
    assert!(words.contains("do not speak of it: 0/1"), "{words}");
    let outcome =
        |_: &mut StoredOrder, entries: &mut Vec<(Place, AppliedEntry)>| entries[2].1.outcome = Outcome::Applied;
    assert_eq!(found(outcome), ["event `AUTHORIZED-2` of journal row 0/3 is written down as applied and is duplicate"]);
    let version = |_: &mut StoredOrder, entries: &mut Vec<(Place, AppliedEntry)>| {
        entries[1].1.version = Some(3);
        entries[2].1.version = Some(3);
    };
    assert_eq!(found(version), ["version", "no entry leads to the versions from 2 to 2"]);
}

#[test]
fn a_view_of_another_policy_is_outdated_and_not_wrong() {
    let (mut stored, entries) = honest();
    let waiting = Policy { shell: Shell::Wait, ..Policy::default() };
    let view = stored.order.derive(&waiting);
    assert_ne!(Some(&view), stored.order.view.as_ref(), "a shell's money counts for something here");
    let mut entries = entries;
    entries.iter_mut().for_each(|(_, entry)| entry.status = Some(view.status));
    stored.order.view = Some(view);
    let compared = verify(&stored, Account::default(), &entries, 1);
    assert!(compared.is_outdated && compared.findings.is_empty(), "{compared:?}");
}

#[test]
fn of_what_retention_left_every_entry_must_be_among_the_stored_facts() {
    let (stored, entries) = honest();
    let part = |stored: &StoredOrder| Account::of_part(&stored.order.facts);
    let compared = verify(&stored, part(&stored), &entries[1..], 2);
    assert!(compared.findings.is_empty(), "{compared:?}");
    let mut forgetful = stored;
    forgetful.order.facts = Facts::default();
    let compared = verify(&forgetful, part(&forgetful), &entries[1..], 2);
    let words: Vec<String> = compared.findings.into_iter().map(|finding| finding.what).collect();
    assert!(
        words.iter().any(|what| what.ends_with("is written down as applied and is not among the stored facts")),
        "{words:?}"
    );
}

#[test]
fn entries_of_several_lanes_are_folded_whatever_their_order() {
    let (mut stored, mut entries) = honest();
    entries[0].0 = place(1, 1);
    entries.rotate_left(1);
    stored.journal_rows[0] = row_number(Lane(1), Seq(1));
    let compared = verify(&stored, Account::default(), &entries, 1);
    assert!(compared.findings.is_empty(), "{compared:?}");
}

#[test]
fn facts_that_rest_are_woken_by_the_next_entry() {
    let (stored, entries) = honest();
    let mut accounts = Accounts::default();
    let other = |number: usize| {
        let order_id: OrderId = format!("other-{number}").into();
        let mut entry = entries[0].1.clone();
        entry.order_id = Some(order_id);
        entry
    };
    for (row, entry) in &entries {
        accounts.take(*row, entry);
        (0..6_000).for_each(|number| accounts.take(*row, &other(number)));
    }
    let mut account = accounts.remove(&stored.order_id).unwrap();
    assert_eq!(*account.facts(), stored.order.facts);
    assert!(compare_by(&stored, &mut account, 1, &[]).findings.is_empty());
}
