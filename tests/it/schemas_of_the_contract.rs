//! The contract with other services: the schemas in `schemas/` are complete, documented, and named as the domain names them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

/// What every input event has.
const ENVELOPE: &str = "event_id: string, order_id: string, kind: enum, occurred_at: micros, producer: string?, \
                        correlation_id: string?, causation_id: string?";

/// The fields of each record in their order; `?` for a field that may be null (DOMAIN sections 2-5, 8 and 9).
const RECORDS: [(&str, &str); 6] = [
    (
        "PaymentEvent",
        "authorization_id: string?, capture_id: string?, refund_id: string?, dispute_id: string?, review_id: string?, \
         amount_minor: long?, currency: string?, expires_at: micros?, reason: string?",
    ),
    (
        "InventoryEvent",
        "reservation_id: string?, lines: [Line], expires_at: micros?, reason: string?, condition: string?",
    ),
    (
        "ShippingEvent",
        "shipment_id: string?, return_id: string?, lines: [Line], carrier: string?, tracking_number: string?, \
         reason: string?, accepted: boolean?",
    ),
    (
        "OrderEvent",
        "total_minor: long?, currency: string?, lines: [Line], payment_due_at: micros?, hold_id: string?, \
         reason: string?, requested_by: string?",
    ),
    (
        "OrderStatusChanged",
        "event_id: uuid, order_id: string, order_version: long, status: enum, previous_status: OrderStatus?, \
         payment: enum, inventory: enum, fulfilment: enum, returns: enum, flags: [string], attention: [string], \
         cancel_reason: string?, currency: string?, total_minor: long?, authorized_minor: long, captured_minor: long, \
         refunded_minor: long, charged_back_minor: long, lines: [OrderLine], owed: [Owed], cause: Cause?, \
         correlation_id: string?, occurred_at: micros, changed_at: micros",
    ),
    (
        "OrderCommand",
        "command_id: uuid, order_id: string, kind: enum, entity_id: string, amount_minor: long?, currency: string?, \
         lines: [OwedLine], reason: string?, attempt: int, issued_at: micros, cause: Cause?",
    ),
];

fn schema(record: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{record}.avsc"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a schema is JSON")
}

/// A type in a word, as [`RECORDS`] writes it.
fn word(kind: &Json) -> String {
    match (kind, kind["logicalType"].as_str(), kind["type"].as_str()) {
        (Json::String(name), ..) => name.clone(),
        (Json::Array(union), ..) => format!("{}?", word(&union[1])),
        (_, Some("timestamp-micros"), _) => "micros".to_owned(),
        (_, Some(logical), _) => logical.to_owned(),
        (_, _, Some("array")) => format!("[{}]", word(&kind["items"])),
        (_, _, Some("record")) => kind["name"].as_str().expect("a record has a name").to_owned(),
        (_, _, other) => other.expect("a type has a name").to_owned(),
    }
}

#[test]
fn there_are_these_six_schemas_and_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder of schemas")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, RECORDS.iter().map(|(record, _)| format!("{record}.avsc")).collect());
}

#[test]
fn fields_have_the_names_and_types_of_the_domain() {
    for (record, fields) in RECORDS {
        let schema = schema(record);
        assert_eq!((&schema["name"], &schema["namespace"]), (&json!(record), &json!("orderstream.v1")));
        let expected = if record.ends_with("Event") { format!("{ENVELOPE}, {fields}") } else { fields.to_owned() };
        let found = schema["fields"].as_array().expect("fields").iter();
        let found: Vec<String> = found
            .map(|field| format!("{}: {}", field["name"].as_str().expect("a name"), word(&field["type"])))
            .collect();
        assert_eq!(found.join(", "), expected, "{record}");
    }
}

#[test]
fn kinds_are_those_of_the_domain_and_unknown_comes_first() {
    let expected = [
        (
            "PaymentEvent",
            "UNKNOWN PENDING ACTION_REQUIRED AUTHORIZED DECLINED VOIDED AUTHORIZATION_EXPIRED CAPTURED CAPTURE_FAILED \
             REFUNDED REFUND_FAILED DISPUTE_OPENED DISPUTE_WON DISPUTE_LOST REVIEW_OPENED REVIEW_APPROVED REVIEW_REJECTED",
        ),
        ("InventoryEvent", "UNKNOWN RESERVED BACKORDERED REJECTED SHORTED RESERVATION_EXPIRED RELEASED RESTOCKED"),
        (
            "ShippingEvent",
            "UNKNOWN LABEL_CREATED PICKED DISPATCHED IN_TRANSIT OUT_FOR_DELIVERY READY_FOR_PICKUP LOST DELIVERED \
             RETURNED_TO_SENDER CANCELLED DELIVERY_FAILED DELAYED RETURN_REQUESTED RETURN_RECEIVED RETURN_CLOSED",
        ),
        ("OrderEvent", "UNKNOWN PLACED AMENDED CANCEL_REQUESTED HOLD_PLACED HOLD_RELEASED"),
    ];
    for (record, symbols) in expected {
        let schema = schema(record);
        let fields = schema["fields"].as_array().expect("fields");
        let kind = fields.iter().find(|field| field["name"] == "kind").expect("every event has a kind");
        let found = kind["type"]["symbols"].as_array().expect("an enum has symbols").iter();
        let found: Vec<&str> = found.filter_map(Json::as_str).collect();
        assert_eq!(found.join(" "), symbols, "{record}");
    }
}

/// Calls `each` with every object of a schema and the way to it.
fn visit(schema: &Json, way: &str, each: &mut impl FnMut(&serde_json::Map<String, Json>, &str)) {
    match schema {
        Json::Object(object) => {
            let name = object.get("name").and_then(Json::as_str).unwrap_or_default();
            let way = if name.is_empty() { way.to_owned() } else { format!("{way}.{name}") };
            each(object, &way);
            object.values().for_each(|inner| visit(inner, &way, each));
        }
        Json::Array(array) => array.iter().for_each(|inner| visit(inner, way, each)),
        _ => {}
    }
}

#[test]
fn every_record_enum_and_field_says_what_it_is() {
    for (record, _) in RECORDS {
        visit(&schema(record), "", &mut |object, way| {
            if object.contains_key("name") {
                let doc = object.get("doc").and_then(Json::as_str).unwrap_or_default();
                assert!(doc.len() >= 10 && doc.ends_with('.'), "{way} has no doc that is a sentence: `{doc}`");
            }
        });
    }
}

#[test]
fn every_enum_has_unknown_for_what_a_later_release_may_send() {
    for (record, _) in RECORDS {
        visit(&schema(record), "", &mut |object, way| {
            if let Some(symbols) = object.get("symbols").and_then(Json::as_array) {
                assert_eq!(symbols.first(), Some(&json!("UNKNOWN")), "{way}");
                assert_eq!(object.get("default"), Some(&json!("UNKNOWN")), "{way}");
            }
        });
    }
}

#[test]
fn what_may_be_null_is_null_by_default_so_that_both_sides_may_change_first() {
    for (record, _) in RECORDS {
        visit(&schema(record), "", &mut |object, way| {
            if let Some(union) = object.get("type").and_then(Json::as_array) {
                assert_eq!((&union[0], object.get("default")), (&json!("null"), Some(&Json::Null)), "{way}");
            }
        });
    }
}
