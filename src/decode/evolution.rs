//! What schemas other than ours may look like, and what their bodies may hold: tests of decode as producers move on, from schema to
//! schema and between Avro and JSON.
//!
//! Every body here is made with the library from the writer's schema, as a producer would.

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::avro::{INPUT_SCHEMAS, WriterSchema};
use super::inventory::InventoryEvent;
use super::order::OrderEvent;
use super::payment::PaymentEvent;
use super::refusal::{Reason, Refusal};
use super::resolution::Route;
use super::shipping::ShippingEvent;
use crate::decode::json;
use crate::ids::Timestamp;
use crate::order::Source;
use crate::order::tests::strategy;

const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

/// A producer with a schema of its own.
struct Producer {
    schema: Schema,
    judged: WriterSchema,
}

impl Producer {
    fn with(schema: &Value) -> Result<Self, String> {
        let schema = Schema::parse(schema).expect("a schema of these tests");
        let judged = WriterSchema::judge(&schema, &[])?;
        Ok(Self { schema, judged })
    }

    /// One whose schema is ours, changed.
    fn changed(source: Source, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        let mut schema = ours(source);
        change(schema["fields"].as_array_mut().expect("a record has fields"));
        Self::with(&schema).expect("a schema that fits")
    }

    /// The body of these fields; those that are not given take the schema's default.
    fn body(&self, fields: &Value) -> Vec<u8> {
        let datum = datum(fields).resolve(&self.schema).expect("values of the fields' types");
        let writer = GenericDatumWriter::builder(&self.schema).build().expect("a valid schema");
        writer.write_value_to_vec(datum).expect("a datum of the schema")
    }

    fn says<T: DeserializeOwned>(&self, fields: &Value) -> Result<T, Refusal> {
        self.judged.read(&self.body(fields))
    }
}

fn ours(source: Source) -> Value {
    let (_, text) = INPUT_SCHEMAS.into_iter().find(|(of, _)| *of == source).expect("an input");
    serde_json::from_str(text).expect("a schema file is JSON")
}

fn datum(json: &Value) -> Datum {
    match json {
        Value::Null => Datum::Null,
        Value::Bool(is) => Datum::Boolean(*is),
        Value::Number(number) => Datum::Long(number.as_i64().expect("only integers here")),
        Value::String(text) => Datum::String(text.clone()),
        Value::Array(items) => Datum::Array(items.iter().map(datum).collect()),
        Value::Object(members) => Datum::Map(members.iter().map(|(name, json)| (name.clone(), datum(json))).collect()),
    }
}

fn declined() -> Value {
    json!({
        "event_id": "e", "order_id": "o", "kind": "DECLINED", "occurred_at": NOW.0,
        "authorization_id": "a", "reason": "no money", "amount_minor": 5, "currency": "EUR",
    })
}

/// What the event is to a producer with exactly our schema.
fn usual() -> PaymentEvent {
    Producer::changed(Source::Payment, |_| {}).says(&declined()).expect("our own schema")
}

/// A producer of payments whose schema differs, takes the route and says the same.
fn says_the_usual(route: Route, change: impl FnOnce(&mut Vec<Value>)) {
    let producer = Producer::changed(Source::Payment, change);
    assert_eq!(producer.judged.route(), route);
    assert_eq!(producer.says::<PaymentEvent>(&declined()), Ok(usual()));
}

#[test]
fn every_schema_of_ours_is_read_on_the_direct_route() {
    for (source, _) in INPUT_SCHEMAS {
        let producer = Producer::changed(source, |_| {});
        assert_eq!((producer.judged.source(), producer.judged.route()), (source, Route::Direct));
    }
}

#[test]
fn fields_in_another_order_read_the_same() {
    says_the_usual(Route::Direct, |fields| fields.reverse());
}

#[test]
fn a_field_that_the_writer_left_out_is_null() {
    let without = |fields: &mut Vec<Value>| fields.retain(|field| field["name"] != "reason");
    let producer = Producer::changed(Source::Payment, without);
    assert_eq!(producer.judged.route(), Route::Direct);
    let event: PaymentEvent = producer.says(&declined()).expect("a payment event");
    assert_eq!((event.reason, event.amount_minor), (None, Some(5)));
}

#[test]
fn fields_that_a_newer_writer_added_are_passed_over() {
    let added = [
        json!({"name": "risk", "type": ["null", "double"], "default": null}),
        json!({"name": "tags", "type": {"type": "map", "values": "string"}, "default": {"a": "b"}}),
        json!({"name": "steps", "type": {"type": "array", "items": ["long", "string"]}, "default": [1, "a"]}),
        json!({"name": "at", "type": {"type": "int", "logicalType": "date"}, "default": 1}),
    ];
    says_the_usual(Route::Direct, |fields| added.into_iter().for_each(|field| fields.insert(2, field)));
}

/// The library can ignore neither on the direct route.
#[test]
fn an_enum_or_a_record_that_a_newer_writer_added_is_passed_over_the_long_way() {
    let scheme = json!({"name": "scheme", "default": "CARD",
        "type": {"type": "enum", "name": "Scheme", "symbols": ["CARD", "WALLET"]}});
    let card = json!({"name": "card", "default": {"last4": "1234"},
        "type": {"type": "record", "name": "Card", "fields": [{"name": "last4", "type": "string"}]}});
    for added in [scheme, card] {
        says_the_usual(Route::Resolved, |fields| fields.insert(3, added));
    }
}

#[test]
fn a_writer_with_other_types_that_mean_the_same_is_read_the_long_way() {
    for (name, narrower) in [
        ("amount_minor", json!("int")),
        ("authorization_id", json!("string")),
        ("reason", json!(["bytes", "null", "string"])),
        ("event_id", json!(["null", "string"])),
    ] {
        says_the_usual(Route::Resolved, |fields| {
            let field = fields.iter_mut().find(|field| field["name"] == name).expect("a field of ours");
            *field = json!({"name": name, "type": narrower});
        });
    }
}

#[test]
fn a_null_where_we_need_a_value_is_bad_avro() {
    let producer = Producer::changed(Source::Payment, |fields| {
        fields[0] = json!({"name": "event_id", "type": ["null", "string"], "default": null});
    });
    let mut fields = declined();
    fields["event_id"] = Value::Null;
    assert_eq!(producer.says::<PaymentEvent>(&fields).expect_err("no event_id").reason, Reason::BadAvro);
}

#[test]
fn lines_of_a_type_with_another_name_are_lines_all_the_same() {
    let producer = Producer::changed(Source::Inventory, |fields| {
        let lines = fields.iter_mut().find(|field| field["name"] == "lines").expect("lines");
        lines["type"]["items"]["name"] = json!("StockLine");
    });
    let fields = json!({"event_id": "e", "order_id": "o", "kind": "RESERVED", "occurred_at": 1, "reservation_id": "r",
        "lines": [{"line_id": "1", "sku": "S", "quantity": 2}]});
    let event: InventoryEvent = producer.says(&fields).expect("an inventory event");
    assert_eq!((&*event.lines[0].line_id, event.lines[0].quantity), ("1", 2));
}

#[test]
fn a_kind_that_we_do_not_know_is_refused_as_such_and_not_as_bad_avro() {
    let producer = Producer::changed(Source::Payment, |fields| {
        let kind = fields.iter_mut().find(|field| field["name"] == "kind").expect("a kind");
        kind["type"]["symbols"].as_array_mut().expect("symbols").insert(0, json!("TELEPORTED"));
    });
    let mut fields = declined();
    assert_eq!(producer.says(&fields), Ok(usual()), "symbols are told apart by name, not by number");
    fields["kind"] = json!("TELEPORTED");
    let event: PaymentEvent = producer.says(&fields).expect("a payment event");
    let refusal = event.check(NOW).expect_err("an unknown kind");
    assert_eq!(refusal.reason, Reason::UnknownKind);
    assert!(refusal.text.contains("TELEPORTED"), "{}", refusal.text);
}

#[test]
fn a_schema_that_is_not_for_us_says_what_it_is() {
    let refused = |schema: Value| Producer::with(&schema).err().expect("not ours");
    let record = |name: &str| json!({"type": "record", "name": name, "namespace": "acme", "fields": []});
    let text = refused(record("Heartbeat"));
    assert!(text.contains("`acme.Heartbeat`") && text.contains("PaymentEvent"), "{text}");
    assert_eq!(refused(record("PaymentEvent")), "it lacks the field `event_id`, which has no default");
    assert_eq!(refused(json!("string")), "it is no record");
}

#[test]
fn whatever_is_not_one_whole_datum_is_bad_avro() {
    let producer = Producer::changed(Source::Payment, |_| {});
    let whole = producer.body(&declined());
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let longer = [&whole[..], &[0]].concat();
    let not_utf8 = [&[2, 0xFF], &whole[2..]].concat();
    for body in cut.chain([longer, not_utf8]) {
        let refusal = producer.judged.read::<PaymentEvent>(&body).expect_err("a broken body");
        assert_eq!(refusal.reason, Reason::BadAvro);
        assert!(refusal.text.len() < 400, "{}", refusal.text);
    }
}

proptest! {
    #[test]
    fn an_event_says_the_same_in_avro_and_in_json(event in strategy::event()) {
        let text = json::to_json(&event);
        let source = event.topic();
        if source != Source::Deadline {
            let mut fields: Value = serde_json::from_str(&text).expect("we wrote it");
            fields.as_object_mut().expect("an object").remove("topic");
            let producer = Producer::changed(source, |_| {});
            let now = Timestamp(i64::MAX);
            let in_avro = match source {
                Source::Payment => producer.says::<PaymentEvent>(&fields).and_then(|event| event.check(now)),
                Source::Inventory => producer.says::<InventoryEvent>(&fields).and_then(|event| event.check(now)),
                Source::Shipping => producer.says::<ShippingEvent>(&fields).and_then(|event| event.check(now)),
                Source::Order | Source::Deadline => producer.says::<OrderEvent>(&fields).and_then(|event| event.check(now)),
            };
            let in_json = json::topic::read(Some(text.as_bytes()), source, now);
            prop_assert_eq!(&in_avro, &Ok(event));
            prop_assert_eq!(in_json, in_avro);
        }
    }

    #[test]
    fn no_text_makes_json_panic(noise in prop::collection::vec(any::<u8>(), 0..48), at in 0_usize..200, cut in 0_usize..9) {
        let text = br#"{"event_id": "e", "order_id": "o", "kind": "RESERVED", "occurred_at": 1, "reservation_id": "r",
            "lines": [{"line_id": "1", "sku": "S", "quantity": 2}, {"line_id": "2", "sku": null, "quantity": 1}]}"#;
        prop_assert!(json::topic::read(Some(text), Source::Inventory, NOW).is_ok());
        let mut spoilt = text.to_vec();
        let at = at.min(spoilt.len());
        spoilt.splice(at..(at + cut).min(text.len()), noise.iter().copied());
        let _ = json::topic::read(Some(&spoilt), Source::Inventory, NOW);
        let _ = json::topic::read(Some(&noise), Source::Inventory, NOW);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..48),
        at in 0_usize..64,
        inserted in any::<bool>(),
    ) {
        let fields = json!({"event_id": "e", "order_id": "o", "kind": "RESERVED", "occurred_at": 1, "reservation_id": "r",
            "lines": [{"line_id": "1", "sku": "S", "quantity": 2}, {"line_id": "2", "sku": null, "quantity": 1}]});
        let added = json!({"name": "x", "default": [],
            "type": {"type": "array", "items": {"type": "enum", "name": "X", "symbols": ["A"]}}});
        let direct = Producer::changed(Source::Inventory, |_| {});
        let resolved = Producer::changed(Source::Inventory, |fields| fields.push(added));
        for producer in [direct, resolved] {
            let mut body = producer.body(&fields);
            prop_assert!(producer.judged.read::<InventoryEvent>(&body).is_ok());
            let at = at.min(body.len());
            let until = if inserted { at } else { (at + noise.len()).min(body.len()) };
            body.splice(at..until, noise.iter().copied());
            let _ = producer.judged.read::<InventoryEvent>(&body);
            let _ = producer.judged.read::<InventoryEvent>(&noise);
        }
    }
}
