//! What a topic of JSON can be sent: what is no JSON, what stands in the wrong types, names twice and misspelt, and what is deep.

use super::framing::{keys, raw};
use super::{Corpus, Fate, sound};
use crate::produce::RawRecord;
use crate::topics::Input;

const NO_JSON: Fate = Some("bad_framing");
const BAD: Fate = Some("bad_value");

/// Adds them, for every topic.
pub(super) fn add(corpus: &mut Corpus) {
    for input in Input::ALL {
        cuts(corpus, input);
        no_json(corpus, input);
        names(corpus, input);
        types(corpus, input);
        much(corpus, input);
        keys(corpus, input);
    }
}

/// The text of a sound event of the next order.
fn text(corpus: &Corpus, input: Input) -> String {
    sound(input, &corpus.order()).to_string()
}

/// Adds the text of a sound event with more members.
fn with(corpus: &mut Corpus, input: Input, name: &str, fate: Fate, more: &str) {
    let text = text(corpus, input);
    corpus.add(input, name, fate, Some(format!("{},{more}}}", &text[..text.len() - 1]).into_bytes()));
}

/// An event that is cut off at each of its bytes.
fn cuts(corpus: &mut Corpus, input: Input) {
    for length in 0..text(corpus, input).len() {
        let text = text(corpus, input);
        corpus.add(input, format!("cut after {length} bytes"), NO_JSON, Some(text.as_bytes()[..length].to_vec()));
    }
}

fn no_json(corpus: &mut Corpus, input: Input) {
    corpus.add(input, "a null value", NO_JSON, None);
    for (name, before, behind) in [
        ("in a schema registry's frame", &b"\0\0\0\0\x07"[..], &b""[..]),
        ("behind a byte order mark", b"\xef\xbb\xbf", b""),
        ("behind a NUL", b"\0", b""),
        ("in a list", b"[", b"]"),
        ("in quotes", b"\"", b"\""),
        ("and a brace", b"", b"}"),
        ("and another", b"", b"{}"),
        ("and a NUL", b"", b"\0"),
        ("and bytes that are no UTF-8", b"", b"\xff"),
        ("behind a comment", b"/**/", b""),
        ("behind a control sequence", b"\x1b[2J", b""),
    ] {
        let value = [before, text(corpus, input).as_bytes(), behind].concat();
        corpus.add(input, format!("an event {name}"), NO_JSON, Some(value));
    }
    let wide: Vec<u8> = text(corpus, input).encode_utf16().flat_map(u16::to_le_bytes).collect();
    corpus.add(input, "UTF-16", NO_JSON, Some(wide));
    for value in ["null", "true", "5", "[]", "{", "}", "{}}", "<xml/>", "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}"] {
        corpus.add(input, format!("{value:?} alone"), NO_JSON, Some(value.into()));
    }
    corpus.add(input, "an empty object", Some("missing_field"), Some(b"{}".to_vec()));
    for (name, from, to) in [
        ("NaN", "1760000000000000", "NaN"),
        ("a number with a zero in front", "1760000000000000", "01"),
        ("a comma too many", "{", "{,"),
        ("single quotes", "\"kind\"", "'kind'"),
        ("a line break in a text", "evt-", "evt-\n"),
        ("bytes that are no character", "evt-", "\u{fffd}"),
    ] {
        let mut value = text(corpus, input).replacen(from, to, 1).into_bytes();
        if let Some(at) = value.windows(3).position(|three| three == "\u{fffd}".as_bytes()) {
            value[at] = 0xc3;
        }
        corpus.add(input, name, NO_JSON, Some(value));
    }
    let headers = vec![("__value_schema_id".to_owned(), Some(vec![0, 0x7f, 0xff, 0xff, 0xf1]))];
    let record = RawRecord { headers, ..raw(&corpus.order(), text(corpus, input).as_bytes()) };
    corpus.add_record(input, "an event beside a schema id that nobody knows", None, record);
}

fn names(corpus: &mut Corpus, input: Input) {
    for (name, fate, more) in [
        ("an order_id twice", BAD, "\"order_id\":\"somebody-else\""),
        ("a topic twice", BAD, "\"topic\":null"),
        ("an unknown name twice", BAD, "\"colour\":1,\"colour\":1"),
        ("a name by escapes twice", BAD, "\"k\\u0069nd\":\"UNKNOWN\""),
        ("a name of ours in other letters", BAD, "\"correlationId\":\"c\""),
        ("a name that moves the cursor", None, "\"\\u001b[2J\\r\\n\":1"),
        ("a name of ours with a control character", BAD, "\"causation_id\\u0007\":\"c\""),
        ("an empty name", None, "\"\":1"),
        ("fields of a newer release", None, "\"channel\":\"app\",\"risk\":{\"score\":0.5,\"by\":[\"a\",null]}"),
        ("numbers beyond all", None, "\"a\":1e999999,\"b\":-123456789012345678901234567890.5"),
        ("a text that is no Unicode, in a field of others", None, "\"a\":\"\\ud800\""),
    ] {
        with(corpus, input, name, fate, more);
    }
    for other in Input::ALL.into_iter().filter(|other| *other != input) {
        let value = corpus.value(&sound(other, &corpus.order()));
        corpus.add(input, format!("an event of the {other} topic"), BAD, Some(value));
    }
}

fn types(corpus: &mut Corpus, input: Input) {
    for value in
        ["1.0", "1.5", "1e3", "-0", "\"1\"", "[1]", "{}", "true", "9223372036854775808", "1e999", "\"\\ud800\""]
    {
        let value = text(corpus, input).replacen("1760000000000000", value, 1).into_bytes();
        corpus.add(input, "an instant of another type", BAD, Some(value));
    }
    for value in ["5", "1.5", "true", "[]", "{\"UNKNOWN\":null}"] {
        corpus.add_event(input, "a kind of another type", BAD, |event| {
            event["kind"] = serde_json::from_str(value).expect("JSON");
        });
    }
    for field in ["event_id", "order_id", "kind", "occurred_at"] {
        corpus.add_event(input, &format!("{field} null"), Some("missing_field"), |event| {
            event[field] = serde_json::Value::Null
        });
    }
    if input == Input::Payment {
        return;
    }
    for value in ["null", "{}", "\"\"", "[null]", "[[\"1\",null,1]]", "[{\"line_id\":1,\"quantity\":1}]"] {
        corpus.add_event(input, "lines of another type", BAD, |event| {
            event["lines"] = serde_json::from_str(value).expect("JSON");
        });
    }
    for quantity in ["1.5", "2147483648", "\"1\"", "1,\"quantity\":1", "1,\"lineId\":1"] {
        let value = text(corpus, input).replacen("\"quantity\":2", &format!("\"quantity\":{quantity}"), 1);
        corpus.add(input, "a quantity of another type", BAD, Some(value.into_bytes()));
    }
}

/// Within the limit on a record's size.
fn much(corpus: &mut Corpus, input: Input) {
    for (depth, fate) in [(32, None), (33, BAD), (400_000, BAD)] {
        let more = format!("\"deep\":{}{}", "[".repeat(depth), "]".repeat(depth));
        with(corpus, input, &format!("{depth} lists in each other"), fate, &more);
        let more = format!("\"deep\":{}", "[".repeat(depth));
        with(corpus, input, &format!("{depth} lists that do not end"), NO_JSON, &more);
    }
    let many = (0..80_000).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(",");
    with(corpus, input, "80,000 names of others", None, &many);
    with(corpus, input, "100,000 names that are one", BAD, &["\"\":0"; 100_000].join(","));
    with(corpus, input, "a name of 900 kB", None, &format!("\"{}\":0", "n".repeat(900_000)));
    with(corpus, input, "a number of 900 kB", None, &format!("\"n\":{}", "9".repeat(900_000)));
    if input == Input::Payment {
        return;
    }
    for (name, element, count) in [
        ("400,000 numbers for lines", "0", 400_000),
        ("300,000 empty lines", "{}", 300_000),
        ("25,000 lines that are one", "{\"line_id\":\"\",\"quantity\":1}", 25_000),
    ] {
        let fate = if element == "{}" { Some("missing_field") } else { BAD };
        let lines = format!("\"lines\":[{}]", vec![element; count].join(","));
        let mut event = sound(input, &corpus.order());
        _ = event.as_object_mut().expect("an object").remove("lines");
        let text = event.to_string();
        corpus.add(input, name, fate, Some(format!("{},{lines}}}", &text[..text.len() - 1]).into_bytes()));
    }
}
