//! Refused records against what is kept of them: one row in the table and one record on the topic each, as they came, and a row
//! that says what became of each replay.
//!
//! Pure. Invariant: key, value and timestamp are untouched; only what was too large to publish may be missing on
//! the topic, and then a header says so. The topic has the first refusal, the row has the last.

use std::collections::HashMap;

use orderstream::decode::refusal::Reason;
use orderstream::persist::journal_format::Outcome;

use super::findings::{Findings, Kind};
use super::input_log::{InputPartition, InputRecord, Raw, place};
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
            let Some(refused) = Refused::of(record) else { continue };
            let at = (partition.topic.as_str(), record.offset);
            let name = partition.name(record.offset);
            compare_row(&name, &refused, kept.remove(&at).as_deref(), findings);
            if topic.is_some() {
                compare_record(&name, &refused, sent.remove(&at).as_deref(), findings);
            }
        }
    }
    let lane = inputs.first().map_or(0, |partition| partition.lane);
    for (topic, offset) in kept.into_keys().chain(sent.into_keys()) {
        findings.add(Kind::DeadLetterInvented, || place(topic, lane, offset));
    }
}

/// A record that was refused, or must have been.
struct Refused<'a> {
    record: &'a InputRecord,
    first: Reason,
    last: Reason,
}

impl<'a> Refused<'a> {
    fn of(record: &'a InputRecord) -> Option<Self> {
        let must = record.judged.as_ref().err().copied().filter(|_| record.tries.is_empty());
        let mut said = record.refusals();
        let first = said.next().or(must)?;
        Some(Self { record, first, last: said.next_back().unwrap_or(first) })
    }

    /// The bytes as they came; none only where neither the judge nor the table knows of a refusal, which is found elsewhere.
    fn raw(&self) -> Option<&'a Raw> {
        self.record.raw.as_deref()
    }
}

fn compare_row(name: &str, refused: &Refused<'_>, rows: Option<&[&StoredDeadLetter]>, findings: &mut Findings) {
    match rows {
        None | Some([]) => findings.add(Kind::DeadLetterLost, || format!("{name} has no row")),
        Some([row]) => {
            let same = refused.raw().is_none_or(|raw| {
                row.key.as_deref() == raw.key.as_deref() && row.value.as_deref() == raw.value.as_deref()
            });
            if !same || row.reason != refused.last.as_str() {
                findings.add(Kind::DeadLetterChanged, || format!("row of {name}, reason {}", row.reason));
            }
            if let Some(what) = mistold(refused.record, row) {
                findings.add(Kind::DeadLetterMistold, || format!("{name}, id {}: {what}", row.id));
            }
        }
        Some(rows) => findings.add(Kind::DeadLetterDoubled, || format!("{name} has {} rows", rows.len())),
    }
}

/// In what a row does not say what became of its record.
fn mistold(record: &InputRecord, row: &StoredDeadLetter) -> Option<String> {
    let tries = record.tries.len().max(1);
    if usize::try_from(row.attempts) != Ok(tries) {
        return Some(format!("it says {} attempts and the journal has {tries}", row.attempts));
    }
    if let Some(other) = record.tries.iter().filter_map(|tried| tried.letter).find(|letter| *letter != row.id) {
        return Some(format!("the journal replays it as {other}"));
    }
    let is_applied = record.tries.last().is_some_and(|last| !matches!(last.outcome, Outcome::DeadLetter(_)));
    let is_resolved = matches!(row.state.as_str(), "applied" | "discarded");
    if is_applied != (row.state == "applied") || is_resolved != row.resolved_at.is_some() {
        let said = if is_applied { "" } else { "not " };
        return Some(format!("it is {}, resolved at {:?}, and was {said}applied", row.state, row.resolved_at));
    }
    let mut by_people = row.actions.iter().filter(|(action, _)| matches!(action.as_str(), "discard" | "reopen"));
    if (row.state == "discarded") != by_people.next_back().is_some_and(|(action, _)| action == "discard") {
        return Some(format!("it is {} and its last action is {:?}", row.state, row.actions.last()));
    }
    let replays = record.tries.iter().filter(|tried| tried.letter.is_some());
    let expected = replays.map(|tried| match tried.outcome {
        Outcome::DeadLetter(reason) => ("refused", format!("{reason}: ")),
        Outcome::Duplicate => ("applied", "duplicate".to_owned()),
        Outcome::Stale => ("applied", "stale".to_owned()),
        _ => ("applied", "applied".to_owned()),
    });
    let by_workers = row.actions.iter().filter(|(action, _)| matches!(action.as_str(), "applied" | "refused"));
    let said: Vec<(&str, &str)> =
        by_workers.map(|(action, note)| (action.as_str(), note.as_deref().unwrap_or_default())).collect();
    let expected: Vec<(&str, String)> = expected.collect();
    let same = said.len() == expected.len()
        && said.iter().zip(&expected).all(|(said, expected)| said.0 == expected.0 && said.1.starts_with(&expected.1));
    (!same).then(|| format!("its actions are {said:?} and its journal has {expected:?}"))
}

fn compare_record(name: &str, refused: &Refused<'_>, records: Option<&[&LogRecord]>, findings: &mut Findings) {
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

fn is_untouched(refused: &Refused<'_>, letter: &LogRecord) -> bool {
    let left_out = letter.header("orderstream-value-left-out").is_some() && letter.value.is_none();
    let without_headers = letter.header("orderstream-headers-left-out").is_some();
    let same = refused.raw().is_none_or(|raw| {
        (letter.key == raw.key || letter.header("orderstream-key-left-out").is_some())
            && (letter.value == raw.value || left_out)
            && letter.timestamp_millis == raw.timestamp_millis
            && (without_headers || letter.headers.starts_with(&raw.headers))
    });
    same && letter.header("orderstream-reason") == Some(refused.first.as_str())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orderstream::ids::Timestamp;

    use super::super::fixture;
    use super::super::input_log::Try;
    use super::*;

    fn kept() -> (Vec<StoredDeadLetter>, Vec<LogRecord>) {
        let raw = fixture::refused();
        let row = StoredDeadLetter {
            id: 7,
            topic: "payments".to_owned(),
            offset: 3,
            key: raw.key.as_deref().map(<[u8]>::to_vec),
            value: raw.value.as_deref().map(<[u8]>::to_vec),
            order_id: Some(fixture::order()),
            reason: "bad_avro".to_owned(),
            state: "open".to_owned(),
            attempts: 1,
            resolved_at: None,
            actions: Vec::new(),
        };
        let header =
            |name: &str, value: &'static str| (format!("{PREFIX}{name}"), Some(Bytes::from_static(value.as_bytes())));
        let letter = LogRecord {
            partition: 0,
            offset: 0,
            timestamp_millis: raw.timestamp_millis,
            appended_millis: None,
            key: raw.key,
            value: raw.value,
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

    /// What is found when the record was replayed as well, with these outcomes.
    fn replayed(outcomes: &[Outcome], change: impl FnOnce(&mut StoredDeadLetter)) -> Findings {
        let (mut table, topic) = kept();
        let mut inputs = fixture::inputs();
        let record = inputs[0].at(3).unwrap();
        let first = Try { seq: 1, letter: None, outcome: Outcome::DeadLetter(Reason::BadAvro) };
        let replays = (2..).zip(outcomes).map(|(seq, outcome)| Try { seq, letter: Some(7), outcome: *outcome });
        record.tries = [first].into_iter().chain(replays).collect();
        table[0].attempts += i32::try_from(outcomes.len()).unwrap();
        for outcome in outcomes {
            let (action, note) = match outcome {
                Outcome::DeadLetter(reason) => ("refused", format!("{reason}: as before")),
                _ => ("applied", "applied".to_owned()),
            };
            table[0].actions.extend([("replay".to_owned(), None), (action.to_owned(), Some(note))]);
            if action == "applied" {
                (table[0].state, table[0].resolved_at) = ("applied".to_owned(), Some(Timestamp(1)));
            }
        }
        change(&mut table[0]);
        let mut findings = Findings::default();
        let topic: Vec<&LogRecord> = topic.iter().collect();
        compare(&inputs, &table, Some(&topic), &mut findings);
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

    #[test]
    fn a_dead_letter_that_was_replayed_says_what_became_of_it() {
        let refused = Outcome::DeadLetter(Reason::BadAvro);
        for outcomes in [&[refused][..], &[Outcome::Applied], &[refused, Outcome::Applied]] {
            assert!(replayed(outcomes, |_| {}).is_clean(), "{:?}", replayed(outcomes, |_| {}));
        }
        let discarded = |row: &mut StoredDeadLetter| {
            (row.state, row.resolved_at) = ("discarded".to_owned(), Some(Timestamp(1)));
            row.actions.push(("discard".to_owned(), None));
        };
        assert!(replayed(&[refused], discarded).is_clean());
    }

    #[test]
    fn a_wrong_state_count_id_or_action_of_a_replayed_dead_letter_is_mistold() {
        let changes: [fn(&mut StoredDeadLetter); 7] = [
            |row| row.attempts += 1,
            |row| row.id += 1,
            |row| row.state = "open".to_owned(),
            |row| row.resolved_at = None,
            |row| drop(row.actions.pop()),
            |row| row.actions.push(("refused".to_owned(), Some("bad_avro: as before".to_owned()))),
            |row| (row.state, row.resolved_at) = ("discarded".to_owned(), Some(Timestamp(1))),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_eq!(replayed(&[Outcome::Applied], change).of(Kind::DeadLetterMistold), 1, "change {number}");
        }
    }
}
