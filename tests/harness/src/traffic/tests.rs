//! What traffic must be like, whatever the seed: reproducible, complete in kinds and flaws, interleaved, in bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
