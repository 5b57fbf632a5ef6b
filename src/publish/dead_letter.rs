//! A refused record on its way to the dead-letter topic: untouched, with headers that say where it came from and why.
//!
//! Invariant: key, value, headers and timestamp are the record's own. Only what would exceed the limit of a published record is
//! left out, and a header says so; the row in `dead_letters` has all of it. Headers that nobody could read are in neither.

use bytes::Bytes;

use crate::consume::record::{Header, Record};
use crate::decode::Refusal;
use crate::ids::{SchemaId, Timestamp};
use crate::persist::journal_format::EmittedRecord;

/// Everything that is known of a refused record beside itself.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The input topic.
    pub topic: &'a str,
    /// The schema that it names, where it names one.
    pub schema_id: Option<SchemaId>,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was refused.
    pub refused_at: Timestamp,
}

/// The record for the dead-letter topic, of at most `max_bytes`.
#[must_use]
pub fn dead_letter(
    dead_letter_topic: &str,
    (record, refusal): (&Record, &Refusal),
    origin: Origin<'_>,
    max_bytes: usize,
) -> EmittedRecord {
    let text = |name: &str, value: String| -> Header { (format!("orderstream-{name}"), Some(Bytes::from(value))) };
    let mut ours = vec![
        text("reason", refusal.reason.as_str().to_owned()),
        text("explanation", refusal.text.clone()),
        text("topic", origin.topic.to_owned()),
        text("partition", record.lane.to_string()),
        text("offset", record.offset.to_string()),
        text("attempts", origin.attempts.to_string()),
        text("refused-at", origin.refused_at.to_string()),
    ];
    ours.extend(origin.schema_id.map(|id| text("schema-id", id.to_string())));
    ours.extend(record.headers.as_ref().err().map(|lost| text("headers-left-out", lost.to_string())));
    let mut letter = EmittedRecord {
        topic: dead_letter_topic.into(),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers().iter().cloned().chain(ours).collect(),
        timestamp: (record.timestamp.0 > 0).then_some(record.timestamp),
    };
    if letter.size_bytes() > max_bytes {
        letter.headers.push(text("value-left-out", format!("{} bytes", letter.value.as_ref().map_or(0, Bytes::len))));
        letter.value = None;
    }
    let headers = record.headers().len();
    if letter.size_bytes() > max_bytes && headers > 0 {
        letter.headers.drain(..headers);
        letter.headers.push(text("headers-left-out", format!("{headers} headers")));
    }
    if letter.size_bytes() > max_bytes {
        letter.headers.push(text("key-left-out", format!("{} bytes", letter.key.as_ref().map_or(0, Bytes::len))));
        letter.key = None;
    }
    letter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::record::HeadersLost;
    use crate::decode::Reason;
    use crate::ids::Lane;
    use crate::order::Source;

    fn record(value: usize) -> Record {
        Record {
            source: Source::Payment,
            lane: Lane(3),
            offset: 17,
            timestamp: Timestamp(1_760_000_000_000_000),
            key: Some(Bytes::from_static(b"ord-1")),
            value: Some(Bytes::from(vec![7; value])),
            headers: Ok(vec![("trace".to_owned(), None)]),
        }
    }

    fn letter(value: usize) -> EmittedRecord {
        letter_of(&record(value))
    }

    fn letter_of(record: &Record) -> EmittedRecord {
        let refusal = Refusal::new(Reason::BadAvro, "trailing bytes");
        let origin = Origin { topic: "payments", schema_id: Some(SchemaId(4)), attempts: 1, refused_at: Timestamp(5) };
        dead_letter("dead", (record, &refusal), origin, 1000)
    }

    #[test]
    fn a_dead_letter_is_the_record_itself_with_the_reason_in_headers() {
        let letter = letter(10);
        let source = record(10);
        assert_eq!(letter.headers[0], source.headers()[0]);
        assert_eq!((letter.key, letter.value, letter.timestamp), (source.key, source.value, Some(source.timestamp)));
        let reason = ("orderstream-reason".to_owned(), Some(Bytes::from_static(b"bad_avro")));
        assert!(letter.headers.contains(&reason));
    }

    #[test]
    fn what_would_be_too_large_goes_without_its_value_and_says_so() {
        let letter = letter(2000);
        assert_eq!(letter.value, None);
        assert!(letter.size_bytes() <= 1000);
        assert!(letter.headers.iter().any(|(name, _)| name == "orderstream-value-left-out"));
    }

    #[test]
    fn headers_that_could_not_be_had_are_missing_and_it_says_so() {
        let letter = letter_of(&Record { headers: Err(HeadersLost::TooMany), ..record(10) });
        let said = ("orderstream-headers-left-out".to_owned(), Some(Bytes::from_static(b"more than 100000 headers")));
        assert!(letter.headers.contains(&said), "{letter:?}");
        assert_eq!(letter.value, record(10).value);
    }
}
