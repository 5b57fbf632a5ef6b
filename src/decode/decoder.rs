//! The entry of decode: one record in, an event, a refusal, or the wish for a schema out.
//!
//! Synchronous as long as the schema is known, which is all but the first time; only a look-up waits for the network, and the
//! pipeline decides how long. Invariant: what a record comes to depends on the record, on its schema and on the time that is
//! passed in, never on whether the registry could be reached.

use std::sync::Arc;

use crate::consume::record::{HeadersLost, Record};
use crate::ids::{SchemaId, Timestamp};
use crate::order::{Event, Source};

use super::avro::{WriterSchema, record_of};
use super::framing::{Framed, unframe};
use super::inventory::InventoryEvent;
use super::order::OrderEvent;
use super::payment::PaymentEvent;
use super::refusal::{Quoted, Reason, Refusal};
use super::registry::{Answer, Registry, RegistryError};
use super::schemas::{Known, Lookup, Schemas, judged};
use super::shipping::ShippingEvent;

/// What a record comes to.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// An event that passed every check of DOMAIN sections 2-5.
    Event(Event),
    /// A record that is ill for good, and why.
    Refused(Refusal),
    /// Not decidable yet: this id has to be fetched first.
    NeedsSchema(SchemaId),
}

/// Turns records into events. Cheap to clone; all clones know the same schemas.
#[derive(Clone, Debug)]
pub struct Decoder {
    schemas: Arc<Schemas>,
    record_max_bytes: usize,
}

impl Decoder {
    /// Decodes with the schemas of this registry, of which at most `schemas_max` are kept; records of more than
    /// `record_max_bytes` (key, value and headers) are refused.
    #[must_use]
    pub fn new(registry: Registry, schemas_max: usize, record_max_bytes: usize) -> Self {
        Self { schemas: Arc::new(Schemas::new(registry, schemas_max)), record_max_bytes }
    }

    /// Decodes a record, as far as that goes without asking anybody.
    #[must_use]
    pub fn try_decode(&self, record: &Record, now: Timestamp) -> Decoded {
        match self.decode(record, now) {
            Ok(decoded) => decoded,
            Err(refusal) => Decoded::Refused(refusal),
        }
    }

    /// Asks the registry for a schema that [`Self::try_decode`] needs.
    ///
    /// # Errors
    /// The registry gave no answer that makes sense: try again, for as long as it takes.
    pub async fn fetch(&self, id: SchemaId) -> Result<Lookup, RegistryError> {
        self.schemas.fetch(id).await
    }

    /// Takes the registry's answer to the question for an id, as somebody else got it.
    pub(super) fn learn(&self, id: SchemaId, answer: &Answer, now: Timestamp) {
        match judged(answer) {
            Some(known) => self.schemas.keep(id, known),
            None => self.give_up(id, now),
        }
    }

    /// Ends the wait for an id that [`Lookup::Unknown`] was the answer for: for a minute from `now`, records of it are refused
    /// with `unknown_schema`, and the registry is not asked again.
    pub fn give_up(&self, id: SchemaId, now: Timestamp) {
        self.schemas.give_up(id, now);
    }

    fn decode(&self, record: &Record, now: Timestamp) -> Result<Decoded, Refusal> {
        let key = self.key_of(record)?;
        let Framed { schema, body } = unframe(record)?;
        // Registries count from 1 in 32 bits with a sign. Some answer a greater id with no word of their own, and what is no answer
        // would be waited for without end.
        if i32::try_from(schema.0).is_err() {
            return Err(Refusal::unknown_schema(schema));
        }
        let event = match self.schemas.known(schema, now) {
            None => return Ok(Decoded::NeedsSchema(schema)),
            Some(Known::Readable(writer)) => read(&writer, schema, record.source, body, now)?,
            Some(Known::Foreign(text)) => return Err(foreign(format!("schema {schema} cannot be read: {text}"))),
            Some(Known::GivenUp(_)) => return Err(Refusal::unknown_schema(schema)),
        };
        if event.order_id.as_str() == key {
            return Ok(Decoded::Event(event));
        }
        let (key, order_id) = (Quoted(key), Quoted(event.order_id.as_str()));
        let text = format!("the key `{key}` is not the order_id `{order_id}`: use the order_id as key");
        Err(Refusal::new(Reason::KeyMismatch, text))
    }

    /// What can be said of a record without its value: its headers, its size and its key.
    fn key_of<'r>(&self, record: &'r Record) -> Result<&'r str, Refusal> {
        if let Err(lost) = record.headers {
            return Err(without_headers(lost));
        }
        let size = record.size_bytes();
        if size > self.record_max_bytes {
            let text = format!("the record has {size} bytes, more than the {} allowed", self.record_max_bytes);
            return Err(Refusal::new(Reason::TooLarge, text));
        }
        let Some(key) = record.key.as_deref() else {
            return Err(Refusal::new(Reason::NoKey, "the record has no key: use the order_id as key".to_owned()));
        };
        str::from_utf8(key).map_err(|_| {
            let text = format!("the key of {} bytes is not UTF-8: use the order_id as key", key.len());
            Refusal::new(Reason::KeyMismatch, text)
        })
    }
}

/// Where headers are missing that may name the schema, nobody can tell what the value is.
fn without_headers(lost: HeadersLost) -> Refusal {
    let (reason, remedy) = match lost {
        HeadersLost::TooMany => (Reason::TooLarge, "have its producer send fewer"),
        HeadersLost::Broken => (Reason::BadFraming, "find out which producer writes them"),
    };
    let text = format!(
        "the record has {lost}, and the Kafka client hands over none of them: {remedy}; it is kept without its headers \
         and can be replayed so"
    );
    Refusal::new(reason, text)
}

fn read(
    writer: &WriterSchema,
    schema: SchemaId,
    source: Source,
    body: &[u8],
    now: Timestamp,
) -> Result<Event, Refusal> {
    if writer.source() != source {
        let carried = record_of(source).unwrap_or("nothing");
        let written = record_of(writer.source()).unwrap_or("nothing");
        let text = format!("schema {schema} is `{written}`, but the {source} topic carries `{carried}`");
        return Err(foreign(text));
    }
    match source {
        Source::Payment => writer.read::<PaymentEvent>(body)?.check(now),
        Source::Inventory => writer.read::<InventoryEvent>(body)?.check(now),
        Source::Shipping => writer.read::<ShippingEvent>(body)?.check(now),
        Source::Order => writer.read::<OrderEvent>(body)?.check(now),
        Source::Deadline => Err(foreign("a deadline's fact comes from no topic".to_owned())),
    }
}

fn foreign(text: String) -> Refusal {
    Refusal::new(Reason::BadAvro, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use apache_avro::Schema;
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::decode::Access;
    use crate::decode::avro::INPUT_SCHEMAS;
    use crate::decode::json;
    use crate::ids::Lane;

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);
    const RECORD_MAX_BYTES: usize = 1_000;

    /// Knows our four schemas under the ids 1 to 4, and has nobody to ask.
    fn decoder() -> Decoder {
        let nobody = Registry::new(Access::to("http://127.0.0.1:1", Duration::from_millis(100))).expect("a usable URL");
        let decoder = Decoder::new(nobody, 10, RECORD_MAX_BYTES);
        for (id, (_, text)) in (1..).zip(INPUT_SCHEMAS) {
            let schema = Schema::parse_str(text).expect("a valid schema");
            let writer = WriterSchema::judge(&schema, &[]).expect("our own schema");
            decoder.schemas.keep(SchemaId(id), Known::Readable(Arc::new(writer)));
        }
        decoder
    }

    struct Vector {
        source: Source,
        json: Value,
        record: Record,
        refused: Option<String>,
    }

    /// The golden vectors (`tests/golden`): their schema ids are those of [`decoder`].
    fn vectors() -> Vec<Vector> {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/golden/inputs.json")).expect("vectors are JSON");
        vectors.into_iter().map(vector).collect()
    }

    fn vector(mut vector: Value) -> Vector {
        let mut sources = INPUT_SCHEMAS.iter().map(|(source, _)| *source);
        let source = sources.find(|source| record_of(*source) == vector["record"].as_str()).expect("a record");
        let hex = vector["hex"].as_str().expect("hex");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
        let value: Vec<u8> = bytes.collect();
        let mut json = vector["fields"].take();
        json["topic"] = Value::from(source.as_str());
        let refused = vector["refused"].as_str().map(str::to_owned);
        Vector { source, json, record: record(source, Some(b"order-1"), &value), refused }
    }

    fn record(source: Source, key: Option<&'static [u8]>, value: &[u8]) -> Record {
        Record {
            source,
            lane: Lane(0),
            offset: 0,
            timestamp: NOW,
            key: key.map(Bytes::from_static),
            value: Some(Bytes::copy_from_slice(value)),
            headers: Ok(Vec::new()),
        }
    }

    fn refusal(decoder: &Decoder, record: &Record) -> Refusal {
        match decoder.try_decode(record, NOW) {
            Decoded::Refused(refusal) => refusal,
            other => panic!("{other:?} is no refusal"),
        }
    }

    #[test]
    fn bytes_of_another_implementation_are_the_events_that_they_say() {
        let decoder = decoder();
        for vector in vectors() {
            let expected = json::from_json(vector.json.clone(), NOW).map_err(|refusal| refusal.reason.as_str());
            assert_eq!(expected.as_ref().err().copied(), vector.refused.as_deref(), "{}", vector.json);
            match (decoder.try_decode(&vector.record, NOW), expected) {
                (Decoded::Event(event), Ok(expected)) => assert_eq!(event, expected),
                (Decoded::Refused(refusal), Err(expected)) => assert_eq!(refusal.reason.as_str(), expected),
                (decoded, expected) => panic!("{}: {decoded:?} instead of {expected:?}", vector.json),
            }
        }
    }

    #[test]
    fn every_kind_of_every_record_has_a_vector() {
        let vectors = vectors();
        for (source, text) in INPUT_SCHEMAS {
            let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
            let fields = schema["fields"].as_array().expect("fields");
            let kind = fields.iter().find(|field| field["name"] == "kind").expect("every event has a kind");
            for symbol in kind["type"]["symbols"].as_array().expect("an enum has symbols") {
                let is_it = |vector: &Vector| vector.source == source && vector.json["kind"] == *symbol;
                assert!(vectors.iter().any(is_it), "{source} {symbol}: add it to tests/golden/make.py");
            }
        }
    }

    #[test]
    fn a_schema_that_was_never_seen_is_asked_for_before_anything_is_refused_for_its_value() {
        let mut value = vectors()[0].record.value.clone().expect("a value").to_vec();
        value[4] = 99;
        let decoded = decoder().try_decode(&record(Source::Payment, Some(b"order-1"), &value), NOW);
        assert!(matches!(decoded, Decoded::NeedsSchema(SchemaId(99))), "{decoded:?}");
    }

    #[test]
    fn an_id_that_no_registry_can_give_out_is_not_even_asked_for() {
        for (id, is_asked) in [(0x7FFF_FFFF_u32, true), (0x8000_0000, false), (u32::MAX, false)] {
            let value = [&[0][..], &id.to_be_bytes()].concat();
            let decoded = decoder().try_decode(&record(Source::Payment, Some(b"order-1"), &value), NOW);
            match decoded {
                Decoded::NeedsSchema(_) => assert!(is_asked, "{id:#x}"),
                decoded => assert!(
                    !is_asked && matches!(decoded, Decoded::Refused(Refusal { reason: Reason::UnknownSchema, .. }))
                ),
            }
        }
    }

    #[test]
    fn an_id_that_was_given_up_is_an_unknown_schema() {
        let decoder = decoder();
        decoder.give_up(SchemaId(99), NOW);
        let decoded = decoder.try_decode(&record(Source::Payment, Some(b"order-1"), &[0, 0, 0, 0, 99]), NOW);
        assert!(matches!(decoded, Decoded::Refused(Refusal { reason: Reason::UnknownSchema, .. })), "{decoded:?}");
    }

    #[test]
    fn a_record_on_the_topic_of_another_is_refused_and_says_which() {
        let mut strayed = vectors().swap_remove(0).record;
        strayed.source = Source::Shipping;
        let refusal = refusal(&decoder(), &strayed);
        assert_eq!(refusal.reason, Reason::BadAvro);
        assert_eq!(refusal.text, "schema 1 is `PaymentEvent`, but the shipping topic carries `ShippingEvent`");
    }

    #[test]
    fn the_key_is_the_order_id_or_the_record_is_refused() {
        let decoder = decoder();
        let value = vectors()[0].record.value.clone().expect("a value");
        for (key, reason) in [
            (None, Reason::NoKey),
            (Some(&b""[..]), Reason::KeyMismatch),
            (Some(b"order-2"), Reason::KeyMismatch),
            (Some(b"order-1\0"), Reason::KeyMismatch),
            (Some(b"\xFF"), Reason::KeyMismatch),
        ] {
            assert_eq!(refusal(&decoder, &record(Source::Payment, key, &value)).reason, reason, "{key:?}");
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_not_even_looked_at() {
        let mut large = record(Source::Payment, None, &[]);
        large.headers = Ok(vec![("h".to_owned(), Some(Bytes::from(vec![0; RECORD_MAX_BYTES])))]);
        assert_eq!(refusal(&decoder(), &large).reason, Reason::TooLarge);
    }

    #[test]
    fn a_record_whose_headers_cannot_be_had_is_refused_though_its_value_is_sound() {
        for (lost, reason, named) in [
            (HeadersLost::TooMany, Reason::TooLarge, "more than 100000 headers"),
            (HeadersLost::Broken, Reason::BadFraming, "headers that cannot be read"),
        ] {
            let sound = vectors().swap_remove(0).record;
            let refusal = refusal(&decoder(), &Record { headers: Err(lost), ..sound });
            assert_eq!(refusal.reason, reason);
            assert!(refusal.text.contains(named), "{refusal}");
        }
    }

    #[test]
    fn every_cut_of_every_vector_is_refused_and_none_is_half_an_event() {
        let decoder = decoder();
        for vector in vectors() {
            let whole = vector.record.value.clone().expect("a value");
            for length in 0..whole.len() {
                let reason = refusal(&decoder, &record(vector.source, Some(b"order-1"), &whole[..length])).reason;
                assert_eq!(reason, if length < 5 { Reason::BadFraming } else { Reason::BadAvro });
            }
        }
    }
}
