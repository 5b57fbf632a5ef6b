//! Events as tests send them, in their flat form: whole ones, so that a test says only what it is about.

use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

/// When the first of a test's events occurred, in microseconds: long ago, so nothing is in the future.
pub const BEGIN: i64 = 1_760_000_000_000_000;

/// An event with its fields beside the envelope; it occurred so many seconds after [`BEGIN`].
pub fn event(topic: Input, kind: &str, order: &str, second: i64, more: &Json) -> Json {
    let mut event = json!({
        "topic": topic.as_str(),
        "event_id": format!("{order}-{kind}-{second}"),
        "order_id": order,
        "kind": kind,
        "occurred_at": BEGIN + second * 1_000_000,
    });
    let fields = event.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    event
}

/// An event of that topic in which nothing is wrong, and which alone makes an order.
pub fn sound(topic: Input, order: &str) -> Json {
    let lines = json!([{"line_id": "1", "quantity": 2, "sku": "MUG"}]);
    match topic {
        Input::Payment => captured(order, "cap-1"),
        Input::Inventory => event(topic, "RESERVED", order, 2, &json!({"reservation_id": "res-1", "lines": lines})),
        Input::Shipping => event(topic, "DISPATCHED", order, 3, &json!({"shipment_id": "shp-1", "lines": lines})),
        Input::Order => {
            event(topic, "PLACED", order, 0, &json!({"total_minor": 500, "currency": "EUR", "lines": lines}))
        }
    }
}

/// Five euros taken.
pub fn captured(order: &str, capture: &str) -> Json {
    let mut event = event(
        Input::Payment,
        "CAPTURED",
        order,
        1,
        &json!({"capture_id": capture, "amount_minor": 500, "currency": "EUR"}),
    );
    event["event_id"] = format!("{order}-{capture}").into();
    event
}

/// The time now, in microseconds.
pub fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
