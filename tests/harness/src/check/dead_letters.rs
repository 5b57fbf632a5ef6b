//! Refused records against what is kept of them: one row in the table and one record on the topic each, as they came.
//!
//! Pure. Invariant: key, value and timestamp are untouched; only a value that was too large to publish may be missing on the
//! topic, and then a header says so.

use std::collections::HashMap;

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
        Some(letters) => {
            findings.add(Kind::DeadLetterDoubled, || format!("{name} is {} times on the topic", letters.len()))
        }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::fixture;
    use super::*;

    fn kept() -> (Vec<StoredDeadLetter>, Vec<LogRecord>) {
        let refused = fixture::refused();
        let row = StoredDeadLetter {
            topic: "payments".to_owned(),
            offset: 3,
            key: refused.key.as_deref().map(<[u8]>::to_vec),
            value: refused.value.as_deref().map(<[u8]>::to_vec),
            reason: "bad_avro".to_owned(),
        };
        let header =
            |name: &str, value: &'static str| (format!("{PREFIX}{name}"), Some(Bytes::from_static(value.as_bytes())));
        let letter = LogRecord {
            partition: 0,
            offset: 0,
            timestamp_millis: refused.timestamp_millis,
            key: refused.key,
            value: refused.value,
            headers: vec![
                header("reason", "bad_avro"),
                header("topic", "payments"),
                header("partition", "0"),
                header("offset", "3"),
            ],
        };
        (vec![row], vec![letter])
    }

    /// What is found when what is kept is changed.
    fn found(change: impl FnOnce(&mut Vec<StoredDeadLetter>, &mut Vec<LogRecord>)) -> Findings {
        let (mut table, mut topic) = kept();
        change(&mut table, &mut topic);
        let mut findings = Findings::default();
        let topic: Vec<&LogRecord> = topic.iter().collect();
        compare(&fixture::inputs(), &table, Some(&topic), &mut findings);
        findings
    }

    #[test]
    fn a_refused_record_that_is_kept_twice_over_as_it_came_is_fine() {
        assert!(found(|_, _| {}).is_clean(), "{:?}", found(|_, _| {}));
    }

    #[test]
    fn a_refused_record_without_a_row_or_without_a_record_is_lost() {
        assert_eq!(found(|table, _| table.clear()).of(Kind::DeadLetterLost), 1);
        assert_eq!(found(|_, topic| topic.clear()).of(Kind::DeadLetterLost), 1);
    }

    #[test]
    fn a_dead_letter_that_is_there_twice_is_doubled() {
        assert_eq!(found(|table, _| table.push(table[0].clone())).of(Kind::DeadLetterDoubled), 1);
        assert_eq!(found(|_, topic| topic.push(topic[0].clone())).of(Kind::DeadLetterDoubled), 1);
    }

    #[test]
    fn a_dead_letter_that_was_touched_is_changed() {
        assert_eq!(found(|table, _| table[0].value = None).of(Kind::DeadLetterChanged), 1);
        assert_eq!(found(|table, _| table[0].reason.clear()).of(Kind::DeadLetterChanged), 1);
        assert_eq!(found(|_, topic| topic[0].value = None).of(Kind::DeadLetterChanged), 1);
        assert_eq!(found(|_, topic| topic[0].timestamp_millis = Some(8)).of(Kind::DeadLetterChanged), 1);
    }

    #[test]
    fn a_value_that_was_left_out_with_a_header_that_says_so_is_fine() {
        let findings = found(|_, topic| {
            topic[0].value = None;
            topic[0].headers.push((format!("{PREFIX}value-left-out"), Some(Bytes::from_static(b"13 bytes"))));
        });
        assert!(findings.is_clean(), "{findings:?}");
    }

    #[test]
    fn a_dead_letter_of_a_sound_record_is_invented() {
        assert_eq!(
            found(|table, _| table.push(StoredDeadLetter { offset: 0, ..table[0].clone() }))
                .of(Kind::DeadLetterInvented),
            1
        );
    }
}
