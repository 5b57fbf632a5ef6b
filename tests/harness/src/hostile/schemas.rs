//! What a writer's schema can be: another release's, another team's, or one that was made to hurt.
//!
//! The library writes the bodies here, as a producer of that schema would.

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value as Json, json};

use super::{Case, Fate, sound};
use crate::produce::RawRecord;
use crate::schemas;
use crate::topics::Input;

/// A schema, and what must become of a sound event that is written with it.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// What is different about it.
    pub name: &'static str,
    /// The topic that its records are sent to.
    pub input: Input,
    /// The schema as it is registered.
    pub schema: Json,
    fate: Fate,
    body: Option<Vec<u8>>,
}

const BAD: Fate = Some("bad_avro");

/// All of them.
#[must_use]
pub fn under_foreign_schemas() -> Vec<Foreign> {
    compatible().into_iter().chain(incompatible()).chain(malicious()).collect()
}

impl Foreign {
    /// The record of an order under this schema, which has that id.
    #[must_use]
    pub fn case(&self, order: &str, id: u32) -> Case {
        let body = self.body.clone().unwrap_or_else(|| written(&self.schema, &sound(self.input, order)));
        let value = [&[0][..], &id.to_be_bytes(), &body].concat();
        let record = RawRecord { key: Some(order.into()), value: Some(value), ..RawRecord::default() };
        Case { name: self.name.to_owned(), input: self.input, record, order: order.to_owned(), fate: self.fate }
    }
}

fn ours(input: Input) -> Json {
    serde_json::from_str(schemas::of(input)).expect("a schema file is JSON")
}

/// Our schema of a topic, changed.
fn changed(name: &'static str, input: Input, fate: Fate, change: impl FnOnce(&mut Vec<Json>)) -> Foreign {
    let mut schema = ours(input);
    change(schema["fields"].as_array_mut().expect("a record has fields"));
    Foreign { name, input, schema, fate, body: None }
}

fn field<'f>(fields: &'f mut [Json], name: &str) -> &'f mut Json {
    fields.iter_mut().find(|field| field["name"] == name).expect("a field of ours")
}

fn compatible() -> Vec<Foreign> {
    let tags = json!({"name": "tags", "default": {},
        "type": {"type": "map", "values": {"type": "array", "items": ["null", "double", "string"]}}});
    let card = json!({"name": "card", "default": {"last4": "1234"},
        "type": {"type": "record", "name": "Card", "fields": [{"name": "last4", "type": "string"}]}});
    vec![
        changed("fields in another order", Input::Payment, None, |fields| fields.reverse()),
        changed("a map of arrays more", Input::Shipping, None, |fields| fields.insert(2, tags)),
        changed("a record more", Input::Order, None, |fields| fields.insert(0, card)),
        changed("an optional field less", Input::Inventory, None, |fields| {
            fields.retain(|field| field["name"] != "condition");
        }),
        changed("an amount of 32 bits", Input::Payment, None, |fields| {
            *field(fields, "amount_minor") = json!({"name": "amount_minor", "type": "int"});
        }),
        changed("a reason in bytes", Input::Payment, None, |fields| {
            *field(fields, "reason") = json!({"name": "reason", "type": ["null", "bytes", "string"], "default": null});
        }),
        changed("kinds in another order", Input::Inventory, None, |fields| {
            field(fields, "kind")["type"]["symbols"].as_array_mut().expect("symbols").reverse();
        }),
        changed("lines of another name", Input::Shipping, None, |fields| {
            field(fields, "lines")["type"]["items"]["name"] = json!("Parcel");
        }),
    ]
}

fn incompatible() -> Vec<Foreign> {
    let millis = json!({"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}});
    vec![
        changed("milliseconds", Input::Payment, BAD, |fields| *field(fields, "occurred_at") = millis),
        changed("no event_id", Input::Shipping, BAD, |fields| fields.retain(|field| field["name"] != "event_id")),
        changed("a kind that is a text", Input::Order, BAD, |fields| {
            *field(fields, "kind") = json!({"name": "kind", "type": "string"});
        }),
        changed("an amount with a point", Input::Payment, BAD, |fields| {
            *field(fields, "amount_minor") = json!({"name": "amount_minor", "type": "double"});
        }),
        Foreign {
            body: Some(vec![0; 40]),
            ..changed("one line in place of many", Input::Inventory, BAD, |fields| {
                *field(fields, "lines") = json!({"name": "lines", "type": "string", "default": "1"});
            })
        },
        bytes(
            "another team's record",
            Input::Payment,
            json!({"type": "record", "name": "Heartbeat", "fields": []}),
            &[],
        ),
        bytes("no record at all", Input::Inventory, json!("string"), b"\x02a"),
        bytes(
            "our name and nothing in it",
            Input::Order,
            json!({"type": "record", "name": "OrderEvent", "fields": []}),
            &[],
        ),
    ]
}

fn malicious() -> Vec<Foreign> {
    let with = |input: Input, more: Json| {
        let mut schema = ours(input);
        schema["fields"].as_array_mut().expect("fields").push(json!({"name": "more", "type": more}));
        schema
    };
    let deep = (0..40).fold(json!("long"), |inner, _| json!({"type": "array", "items": inner}));
    let mut bomb = vec![json!({"name": "f0", "type": {"type": "record", "name": "R0", "fields": []}})];
    for n in 1..16 {
        let of = format!("R{}", n - 1);
        let twice = json!([{"name": "a", "type": of}, {"name": "b", "type": of}]);
        bomb.push(
            json!({"name": format!("f{n}"), "type": {"type": "record", "name": format!("R{n}"), "fields": twice}}),
        );
    }
    let mut nulls = ours(Input::Payment);
    let more = json!({"name": "more", "type": {"type": "array", "items": "null"}, "default": []});
    nulls["fields"].as_array_mut().expect("fields").push(more);
    let mut endless = written(&nulls, &sound(Input::Payment, "endless"));
    endless.pop();
    crate::avro::long(i64::MAX, &mut endless);
    endless.push(0);
    let huge = with(Input::Order, json!({"type": "fixed", "name": "Huge", "size": 2_000_000_000}));
    vec![
        bytes(
            "a record that contains itself",
            Input::Payment,
            with(Input::Payment, json!(["null", "PaymentEvent"])),
            &[0; 40],
        ),
        bytes("types nested too deep", Input::Shipping, with(Input::Shipping, deep), &[0; 40]),
        bytes(
            "types without number",
            Input::Order,
            with(Input::Order, json!({"type": "record", "name": "Bomb", "fields": bomb})),
            &[0; 40],
        ),
        bytes("two gigabytes of one field", Input::Order, huge, &[0; 40]),
        Foreign { name: "2^63 - 1 nulls", input: Input::Payment, schema: nulls, fate: BAD, body: Some(endless) },
    ]
}

/// A schema with a body that nobody has to write.
fn bytes(name: &'static str, input: Input, schema: Json, body: &[u8]) -> Foreign {
    Foreign { name, input, schema, fate: BAD, body: Some(body.to_vec()) }
}

/// The event as a producer with this schema would write it; what the schema has no field for is left out.
fn written(schema: &Json, event: &Json) -> Vec<u8> {
    let schema = Schema::parse(schema).expect("a schema of the corpus");
    let mut fields = event.clone();
    let (Schema::Record(record), Some(members)) = (&schema, fields.as_object_mut()) else { panic!("no record") };
    members.retain(|name, _| record.lookup.contains_key(name));
    let writer = GenericDatumWriter::builder(&schema).build().expect("a valid schema");
    let datum = datum(&fields).resolve(&schema).expect("values of the fields' types");
    writer.write_value_to_vec(datum).expect("a datum of the schema")
}

fn datum(json: &Json) -> Datum {
    match json {
        Json::Null => Datum::Null,
        Json::Bool(is) => Datum::Boolean(*is),
        Json::Number(number) => Datum::Long(number.as_i64().expect("only integers here")),
        Json::String(text) => Datum::String(text.clone()),
        Json::Array(items) => Datum::Array(items.iter().map(datum).collect()),
        Json::Object(members) => Datum::Map(members.iter().map(|(name, json)| (name.clone(), datum(json))).collect()),
    }
}
