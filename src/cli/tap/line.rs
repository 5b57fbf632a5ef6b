//! A record as one line: for a person, or one JSON object for a program.
//!
//! Pure. Invariant: whatever the record holds, it is one line, and nothing in it steers the terminal.

use serde_json::{Map, Value as Json, json};

use super::reading::Reading;
use super::role::Role;
use crate::cli::dead_letters::hex::{hex, text_or_hex};
use crate::cli::instant::to_the_second;
use crate::cli::output::plain;
use crate::consume::record::Header;
use crate::order::Source;

/// How many bytes of a value that cannot be decoded are shown.
const FIRST_BYTES: usize = 32;
/// How many characters of one field's value are shown to a person.
const SHOWN_CHARS: usize = 80;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// With colours.
    pub colours: bool,
    /// With the record's headers.
    pub headers: bool,
}

/// One JSON object. What is null in the value is left out of it.
pub(super) fn json(reading: &Reading, look: Look) -> Json {
    let heard = &reading.heard;
    let mut line = json!({
        "topic": &*heard.topic, "role": reading.role, "partition": heard.partition, "offset": heard.offset,
        "timestamp": heard.timestamp.map(to_the_millisecond), "key": heard.key.as_deref().and_then(|key| str::from_utf8(key).ok()),
        "kind": reading.kind,
    });
    if let Some(key) = heard.key.as_deref().filter(|key| str::from_utf8(key).is_err()) {
        line["key_hex"] = hex(key).into();
    }
    if reading.role == Role::DeadLetter {
        line["dead_letter"] = json!({
            "reason": reading.said("reason"), "explanation": reading.said("explanation"), "topic": reading.said("topic"),
            "partition": number(reading, "partition"), "offset": number(reading, "offset"),
        });
    }
    if let Some(contents) = &reading.contents {
        line["schema_id"] = json!(contents.schema_id());
        line["record"] = contents.record().into();
        line["value"] =
            contents.fields.iter().map(|field| (field.name.clone(), field.value.clone())).collect::<Map<_, _>>().into();
    }
    if let Some(problem) = &reading.problem {
        line["problem"] = json!({"reason": problem.reason, "explanation": problem.text});
        line["value_bytes"] = heard.value.as_ref().map(bytes::Bytes::len).into();
        line["value_begins_hex"] =
            heard.value.as_deref().map(|value| hex(&value[..value.len().min(FIRST_BYTES)])).into();
    }
    if look.headers {
        let header = |(name, value): &Header| {
            let text = value.as_deref().and_then(|value| str::from_utf8(value).ok());
            json!({"name": name, "text": text, "hex": value.as_deref().filter(|_| text.is_none()).map(hex)})
        };
        line["headers"] = match &heard.headers {
            Ok(headers) => headers.iter().map(header).collect(),
            Err(lost) => json!({"missing": lost.to_string()}),
        };
    }
    line
}

fn number(reading: &Reading, name: &str) -> Option<i64> {
    reading.said(name)?.parse().ok()
}

/// One line of text.
pub(super) fn text(reading: &Reading, look: Look) -> String {
    let heard = &reading.heard;
    let time = heard.timestamp.map_or_else(|| "without a timestamp".to_owned(), to_the_millisecond);
    let place = match reading.role {
        Role::Other => format!("{} {}@{}", heard.topic, heard.partition, heard.offset),
        role => format!("{role:<11} {}@{:<6}", heard.partition, heard.offset),
    };
    let key = match heard.key.as_deref() {
        None => "without a key".to_owned(),
        Some(key) => str::from_utf8(key).map_or_else(|_| text_or_hex(key), |key| plain(key).into_owned()),
    };
    let kind = reading.kind.as_deref().unwrap_or("?");
    let kind = paint(&format!("{:<17}", plain(kind)), colour(reading), look.colours);
    let mut parts = vec![paint(&time, DIM, look.colours), place, format!("{key:<12}"), kind];
    parts.extend(details(reading));
    if let Some(problem) = &reading.problem
        && reading.role != Role::DeadLetter
    {
        let text = format!("refused, {}: {}", problem.reason, plain(&problem.text));
        parts.push(paint(&text, RED, look.colours));
    }
    if reading.contents.is_none() {
        parts.push(first_bytes(heard.value.as_deref()));
    }
    if look.headers {
        parts.push(headers(reading));
    }
    let line = parts.join(" ");
    line.trim_end().to_owned()
}

/// RFC 3339 with three digits, so that lines are as long as each other.
fn to_the_millisecond(instant: crate::ids::Timestamp) -> String {
    let written = jiff::Timestamp::from_microsecond(instant.0).map(|instant| format!("{instant:.3}"));
    written.unwrap_or_else(|_| instant.to_string())
}

fn first_bytes(value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "no value".to_owned() };
    let first = &value[..value.len().min(FIRST_BYTES)];
    match value.len() {
        0 => "0 bytes".to_owned(),
        all if all > FIRST_BYTES => format!("{}… ({all} bytes)", hex(first)),
        all => format!("{} ({all} bytes)", hex(first)),
    }
}

fn headers(reading: &Reading) -> String {
    let header = |(name, value): &Header| {
        format!("{}={}", plain(name), value.as_deref().map_or_else(|| "null".to_owned(), text_or_hex))
    };
    match &reading.heard.headers {
        Ok(headers) => format!("{{{}}}", headers.iter().map(header).collect::<Vec<_>>().join(", ")),
        Err(lost) => format!("{{{lost}}}"),
    }
}

/// What else a person wants to know of a record, shortest first; everything is in the JSON.
fn details(reading: &Reading) -> Vec<String> {
    let of = |names: &[&str]| names.iter().filter_map(|name| named(reading, name)).collect::<Vec<String>>();
    match reading.role {
        Role::Status => {
            let version = reading.field("order_version").map(|field| format!("v{}", field.value));
            let before = reading.field("previous_status").filter(|field| Some(&field.value) != status(reading));
            let before = before.map(|field| format!("was {}", brief(&field.value)));
            let cause = reading.field("cause").and_then(|field| field.value["kind"].as_str());
            let cause = cause.map(|kind| format!("because of {}", plain(kind)));
            let fields =
                ["payment", "inventory", "fulfilment", "returns", "cancel_reason", "flags", "attention", "owed"];
            version.into_iter().chain(before).chain(cause).chain(of(&fields)).collect()
        }
        Role::Command => of(&["entity_id", "amount_minor", "currency", "lines", "attempt", "reason"]),
        Role::DeadLetter => {
            let said = |name: &str| reading.said(name).unwrap_or_else(|| "?".to_owned());
            let from = format!("from {} {}@{}:", said("topic"), said("partition"), said("offset"));
            vec![plain(&from).into_owned(), plain(&said("explanation")).into_owned()]
        }
        Role::Input(_) | Role::Other => {
            let envelope =
                ["event_id", "order_id", "kind", "occurred_at", "producer", "correlation_id", "causation_id"];
            let fields = reading.contents.iter().flat_map(|contents| &contents.fields);
            let names = fields.map(|field| field.name.as_str());
            of(&names.filter(|name| reading.role == Role::Other || !envelope.contains(name)).collect::<Vec<_>>())
        }
    }
}

fn status(reading: &Reading) -> Option<&Json> {
    reading.field("status").map(|field| &field.value)
}

/// `name=value`, where there is something to say.
fn named(reading: &Reading, name: &str) -> Option<String> {
    let field = reading.field(name)?;
    if let Some(instant) = field.instant {
        return Some(format!("{}={}", plain(name), to_the_second(instant)));
    }
    let value = &field.value;
    let is_empty = value.as_array().is_some_and(Vec::is_empty)
        || matches!(value.as_str(), Some("NONE" | "NOT_STARTED" | "UNPAID") if reading.role == Role::Status);
    (!is_empty).then(|| format!("{}={}", plain(name), brief(value)))
}

/// A value in few words: lines as `1×2`, what is owed by its kind.
fn brief(value: &Json) -> String {
    let item = |item: &Json| match (item["line_id"].as_str(), item["quantity"].as_i64(), item["kind"].as_str()) {
        (Some(line), Some(quantity), _) => format!("{}×{quantity}", plain(line)),
        (_, _, Some(kind)) => plain(kind).into_owned(),
        _ => brief(item),
    };
    let text = match value {
        Json::String(text) if text.is_empty() || text.contains(char::is_whitespace) => format!("{text:?}"),
        Json::String(text) => plain(text).into_owned(),
        Json::Array(items) => items.iter().map(item).collect::<Vec<_>>().join(","),
        other => plain(&other.to_string()).into_owned(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

const DIM: &str = "2";
const RED: &str = "31";

fn colour(reading: &Reading) -> &'static str {
    match reading.role {
        _ if reading.problem.is_some() => RED,
        Role::DeadLetter => RED,
        Role::Input(Source::Payment) => "32",
        Role::Input(Source::Inventory) => "33",
        Role::Input(Source::Shipping) => "34",
        Role::Input(Source::Order | Source::Deadline) => "35",
        Role::Status => "36;1",
        Role::Command => "33;1",
        Role::Other => "1",
    }
}

fn paint(text: &str, colour: &str, colours: bool) -> String {
    if colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::reading::tests::reading;
    use super::*;
    use crate::decode::{Reason, Refusal};

    const PLAIN: Look = Look { colours: false, headers: false };

    #[test]
    fn an_input_is_its_kind_and_its_own_fields() {
        let lines = json!([{"line_id": "1", "quantity": 2}, {"line_id": "2", "quantity": 1}]);
        let fields = [
            ("event_id", json!("e")),
            ("kind", json!("RESERVED")),
            ("reservation_id", json!("res 1")),
            ("lines", lines),
        ];
        let reading = reading(Role::Input(Source::Inventory), &fields);
        assert_eq!(
            text(&reading, PLAIN),
            "2026-01-02T00:00:00.123Z inventory   3@17     ord-1        RESERVED          reservation_id=\"res 1\" lines=1×2,2×1"
        );
        let json = json(&reading, PLAIN);
        assert_eq!(
            (&json["role"], &json["kind"], &json["key"]),
            (&json!("inventory"), &json!("RESERVED"), &json!("ord-1"))
        );
        assert_eq!(
            (&json["value"]["event_id"], &json["problem"], &json["headers"]),
            (&json!("e"), &Json::Null, &Json::Null)
        );
    }

    #[test]
    fn a_status_record_says_what_changed_and_leaves_out_what_never_began() {
        let fields = [
            ("order_version", json!(3)),
            ("status", json!("CONFIRMED")),
            ("previous_status", json!("AWAITING_STOCK")),
            ("payment", json!("AUTHORIZED")),
            ("returns", json!("NONE")),
            ("flags", json!([])),
            ("owed", json!([{"kind": "VOID_PAYMENT", "id": "a"}])),
            ("cause", json!({"kind": "RESERVED"})),
        ];
        let line = text(&reading(Role::Status, &fields), PLAIN);
        assert!(
            line.ends_with(
                "CONFIRMED         v3 was AWAITING_STOCK because of RESERVED payment=AUTHORIZED owed=VOID_PAYMENT"
            ),
            "{line}"
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_shown_with_the_reason_and_its_first_bytes() {
        let mut broken = reading(Role::Input(Source::Payment), &[]);
        (broken.contents, broken.problem) = (None, Some(Refusal::new(Reason::BadAvro, "ends inside\n the datum")));
        assert!(
            text(&broken, PLAIN)
                .ends_with("?                 refused, bad_avro: ends inside\\n the datum 0000000007616263 (8 bytes)"),
            "{}",
            text(&broken, PLAIN)
        );
        let json = json(&broken, PLAIN);
        assert_eq!((&json["problem"]["reason"], &json["value_bytes"]), (&json!("bad_avro"), &json!(8)));
        assert_eq!(json["value_begins_hex"], "0000000007616263");
        assert_eq!(first_bytes(Some(&[7; 33])), format!("{}… (33 bytes)", "07".repeat(32)));
        assert_eq!(first_bytes(None), "no value");
    }

    #[test]
    fn whatever_a_record_holds_it_is_one_line_that_steers_no_terminal() {
        let mut evil = reading(Role::DeadLetter, &[]);
        evil.heard.key = Some(Bytes::from_static(b"a\x1b[2J\n"));
        let header = |name: &str, value: &'static [u8]| (name.to_owned(), Some(Bytes::from_static(value)));
        evil.heard.headers = Ok(vec![
            header("orderstream-explanation", b"x\x1b]0;hi\x07\ny"),
            header("trace\n", b"\xff"),
            ("none".to_owned(), None),
        ]);
        let line = text(&evil, Look { headers: true, ..PLAIN });
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.contains("trace\\n=ff (1 byte), none=null}"), "{line}");
        let json = json(&evil, Look { headers: true, ..PLAIN }).to_string();
        assert!(!json.contains(char::is_control), "{json:?}");
    }

    #[test]
    fn colours_are_only_there_where_they_are_wanted() {
        let reading = reading(Role::Command, &[("kind", json!("VOID_PAYMENT"))]);
        assert!(text(&reading, Look { colours: true, headers: false }).contains("\x1b[33;1mVOID_PAYMENT"));
        assert!(!text(&reading, PLAIN).contains('\x1b'));
    }
}
