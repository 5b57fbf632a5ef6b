//! One letter as text: what a person needs who never saw it before, the most useful first.
//!
//! Why, what to do, where from, what it says, its bytes, its history. Pure. Invariant: bytes are shown as bytes; nothing is
//! left out without saying how much.

use std::fmt::Write;

use super::hex::{dump, text_or_hex};
use super::reasons::meaning;
use crate::cli::instant::{relative, shown, to_the_second};
use crate::cli::output::counted;
use crate::decode::inspect::{Contents, Field, Inspection, Verdict, WrittenWith};
use crate::decode::{Reason, Refusal};
use crate::ids::Timestamp;
use crate::order::Source;
use crate::persist::letters::{Action, State, WholeLetter};

/// Where lines are broken.
const WIDTH_CHARS: usize = 100;
/// How wide the column of labels is.
const LABEL_CHARS: usize = 12;
/// How many bytes of a value are shown.
const SHOWN_BYTES: usize = 512;

/// What was found out about the record beside the row.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing, and why.
    Stray(String),
    /// What it says; its topic has this role.
    Inspected(Source, Inspection),
}

/// The whole page.
pub(super) fn text(letter: &WholeLetter, seen: &Seen, actions: &[Action], now: Timestamp) -> String {
    let mut page =
        Page(format!("dead letter {}: {}, {}\n\n", letter.letter.id, letter.letter.reason, standing(letter, now)));
    page.why(letter, seen);
    page.where_from(letter, now);
    page.contents(letter.letter.reason, seen);
    page.value(letter.value.as_deref());
    page.history(actions);
    page.0
}

/// Its state in words.
fn standing(letter: &WholeLetter, now: Timestamp) -> String {
    let since = |what: &str, at: Timestamp| format!("{what} {} ({})", to_the_second(at), relative(at, now));
    match letter.letter.state {
        State::Open => since("open since", letter.letter.first_seen_at),
        State::Replay => "marked for replay, waits for a worker".to_owned(),
        State::Applied => since("applied", letter.resolved_at.unwrap_or(letter.letter.last_seen_at)),
        State::Discarded => since("discarded", letter.resolved_at.unwrap_or(letter.letter.last_seen_at)),
    }
}

struct Page(String);

impl Page {
    /// A labelled paragraph, broken between words.
    fn say(&mut self, label: &str, text: &str) {
        let mut column = LABEL_CHARS + 2;
        self.0.push_str(&format!("  {label:LABEL_CHARS$}"));
        for word in text.split(' ') {
            let width = word.chars().count();
            if column + width > WIDTH_CHARS && column > LABEL_CHARS + 2 {
                self.0.truncate(self.0.trim_end().len());
                write!(self.0, "\n{:indent$}", "", indent = LABEL_CHARS + 2).expect("a String takes every character");
                column = LABEL_CHARS + 2;
            }
            self.0.push_str(word);
            self.0.push(' ');
            column += width + 1;
        }
        self.0.truncate(self.0.trim_end().len());
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn why(&mut self, letter: &WholeLetter, seen: &Seen) {
        let said = meaning(letter.letter.reason);
        self.say("refused", &letter.letter.explanation);
        self.say("that means", said.means);
        self.say("to do", said.remedy);
        if let (State::Open | State::Replay, Seen::Inspected(_, inspection)) = (letter.letter.state, seen) {
            self.say("now", &now(letter, &inspection.verdict));
        }
        self.0.push('\n');
    }

    fn where_from(&mut self, letter: &WholeLetter, now: Timestamp) {
        let row = &letter.letter;
        let produced =
            if letter.record_timestamp.0 > 0 { shown(letter.record_timestamp) } else { "unknown".to_owned() };
        self.say("record", &format!("`{}`, partition {}, offset {}", row.topic, row.partition, row.offset));
        self.say("produced", &produced);
        let last =
            format!("{}, the last {} ({})", row.attempts, shown(row.last_seen_at), relative(row.last_seen_at, now));
        self.say("attempts", &last);
        self.say("order", row.order_id.as_deref().unwrap_or("none: the key is not text"));
        self.say("key", &letter.key.as_deref().map_or_else(|| "null".to_owned(), text_or_hex));
        for (number, (name, value)) in letter.headers.iter().enumerate() {
            let label = if number == 0 { "headers" } else { "" };
            let value = value.as_deref().map_or_else(|| "null".to_owned(), text_or_hex);
            self.say(label, &format!("{name}: {value}"));
        }
        self.say("schema", &letter.schema_id.map_or_else(|| "none named".to_owned(), |id| id.to_string()));
    }

    fn contents(&mut self, reason: Reason, seen: &Seen) {
        let (source, inspection) = match seen {
            Seen::Stray(text) => return self.line(&format!("\ncontents: {text}")),
            Seen::Inspected(source, inspection) => (source, inspection),
        };
        let contents = match &inspection.contents {
            Ok(contents) => contents,
            Err(text) => return self.line(&format!("\ncontents: {text}")),
        };
        self.line(&match &contents.schema {
            Some(WrittenWith { id, record }) => format!("\ncontents, as {record} of schema {id}"),
            None => "\ncontents, as JSON".to_owned(),
        });
        let wrong = match &inspection.verdict {
            Verdict::Refused(refusal) => wrong_field(refusal),
            Verdict::Event(_) | Verdict::Undecided => None,
        };
        self.json(*source, contents, wrong);
        let missing = wrong.filter(|wrong| !contents.fields.iter().any(|field| field.name == *wrong));
        if let (Some(missing), Reason::MissingField) = (missing, reason) {
            self.line(&format!("  `{missing}` is what is missing"));
        }
    }

    /// The fields as JSON in the order of the schema, with notes behind those that need one.
    fn json(&mut self, source: Source, contents: &Contents, wrong: Option<&str>) {
        self.line("  {");
        let topic = Field { name: "topic".to_owned(), value: source.as_str().into(), instant: None };
        let fields: Vec<&Field> = std::iter::once(&topic).chain(&contents.fields).collect();
        for (number, field) in fields.iter().enumerate() {
            let comma = if number + 1 < fields.len() { "," } else { "" };
            let is_wrong = wrong == Some(field.name.as_str());
            let notes = [field.instant.map(shown), is_wrong.then(|| "refused".to_owned())];
            let notes: Vec<String> = notes.into_iter().flatten().collect();
            let notes = if notes.is_empty() { String::new() } else { format!("   <- {}", notes.join(", ")) };
            self.line(&format!("    {}: {}{comma}{notes}", serde_json::Value::from(field.name.as_str()), field.value));
        }
        self.line("  }");
    }

    fn value(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return self.line("\nvalue: null") };
        self.line(&format!("\nvalue, {}", counted(value.len() as u64, "byte", "bytes")));
        for line in dump(&value[..value.len().min(SHOWN_BYTES)]) {
            self.line(&format!("  {line}"));
        }
        if value.len() > SHOWN_BYTES {
            let more = counted((value.len() - SHOWN_BYTES) as u64, "more byte", "more bytes");
            self.line(&format!("  … {more}: --raw has all of it"));
        }
    }

    fn history(&mut self, actions: &[Action]) {
        self.line(if actions.is_empty() { "\nhistory: nothing was done to it yet" } else { "\nhistory" });
        for action in actions {
            let note = action.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            self.line(&format!("  {}  {:8} by {}{note}", to_the_second(action.at), action.action, action.actor));
        }
    }
}

/// What a worker would make of it now.
fn now(letter: &WholeLetter, verdict: &Verdict) -> String {
    let id = letter.letter.id;
    match verdict {
        Verdict::Event(event) => format!(
            "this release reads it as a sound {} event: try `orderstream dead-letters replay {id} --yes`",
            event.kind()
        ),
        Verdict::Refused(refusal) if refusal.text == letter.letter.explanation => {
            "a worker of this release would refuse it again for the same reason".to_owned()
        }
        Verdict::Refused(refusal) => {
            format!("a worker of this release would refuse it as {}: {}", refusal.reason, refusal.text)
        }
        Verdict::Undecided => "not to be told while the schema registry does not answer".to_owned(),
    }
}

/// The top-level field that a refusal is about: `lines` of `lines[0].quantity`.
fn wrong_field(refusal: &Refusal) -> Option<&str> {
    refusal.field.as_deref()?.split(['[', '.']).next()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::super::words::tests::letter;
    use super::*;
    use crate::ids::SchemaId;

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000 + 3 * 3_600_000_000);

    fn whole() -> WholeLetter {
        WholeLetter {
            letter: letter(17),
            key: Some(Bytes::from_static(b"ord-1")),
            value: Some(Bytes::from((0..=255).cycle().take(600).collect::<Vec<u8>>())),
            headers: vec![("trace".to_owned(), Some(Bytes::from_static(b"\x00\xff"))), ("trace".to_owned(), None)],
            record_timestamp: Timestamp(1_760_000_000_000_000),
            schema_id: Some(SchemaId(9)),
            resolved_at: None,
        }
    }

    fn inspected(verdict: Verdict) -> Seen {
        let field = |name: &str, value| Field { name: name.to_owned(), value, instant: None };
        let at = Field {
            instant: Some(Timestamp(4_102_444_800_000_000)),
            ..field("occurred_at", json!(4_102_444_800_000_000_i64))
        };
        let fields = vec![field("event_id", json!("evt-1")), at];
        let schema = WrittenWith { id: SchemaId(9), record: "orderstream.v1.PaymentEvent".to_owned() };
        let contents = Contents { schema: Some(schema), fields };
        Seen::Inspected(Source::Payment, Inspection { contents: Ok(contents), verdict })
    }

    fn refused(reason: Reason, field: &'static str) -> Verdict {
        Verdict::Refused(Refusal { reason, field: Some(field.into()), text: "it is wrong".to_owned() })
    }

    #[test]
    fn the_page_says_why_first_then_where_from_and_marks_the_field_that_is_wrong() {
        let seen = inspected(refused(Reason::OccurredInFuture, "occurred_at"));
        let page = text(&whole(), &seen, &[], NOW);
        let expected = "\
dead letter 17: unknown_schema, open since 2025-10-09T08:53:20Z (3 h ago)

  refused     the registry knows no schema 9: check which registry the producer uses
  that means  The registry that the workers ask did not know the schema id, for longer than
              registry.unknown_id_grace.
  to do       Compare the producer's registry with registry.url here; once the id is registered
              there, replay.
  now         a worker of this release would refuse it as occurred_in_future: it is wrong

  record      `payments`, partition 3, offset 1234
  produced    2025-10-09T08:53:20Z
  attempts    1, the last 2025-10-09T08:53:20Z (3 h ago)
  order       ord-1
  key         \"ord-1\"
  headers     trace: 00 ff (2 bytes)
              trace: null
  schema      9

contents, as orderstream.v1.PaymentEvent of schema 9
  {
    \"topic\": \"payment\",
    \"event_id\": \"evt-1\",
    \"occurred_at\": 4102444800000000   <- 2100-01-01T00:00:00Z, refused
  }

value, 600 bytes
  000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  ................
";
        assert!(page.starts_with(expected), "{page}");
        assert!(
            page.contains("\n  000040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO\n"),
            "{page}"
        );
        assert!(
            page.ends_with("  … 88 more bytes: --raw has all of it\n\nhistory: nothing was done to it yet\n"),
            "{page}"
        );
    }

    #[test]
    fn a_field_that_is_missing_is_named_since_it_cannot_be_marked() {
        let mut letter = whole();
        letter.letter.reason = Reason::MissingField;
        let page = text(&letter, &inspected(refused(Reason::MissingField, "capture_id")), &[], NOW);
        assert!(page.contains("  }\n  `capture_id` is what is missing\n"), "{page}");
        let nested = inspected(refused(Reason::BadValue, "event_id[0].x"));
        assert!(text(&whole(), &nested, &[], NOW).contains("\"evt-1\",   <- refused\n"));
    }

    #[test]
    fn without_contents_the_page_says_why_there_are_none() {
        let away = Inspection { contents: Err("the registry is away".to_owned()), verdict: Verdict::Undecided };
        let page = text(&whole(), &Seen::Inspected(Source::Payment, away), &[], NOW);
        assert!(page.contains("\ncontents: the registry is away\n"), "{page}");
        assert!(page.contains("now         not to be told while the schema registry"), "{page}");
        let stray = text(&whole(), &Seen::Stray("`x` is no input".to_owned()), &[], NOW);
        assert!(stray.contains("\ncontents: `x` is no input\n") && !stray.contains("  now "), "{stray}");
    }

    #[test]
    fn what_was_done_stands_with_who_when_and_why() {
        let action = |action: &str, note: Option<&str>| Action {
            at: Timestamp(1_760_000_000_000_000),
            action: action.to_owned(),
            actor: "ann@ops".to_owned(),
            note: note.map(str::to_owned),
        };
        let mut letter = whole();
        (letter.letter.state, letter.value) = (State::Discarded, None);
        letter.resolved_at = Some(Timestamp(1_760_000_000_000_000));
        let page = text(
            &letter,
            &inspected(Verdict::Undecided),
            &[action("replay", None), action("discard", Some("test"))],
            NOW,
        );
        assert!(
            page.starts_with("dead letter 17: unknown_schema, discarded 2025-10-09T08:53:20Z (3 h ago)\n"),
            "{page}"
        );
        assert!(!page.contains("\n  now "), "nobody will try it: {page}");
        assert!(page.contains("\nvalue: null\n"), "{page}");
        assert!(
            page.ends_with(
                "history\n  2025-10-09T08:53:20Z  replay   by ann@ops\n  2025-10-09T08:53:20Z  discard  by ann@ops: test\n"
            ),
            "{page}"
        );
    }
}
