//! What a record comes to in Avro and in JSON: the golden vectors, and what is refused before a value is even read.

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
        serde_json::from_str(include_str!("../../../tests/golden/inputs.json")).expect("vectors are JSON");
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
fn the_same_vectors_as_json_come_to_the_same() {
    let (in_avro, in_json) = (decoder(), decoder().reading(Formats::all(Format::Json)));
    for vector in vectors() {
        let mut bare = vector.json.clone();
        bare.as_object_mut().expect("an object").remove("topic");
        for text in [vector.json.to_string(), bare.to_string()] {
            let as_json = record(vector.source, Some(b"order-1"), text.as_bytes());
            match (in_avro.try_decode(&vector.record, NOW), in_json.try_decode(&as_json, NOW)) {
                (Decoded::Event(one), Decoded::Event(other)) => assert_eq!(one, other),
                (Decoded::Refused(one), Decoded::Refused(other)) => assert_eq!(one, other),
                (one, other) => panic!("{text}: {one:?} in Avro and {other:?} in JSON"),
            }
        }
    }
}

#[test]
fn a_topic_of_json_asks_for_no_schema_and_tells_avro_what_to_do() {
    let decoder = decoder().reading(Formats::default().with(Source::Payment, Format::Json));
    for value in [&[0, 0, 0, 0, 99, 1][..], b"\0\0", b"{", b"{}"] {
        assert!(matches!(decoder.try_decode(&record(Source::Payment, Some(b"o"), value), NOW), Decoded::Refused(_)));
    }
    let framed = refusal(&decoder, &vectors()[0].record);
    assert_eq!(framed.reason, Reason::BadFraming);
    let text = "the value begins with the byte 0 of a registry's serializer, and this topic is set to JSON \
                (topics.payment_format = \"json\"): write plain JSON without a schema id, or set it to \"avro\" and replay";
    assert_eq!(framed.text, text);
    let elsewhere = decoder.try_decode(&record(Source::Order, Some(b"o"), &[0, 0, 0, 0, 99, 1]), NOW);
    assert!(matches!(elsewhere, Decoded::NeedsSchema(SchemaId(99))), "{elsewhere:?}");
}

#[test]
fn json_on_a_topic_of_avro_is_told_the_setting() {
    for (value, says) in [
        (
            &br#"{"event_id": "e"}"#[..],
            "the value begins with byte 0x7b instead of the magic byte 0: write it with a Confluent",
        ),
        (b" {}", "the value has 3 bytes: even its schema id needs 5"),
    ] {
        let refusal = refusal(&decoder(), &record(Source::Shipping, Some(b"o"), value));
        assert_eq!(refusal.reason, Reason::BadFraming);
        let remedy = "; or if this topic is to carry JSON, set topics.shipping_format = \"json\" and replay";
        assert!(refusal.text.starts_with(says) && refusal.text.ends_with(remedy), "{}", refusal.text);
    }
    let neither = refusal(&decoder(), &record(Source::Shipping, Some(b"o"), b"<xml/>"));
    assert!(!neither.text.contains("_format"), "{}", neither.text);
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
            decoded => {
                assert!(!is_asked && matches!(decoded, Decoded::Refused(Refusal { reason: Reason::UnknownSchema, .. })))
            }
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
    let vector = vectors().swap_remove(0);
    let in_avro = (decoder(), vector.record.value.clone().expect("a value").to_vec());
    let in_json = (decoder().reading(Formats::all(Format::Json)), vector.json.to_string().into_bytes());
    for (decoder, value) in [in_avro, in_json] {
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
