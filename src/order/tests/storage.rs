//! The stored form: small, the same whatever becomes of the order of keys, and never trusted.
//!
//! Postgres sorts the keys of jsonb its own way; damaged text must be an error, because a panic would stop a lane.

use proptest::prelude::*;
use serde_json::Value;

use super::facts_of;
use super::say::{self, placed, reserved, shipment};
use super::strategy::events;
use crate::order::Facts;
use crate::order::event::shipping::ShipmentKind;

fn stored(facts: &Facts) -> String {
    serde_json::to_string(facts).expect("facts are JSON")
}

fn read(text: &str) -> Result<Facts, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn facts_are_read_back_equal_in_whatever_order_the_keys_come(events in events(30)) {
        let facts = facts_of(&events);
        let value: Value = serde_json::from_str(&stored(&facts)).expect("JSON");
        prop_assert_eq!(read(&as_jsonb_writes(&value)), Ok(facts.clone()));
        let from_value: Facts = serde_json::from_value(value).expect("facts we stored");
        prop_assert_eq!(from_value, facts);
    }

    #[test]
    fn no_text_whatever_makes_reading_panic(text in r#"(\{|\}|\[|\]|,|:|"[a-x*]{0,2}"|-?[0-9]{1,20}|null){0,40}"#) {
        let _ = read(&text);
    }

    #[test]
    fn facts_with_a_piece_missing_are_an_error_or_other_facts(events in events(8), cut in any::<prop::sample::Index>()) {
        let text = stored(&facts_of(&events));
        let cut = cut.index(text.len());
        let damaged = format!("{}{}", &text[..cut], text.get(cut + 1..).unwrap_or_default());
        let _ = read(&damaged);
    }
}

/// JSON as Postgres writes jsonb: keys by length, then by bytes; spaces after colons and commas.
fn as_jsonb_writes(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_by_key(|key| (key.len(), key.as_bytes()));
            let entries =
                keys.into_iter().map(|key| format!("{}: {}", Value::from(key.as_str()), as_jsonb_writes(&object[key])));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(array) => format!("[{}]", array.iter().map(as_jsonb_writes).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[test]
fn an_ordinary_order_takes_well_under_a_kilobyte() {
    let id = |number: u32| format!("8d2f3c1e-7b46-4c7e-9a55-{number:012}");
    let events = [
        placed(5_000, &[("1", 2), ("2", 1)]),
        say::authorized("auth-1", 5_000).at(1).until(900),
        reserved("res-1", &[("1", 2), ("2", 1)]).at(2),
        say::captured("cap-1", 5_000).of("auth-1").at(3),
        shipment("shp-1", ShipmentKind::LabelCreated, &[]).at(4),
        shipment("shp-1", ShipmentKind::Dispatched, &[]).at(5),
        shipment("shp-1", ShipmentKind::InTransit, &[]).at(6),
        shipment("shp-1", ShipmentKind::Delivered, &[]).at(7),
    ];
    let events: Vec<_> = (0..).zip(events).map(|(number, event)| event.id(&id(number))).collect();
    let text = stored(&facts_of(&events));
    assert!(text.len() < 700, "{} bytes: {text}", text.len());
}

#[test]
fn the_lines_of_one_event_are_stored_with_one_time_and_one_id() {
    let named: Vec<(String, i64)> = (0..1_000).map(|line| (format!("{line}"), 1)).collect();
    let named: Vec<(&str, i64)> = named.iter().map(|(line, pieces)| (line.as_str(), *pieces)).collect();
    let facts = facts_of([&reserved("s1", &named)]);
    let text = stored(&facts);
    assert_eq!(facts.len(), 1_000);
    assert_eq!(text.matches("RESERVED").count(), 1, "{text}");
}

#[test]
fn when_a_parcel_left_is_stored_only_where_no_other_fact_says_it() {
    let dispatched = |at| shipment("p1", ShipmentKind::Dispatched, &[]).at(at);
    let once = facts_of([&dispatched(5)]);
    assert!(!stored(&once).contains(r#""e":"#), "{}", stored(&once));
    let again = facts_of([&dispatched(5), &dispatched(9)]);
    assert!(stored(&again).contains(r#""e":"#), "{}", stored(&again));
    assert_eq!(read(&stored(&again)).map(|facts| facts.dispatched_at()), Ok(Some(say::minute(5))));
}

#[test]
fn facts_of_a_newer_version_are_refused_with_what_to_do() {
    assert_eq!(
        read(r#"{"v":2}"#),
        Err("facts of version 2, but this program reads version 1: run the newer one at line 1 column 7".to_owned())
    );
    assert!(read("{}").is_err());
}

#[test]
fn what_is_out_of_bounds_or_means_nothing_is_refused() {
    let bad = [
        r#"{"v":1,"z":{}}"#,
        r#"{"v":1,"a":{"a1":{"z":[1,"e"]}}}"#,
        r#"{"v":1,"a":{"a1":{"a":[1,"e"]}}}"#,
        r#"{"v":1,"a":{"a1":{"a":[1,"e",-1,"EUR"]}}}"#,
        r#"{"v":1,"a":{"a1":{"a":[1,"e",1000000000000001,"EUR"]}}}"#,
        r#"{"v":1,"a":{"a1":{"a":[1,"e",1,"eur"]}}}"#,
        r#"{"v":1,"a":{"a1":{"p":[1,"e","left over"]}}}"#,
        r#"{"v":1,"a":{"a1":{"p":["1","e"]}}}"#,
        r#"{"v":1,"i":{"s1":{"r":[[1,"e",{"1":0}]]}}}"#,
        r#"{"v":1,"i":{"s1":{"r":[[1,"e",{"1":1000001}]]}}}"#,
        r#"{"v":1,"i":{"s1":{"r":[[1,"e",{"1":[1]}]]}}}"#,
        r#"{"v":1,"i":{"s1":{"zz":[]}}}"#,
        r#"{"v":1,"s":{"p1":{"z":[1,"e"]}}}"#,
        r#"{"v":1,"f":{"nonsense":[1,"e"]}}"#,
        r#"{"v":1,"x":[1,"e","nobody"]}"#,
        "[]",
        "null",
    ];
    for text in bad {
        assert!(read(text).is_err(), "{text}");
    }
}
