//! What a batch decides, without a server: visits against horizons, commands, replayed letters; `batchings` cuts batches anew, `headers` follows traces.

mod batchings;
mod headers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::consume::capture::Capture;
use crate::consume::horizon::Sighting;
use crate::consume::tenure::Tenure;
use crate::decode::Reason;
use crate::decode::json::from_json;
use crate::ids::{Epoch, Lane, NextOffset, SchemaId, Seq, TenureId};
use crate::order::{Event, Source};
use crate::persist::journal_format::{AppliedEntry, read_applied};

/// When orders of these tests are due: microseconds.
const DUE: i64 = 1_760_000_000_000_000;
const RETRY: i64 = 15 * 60 * 1_000_000;

fn rules() -> Rules {
    Rules {
        policy: Policy::default(),
        topics: InputTopics::new(vec![(Source::Payment, "payments".to_owned())]),
        status_topic: "status".into(),
        command_topic: Some("commands".into()),
        dead_letter_topic: Some("dead".into()),
        encoder: Encoder::new(SchemaId(1), Some(SchemaId(2))),
        tracer: None,
        cloud_events: None,
        emitted_record_max_bytes: 1 << 20,
        emit_max_bytes: 8 << 20,
        facts_per_order: 100,
    }
}

fn event(topic: &str, kind: &str, at: i64, more: &serde_json::Value) -> Event {
    let mut event = serde_json::json!({
        "topic": topic, "event_id": format!("{kind}-{at}"), "order_id": "o", "kind": kind, "occurred_at": at,
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    from_json(event, Timestamp(i64::MAX / 4)).unwrap()
}

fn placed() -> Event {
    event("order", "PLACED", DUE - 10, &serde_json::json!({"total_minor": 5, "currency": "EUR", "payment_due_at": DUE}))
}

fn reserved(expires_at: i64) -> Event {
    let lines = serde_json::json!([{"line_id": "1", "quantity": 1}]);
    let more = serde_json::json!({"reservation_id": "r", "lines": lines, "expires_at": expires_at});
    event("inventory", "RESERVED", DUE - 5, &more)
}

/// An order under lock that heard these events and said what follows.
fn locked(events: &[Event]) -> Locked {
    let mut order = crate::order::decision::Order::default();
    for event in events {
        let _ = order.apply(event, &Policy::default());
    }
    Locked { home_lane: Lane(0), off_lane: false, order, stored_facts: None }
}

/// A batch that only looks at order `o`, on a lane that has seen `at`, with its partition read to 10.
fn visit(at: i64) -> Batch {
    let sighting = Sighting { at: Timestamp(at), ends: vec![(Source::Payment, NextOffset(10))] };
    let tenure = Tenure::open(Lane(0), (Epoch(1), TenureId::random()), Arc::new(Capture::of_nobody()), Seq(0));
    let lane = LaneBatch {
        tenure: Arc::new(tenure),
        last_seq: Seq(4),
        checkpoints: vec![(Source::Payment, NextOffset(10))],
        items: Vec::new(),
        passed: Vec::new(),
        visits: vec![OrderId::from("o")],
        set_aside: Vec::new(),
        horizon: Some(sighting),
    };
    Batch { lanes: vec![lane] }
}

fn ground(checkpoint: i64) -> Ground {
    let checkpoints = vec![("payments".to_owned(), Lane(0), NextOffset(checkpoint))];
    Ground { checkpoints, ..Ground::default() }
}

struct Outcomes {
    decided: Box<Decided>,
    order: Locked,
    entries: Vec<AppliedEntry>,
    topics: Vec<String>,
}

fn decided(batch: &Batch, order: Locked, ground: &Ground, rules: &Rules) -> Outcomes {
    let mut orders = Orders::from_iter([(OrderId::from("o"), order)]);
    let Ok(Verdict::Write(mut decided)) = decide(batch, &mut orders, ground, rules, Timestamp(DUE + 99)) else {
        panic!("a batch this small is written")
    };
    let entries = read_applied(&std::mem::take(&mut decided.lanes[0].applied).finish()).unwrap();
    let topics = decided.lanes[0].emitted.iter().map(|record| record.topic.to_string()).collect();
    Outcomes { decided, order: orders.into_values().next().unwrap(), entries, topics }
}

fn next_deadline(outcomes: &Outcomes) -> Option<Timestamp> {
    next_deadline_under(outcomes, &rules())
}

fn next_deadline_under(outcomes: &Outcomes, rules: &Rules) -> Option<Timestamp> {
    let orders = Orders::from_iter([(OrderId::from("o"), outcomes.order.clone())]);
    outcomes.decided.orders(&orders, rules)[0].next_deadline
}

#[test]
fn a_deadline_fires_when_the_lane_has_seen_its_due_time_and_not_before() {
    for (seen, fires) in [(DUE - 1, false), (DUE, true)] {
        let outcomes = decided(&visit(seen), locked(&[placed()]), &ground(10), &rules());
        assert_eq!(outcomes.decided.tally.fired.contains_key("payment_due"), fires, "seen {}", seen - DUE);
        assert_eq!(outcomes.topics, if fires { vec!["status"] } else { vec![] });
        assert_eq!(next_deadline(&outcomes), (!fires).then_some(Timestamp(DUE)));
    }
}

#[test]
fn checkpoints_behind_what_was_seen_let_nothing_fire_whatever_the_writer_believes() {
    let outcomes = decided(&visit(DUE), locked(&[placed()]), &ground(9), &rules());
    assert!(outcomes.entries.is_empty());
    assert_eq!(next_deadline(&outcomes), Some(Timestamp(DUE)));
}

#[test]
fn a_dead_letter_holds_back_what_cancels_and_nothing_else_and_nobody_comes_again_for_it() {
    let order = locked(&[placed(), reserved(DUE - 1)]);
    let ground = Ground { held: [OrderId::from("o")].into(), ..ground(10) };
    let outcomes = decided(&visit(DUE), order, &ground, &rules());
    assert_eq!(outcomes.decided.tally.fired.into_iter().collect::<Vec<_>>(), [("reservation_expiry", 1)]);
    assert_eq!(outcomes.order.order.standing().1.as_str(), "PENDING");
    let order = locked(&[placed()]);
    assert_eq!(next_deadline(&decided(&visit(DUE), order, &ground, &rules())), None);
}

#[test]
fn an_order_of_two_lanes_waits_for_the_horizon_of_all() {
    for (all, fires) in [(None, false), (Some(DUE - 1), false), (Some(DUE), true)] {
        let order = Locked { off_lane: true, ..locked(&[placed()]) };
        let ground = Ground { all_lanes: all.map(Timestamp), ..ground(10) };
        let outcomes = decided(&visit(DUE + 50), order, &ground, &rules());
        assert_eq!(!outcomes.decided.tally.fired.is_empty(), fires, "{all:?}");
    }
}

#[test]
fn what_fires_together_is_told_once_with_the_last_as_its_cause() {
    let order = locked(&[placed(), reserved(DUE - 1)]);
    let before = order.order.standing();
    let outcomes = decided(&visit(DUE), order, &ground(10), &rules());
    let ids: Vec<&str> = outcomes.entries.iter().map(|entry| entry.event.as_ref().unwrap().event_id.as_str()).collect();
    assert_eq!(ids, [format!("deadline:reservation_expiry:r:{}", DUE - 1), format!("deadline:payment_due::{DUE}")]);
    let left_in = |entry: &AppliedEntry| (entry.version.unwrap(), entry.status.unwrap());
    assert_eq!(left_in(&outcomes.entries[0]), before, "the first says nothing yet");
    assert_eq!(left_in(&outcomes.entries[1]), outcomes.order.order.standing());
    assert_eq!((outcomes.topics, outcomes.order.order.version), (vec!["status".to_owned()], before.0 + 1));
}

#[test]
fn a_deadline_that_cancels_asks_for_what_is_owed_behind_the_status_and_again_until_a_person_is_asked() {
    let (rules, mut seen) = (rules(), DUE);
    let mut outcomes = decided(&visit(seen), locked(&[placed(), reserved(DUE + 100 * RETRY)]), &ground(10), &rules);
    assert_eq!(outcomes.topics, ["status", "commands"]);
    assert_eq!(outcomes.entries[0].sent[0].attempt, 1);
    assert_eq!(next_deadline(&outcomes), Some(Timestamp(DUE + 99 + RETRY)));
    let silent = Rules { command_topic: None, ..self::rules() };
    let only_the_hold = next_deadline_under(&outcomes, &silent);
    assert_eq!(only_the_hold, Some(Timestamp(DUE + 100 * RETRY)), "nobody is asked where no topic is configured");
    for attempt in 2..=5 {
        seen += RETRY + 99;
        outcomes = decided(&visit(seen), outcomes.order, &ground(10), &rules);
        assert_eq!((&*outcomes.topics, outcomes.entries[0].outcome), (&["commands".to_owned()][..], Outcome::Reminded));
        assert_eq!(outcomes.entries[0].sent[0].attempt, attempt);
    }
    outcomes = decided(&visit(seen + RETRY + 99), outcomes.order, &ground(10), &rules);
    assert_eq!((outcomes.topics.len(), outcomes.entries[0].outcome), (1, Outcome::Unanswered));
    assert_eq!(next_deadline(&outcomes), Some(Timestamp(DUE + 100 * RETRY)), "only the stock's hold is left");
}

#[test]
fn a_change_that_would_be_too_large_to_tell_does_not_happen() {
    let rules = Rules { emitted_record_max_bytes: 64, ..rules() };
    let before = locked(&[placed()]);
    let outcomes = decided(&visit(DUE), before.clone(), &ground(10), &rules);
    assert_eq!(outcomes.order.order, before.order);
    assert_eq!((outcomes.entries.len(), next_deadline(&outcomes)), (0, None));
}

/// A batch that replays letter 7, which says this.
fn replay(decoded: std::result::Result<Event, Refusal>) -> Batch {
    let mut batch = visit(DUE);
    let record = Record {
        source: Source::Payment,
        lane: Lane(0),
        offset: 3,
        timestamp: Timestamp(1),
        key: Some("o".into()),
        value: None,
        headers: Ok(Vec::new()),
    };
    let item = Item { record, consumed_at: Instant::now(), decoded: decoded.map(Box::new), letter: Some(7) };
    batch.lanes[0].items.push(item);
    batch.lanes[0].visits.clear();
    batch
}

#[test]
fn a_replayed_letter_is_applied_like_a_record_and_settled() {
    let declined = event("payment", "DECLINED", DUE, &serde_json::json!({"authorization_id": "a"}));
    let ground = Ground { letters: [7].into(), ..Ground::default() };
    let outcomes = decided(&replay(Ok(declined)), locked(&[]), &ground, &rules());
    assert_eq!(outcomes.decided.replayed, [Replayed { id: 7, is_applied: true, note: "applied".to_owned() }]);
    assert_eq!((outcomes.entries[0].place.letter, outcomes.topics.len()), (Some(7), 1));
}

#[test]
fn an_order_that_is_visited_in_the_batch_that_resolves_its_letter_is_looked_at_again() {
    let pending = event("payment", "PENDING", DUE, &serde_json::json!({"authorization_id": "a"}));
    let mut batch = replay(Ok(pending));
    batch.lanes[0].visits.push(OrderId::from("o"));
    let ground = Ground { letters: [7].into(), held: [OrderId::from("o")].into(), ..ground(10) };
    let outcomes = decided(&batch, locked(&[placed()]), &ground, &rules());
    assert!(outcomes.decided.tally.fired.is_empty(), "the letter was unresolved when the ground was read");
    assert_eq!(next_deadline(&outcomes), Some(Timestamp(DUE)));
}

#[test]
fn a_letter_that_fails_again_is_not_published_again_and_one_that_was_discarded_meanwhile_is_left_alone() {
    let refusal = || Err(Refusal::new(Reason::BadAvro, "torn"));
    let ground = Ground { letters: [7].into(), ..Ground::default() };
    let outcomes = decided(&replay(refusal()), locked(&[]), &ground, &rules());
    assert!(outcomes.topics.is_empty());
    assert_eq!(outcomes.decided.replayed[0].note, "bad_avro: torn");
    assert_eq!(outcomes.decided.refused.len(), 1, "its row counts the attempt");
    let outcomes = decided(&replay(refusal()), locked(&[]), &Ground::default(), &rules());
    assert!(outcomes.entries.is_empty() && outcomes.decided.replayed.is_empty() && outcomes.decided.refused.is_empty());
}

#[test]
fn a_letter_that_is_taken_back_takes_no_deadline_with_it_that_fired_in_another_lane_of_the_batch() {
    let declined = event("payment", "DECLINED", DUE, &serde_json::json!({"authorization_id": "a"}));
    let (mut batch, replayed) = (visit(DUE), replay(Ok(declined)));
    let mut other = replayed.lanes.into_iter().next().unwrap();
    other.items[0].record.lane = Lane(1);
    batch.lanes.push(other);
    let order = locked(&[placed(), reserved(DUE - 1)]);
    let rules = Rules { facts_per_order: order.order.facts.len(), ..rules() };
    let order = Locked { stored_facts: serde_json::to_string(&order.order.facts).ok(), ..order };
    let ground = Ground { letters: [7].into(), held: [OrderId::from("o")].into(), ..ground(10) };
    let outcomes = decided(&batch, order, &ground, &rules);
    assert_eq!(outcomes.decided.refused.len(), 1, "one fact too many");
    assert!(outcomes.entries.iter().any(|entry| entry.event.is_some()), "the reservation lapsed");
    assert!(outcomes.order.order.facts.len() > rules.facts_per_order, "and the order still knows");
}
