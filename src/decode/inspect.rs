//! What a refused record says, for the person who has to decide about it: its fields under the schema it was written with,
//! and what this release makes of it now.
//!
//! Beside the path; the worker never comes here. A topic of JSON needs no schema, and none is asked for. Invariant: nothing here fails. Where the registry is away, or the bytes are
//! not what their schema says, a sentence stands where the fields would be.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::ResolvedSchema;
use apache_avro::types::Value;
use serde_json::Value as Json;

use crate::consume::record::Record;
use crate::ids::{SchemaId, Timestamp};
use crate::order::{Event, Source};

use super::avro::shortened;
use super::format::{Format, Formats};
use super::framing::{Framed, unframe};
use super::refusal::Refusal;
use super::registry::{Answer, Registry};
use super::{Decoded, Decoder, flatten, guard, json};

/// What was found out about a record.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its fields, or why they cannot be told, as a sentence.
    pub contents: Result<Contents, String>,
    /// What a worker of this release would make of it now.
    pub verdict: Verdict,
}

/// A value taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The schema that it was written with; none where it is JSON.
    pub schema: Option<WrittenWith>,
    /// Those fields that are not null, in the order of the schema, or as they stand in the JSON.
    pub fields: Vec<Field>,
}

/// A writer's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenWith {
    /// Its id.
    pub id: SchemaId,
    /// The name of its record.
    pub record: String,
}

impl Contents {
    /// The schema's id, where there is one.
    #[must_use]
    pub fn schema_id(&self) -> Option<SchemaId> {
        self.schema.as_ref().map(|schema| schema.id)
    }

    /// The name of the schema's record, where there is one.
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        self.schema.as_ref().map(|schema| schema.record.as_str())
    }
}

/// One field as the writer wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// The instant that it is, where its type says so.
    pub instant: Option<Timestamp>,
}

/// What decoding comes to now. Applying may still refuse it: what the order or the database say is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An event.
    Event(Box<Event>),
    /// Refused, as before or for another reason.
    Refused(Refusal),
    /// Not to be told while the registry is away.
    Undecided,
}

/// Looks into a record of one of these topics. Asks the registry once, where the record names a schema.
pub async fn inspect(
    registry: &Registry,
    formats: Formats,
    record: &Record,
    record_max_bytes: usize,
    now: Timestamp,
) -> Inspection {
    let decoder = Decoder::new(registry.clone(), 1, record_max_bytes).reading(formats);
    let contents = match formats.of(record.source) {
        Format::Avro => contents(&decoder, registry, record, now).await,
        Format::Json => of_json(record.value.as_deref(), record.source).map_err(|refusal| refusal.text),
    };
    let verdict = match decoder.try_decode(record, now) {
        Decoded::Event(event) => Verdict::Event(Box::new(event)),
        Decoded::Refused(refusal) => Verdict::Refused(refusal),
        Decoded::NeedsSchema(_) => Verdict::Undecided,
    };
    Inspection { contents, verdict }
}

/// Takes the value apart; the decoder has learned the schema on the way.
async fn contents(decoder: &Decoder, registry: &Registry, record: &Record, now: Timestamp) -> Result<Contents, String> {
    let Framed { schema: id, body } = unframe(record).map_err(|refusal| refusal.text)?;
    let answer = registry.schema(id).await.map_err(|error| error.to_string())?;
    decoder.learn(id, &answer, now);
    match answer {
        Answer::Unknown => Err(format!("the registry knows no schema {id}")),
        Answer::Unusable(text) => Err(format!("schema {id} cannot be read: {text}")),
        Answer::Schema(schema, referenced) => {
            let layout = Layout::of(&schema, &referenced);
            layout.and_then(|layout| layout.contents(id, body)).map_err(|text| format!("under schema {id}, {text}"))
        }
    }
}

/// Takes a value of a topic of JSON apart, whatever its fields are worth.
///
/// # Errors
/// It is no JSON object.
pub(super) fn of_json(value: Option<&[u8]>, source: Source) -> Result<Contents, Refusal> {
    let members = json::topic::members(value, source)?;
    let fields = members.iter().filter(|(_, value)| value.get() != "null").map(|(name, value)| {
        // What the parser does not take, a number that is too large, is shown as it is written.
        let value = serde_json::from_str(value.get()).unwrap_or_else(|_| Json::from(value.get()));
        let instant = value.as_i64().filter(|_| INSTANTS.contains(&name.as_ref())).map(Timestamp);
        Field { name: name.as_ref().to_owned(), value, instant }
    });
    Ok(Contents { schema: None, fields: fields.collect() })
}

/// The fields of ours that are instants, which JSON's types do not tell.
const INSTANTS: [&str; 3] = ["occurred_at", "expires_at", "payment_due_at"];

/// A schema as values are taken apart under it: without references.
#[derive(Debug)]
pub(super) struct Layout {
    record: String,
    flat: Schema,
}

impl Layout {
    /// Of a schema from the registry, or why no value can be taken apart under it.
    pub(super) fn of(schema: &Schema, referenced: &[Schema]) -> Result<Self, String> {
        let Schema::Record(record) = schema else { return Err("which is no record's, it has no fields".to_owned()) };
        let flat = flatten::flatten(schema, referenced).map_err(|text| format!("which cannot be followed: {text}"))?;
        Ok(Self { record: record.name.to_string(), flat })
    }

    /// Takes a body apart, or says why it is none of the schema's.
    pub(super) fn contents(&self, schema_id: SchemaId, mut body: &[u8]) -> Result<Contents, String> {
        // The library trusts lengths and counts; the guard does not (see there).
        guard::check(&self.flat, body).map_err(|flaw| flaw.to_string())?;
        let value = whole(&self.flat, &mut body).map_err(|error| shortened(&error.to_string()).into_owned())?;
        let Value::Record(fields) = value else { return Err("the value is no record".to_owned()) };
        let fields = fields.into_iter().filter(|(_, value)| !is_null(value)).map(|(name, value)| field(name, value));
        let schema = Some(WrittenWith { id: schema_id, record: self.record.clone() });
        Ok(Contents { schema, fields: fields.collect() })
    }
}

fn whole(schema: &Schema, body: &mut &[u8]) -> Result<Value, apache_avro::Error> {
    GenericDatumReader::builder(schema)
        .resolved_writer_schemata(ResolvedSchema::new_with_schemata(Vec::new())?)
        .build()?
        .read_value(body)
}

fn field(name: String, value: Value) -> Field {
    let instant = instant(&value);
    // What JSON has no form for, a NaN, is shown as the library writes it.
    let value = Json::try_from(value.clone()).unwrap_or_else(|_| Json::String(format!("{value:?}")));
    Field { name, value, instant }
}

fn is_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Union(_, inner) => is_null(inner),
        _ => false,
    }
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::TimestampMicros(micros) => Some(Timestamp(*micros)),
        Value::TimestampMillis(millis) => millis.checked_mul(1_000).map(Timestamp),
        Value::Union(_, inner) => instant(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::decode::Reason;
    use crate::decode::avro::INPUT_SCHEMAS;
    use crate::decode::canned::{self, Sent};
    use crate::ids::Lane;

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);
    const MAX: usize = 1_000_000;

    fn record(value: Option<&[u8]>) -> Record {
        Record {
            source: Source::Payment,
            lane: Lane(0),
            offset: 0,
            timestamp: NOW,
            key: Some(Bytes::from_static(b"order-1")),
            value: value.map(Bytes::copy_from_slice),
            headers: Ok(Vec::new()),
        }
    }

    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len() * 2).expect("a short text");
        [&[length], text.as_bytes()].concat()
    }

    /// A payment event that occurred at this instant, of the kind of this number, with nothing else in it.
    fn payment(occurred_at: i64, kind: u8) -> Vec<u8> {
        let mut zigzag = (occurred_at << 1).cast_unsigned();
        let mut number = Vec::new();
        while zigzag >= 0x80 {
            number.push((zigzag & 0x7f) as u8 | 0x80);
            zigzag >>= 7;
        }
        number.push(zigzag as u8);
        let nulls = vec![0; schema()["fields"].as_array().expect("fields").len() - 4];
        [&[0, 0, 0, 0, 7][..], &text("evt-1"), &text("order-1"), &[kind * 2], &number, &nulls].concat()
    }

    fn schema() -> Json {
        serde_json::from_str(INPUT_SCHEMAS[0].1).expect("a schema file is JSON")
    }

    async fn inspected(answers: Vec<Sent>, value: Option<&[u8]>) -> Inspection {
        let (registry, _) = canned::registry(answers);
        inspect(&registry, Formats::default(), &record(value), MAX, NOW).await
    }

    #[tokio::test]
    async fn the_fields_of_a_refused_record_are_shown_with_the_one_that_is_wrong() {
        let far = 4_102_444_800_000_000;
        let seen = inspected(vec![canned::schema(&schema())], Some(&payment(far, 1))).await;
        let contents = seen.contents.expect("fields");
        assert_eq!(contents.schema_id(), Some(SchemaId(7)));
        assert!(contents.record().is_some_and(|record| record.ends_with("PaymentEvent")), "{contents:?}");
        let names: Vec<&str> = contents.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["event_id", "order_id", "kind", "occurred_at"], "what is null is left out");
        assert_eq!(contents.fields[3].value, json!(far));
        assert_eq!(contents.fields[3].instant, Some(Timestamp(far)));
        let Verdict::Refused(refusal) = seen.verdict else { panic!("{:?}", seen.verdict) };
        assert_eq!(refusal.field.as_deref(), Some("authorization_id"), "a PENDING needs it");
    }

    #[tokio::test]
    async fn without_the_registry_there_is_a_sentence_and_no_verdict() {
        let seen = inspected(vec![], Some(&payment(1, 1))).await;
        assert!(seen.contents.expect_err("nobody answers").contains("the schema registry at"));
        assert_eq!(seen.verdict, Verdict::Undecided);
    }

    #[tokio::test]
    async fn what_needs_no_schema_to_be_refused_is_judged_without_the_registry() {
        let seen = inspected(vec![], None).await;
        assert!(seen.contents.expect_err("no value").contains("null"));
        let Verdict::Refused(refusal) = seen.verdict else { panic!("{:?}", seen.verdict) };
        assert_eq!(refusal.reason, Reason::BadFraming);
    }

    #[tokio::test]
    async fn an_id_that_the_registry_does_not_know_is_refused_as_a_worker_would() {
        let seen = inspected(vec![canned::unknown()], Some(&payment(1, 1))).await;
        assert_eq!(seen.contents.expect_err("unknown"), "the registry knows no schema 7");
        let Verdict::Refused(refusal) = seen.verdict else { panic!("{:?}", seen.verdict) };
        assert_eq!(refusal.reason, Reason::UnknownSchema);
    }

    #[tokio::test]
    async fn a_record_of_somebody_elses_schema_is_shown_all_the_same() {
        let heartbeat = json!({"type": "record", "name": "Heartbeat", "fields": [{"name": "load", "type": "double"}]});
        let nan = [&[0, 0, 0, 0, 7][..], &f64::NAN.to_le_bytes()].concat();
        let seen = inspected(vec![canned::schema(&heartbeat)], Some(&nan)).await;
        let contents = seen.contents.expect("fields");
        assert_eq!((contents.record(), contents.fields.len()), (Some("Heartbeat"), 1));
        assert!(contents.fields[0].value.as_str().expect("a text").contains("NaN"));
        assert!(matches!(seen.verdict, Verdict::Refused(Refusal { reason: Reason::BadAvro, .. })));
    }

    #[tokio::test]
    async fn json_is_shown_as_it_is_written_and_judged_without_any_registry() {
        let (registry, calls) = canned::registry(vec![]);
        let json = r#"{"occurred_at": 1760000000000000, "kind": "PENDING", "reason": null, "risk": 1e999, "kind": 5}"#;
        let formats = Formats::all(Format::Json);
        let seen = inspect(&registry, formats, &record(Some(json.as_bytes())), MAX, NOW).await;
        let contents = seen.contents.expect("fields");
        let fields: Vec<(&str, Json)> =
            contents.fields.iter().map(|field| (field.name.as_str(), field.value.clone())).collect();
        let expected = [("occurred_at", json!(NOW.0)), ("kind", json!("PENDING")), ("risk", json!("1e999"))];
        assert_eq!(fields, [&expected[..], &[("kind", json!(5))]].concat());
        assert_eq!((contents.schema_id(), contents.fields[0].instant), (None, Some(NOW)));
        let Verdict::Refused(refusal) = seen.verdict else { panic!("{:?}", seen.verdict) };
        assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::BadValue, Some("kind")));
        let seen = inspect(&registry, formats, &record(Some(&payment(1, 1))), MAX, NOW).await;
        assert!(seen.contents.expect_err("Avro").contains("this topic is set to JSON"));
        assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 0, "nobody is asked");
    }

    #[tokio::test]
    async fn bytes_that_their_schema_does_not_fit_are_a_sentence() {
        let whole = payment(1, 1);
        for (value, says) in [(&whole[..8], "ends inside"), (&payment(1, 60)[..], "enum symbol")] {
            let seen = inspected(vec![canned::schema(&schema())], Some(value)).await;
            let text = seen.contents.expect_err("flawed");
            assert!(text.starts_with("under schema 7, ") && text.contains(says), "{text}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_says_nothing_is_waited_for_no_longer_than_its_time_out() {
        let value = payment(1, 1);
        let seen = tokio::time::timeout(Duration::from_secs(20), inspected(vec![Sent::Silence], Some(&value)));
        assert!(seen.await.expect("bounded").contents.is_err());
    }
}
