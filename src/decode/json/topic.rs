//! A record's value on a topic that is set to JSON: one object in UTF-8 with the fields of its topic's records, nothing around it.
//!
//! What a schema does for Avro is done here: which record it is follows from the topic, and fields that we do not know are those
//! of a newer producer. No registry is asked. Invariant: the time and memory that a value takes are bounded by its length.

use serde_json::value::RawValue;

use super::object::{self, Members, Unknown};
use crate::decode::avro::shortened;
use crate::decode::format::setting;
use crate::decode::refusal::{Quoted, Reason, Refusal};
use crate::ids::Timestamp;
use crate::order::{Event, Source};

/// Reads the value of a record of that topic.
///
/// # Errors
/// `bad_framing` for what is no JSON object; else what is missing, mistyped or out of bounds, with the path of its field.
pub(in crate::decode) fn read(value: Option<&[u8]>, source: Source, now: Timestamp) -> Result<Event, Refusal> {
    let mut members = members(value, source)?;
    if let Some(topic) = super::take_topic(&mut members)?
        && !serde_json::from_str::<String>(topic.get()).is_ok_and(|topic| topic == source.as_str())
    {
        let rule = format!("this is the {source} topic: send the event to its own, or leave `topic` out");
        return Err(Refusal::bad_value("topic", topic, rule));
    }
    super::event(source, &members, Unknown::PassedOver, now)
}

/// The members of the object that a value is.
///
/// # Errors
/// `bad_framing`, with the setting that says what the value should be.
pub(in crate::decode) fn members(value: Option<&[u8]>, source: Source) -> Result<Members<'_, &RawValue>, Refusal> {
    let text = text(value).map_err(|Unreadable { what, remedy }| bad(&what, source, remedy))?;
    object::members_of(text).map_err(|error| {
        let what = format!("the value is no JSON object ({})", shortened(&error.to_string()));
        bad(&what, source, WRITE_ONE)
    })
}

const WRITE_ONE: &str = "write one JSON object";

/// Why a value has no text in which an object could begin.
struct Unreadable {
    what: String,
    remedy: &'static str,
}

/// The value as text, if it could be that of an object.
fn text(value: Option<&[u8]>) -> Result<&str, Unreadable> {
    let unreadable = |what: &str, remedy| Unreadable { what: what.to_owned(), remedy };
    let value = match value {
        None => {
            return Err(unreadable("the value is null", "write one JSON object; nothing is deleted by a tombstone"));
        }
        Some([]) => return Err(unreadable("the value is empty", WRITE_ONE)),
        Some([0, ..]) => {
            let what = "the value begins with the byte 0 of a registry's serializer";
            return Err(unreadable(what, "write plain JSON without a schema id, or set it to \"avro\" and replay"));
        }
        Some([0xEF, 0xBB, 0xBF, ..]) => {
            return Err(unreadable("the value begins with a byte order mark", "write UTF-8 without one"));
        }
        Some(value) => value,
    };
    let text = str::from_utf8(value).map_err(|error| {
        let what = format!("the value is not UTF-8 from its byte {} on", error.valid_up_to());
        Unreadable { what, remedy: "write one JSON object in UTF-8" }
    })?;
    // These four are all the blanks that JSON has.
    match text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next() {
        Some('{') => Ok(text),
        Some(other) => {
            let first = Quoted(other.encode_utf8(&mut [0; 4])).to_string();
            Err(Unreadable { what: format!("the value begins with `{first}` and not with `{{`"), remedy: WRITE_ONE })
        }
        None => Err(unreadable("the value is blank", WRITE_ONE)),
    }
}

fn bad(what: &str, source: Source, remedy: &str) -> Refusal {
    let setting = setting(source);
    Refusal::new(Reason::BadFraming, format!("{what}, and this topic is set to JSON ({setting} = \"json\"): {remedy}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::decode::check::tests::{NOW, good, with, without};
    use crate::decode::json::from_json;

    fn read_text(text: &str, source: Source) -> Result<Event, Refusal> {
        read(Some(text.as_bytes()), source, NOW)
    }

    fn capture() -> Value {
        good("payment", "CAPTURED")
    }

    fn reservation() -> String {
        good("inventory", "RESERVED").to_string()
    }

    /// Reason, field and text of a refusal.
    fn refused(text: &str, source: Source) -> (Reason, String, String) {
        let refusal = read_text(text, source).expect_err(text);
        (refusal.reason, refusal.field.map(String::from).unwrap_or_default(), refusal.text)
    }

    fn bad_value(text: &str, source: Source, field: &str, says: &str) {
        let (reason, named, said) = refused(text, source);
        assert_eq!((reason, named.as_str()), (Reason::BadValue, field), "{text}: {said}");
        assert!(said.contains(says), "`{said}` does not say `{says}`");
    }

    #[test]
    fn a_line_that_fold_reads_is_an_event_with_its_topic_and_without() {
        for (topic, kind) in
            [("payment", "CAPTURED"), ("inventory", "RESERVED"), ("shipping", "LOST"), ("order", "PLACED")]
        {
            let line = good(topic, kind);
            let source = topic.parse().expect("a source");
            let expected = from_json(line.clone(), NOW);
            assert!(expected.is_ok());
            assert_eq!(read_text(&line.to_string(), source), expected);
            assert_eq!(read_text(&without(line.clone(), "topic").to_string(), source), expected);
            let pretty = serde_json::to_string_pretty(&line).expect("JSON");
            assert_eq!(read_text(&format!("\r\n\t {pretty} \n"), source), expected);
            assert_eq!(read_text(&line.to_string().replace("\"kind\"", "\"k\\u0069nd\""), source), expected);
        }
    }

    #[test]
    fn fields_of_a_newer_producer_are_passed_over_whatever_they_hold() {
        let expected = from_json(good("inventory", "RESERVED"), NOW).expect("an event");
        let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
        for (top, of_line) in [
            ("null", "null"),
            ("1e999", "-0.5E-999"),
            (r#"{"a": {"a": 1, "a": 2}, "kind": "LOST"}"#, r#"[{"line_id": 5}]"#),
            (deep.as_str(), "\"\\ud800\""),
        ] {
            let text = reservation();
            let text = text.replacen('{', &format!("{{\"channel\": {top}, "), 1);
            let text = text.replacen("{\"line_id\"", &format!("{{\"colour\": {of_line}, \"line_id\""), 1);
            assert_eq!(read_text(&text, Source::Inventory), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn our_own_names_in_other_letters_are_refused_and_never_passed_over() {
        for (name, field) in [("expiresAt", "expires_at"), ("Expires-At", "expires_at"), ("EVENT_ID", "event_id")] {
            let text = with(capture(), name, json!(1)).to_string();
            bad_value(&text, Source::Payment, name, &format!("did you mean `{field}`?"));
        }
        let text = reservation().replace("\"line_id\"", "\"lineId\": 1, \"line_id\"");
        bad_value(&text, Source::Inventory, "lines[0].lineId", "did you mean `lines[0].line_id`?");
        assert!(read_text(&with(capture(), "expires_att", json!(1)).to_string(), Source::Payment).is_ok());
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused_with_its_path() {
        for name in ["event_id", "amount_minor", "topic", "channel"] {
            let text = with(capture(), name, json!("payment")).to_string();
            let text = format!("{}, \"{name}\": \"payment\"}}", &text[..text.len() - 1]);
            bad_value(&text, Source::Payment, name, "is there twice");
        }
        let text = reservation().replace("\"line_id\"", "\"quantity\": 2, \"line_id\"");
        bad_value(&text, Source::Inventory, "lines[0].quantity", "is there twice");
    }

    #[test]
    fn a_field_of_another_type_is_named_with_what_to_write() {
        let number = "write a whole number of at most 64 bits, without quotes, fraction and exponent";
        for (field, value, says) in [
            ("amount_minor", "5.5", number),
            ("amount_minor", "5.0", number),
            ("amount_minor", "5e2", number),
            ("amount_minor", "\"5\"", number),
            ("amount_minor", "9223372036854775808", number),
            ("amount_minor", "1e999", "number out of range: write a whole number"),
            ("occurred_at", "\"2026-01-01T00:00:00Z\"", number),
            ("occurred_at", "true", number),
            ("event_id", "5", "write a text in quotes"),
            ("capture_id", "[]", "write a text in quotes"),
            ("reason", "\"\\ud800\"", "write a text in quotes"),
            ("kind", "7", "write the kind's name in quotes"),
            ("kind", "{\"CAPTURED\": null}", "write the kind's name in quotes"),
        ] {
            let text = without(capture(), field).to_string();
            let text = format!("{}, \"{field}\": {value}}}", &text[..text.len() - 1]);
            bad_value(&text, Source::Payment, field, says);
        }
        let lines =
            |lines: &str| with(good("shipping", "LOST"), "lines", json!("?")).to_string().replace("\"?\"", lines);
        for (list, field, says) in [
            ("null", "lines", "write a list of objects"),
            ("{}", "lines", "write a list of objects"),
            ("[[\"1\", null, 2]]", "lines[0]", "write an object for each line"),
            ("[{\"line_id\": \"1\", \"quantity\": 1}, 5]", "lines[1]", "write an object for each line"),
            ("[{\"line_id\": 1, \"quantity\": 1}]", "lines[0].line_id", "write a text in quotes"),
            ("[{\"line_id\": \"1\", \"quantity\": 2147483648}]", "lines[0].quantity", "of at most 32 bits"),
            ("[{\"line_id\": \"1\", \"quantity\": 0}]", "lines[0].quantity", "use 1 to 1000000 pieces"),
        ] {
            bad_value(&lines(list), Source::Shipping, field, says);
        }
    }

    #[test]
    fn what_is_missing_and_what_is_out_of_bounds_is_told_as_in_avro() {
        for field in ["event_id", "order_id", "kind", "occurred_at", "capture_id", "currency"] {
            for text in [without(capture(), field), with(capture(), field, Value::Null)] {
                let (reason, named, _) = refused(&text.to_string(), Source::Payment);
                assert_eq!((reason, named.as_str()), (Reason::MissingField, field));
            }
        }
        let text = reservation().replace("\"quantity\"", "\"pieces\"");
        let missing = "`lines[0].quantity` is missing: every line needs it".to_owned();
        assert_eq!(refused(&text, Source::Inventory), (Reason::MissingField, "lines[0].quantity".to_owned(), missing));
        let far = with(capture(), "occurred_at", json!(4_102_444_800_000_000_i64)).to_string();
        assert_eq!(refused(&far, Source::Payment).0, Reason::OccurredInFuture);
        let newer = with(capture(), "kind", json!("TELEPORTED")).to_string();
        assert_eq!(refused(&newer, Source::Payment).0, Reason::UnknownKind);
        let strayed = capture().to_string();
        bad_value(&strayed, Source::Shipping, "topic", "this is the shipping topic: send the event to its own");
        bad_value(&strayed.replace("\"payment\"", "null"), Source::Payment, "topic", "or leave `topic` out");
    }

    #[test]
    fn what_is_no_json_object_is_bad_framing_and_says_what_to_write() {
        let framed = [&[0, 0, 0, 0, 7][..], capture().to_string().as_bytes()].concat();
        let marked = [&[0xEF, 0xBB, 0xBF][..], capture().to_string().as_bytes()].concat();
        let nan = capture().to_string().replace("500", "NaN");
        for (value, says) in [
            (None, "the value is null, and this topic is set to JSON (topics.payment_format = \"json\"): write one"),
            (Some(&b""[..]), "the value is empty, and"),
            (Some(b" \r\n\t"), "the value is blank, and"),
            (Some(&framed), "the byte 0 of a registry's serializer"),
            (Some(&framed[..3]), "or set it to \"avro\" and replay"),
            (Some(&marked), "write UTF-8 without one"),
            (Some(b"\xFF\xFE{\0"), "the value is not UTF-8 from its byte 0 on"),
            (Some(b"{\"event_id\": \"\xC3\x28\"}"), "the value is not UTF-8 from its byte 14 on"),
            (Some(b"[]"), "the value begins with `[` and not with `{`"),
            (Some(b"\x1b[2J"), "the value begins with `\\u{1b}`"),
            (Some(b"\"{}\""), "begins with `\\\"`"),
            (Some(b"{"), "EOF while parsing an object at line 1 column 1"),
            (Some(b"{} {}"), "trailing characters at line 1 column 4"),
            (Some(b"{'event_id': 1}"), "key must be a string"),
            (Some(b"{\"a\": 1,}"), "trailing comma"),
            (Some(b"{\"a\": 01}"), "invalid number"),
            (Some(nan.as_bytes()), "expected value"),
        ] {
            let refusal = read(value, Source::Payment, NOW).expect_err(says);
            assert_eq!((refusal.reason, &refusal.field), (Reason::BadFraming, &None), "{}", refusal.text);
            assert!(refusal.text.contains(says), "`{}` does not say `{says}`", refusal.text);
            assert!(refusal.text.contains("topics.payment_format") && !refusal.text.contains('\x1b'));
        }
    }

    #[test]
    fn what_nests_without_end_is_refused_and_not_descended_into() {
        let nested = |depth: usize| {
            let text = with(capture(), "channel", json!("?")).to_string();
            text.replace("\"?\"", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        };
        assert!(read_text(&nested(32), Source::Payment).is_ok());
        for depth in [33, 129, 200_000] {
            bad_value(&nested(depth), Source::Payment, "channel", "nests deeper than 32");
        }
        let in_text = with(capture(), "reason", json!("[\"{".repeat(100))).to_string();
        assert!(read_text(&in_text, Source::Payment).is_ok(), "brackets in a text are text");
        let open = nested(200_000).replace(']', "");
        assert_eq!(refused(&open, Source::Payment).0, Reason::BadFraming);
    }

    #[test]
    fn a_refusal_is_short_and_on_one_line_whatever_it_quotes() {
        let long = "\x1b[2J\u{202e}\n".repeat(10_000);
        for text in [
            with(capture(), "amount_minor", json!(long)),
            with(capture(), &format!("expires_at{}", "\x1b".repeat(10_000)), json!(1)),
            with(capture(), "topic", json!(long)),
            with(capture(), "lines", json!([long])),
        ] {
            let Err(refusal) = read_text(&text.to_string(), Source::Payment) else { continue };
            assert!(refusal.text.len() < 1_000, "{} bytes", refusal.text.len());
            assert!(!refusal.text.chars().any(char::is_control), "{}", refusal.text);
        }
        let twice = format!("{{\"{0}\": 1, \"{0}\": 1}}", "x".repeat(100_000));
        assert!(refused(&twice, Source::Payment).1.len() < 100);
    }
}
