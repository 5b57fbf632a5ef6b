//! What stands before a body: magic bytes, schema ids in front and in headers, keys, values that are null.

use super::{Corpus, sound};
use crate::produce::RawRecord;
use crate::topics::Input;

const ID: &str = "__value_schema_id";

type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Adds them, for every topic.
pub(super) fn add(corpus: &mut Corpus) {
    for input in Input::ALL {
        prefixes(corpus, input);
        header_ids(corpus, input);
        schema_ids(corpus, input);
        keys(corpus, input);
    }
}

fn prefixes(corpus: &mut Corpus, input: Input) {
    for magic in [1, 2, 0x7b, 0xff] {
        corpus.add_bytes(input, &format!("magic byte {magic}"), Some("bad_framing"), |value| value[0] = magic);
    }
    corpus.add(input, "a null value", Some("bad_framing"), None);
    for length in 0..5 {
        corpus.add_bytes(input, &format!("{length} bytes"), Some("bad_framing"), |value| value.truncate(length));
    }
    corpus.add_bytes(input, "an empty body", Some("bad_avro"), |value| value.truncate(5));
    corpus.add(input, "JSON", Some("bad_framing"), Some(sound(input, "json").to_string().into_bytes()));
    corpus.add_bytes(input, "the body without its prefix", Some("bad_framing"), |value| {
        // The length of the event's id stands first, and it is not 0.
        value.drain(..5);
    });
}

/// The form in which the id stands in a header and the body is the whole value.
fn header_ids(corpus: &mut Corpus, input: Input) {
    let id = |corpus: &Corpus| [&[0][..], &corpus.ids(input).current.to_be_bytes()].concat();
    let good = id(corpus);
    let header = |value: Option<Vec<u8>>| (ID.to_owned(), value);
    let guid = |length: usize| Some(vec![1; length]);
    let by_header: Vec<(&str, Option<&'static str>, Headers)> = vec![
        ("the usual id", None, vec![header(Some(good.clone()))]),
        ("the first of two ids counts", None, vec![header(Some(good.clone())), header(Some(vec![9]))]),
        ("an empty id", Some("bad_framing"), vec![header(Some(Vec::new()))]),
        ("an id of 4 bytes", Some("bad_framing"), vec![header(Some(good[1..].to_vec()))]),
        ("an id of 6 bytes", Some("bad_framing"), vec![header(Some([&good[..], &[0]].concat()))]),
        ("an id with another magic byte", Some("bad_framing"), vec![header(Some([&[7], &good[1..]].concat()))]),
        ("a GUID", Some("bad_framing"), vec![header(guid(17))]),
        ("a GUID that is too short", Some("bad_framing"), vec![header(guid(16))]),
        ("a megabyte of id", Some("bad_framing"), vec![header(guid(900_000))]),
        ("an unknown id", Some("unknown_schema"), vec![header(Some(vec![0, 0x7f, 0xff, 0xff, 0xf1]))]),
        ("an id that is null", Some("bad_framing"), vec![header(None), header(Some(good.clone()))]),
        ("an id under another name", Some("bad_framing"), vec![("__VALUE_SCHEMA_ID".to_owned(), Some(good.clone()))]),
    ];
    for (name, fate, headers) in by_header {
        let value = corpus.value(&sound(input, &corpus.order()));
        let record = RawRecord { headers, ..raw(&corpus.order(), &value[5..]) };
        corpus.add_record(input, format!("by header: {name}"), fate, record);
    }
    let value = corpus.value(&sound(input, &corpus.order()));
    let record = RawRecord { headers: vec![header(None)], ..raw(&corpus.order(), &value) };
    corpus.add_record(input, "an id in front, and a header of it that is null", None, record);
    let forged = [("orderstream-reason", "no_key"), ("orderstream-topic", "elsewhere"), ("orderstream-offset", "-1")];
    let headers = forged.map(|(name, value)| (name.to_owned(), Some(value.into()))).to_vec();
    let record = RawRecord { headers, ..raw(&corpus.order(), b"x") };
    corpus.add_record(input, "headers that look like ours", Some("bad_framing"), record);
}

fn schema_ids(corpus: &mut Corpus, input: Input) {
    for id in [0_u32, 0x7fff_fff0, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        corpus.add_bytes(input, &format!("schema id {id}"), Some("unknown_schema"), |value| {
            value[1..5].copy_from_slice(&id.to_be_bytes());
        });
    }
    for other in Input::ALL.into_iter().filter(|other| *other != input) {
        let value = corpus.value(&sound(other, &corpus.order()));
        corpus.add(input, format!("an event of the {other} topic"), Some("bad_avro"), Some(value));
    }
}

/// Adds keys that are not the event's order.
pub(super) fn keys(corpus: &mut Corpus, input: Input) {
    let order = corpus.order();
    let keys: [(&str, &'static str, Option<Vec<u8>>); 8] = [
        ("no key", "no_key", None),
        ("an empty key", "key_mismatch", Some(Vec::new())),
        ("a key that is not UTF-8", "key_mismatch", Some(vec![0xff, 0xfe, 0x00])),
        ("another order's key", "key_mismatch", Some(b"somebody-else".to_vec())),
        ("a key with a NUL behind it", "key_mismatch", Some(format!("{order}\0").into())),
        ("a key with a blank behind it", "key_mismatch", Some(format!("{order} ").into())),
        ("a key that moves the cursor", "key_mismatch", Some(b"\x1b[2J\x1b[H\r\n".to_vec())),
        ("a key of 100 kB", "key_mismatch", Some(vec![b'k'; 100_000])),
    ];
    for (name, fate, key) in keys {
        let value = corpus.value(&sound(input, &order));
        corpus.add_record(input, name, Some(fate), RawRecord { key, value: Some(value), ..RawRecord::default() });
    }
    // Unicode has two ways to write this one: ids are bytes.
    let value = corpus.value(&sound(input, "caf\u{e9}"));
    corpus.add_record(input, "the same letters in other bytes", Some("key_mismatch"), raw("cafe\u{301}", &value));
    for (name, order) in
        [("an empty id", String::new()), ("an id with a NUL", "nul \0".into()), ("an id of 129 bytes", "x".repeat(129))]
    {
        let mut event = sound(input, &order);
        event["event_id"] = "evt-1".into();
        let value = corpus.value(&event);
        corpus.add_record(input, format!("{name} as order and key"), Some("bad_value"), raw(&order, &value));
    }
}

pub(super) fn raw(key: &str, value: &[u8]) -> RawRecord {
    RawRecord { key: Some(key.into()), value: Some(value.to_vec()), ..RawRecord::default() }
}
