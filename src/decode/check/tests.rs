//! Every rule for an event's fields, told through JSON: the same checks stand behind Avro.
//!
//! What a kind needs, what is within bounds, what the texts say. [`good`] is an event that every test spoils in its own way.

use serde_json::{Value, json};

use crate::decode::json::from_json;
use crate::decode::refusal::Reason;
use crate::ids::Timestamp;

/// Values of one field.
type Values = Vec<Value>;

/// The time of these tests.
pub(in crate::decode) const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

/// A good event of a kind, with every field that any kind of its topic needs.
pub(in crate::decode) fn good(topic: &str, kind: &str) -> Value {
    let mut event = json!({
        "topic": topic, "event_id": "evt-1", "order_id": "ord-1", "kind": kind, "occurred_at": NOW.0,
    });
    let fields = match topic {
        "payment" => json!({"authorization_id": "a1", "capture_id": "c1", "refund_id": "r1", "dispute_id": "d1",
            "review_id": "v1", "amount_minor": 500, "currency": "EUR"}),
        "inventory" => json!({"reservation_id": "s1", "lines": [{"line_id": "1", "quantity": 2}]}),
        "shipping" => json!({"shipment_id": "p1", "return_id": "t1", "accepted": true}),
        _ => json!({"total_minor": 500, "currency": "EUR", "lines": [], "hold_id": "h1"}),
    };
    let object = event.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("an object").clone());
    event
}

pub(in crate::decode) fn with(mut event: Value, field: &str, value: Value) -> Value {
    event[field] = value;
    event
}

pub(in crate::decode) fn without(mut event: Value, field: &str) -> Value {
    event.as_object_mut().expect("an object").remove(field);
    event
}

/// Reason and field of the refusal.
pub(in crate::decode) fn refusal(event: Value) -> (Reason, String) {
    let shown = event.to_string();
    let refusal = from_json(event, NOW).expect_err(&shown);
    (refusal.reason, refusal.field.map(String::from).unwrap_or_default())
}

pub(in crate::decode) fn text_of(event: Value) -> String {
    from_json(event, NOW).expect_err("a refusal").text
}

#[test]
fn every_kind_needs_what_domain_says_and_nothing_else() {
    let needs: [(&str, &str, &[&str]); 12] = [
        ("payment", "PENDING ACTION_REQUIRED DECLINED VOIDED AUTHORIZATION_EXPIRED", &["authorization_id"]),
        ("payment", "AUTHORIZED", &["authorization_id", "amount_minor", "currency"]),
        ("payment", "CAPTURED", &["capture_id", "amount_minor", "currency"]),
        ("payment", "CAPTURE_FAILED", &["capture_id"]),
        ("payment", "REFUNDED", &["refund_id", "amount_minor", "currency"]),
        ("payment", "REFUND_FAILED", &["refund_id"]),
        ("payment", "DISPUTE_OPENED", &["dispute_id", "amount_minor", "currency"]),
        ("payment", "DISPUTE_WON DISPUTE_LOST", &["dispute_id"]),
        ("payment", "REVIEW_OPENED REVIEW_APPROVED REVIEW_REJECTED", &["review_id"]),
        ("order", "PLACED AMENDED", &["total_minor", "currency"]),
        ("order", "HOLD_PLACED HOLD_RELEASED", &["hold_id"]),
        ("order", "CANCEL_REQUESTED", &[]),
    ];
    for (topic, kinds, needed) in needs {
        for kind in kinds.split(' ') {
            assert_needs(topic, kind, needed);
        }
    }
    for kind in ["RESERVED", "BACKORDERED", "REJECTED", "SHORTED", "RESERVATION_EXPIRED", "RELEASED", "RESTOCKED"] {
        assert_needs("inventory", kind, &["reservation_id"]);
    }
    for kind in crate::order::event::shipping::ShipmentKind::ALL {
        assert_needs("shipping", kind.as_str(), &["shipment_id"]);
    }
    assert_needs("shipping", "RETURN_REQUESTED", &["return_id"]);
    assert_needs("shipping", "RETURN_RECEIVED", &["return_id"]);
    assert_needs("shipping", "RETURN_CLOSED", &["return_id", "accepted"]);
}

fn assert_needs(topic: &str, kind: &str, needed: &[&str]) {
    let event = good(topic, kind);
    let read = from_json(event.clone(), NOW).expect("a good event");
    assert_eq!((read.kind(), read.topic().as_str()), (kind, topic));
    let envelope = ["topic", "event_id", "order_id", "kind", "occurred_at"];
    for field in event.as_object().expect("an object").keys() {
        let is_needed = needed.contains(&field.as_str()) || envelope.contains(&field.as_str());
        // Without its currency an amount is refused, whether the kind needs it or not.
        let is_needed = is_needed || field == "currency";
        let read = from_json(without(event.clone(), field), NOW);
        match read {
            Ok(_) => assert!(!is_needed, "{kind} was read without {field}"),
            Err(refusal) => {
                assert!(is_needed, "{kind} without {field}: {refusal}");
                assert_eq!(refusal.reason, Reason::MissingField);
                assert_eq!(refusal.field.as_deref(), Some(field.as_str()));
            }
        }
    }
}

#[test]
fn a_missing_field_is_named_with_the_kind_that_needs_it() {
    let text = text_of(without(good("payment", "CAPTURED"), "capture_id"));
    assert_eq!(text, "`capture_id` is missing: CAPTURED needs it");
    let null = with(good("payment", "CAPTURED"), "capture_id", Value::Null);
    assert_eq!(refusal(null), (Reason::MissingField, "capture_id".to_owned()));
}

#[test]
fn a_kind_that_we_do_not_know_is_quoted() {
    for kind in ["UNKNOWN", "CAPTUERD", "captured", ""] {
        assert_eq!(refusal(good("payment", kind)).0, Reason::UnknownKind, "{kind}");
    }
    assert_eq!(refusal(good("shipping", "RESERVED")).0, Reason::UnknownKind, "of another topic");
    assert_eq!(
        text_of(good("payment", "CAPTUERD")),
        "`kind` is `CAPTUERD`: no kind of the payment topic that this version knows; run one that knows it, then replay"
    );
}

#[test]
fn values_out_of_bounds_are_refused_and_those_on_the_bounds_are_not() {
    let long = |bytes| Value::from("x".repeat(bytes));
    let cases: [(&str, &str, &str, Values, Values); 14] = [
        (
            "payment",
            "CAPTURED",
            "event_id",
            vec![long(1), long(128)],
            vec![long(0), long(129), json!("a\0"), json!("deadline:x")],
        ),
        ("payment", "CAPTURED", "order_id", vec![long(128)], vec![long(0), long(129), json!("\0")]),
        ("payment", "CAPTURED", "capture_id", vec![long(128)], vec![long(0), long(129), json!("\0")]),
        ("payment", "PENDING", "refund_id", vec![Value::Null], vec![long(0)]),
        (
            "payment",
            "CAPTURED",
            "amount_minor",
            vec![json!(0), json!(1_000_000_000_000_000_i64)],
            vec![json!(-1), json!(1_000_000_000_000_001_i64)],
        ),
        ("payment", "PENDING", "amount_minor", vec![json!(0)], vec![json!(-1)]),
        (
            "payment",
            "CAPTURED",
            "currency",
            vec![json!("USD")],
            vec![json!("usd"), json!("EURO"), json!(""), json!("E\0R"), json!("ÄÖ")],
        ),
        ("payment", "CAPTURED", "reason", vec![long(0), long(1_024)], vec![long(1_025), json!("\0")]),
        ("payment", "CAPTURED", "producer", vec![long(1_024)], vec![long(1_025)]),
        (
            "payment",
            "AUTHORIZED",
            "expires_at",
            vec![json!(0), json!(253_402_300_799_999_999_i64)],
            vec![json!(-1), json!(253_402_300_800_000_000_i64)],
        ),
        (
            "inventory",
            "RESTOCKED",
            "condition",
            vec![json!("SELLABLE"), json!("QUARANTINE")],
            vec![json!("sellable"), json!("NEW")],
        ),
        (
            "order",
            "CANCEL_REQUESTED",
            "requested_by",
            vec![json!("customer"), json!("merchant")],
            vec![json!("CUSTOMER"), json!("fraud")],
        ),
        ("order", "PLACED", "payment_due_at", vec![json!(0)], vec![json!(i64::MIN)]),
        ("shipping", "PICKED", "tracking_number", vec![long(1_024)], vec![long(1_025)]),
    ];
    for (topic, kind, field, good_values, bad_values) in cases {
        for value in good_values {
            let event = with(good(topic, kind), field, value);
            assert!(from_json(event.clone(), NOW).is_ok(), "{event}");
        }
        for value in bad_values {
            let event = with(good(topic, kind), field, value);
            assert_eq!(refusal(event.clone()), (Reason::BadValue, field.to_owned()), "{event}");
        }
    }
}

#[test]
fn a_bad_value_is_quoted_on_one_line_and_not_at_length() {
    let text = text_of(with(good("payment", "CAPTURED"), "amount_minor", json!(-5)));
    assert_eq!(text, "`amount_minor` is `-5`: use 0 to 1000000000000000 minor units");
    let text = text_of(with(good("payment", "CAPTURED"), "currency", json!("€\n\0")));
    assert_eq!(text, "`currency` is `€\\n\\0`: use three capitals, for example EUR");
    let text = text_of(with(good("payment", "CAPTURED"), "order_id", Value::from("ü".repeat(900))));
    assert_eq!(text, format!("`order_id` is `{}…`: it has 1800 bytes: use 1 to 128 bytes without NUL", "ü".repeat(64)));
}

#[test]
fn what_occurred_more_than_a_day_from_now_is_refused() {
    let day = 24 * 60 * 60 * 1_000_000;
    let at = |occurred_at| with(good("payment", "CAPTURED"), "occurred_at", json!(occurred_at));
    assert!(from_json(at(NOW.0 + day), NOW).is_ok());
    assert_eq!(refusal(at(NOW.0 + day + 1)), (Reason::OccurredInFuture, "occurred_at".to_owned()));
    assert_eq!(refusal(at(-1)), (Reason::BadValue, "occurred_at".to_owned()));
    assert_eq!(refusal(at(i64::MAX)), (Reason::BadValue, "occurred_at".to_owned()));
}

#[test]
fn lines_are_checked_one_by_one() {
    let lines = |lines: Value| with(good("inventory", "RESERVED"), "lines", lines);
    let bad = [
        (json!([{"line_id": "1", "quantity": 1}, {"line_id": "2", "quantity": 0}]), "lines[1].quantity"),
        (json!([{"line_id": "1", "quantity": -1}]), "lines[0].quantity"),
        (json!([{"line_id": "1", "quantity": 1_000_001}]), "lines[0].quantity"),
        (json!([{"line_id": "", "quantity": 1}]), "lines[0].line_id"),
        (json!([{"line_id": "1", "quantity": 1, "sku": "a\0"}]), "lines[0].sku"),
        (json!([{"line_id": "*", "quantity": 1}, {"line_id": "1", "quantity": 1}]), "lines[0].line_id"),
        (
            json!([{"line_id": "1", "quantity": 1}, {"line_id": "2", "quantity": 1}, {"line_id": "1", "quantity": 2}]),
            "lines",
        ),
        (json!([{"line_id": "1", "quantity": 1, "qty": 1}]), "lines[0].qty"),
        (json!([{"line_id": "1", "quantity": 1.5}]), "lines[0].quantity"),
        (json!([["1", null, 1]]), "lines[0]"),
        (json!("1"), "lines"),
    ];
    for (value, field) in bad {
        assert_eq!(refusal(lines(value.clone())), (Reason::BadValue, field.to_owned()), "{value}");
    }
    let without = lines(json!([{"line_id": "1", "quantity": 1}, {"line_id": "1"}]));
    assert_eq!(refusal(without), (Reason::MissingField, "lines[1].quantity".to_owned()));
    let many = |count: usize| lines((0..count).map(|id| json!({"line_id": id.to_string(), "quantity": 1})).collect());
    assert!(from_json(many(1_000), NOW).is_ok());
    assert_eq!(refusal(many(1_001)), (Reason::BadValue, "lines".to_owned()));
}

#[test]
fn lines_in_another_order_are_the_same_lines_and_the_line_star_is_the_whole_order() {
    let lines = |lines: Value| from_json(with(good("inventory", "RELEASED"), "lines", lines), NOW);
    let (one, two) = (json!({"line_id": "1", "quantity": 1}), json!({"line_id": "2", "quantity": 2}));
    assert_eq!(lines(json!([one, two])), lines(json!([two, one])));
    // As the command says it that this event answers.
    assert_eq!(lines(json!([{"line_id": "*", "quantity": 1}])), lines(json!([])));
    let placed = with(good("order", "PLACED"), "lines", json!([{"line_id": "*", "quantity": 1}]));
    assert_eq!(refusal(placed), (Reason::BadValue, "lines[0].line_id".to_owned()));
}

#[test]
fn names_of_reasons_are_read_back() {
    for reason in Reason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
    }
    assert!("nonsense".parse::<Reason>().is_err());
}
