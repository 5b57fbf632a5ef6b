//! What is well-formed and wrong, or just not wrong: amounts, quantities, instants, texts, kinds and what they need.

use serde_json::{Value as Json, json};

use super::{Corpus, Fate, whole};
use crate::schemas;
use crate::topics::Input;
use crate::traffic::NEWER_KIND;

const BAD: Fate = Some("bad_value");
/// The end of the year 9999, in microseconds.
const LATEST: i64 = 253_402_300_799_999_999;
/// The year 2100.
const FAR_AHEAD: i64 = 4_102_444_800_000_000;

/// Adds them, for every topic.
pub(super) fn add(corpus: &mut Corpus) {
    for input in Input::ALL {
        kinds(corpus, input);
        instants(corpus, input);
        texts(corpus, input);
    }
    for input in [Input::Payment, Input::Order] {
        money(corpus, input);
    }
    for input in [Input::Inventory, Input::Shipping, Input::Order] {
        lines(corpus, input);
    }
}

fn kinds(corpus: &mut Corpus, input: Input) {
    for kind in ["UNKNOWN", NEWER_KIND] {
        corpus.add_event(input, &format!("kind {kind}"), Some("unknown_kind"), |event| event["kind"] = kind.into());
    }
    for kind in schemas::kinds(input).into_iter().filter(|kind| kind != "UNKNOWN") {
        let order = corpus.order();
        let mut event = whole(input, &kind, &order);
        let fields = event.as_object_mut().expect("an object");
        fields.retain(|name, _| ["topic", "event_id", "order_id", "kind", "occurred_at"].contains(&name.as_str()));
        // The one kind that says all by itself.
        let fate = if kind == "CANCEL_REQUESTED" { None } else { Some("missing_field") };
        let value = corpus.value(&event);
        corpus.add(input, format!("{kind} and nothing else"), fate, Some(value));
    }
}

fn instants(corpus: &mut Corpus, input: Input) {
    let ahead = Some("occurred_in_future");
    for (at, fate) in
        [(0, None), (-1, BAD), (i64::MIN, BAD), (i64::MAX, BAD), (LATEST + 1, BAD), (LATEST, ahead), (FAR_AHEAD, ahead)]
    {
        corpus.add_event(input, &format!("occurred at {at}"), fate, |event| event["occurred_at"] = at.into());
    }
    let (field, kind) = match input {
        Input::Payment => ("expires_at", "AUTHORIZED"),
        Input::Inventory => ("expires_at", "RESERVED"),
        Input::Order => ("payment_due_at", "PLACED"),
        Input::Shipping => return,
    };
    for (at, fate) in [(LATEST, None), (LATEST + 1, BAD), (-1, BAD), (i64::MIN, BAD), (i64::MAX, BAD)] {
        corpus.add_event(input, &format!("{field} {at}"), fate, |event| {
            event["kind"] = kind.into();
            event[field] = at.into();
        });
    }
}

fn texts(corpus: &mut Corpus, input: Input) {
    let id = match input {
        Input::Payment => "capture_id",
        Input::Inventory => "reservation_id",
        Input::Shipping => "shipment_id",
        Input::Order => "hold_id",
    };
    for field in ["event_id", id] {
        for (name, text, fate) in [
            ("empty", String::new(), BAD),
            ("of 128 bytes", "x".repeat(128), None),
            ("of 129 bytes", "x".repeat(129), BAD),
            ("of 65 characters and 130 bytes", "\u{e9}".repeat(65), BAD),
            ("with a NUL", "a\0b".to_owned(), BAD),
            ("of control characters", "\x1b[2J\u{202e}\r\n\x07".to_owned(), None),
        ] {
            corpus.add_event(input, &format!("{field} {name}"), fate, |event| event[field] = text.into());
        }
    }
    corpus.add_event(input, "event_id like ours", BAD, |event| event["event_id"] = "deadline:rejection::1".into());
    for field in ["reason", "producer", "correlation_id", "causation_id"] {
        for (name, text, fate) in [
            ("of 1,024 bytes", "x".repeat(1_024), None),
            ("of 1,025 bytes", "x".repeat(1_025), BAD),
            ("with a NUL", "a\0b".to_owned(), BAD),
            ("empty", String::new(), None),
        ] {
            corpus.add_event(input, &format!("{field} {name}"), fate, |event| event[field] = text.into());
        }
    }
}

fn money(corpus: &mut Corpus, input: Input) {
    let field = if input == Input::Payment { "amount_minor" } else { "total_minor" };
    let most = 1_000_000_000_000_000_i64;
    for (amount, fate) in [(0, None), (most, None), (most + 1, BAD), (-1, BAD), (i64::MIN, BAD), (i64::MAX, BAD)] {
        corpus.add_event(input, &format!("{field} {amount}"), fate, |event| event[field] = amount.into());
    }
    for currency in ["", "EU", "eur", "EURO", "E\0R", "\u{20ac}"] {
        corpus.add_event(input, &format!("currency {currency:?}"), BAD, |event| event["currency"] = currency.into());
    }
    corpus.add_event(input, "an amount of no currency", Some("missing_field"), |event| {
        _ = event.as_object_mut().expect("an object").remove("currency");
    });
}

fn lines(corpus: &mut Corpus, input: Input) {
    for (quantity, fate) in
        [(1, None), (1_000_000, None), (1_000_001, BAD), (0, BAD), (-1, BAD), (i32::MAX, BAD), (i32::MIN, BAD)]
    {
        let name = format!("quantity {quantity}");
        corpus.add_event(input, &name, fate, |event| event["lines"][0]["quantity"] = quantity.into());
    }
    let line = |id: &str| json!({"line_id": id, "quantity": 1});
    let many = |count: usize| (0..count).map(|number| line(&format!("line-{number}"))).collect::<Vec<Json>>();
    for (name, lines, fate) in [
        ("no lines", vec![], None),
        ("1,000 lines", many(1_000), None),
        ("1,001 lines", many(1_001), BAD),
        ("10,000 lines", many(10_000), BAD),
        ("a line twice", vec![line("1"), line("1")], BAD),
        ("the whole order by its sign", vec![line("*")], None),
        ("the whole order and a line", vec![line("*"), line("1")], BAD),
        ("a line without a name", vec![line("")], BAD),
        ("a line with a NUL", vec![line("a\0")], BAD),
        ("a line of 129 bytes", vec![line(&"x".repeat(129))], BAD),
        ("an article with a NUL", vec![json!({"line_id": "1", "quantity": 1, "sku": "a\0"})], BAD),
    ] {
        // What is ordered must be named line by line.
        let fate = if input == Input::Order && name.contains("sign") { BAD } else { fate };
        corpus.add_event(input, name, fate, |event| event["lines"] = lines.into());
    }
}
