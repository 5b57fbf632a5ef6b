//! Flat events to Avro bytes in Confluent's framing, by our own hand: the schemas in `schemas/` are read once, and each of
//! their fields becomes one step of writing.
//!
//! Fast, and independent of what the product reads with. Flaws are put into the bytes here. Invariant: bytes without a flaw
//! are what apache-avro reads back as the event that was given (a test compares).

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::event::{FlatEvent, Line};
use crate::registry::InputSchemas;
use crate::schemas;
use crate::topics::Input;
use crate::traffic::{Flaw, NEWER_KIND};

/// A schema id that no registry gives out.
const UNKNOWN_ID: u32 = 0x7fff_fff0;

type Get<T> = fn(&FlatEvent) -> Option<T>;

/// How one field of a record is written.
#[derive(Clone, Copy, Debug)]
enum Step {
    Kind,
    Text(fn(&FlatEvent) -> &str),
    Long(fn(&FlatEvent) -> i64),
    Lines,
    MaybeText(fn(&FlatEvent) -> Option<&str>),
    MaybeLong(Get<i64>),
    MaybeFlag(Get<bool>),
}

/// Writes the events of one input topic.
#[derive(Debug)]
pub struct Encoder {
    steps: Vec<Step>,
    kinds: HashMap<String, i64>,
    ids: InputSchemas,
}

impl Encoder {
    /// An encoder whose records name these schemas.
    #[must_use]
    pub fn new(input: Input, ids: InputSchemas) -> Self {
        let steps = schemas::fields(input).into_iter().map(|field| step(&field));
        let numbered = schemas::kinds(input).into_iter().chain([NEWER_KIND.to_owned()]).zip(0..);
        Self { steps: steps.collect(), kinds: numbered.collect(), ids }
    }

    /// The schemas that its records name.
    #[must_use]
    pub fn schemas(&self) -> InputSchemas {
        self.ids
    }

    /// Writes an event behind whatever `out` holds.
    ///
    /// # Errors
    /// The event's kind is none of the topic's.
    pub fn write(&self, event: &FlatEvent, out: &mut Vec<u8>) -> Result<()> {
        let id = if event.kind == NEWER_KIND { self.ids.newer } else { self.ids.current };
        out.push(0);
        out.extend_from_slice(&id.to_be_bytes());
        for step in &self.steps {
            match *step {
                Step::Kind => long(self.number(event)?, out),
                Step::Text(get) => text(get(event), out),
                Step::Long(get) => long(get(event), out),
                Step::Lines => lines(&event.lines, out),
                Step::MaybeText(get) => maybe(get(event), out, text),
                Step::MaybeLong(get) => maybe(get(event), out, long),
                Step::MaybeFlag(get) => maybe(get(event), out, |flag, out| out.push(u8::from(flag))),
            }
        }
        Ok(())
    }

    /// Writes a record's value with its flaw in it, if it has one. False for a record that has no value.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_flawed(&self, event: &FlatEvent, flaw: Option<Flaw>, out: &mut Vec<u8>) -> Result<bool> {
        if flaw == Some(Flaw::Tombstone) {
            return Ok(false);
        }
        let begin = out.len();
        if flaw == Some(Flaw::KindOutOfRange) {
            // The kind stands behind three fields that are written as they are.
            out.push(0);
            out.extend_from_slice(&self.ids.current.to_be_bytes());
            text(&event.event_id, out);
            text(&event.order_id, out);
            long(1_000, out);
            return Ok(true);
        }
        self.write(event, out)?;
        match flaw {
            Some(Flaw::WrongMagic) => out[begin] = b'{',
            Some(Flaw::UnknownSchema) => out[begin + 1..begin + 5].copy_from_slice(&UNKNOWN_ID.to_be_bytes()),
            Some(Flaw::Truncated) => out.truncate(begin + 5 + (out.len() - begin - 5) / 2),
            Some(Flaw::EarlySchema) => {
                // The later schema has one optional field more, and nobody fills it.
                out[begin + 1..begin + 5].copy_from_slice(&self.ids.later.to_be_bytes());
                out.push(0);
            }
            Some(Flaw::Trailing) => out.extend_from_slice(b"\x00\x00\x00"),
            _ => {}
        }
        Ok(true)
    }

    fn number(&self, event: &FlatEvent) -> Result<i64> {
        let number = self.kinds.get(&*event.kind).copied();
        number.with_context(|| format!("`{}` is no kind of the {} topic", event.kind, event.topic))
    }
}

fn step(field: &str) -> Step {
    match field {
        "kind" => Step::Kind,
        "event_id" => Step::Text(|event| &event.event_id),
        "order_id" => Step::Text(|event| &event.order_id),
        "occurred_at" => Step::Long(|event| event.occurred_at),
        "lines" => Step::Lines,
        "producer" => Step::MaybeText(|event| event.producer.as_deref()),
        "correlation_id" => Step::MaybeText(|event| event.correlation_id.as_deref()),
        "causation_id" => Step::MaybeText(|event| event.causation_id.as_deref()),
        "authorization_id" => Step::MaybeText(|event| event.authorization_id.as_deref()),
        "capture_id" => Step::MaybeText(|event| event.capture_id.as_deref()),
        "refund_id" => Step::MaybeText(|event| event.refund_id.as_deref()),
        "dispute_id" => Step::MaybeText(|event| event.dispute_id.as_deref()),
        "review_id" => Step::MaybeText(|event| event.review_id.as_deref()),
        "amount_minor" => Step::MaybeLong(|event| event.amount_minor),
        "currency" => Step::MaybeText(|event| event.currency.as_deref()),
        "expires_at" => Step::MaybeLong(|event| event.expires_at),
        "reason" => Step::MaybeText(|event| event.reason.as_deref()),
        "reservation_id" => Step::MaybeText(|event| event.reservation_id.as_deref()),
        "condition" => Step::MaybeText(|event| event.condition.as_deref()),
        "shipment_id" => Step::MaybeText(|event| event.shipment_id.as_deref()),
        "return_id" => Step::MaybeText(|event| event.return_id.as_deref()),
        "carrier" => Step::MaybeText(|event| event.carrier.as_deref()),
        "tracking_number" => Step::MaybeText(|event| event.tracking_number.as_deref()),
        "accepted" => Step::MaybeFlag(|event| event.accepted),
        "total_minor" => Step::MaybeLong(|event| event.total_minor),
        "payment_due_at" => Step::MaybeLong(|event| event.payment_due_at),
        "hold_id" => Step::MaybeText(|event| event.hold_id.as_deref()),
        "requested_by" => Step::MaybeText(|event| event.requested_by.as_deref()),
        other => panic!("schema field `{other}` has no step: add it to FlatEvent and here"),
    }
}

/// Reads a flat event from JSON and checks that its kind is one of its topic's.
///
/// # Errors
/// What is wrong with it.
pub fn flat_event(json: &Json) -> Result<FlatEvent> {
    let event: FlatEvent = serde_json::from_value(json.clone()).context("not a flat event")?;
    if event.kind != NEWER_KIND && !schemas::kinds(event.topic).contains(&event.kind.to_string()) {
        bail!("`{}` is no kind of the {} topic", event.kind, event.topic);
    }
    Ok(event)
}

fn lines(lines: &[Line], out: &mut Vec<u8>) {
    if !lines.is_empty() {
        long(lines.len() as i64, out);
        for line in lines {
            text(&line.line_id, out);
            maybe(line.sku.as_deref(), out, text);
            long(i64::from(line.quantity), out);
        }
    }
    out.push(0);
}

/// A union of null and something else, in this order.
fn maybe<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            write(value, out);
        }
    }
}

pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Zigzag, then seven bits a byte, lowest first.
pub(crate) fn long(number: i64, out: &mut Vec<u8>) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::{Schema, types::Value};

    use super::*;
    use crate::traffic::{Shape, Traffic};

    fn encoder(input: Input) -> Encoder {
        Encoder::new(input, InputSchemas { current: 7, newer: 8, later: 9 })
    }

    /// What apache-avro reads, with the fields that are null or empty left out, as in the flat form.
    fn read(schema: &Schema, mut bytes: &[u8]) -> serde_json::Map<String, Json> {
        let Value::Record(fields) = GenericDatumReader::builder(schema)
            .build()
            .and_then(|reader| reader.read_value(&mut bytes))
            .expect("readable")
        else {
            panic!("an event is a record")
        };
        assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
        let json = fields.into_iter().map(|(name, value)| (name, Json::try_from(value).expect("JSON")));
        json.filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|array| !array.is_empty())).collect()
    }

    fn without_nulls(mut event: Json) -> serde_json::Map<String, Json> {
        let map = event.as_object_mut().expect("an object");
        map.remove("topic");
        if let Some(Json::Array(lines)) = map.get_mut("lines") {
            for line in lines {
                line.as_object_mut().expect("a line").entry("sku").or_insert(Json::Null);
            }
        }
        map.clone()
    }

    #[test]
    fn what_is_written_is_what_apache_avro_reads() {
        let schemas = Input::ALL.map(|input| Schema::parse_str(schemas::of(input)).expect("a schema"));
        for planned in Traffic::new(Shape::undisturbed(2_000, 1, 1_760_000_000_000_000)) {
            let mut bytes = Vec::new();
            encoder(planned.input).write(&planned.event, &mut bytes).expect("written");
            assert_eq!(bytes[..5], [0, 0, 0, 0, 7]);
            let expected = without_nulls(serde_json::to_value(&planned.event).expect("JSON"));
            assert_eq!(read(&schemas[planned.input as usize], &bytes[5..]), expected);
        }
    }

    #[test]
    fn a_newer_kind_is_written_with_the_newer_schema() {
        let event = FlatEvent { kind: NEWER_KIND.into(), topic: Input::Shipping, ..FlatEvent::default() };
        let mut bytes = Vec::new();
        encoder(Input::Shipping).write(&event, &mut bytes).expect("written");
        assert_eq!(bytes[..5], [0, 0, 0, 0, 8]);
        let schema = Schema::parse_str(&schemas::newer(Input::Shipping)).expect("a schema");
        assert_eq!(read(&schema, &bytes[5..])["kind"], NEWER_KIND);
    }

    #[test]
    fn an_event_of_a_later_schema_says_the_same_with_one_field_more() {
        let event = FlatEvent { kind: "CAPTURED".into(), event_id: "evt-1".into(), ..FlatEvent::default() };
        let mut bytes = Vec::new();
        encoder(Input::Payment).write_flawed(&event, Some(Flaw::EarlySchema), &mut bytes).expect("written");
        assert_eq!(bytes[..5], [0, 0, 0, 0, 9]);
        let schema = Schema::parse_str(&schemas::later(Input::Payment)).expect("a schema");
        assert_eq!(read(&schema, &bytes[5..])["event_id"], "evt-1");
    }

    #[test]
    fn numbers_take_the_bytes_that_avro_says() {
        let bytes = |number| {
            let mut out = Vec::new();
            long(number, &mut out);
            out
        };
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(-1), [1]);
        assert_eq!(bytes(64), [0x80, 0x01]);
        assert_eq!(bytes(i64::MIN).len(), 10);
    }

    #[test]
    fn a_kind_of_another_topic_is_refused_by_name() {
        let event = FlatEvent { kind: "CAPTURED".into(), topic: Input::Shipping, ..FlatEvent::default() };
        let error = encoder(Input::Shipping).write(&event, &mut Vec::new()).expect_err("refused");
        assert_eq!(error.to_string(), "`CAPTURED` is no kind of the shipping topic");
    }

    #[test]
    fn a_truncated_body_is_shorter_and_a_tombstone_is_nothing() {
        let event = FlatEvent { kind: "CAPTURED".into(), ..FlatEvent::default() };
        let written = |flaw| {
            let mut out = Vec::new();
            encoder(Input::Payment).write_flawed(&event, flaw, &mut out).expect("written").then_some(out)
        };
        let whole = written(None).expect("a value");
        assert!(written(Some(Flaw::Truncated)).expect("a value").len() < whole.len());
        assert_eq!(written(Some(Flaw::Trailing)).expect("a value").len(), whole.len() + 3);
        assert_eq!(written(Some(Flaw::Tombstone)), None);
    }
}
