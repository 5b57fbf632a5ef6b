//! What traffic must be like, whatever the seed: reproducible, complete in kinds and flaws, interleaved, in bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use orderstream::decode::json::from_json;
use orderstream::ids::Timestamp;
use orderstream::order::{Facts, Policy, deadlines};

use super::*;

const NOW: i64 = 1_760_000_000_000_000;

fn traffic(orders: u64, seed: u64) -> Vec<Planned> {
    Traffic::new(Shape { record_max_bytes: 2_000, ..Shape::usual(orders, seed, NOW) }).collect()
}

#[test]
fn the_same_seed_makes_the_same_traffic_and_another_seed_another() {
    assert_eq!(traffic(200, 5), traffic(200, 5));
    assert_ne!(traffic(200, 5), traffic(200, 6));
}

#[test]
fn an_order_is_the_same_whatever_surrounds_it() {
    let of = |orders, in_flight| {
        let shape = Shape { in_flight, ..Shape::undisturbed(orders, 5, NOW) };
        let key = Some("ord-5-000007".to_owned());
        Traffic::new(shape).filter(|planned| planned.key == key).collect::<Vec<_>>()
    };
    assert_eq!(of(8, 1), of(500, 300));
    assert!(!of(8, 1).is_empty());
}

#[test]
fn every_kind_of_every_schema_occurs() {
    let mut heard: HashMap<Input, BTreeSet<String>> = HashMap::new();
    for planned in traffic(8_000, 1).into_iter().filter(|planned| planned.flaw.is_none()) {
        heard.entry(planned.input).or_default().insert(planned.event.kind.into_owned());
    }
    for input in Input::ALL {
        let mut kinds: BTreeSet<String> = crate::schemas::kinds(input).into_iter().collect();
        kinds.remove("UNKNOWN");
        assert_eq!(heard[&input], kinds, "{input}");
    }
}

#[test]
fn every_flaw_occurs_and_the_costly_ones_a_few_times() {
    let mut flaws: HashMap<Flaw, usize> = HashMap::new();
    for flaw in traffic(20_000, 2).into_iter().filter_map(|planned| planned.flaw) {
        *flaws.entry(flaw).or_default() += 1;
    }
    for flaw in Flaw::ALL {
        let count = flaws.get(flaw).copied().unwrap_or(0);
        assert!(count > 0, "{flaw:?}");
        assert!(!flaw.is_costly() || count <= 3, "{flaw:?}: {count}");
    }
}

#[test]
fn shares_are_about_what_was_asked_for() {
    let records = traffic(5_000, 3);
    let all = records.len() as f64;
    let share = |of: &dyn Fn(&Planned) -> bool| records.iter().filter(|planned| of(planned)).count() as f64 / all;
    assert!((0.015..0.025).contains(&share(&|planned| planned.repeated)));
    assert!((0.003..0.007).contains(&share(&|planned| planned.flaw.is_some())));
    let placed: HashSet<&str> =
        records.iter().filter(|p| p.event.kind == "PLACED").map(|p| p.event.order_id.as_str()).collect();
    assert!((3_300..3_700).contains(&placed.len()), "{}", placed.len());
}

#[test]
fn thousands_of_orders_are_under_way_at_once() {
    let records = traffic(6_000, 4);
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (place, planned) in records.iter().enumerate() {
        last.insert(&planned.event.order_id, place);
    }
    let middle = records.len() / 2;
    let begun: HashSet<&str> = records[..middle].iter().map(|planned| planned.event.order_id.as_str()).collect();
    let open = begun.iter().filter(|order| last[*order] > middle).count();
    assert!((1_500..2_600).contains(&open), "{open}");
}

#[test]
fn an_orders_events_occur_one_after_the_other_and_by_now() {
    let mut by_order: BTreeMap<String, Vec<FlatEvent>> = BTreeMap::new();
    for planned in Traffic::new(Shape { in_flight: 10, ..Shape::undisturbed(500, 9, NOW) }) {
        by_order.entry(planned.event.order_id.clone()).or_default().push(planned.event);
    }
    for events in by_order.values() {
        assert!(events.is_sorted_by_key(|event| event.occurred_at));
        assert!(events.last().expect("not empty").occurred_at < NOW);
        let ids: HashSet<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
        assert_eq!(ids.len(), events.len());
    }
}

#[test]
fn a_record_without_a_key_is_the_only_one_without_a_key() {
    for planned in traffic(3_000, 8) {
        assert_eq!(planned.key.is_none(), planned.flaw == Some(Flaw::NoKey));
        if planned.flaw.is_none() {
            assert_eq!(planned.key.as_deref(), Some(&*planned.event.order_id));
        }
    }
}

/// The deadlines of an order that hold while its events arrive one after the other, by the default policy: name and due time.
fn coming_up(events: &[FlatEvent]) -> BTreeSet<(String, i64)> {
    let (mut facts, policy) = (Facts::default(), Policy::default());
    let mut coming = BTreeSet::new();
    for event in events {
        let event = from_json(serde_json::to_value(event).expect("JSON"), Timestamp(i64::MAX)).expect("an event");
        let _ = facts.merge(&event);
        let holding = deadlines(&facts, &policy).into_iter().filter(|deadline| deadline.holds);
        coming.extend(holding.map(|deadline| (deadline.name.to_string(), deadline.due.0)));
    }
    coming
}

fn by_order(shape: Shape) -> Vec<(Plot, Vec<FlatEvent>)> {
    (0..shape.orders).map(|number| (plot_of(&shape, number), story(&shape, number).1)).collect()
}

#[test]
fn time_does_nothing_to_a_usual_order_while_it_is_heard_unless_it_is_out_of_stock() {
    for (plot, events) in by_order(Shape::undisturbed(3_000, 6, NOW)) {
        for (name, due) in coming_up(&events) {
            let gives_up = plot == Plot::OutOfStock && name == "rejection";
            assert!(
                gives_up || due > NOW + 60 * 60 * 1_000_000,
                "{plot:?}: {name} is due {} s from now",
                (due - NOW) / 1_000_000
            );
        }
    }
}

#[test]
fn every_deadline_comes_up_within_seconds_for_some_pressing_order() {
    let shape = Shape { pressing: 1.0, answers: Answers::Left, ..Shape::undisturbed(400, 6, NOW) };
    let mut near = BTreeSet::new();
    for (plot, events) in by_order(shape) {
        assert!(events.iter().all(|event| event.occurred_at <= NOW), "{plot:?}");
        near.extend(coming_up(&events).into_iter().filter(|(_, due)| *due < NOW + 10_000_000).map(|(name, _)| name));
    }
    let all = ["authorization_expiry", "payment_due", "payment_retry", "rejection", "reservation_expiry"];
    assert_eq!(near.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn answers_that_are_left_to_services_are_not_told() {
    let told = |answers| {
        let shape = Shape { pressing: 1.0, answers, ..Shape::undisturbed(400, 6, NOW) };
        let cancelled = by_order(shape).into_iter().filter(|(plot, _)| {
            matches!(plot, Plot::CancelledPaid | Plot::CancelledUnpaid | Plot::CancelledWhilePacked | Plot::OutOfStock)
        });
        let answers = ["VOIDED", "REFUNDED", "RELEASED", "CANCELLED"];
        cancelled.flat_map(|(_, events)| events).filter(|event| answers.contains(&&*event.kind)).count()
    };
    assert!(told(Answers::Told) > 100);
    assert_eq!(told(Answers::Left), 0);
}

#[test]
fn what_comes_too_early_does_not_change_what_is_told() {
    let of = |repairable| {
        let records = Traffic::new(Shape { repairable, ..Shape::undisturbed(300, 6, NOW) });
        let told = records.filter(|planned| planned.flaw != Some(Flaw::EarlyClock));
        told.map(|planned| planned.event.event_id).collect::<BTreeSet<_>>()
    };
    assert_eq!(of(0.0), of(0.05));
}
