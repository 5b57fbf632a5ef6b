//! Refused records against what is kept of them: one row in the table and one record on the topic each, as they came.
//!
//! Pure. Invariant: key, value and timestamp are untouched; only a value that was too large to publish may be missing on the
//! topic, and then a header says so.

use std::collections::HashMap;

use orderstream::persist::journal_format::{AppliedEntry, Outcome};

use super::findings::{Findings, Kind};
use super::input_log::{InputPartition, Refused, place};
use super::stored::StoredDeadLetter;
use crate::topic_log::LogRecord;

/// What begins the names of the headers that a dead letter has beside its own.
const PREFIX: &str = "orderstream-";

/// Where a dead letter says that it comes from: topic, partition and offset.
#[must_use]
pub fn origin(letter: &LogRecord) -> Option<(&str, i32, i64)> {
    let header = |name: &str| letter.header(&format!("{PREFIX}{name}"));
    Some((header("topic")?, header("partition")?.parse().ok()?, header("offset")?.parse().ok()?))
}

/// Compares a lane's refused records with the table, and with the topic where there is one.
pub fn compare(
    inputs: &[InputPartition],
    table: &[StoredDeadLetter],
    topic: Option<&[&LogRecord]>,
    findings: &mut Findings,
) {
    let mut kept: HashMap<(&str, i64), Vec<&StoredDeadLetter>> = HashMap::new();
    for letter in table {
        kept.entry((&letter.topic, letter.offset)).or_default().push(letter);
    }
    let mut sent: HashMap<(&str, i64), Vec<&LogRecord>> = HashMap::new();
    for letter in topic.into_iter().flatten() {
        if let Some((topic, _, offset)) = origin(letter) {
            sent.entry((topic, offset)).or_default().push(letter);
        }
    }
    for partition in inputs {
        for record in &partition.records {
            let Err(refused) = &record.judged else { continue };
            let at = (partition.topic.as_str(), record.offset);
            let name = partition.name(record.offset);
            compare_row(&name, refused, kept.remove(&at).as_deref(), findings);
            if topic.is_some() {
                compare_record(&name, refused, sent.remove(&at).as_deref(), findings);
            }
        }
    }
    let lane = inputs.first().map_or(0, |partition| partition.lane);
    for (topic, offset) in kept.into_keys().chain(sent.into_keys()) {
        findings.add(Kind::DeadLetterInvented, || place(topic, lane, offset));
    }
}

fn compare_row(name: &str, refused: &Refused, rows: Option<&[&StoredDeadLetter]>, findings: &mut Findings) {
    match rows {
        None | Some([]) => findings.add(Kind::DeadLetterLost, || format!("{name} has no row")),
        Some([row]) => {
            let same = row.key.as_deref() == refused.key.as_deref() && row.value.as_deref() == refused.value.as_deref();
            if !same || row.reason != refused.reason.as_str() {
                findings.add(Kind::DeadLetterChanged, || format!("row of {name}, reason {}", row.reason));
            }
        }
        Some(rows) => findings.add(Kind::DeadLetterDoubled, || format!("{name} has {} rows", rows.len())),
    }
}

fn compare_record(name: &str, refused: &Refused, records: Option<&[&LogRecord]>, findings: &mut Findings) {
    match records {
        None | Some([]) => findings.add(Kind::DeadLetterLost, || format!("{name} is not on the topic")),
        Some([letter]) => {
            if !is_untouched(refused, letter) {
                findings.add(Kind::DeadLetterChanged, || format!("{name} on the topic, offset {}", letter.offset));
            }
        }
        Some(letters) => findings.add(Kind::DeadLetterDoubled, || format!("{name} is {} times on the topic", letters.len())),
    }
}

fn is_untouched(refused: &Refused, letter: &LogRecord) -> bool {
    let left_out = letter.header("orderstream-value-left-out").is_some() && letter.value.is_none();
    letter.key == refused.key
        && (letter.value == refused.value || left_out)
        && letter.timestamp_millis == refused.timestamp_millis
        && letter.headers.starts_with(&refused.headers)
        && letter.header("orderstream-reason") == Some(refused.reason.as_str())
}

/// Whether an entry says that its record was refused.
#[must_use]
pub fn is_refusal(entry: &AppliedEntry) -> bool {
    matches!(entry.outcome, Outcome::DeadLetter(_))
}
