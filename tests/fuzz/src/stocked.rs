//! A decoder that knows the schemas of all topics, each in three forms, and the same schemas one by one.
//!
//! Lies in `decode`, where answers of a registry can be given by hand. Invariant: the id of a schema is its topic's place times
//! the number of forms, plus its form's place.

use std::sync::LazyLock;

use apache_avro::Schema;
use serde_json::{Value, json};

use super::avro::{INPUT_SCHEMAS, WriterSchema};
use super::registry::{Answer, Registry};
use super::{Decoder, Refusal, json as in_json};
use crate::ids::{SchemaId, Timestamp};
use crate::order::{Event, Source};

/// When everything happens: the 9th of October 2025.
pub const NOW: Timestamp = Timestamp(1_760_000_000_000_000);
/// The largest record that is not refused for its size.
pub const RECORD_MAX_BYTES: usize = 1 << 20;

/// How a writer's schema differs from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    Ours,
    /// By a field without bytes that sends every body the long way round: the same bytes must say the same.
    Roundabout,
    /// By a kind that we do not know, fields that we do not have, and types that Avro turns into ours.
    Foreign,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Roundabout, Self::Foreign];
}

/// The schemas, by topic and form: as a producer has it, and as we judge it.
static WRITERS: LazyLock<Vec<(Schema, WriterSchema)>> = LazyLock::new(|| {
    let forms = INPUT_SCHEMAS.iter().flat_map(|(_, text)| Form::ALL.map(|form| formed(text, form)));
    forms
        .map(|json| {
            let schema = Schema::parse(&json).expect("a schema of these targets");
            let writer = WriterSchema::judge(&schema, &[]).expect("a schema that can be read");
            (schema, writer)
        })
        .collect()
});

fn formed(text: &str, form: Form) -> Value {
    let mut schema: Value = serde_json::from_str(text).expect("a schema file is JSON");
    let fields = schema["fields"].as_array_mut().expect("a record has fields");
    let nothing =
        json!({"name": "nothing", "type": {"type": "record", "name": "Nothing", "fields": []}, "default": {}});
    match form {
        Form::Ours => {}
        Form::Roundabout => fields.push(nothing),
        Form::Foreign => {
            for field in fields.iter_mut() {
                match field["name"].as_str() {
                    Some("kind") => {
                        let symbols = field["type"]["symbols"].as_array_mut().expect("an enum has symbols");
                        symbols.insert(0, json!("TELEPORTED"));
                    }
                    Some("reason") => field["type"] = json!(["null", "bytes", "string"]),
                    Some("event_id") => field["type"] = json!(["null", "string"]),
                    Some("expires_at") => field["type"] = json!(["null", "long"]),
                    Some("amount_minor" | "total_minor") => field["type"] = json!(["null", "int", "long"]),
                    _ => {}
                }
            }
            let nested = json!({"type": "map", "values": {"type": "array", "items": ["null", "double", "string"]}});
            fields.insert(2, json!({"name": "tags", "type": nested, "default": {"a": []}}));
            fields.push(json!({"name": "padding", "type": {"type": "array", "items": "null"}, "default": [null]}));
        }
    }
    schema
}

/// The id of a topic's schema in this form.
#[must_use]
pub fn id(source: Source, form: Form) -> SchemaId {
    let topic = INPUT_SCHEMAS.iter().position(|(of, _)| *of == source).expect("an input topic");
    SchemaId(u32::try_from(topic * Form::ALL.len() + form as usize).expect("a small number"))
}

/// The schema of a topic in this form, as a producer has it and as we judge it.
#[must_use]
pub fn writer(source: Source, form: Form) -> &'static (Schema, WriterSchema) {
    &WRITERS[usize::try_from(id(source, form).0).expect("a small number")]
}

/// The decoder that knows all of them.
pub static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let decoder = Decoder::new(Registry, WRITERS.len(), RECORD_MAX_BYTES);
    for ((schema, _), id) in WRITERS.iter().zip(0..) {
        decoder.learn(SchemaId(id), &Answer::Schema(Box::new(schema.clone()), Vec::new()), NOW);
    }
    decoder
});

/// Reads a value of a topic that is set to JSON.
///
/// # Errors
/// Why it is no event.
pub fn read_json(value: &[u8], source: Source) -> Result<Event, Refusal> {
    in_json::topic::read(Some(value), source, NOW)
}
