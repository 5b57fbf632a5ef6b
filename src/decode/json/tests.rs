//! What is JSON's own: misspelt names, wrong types, what the journal writes and takes back.
//!
//! The rules for values are tested beside the checks.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decode::check::tests::{good, refusal, text_of, with};
use crate::order::tests::strategy;

#[test]
fn a_misspelt_field_is_named_with_the_nearest_right_one() {
    let event = with(good("payment", "CAPTURED"), "amout_minor", json!(5));
    assert_eq!(text_of(event), "`amout_minor` is not a field of this topic's events: did you mean `amount_minor`?");
    let event = with(good("inventory", "RESERVED"), "lines", json!([{"line_id": "1", "quantitiy": 5}]));
    assert_eq!(
        text_of(event),
        "`lines[0].quantitiy` is not a field of this topic's events: did you mean `lines[0].quantity`?"
    );
    let of_another_topic = with(good("payment", "CAPTURED"), "shipment_id", json!("p1"));
    assert_eq!(refusal(of_another_topic), (Reason::BadValue, "shipment_id".to_owned()));
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let wrong = [
        ("amount_minor", json!("5")),
        ("amount_minor", json!(5.5)),
        ("capture_id", json!(1)),
        ("occurred_at", json!("2026-01-01T00:00:00Z")),
        ("kind", json!(1)),
    ];
    for (field, value) in wrong {
        let event = with(good("payment", "CAPTURED"), field, value);
        assert_eq!(refusal(event.clone()), (Reason::BadValue, field.to_owned()), "{event}");
    }
    assert_eq!(refusal(json!([1])), (Reason::BadValue, String::new()));
    assert_eq!(
        refusal(with(good("payment", "CAPTURED"), "topic", json!("payments"))),
        (Reason::BadValue, "topic".to_owned())
    );
    assert_eq!(
        refusal(with(good("payment", "CAPTURED"), "topic", json!("deadline"))),
        (Reason::BadValue, "topic".to_owned())
    );
}

#[test]
fn the_journal_takes_back_what_a_deadline_recorded_and_nobody_else_may_say_it() {
    let fired = json!({"topic": "deadline", "event_id": "deadline:rejection::5", "order_id": "o", "kind": "FIRED",
        "occurred_at": 5, "name": "rejection"});
    let event = from_journal(fired.to_string().as_bytes()).expect("an internal event");
    assert!(event.is_internal());
    assert_eq!(serde_json::from_str::<Value>(&to_json(&event)).ok(), Some(fired));
    let expired = json!({"topic": "payment", "event_id": "deadline:authorization_expiry:a1:5", "order_id": "o",
        "kind": "AUTHORIZATION_EXPIRED", "occurred_at": 5, "authorization_id": "a1"});
    assert!(from_journal(expired.to_string().as_bytes()).is_ok());
    assert_eq!(refusal(expired), (Reason::BadValue, "event_id".to_owned()));
    assert!(from_journal(b"{}").is_err() && from_journal(b"\xff").is_err());
}

proptest! {
    #[test]
    fn an_event_that_was_written_is_read_back_equal(event in strategy::event()) {
        let json = to_json(&event);
        prop_assert_eq!(from_journal(json.as_bytes()), Ok(event.clone()));
        if event.topic() != Source::Deadline {
            let value: Value = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(from_json(value, Timestamp(i64::MAX)), Ok(event));
        }
    }
}
