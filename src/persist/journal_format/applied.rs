//! The column `applied`: everything that changed orders in a batch, and every record that could not, one JSON line each.
//!
//! An input record, a replayed dead letter, the fact of a deadline that fired, a command that was sent again, an order derived anew.
//! Invariant: the lines of an order, in the order of its rows, are its whole history, and folding their events again gives
//! its facts.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem, memrchr};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{FormatError, compress, decompress};
use crate::decode::Reason;
use crate::decode::json::{self, Flat};
use crate::ids::{OrderId, Timestamp};
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;
use crate::order::{Event, Source};

/// What became of an input record, or what happened without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It changed a register. Also the fact of a deadline that fired.
    Applied,
    /// The register held this very event already.
    Duplicate,
    /// The register held something later.
    Stale,
    /// It could not be applied, and is kept in `dead_letters`.
    DeadLetter(Reason),
    /// No record: commands stayed unanswered and were sent again.
    Reminded,
    /// No record: a command had all its attempts, and a person is asked to look.
    Unanswered,
    /// No record: a person asked for the order to be derived anew, and its view changed.
    Rederived,
}

/// A command that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What it asks for.
    #[serde(rename = "k")]
    pub kind: ObligationKind,
    /// The entity that it is about.
    #[serde(rename = "i")]
    pub id: String,
    /// Which attempt.
    #[serde(rename = "a")]
    pub attempt: u32,
}

/// Where an entry's record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The input topic; `deadline` for what has no record.
    pub source: Source,
    /// The offset in the lane's partition of that topic.
    pub offset: Option<i64>,
    /// When the record was produced.
    pub record_timestamp: Option<Timestamp>,
    /// The dead letter that was replayed, where it did not come from the topic itself.
    pub letter: Option<i64>,
}

impl Place {
    /// Of what no record said.
    pub const NOWHERE: Self = Self { source: Source::Deadline, offset: None, record_timestamp: None, letter: None };
}

/// An entry on its way into the journal.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where its record was read.
    pub place: Place,
    /// What became of it.
    pub outcome: Outcome,
    /// The order, where it was understood that far.
    pub order_id: Option<&'a OrderId>,
    /// The event; none for a dead letter and for what no fact caused.
    pub event: Option<&'a Event>,
    /// The order's version and status after it.
    pub left_in: Option<(i64, Status)>,
    /// The commands that it sent.
    pub sent: &'a [Sent],
}

/// An entry as it is written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "s")]
    source: Source,
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    record_timestamp: Option<Timestamp>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    letter: Option<i64>,
    #[serde(rename = "r")]
    outcome: Outcome,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a OrderId>,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(rename = "c", skip_serializing_if = "<[Sent]>::is_empty")]
    sent: &'a [Sent],
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    event: Option<Flat<'a>>,
}

/// An entry as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    #[serde(rename = "s")]
    source: Source,
    #[serde(rename = "o", default)]
    offset: Option<i64>,
    #[serde(rename = "t", default)]
    record_timestamp: Option<Timestamp>,
    #[serde(rename = "d", default)]
    letter: Option<i64>,
    #[serde(rename = "r")]
    outcome: Outcome,
    #[serde(rename = "k", default)]
    order_id: Option<OrderId>,
    #[serde(rename = "v", default)]
    version: Option<i64>,
    #[serde(rename = "n", default)]
    status: Option<Status>,
    #[serde(rename = "c", default)]
    sent: Vec<Sent>,
    #[serde(rename = "e", default, borrow)]
    event: Option<&'a RawValue>,
}

/// An entry as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedEntry {
    /// Where its record was read.
    pub place: Place,
    /// What became of it.
    pub outcome: Outcome,
    /// The order, where it was understood that far.
    pub order_id: Option<OrderId>,
    /// The order's version after it.
    pub version: Option<i64>,
    /// The order's status after it.
    pub status: Option<Status>,
    /// The commands that it sent.
    pub sent: Vec<Sent>,
    /// The event; none for a dead letter and for what no fact caused.
    pub event: Option<Event>,
}

/// Gathers the lines of `applied` while a batch is decided.
#[derive(Debug, Default)]
pub struct AppliedWriter {
    lines: Vec<u8>,
    entries: usize,
}

impl AppliedWriter {
    /// A writer with room for about so many entries.
    #[must_use]
    pub fn with_room_for(entries: usize) -> Self {
        const ENTRY_BYTES: usize = 350;
        Self { lines: Vec::with_capacity(entries * ENTRY_BYTES), entries: 0 }
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: Entry<'_>) {
        let line = Line {
            source: entry.place.source,
            offset: entry.place.offset,
            record_timestamp: entry.place.record_timestamp,
            letter: entry.place.letter,
            outcome: entry.outcome,
            order_id: entry.order_id,
            version: entry.left_in.map(|(version, _)| version),
            status: entry.left_in.map(|(_, status)| status),
            sent: entry.sent,
            event: entry.event.map(Flat),
        };
        serde_json::to_writer(&mut self.lines, &line).expect("a line has only string keys, and a Vec takes every byte");
        self.lines.push(b'\n');
        self.entries += 1;
    }

    /// How many entries were added.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The bytes of the column.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        compress(&self.lines)
    }
}

/// Reads the column `applied`.
///
/// # Errors
/// Damage, or a line that this release does not understand.
pub fn read_applied(bytes: &[u8]) -> Result<Vec<AppliedEntry>, FormatError> {
    let lines = decompress(bytes)?;
    let lines = lines.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(index, line)| read_line(line, index + 1)).collect()
}

/// Reads those entries of the column `applied` that are of one order; the others are passed over without being understood.
///
/// # Errors
/// As [`read_applied`], for lines that speak of the order.
pub fn read_applied_of(bytes: &[u8], order_id: &OrderId) -> Result<Vec<AppliedEntry>, FormatError> {
    let lines = decompress(bytes)?;
    let key = format!("\"k\":{}", serde_json::to_string(order_id).expect("a text can be written"));
    let finder = memmem::Finder::new(&key);
    let (mut entries, mut number, mut from) = (Vec::new(), 1, 0);
    while let Some(found) = finder.find(&lines[from..]).map(|place| from + place) {
        let begin = memrchr(b'\n', &lines[..found]).map_or(0, |before| before + 1);
        let end = memchr(b'\n', &lines[found..]).map_or(lines.len(), |after| found + after);
        number += memchr_iter(b'\n', &lines[from..found]).count();
        entries.push(read_line(&lines[begin..end], number)?);
        from = end;
    }
    entries.retain(|entry| entry.order_id.as_ref() == Some(order_id));
    Ok(entries)
}

/// Reads those entries of the column `applied` whose order is wanted; of the others not more than the order is looked at.
///
/// # Errors
/// As [`read_applied`], for lines whose order is wanted.
pub fn read_applied_where(
    bytes: &[u8],
    mut is_wanted: impl FnMut(&str) -> bool,
) -> Result<Vec<AppliedEntry>, FormatError> {
    #[derive(Deserialize)]
    struct Key<'a> {
        #[serde(rename = "k", borrow)]
        order_id: Option<Cow<'a, str>>,
    }
    let lines = decompress(bytes)?;
    let mut entries = Vec::new();
    for (index, line) in lines.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let key: Key<'_> =
            serde_json::from_slice(line).map_err(|source| FormatError::Line { line: index + 1, source })?;
        if key.order_id.is_some_and(|order_id| is_wanted(&order_id)) {
            entries.push(read_line(line, index + 1)?);
        }
    }
    Ok(entries)
}

fn read_line(bytes: &[u8], line: usize) -> Result<AppliedEntry, FormatError> {
    let read: ReadLine<'_> = serde_json::from_slice(bytes).map_err(|source| FormatError::Line { line, source })?;
    let event = read.event.map(|event| json::from_journal(event.get().as_bytes())).transpose();
    let place = Place {
        source: read.source,
        offset: read.offset,
        record_timestamp: read.record_timestamp,
        letter: read.letter,
    };
    Ok(AppliedEntry {
        place,
        outcome: read.outcome,
        order_id: read.order_id,
        version: read.version,
        status: read.status,
        sent: read.sent,
        event: event.map_err(|refusal| FormatError::Event { line, refusal })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place =
        Place { source: Source::Payment, offset: Some(17), record_timestamp: Some(Timestamp(5)), letter: Some(3) };

    fn refused<'a>(order_id: Option<&'a OrderId>, sent: &'a [Sent]) -> Entry<'a> {
        let outcome = Outcome::DeadLetter(Reason::BadAvro);
        Entry { place: PLACE, outcome, order_id, event: None, left_in: None, sent }
    }

    #[test]
    fn a_dead_letter_is_a_line_without_an_event() {
        let mut writer = AppliedWriter::default();
        writer.add(refused(Some(&OrderId::from("ord-1")), &[]));
        let entries = read_applied(&writer.finish()).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].outcome, Outcome::DeadLetter(Reason::BadAvro));
        assert_eq!((entries[0].place, entries[0].event.clone()), (PLACE, None));
    }

    #[test]
    fn what_no_record_said_reads_back_with_the_commands_it_sent() {
        let sent = [Sent { kind: ObligationKind::VoidPayment, id: "auth-1".to_owned(), attempt: 2 }];
        let mut writer = AppliedWriter::default();
        let order_id = OrderId::from("ord-1");
        writer.add(Entry {
            place: Place::NOWHERE,
            outcome: Outcome::Reminded,
            left_in: Some((3, Status::Cancelling)),
            ..refused(Some(&order_id), &sent)
        });
        let entry = read_applied(&writer.finish()).unwrap().remove(0);
        assert_eq!((entry.place, entry.outcome, entry.version), (Place::NOWHERE, Outcome::Reminded, Some(3)));
        assert_eq!(entry.sent, sent);
    }

    #[test]
    fn the_lines_of_one_order_are_found_whatever_characters_its_id_has() {
        let ids = ["a", "ab", "b\"a", "ü/a"].map(OrderId::from);
        let mut writer = AppliedWriter::default();
        ids.iter().for_each(|id| writer.add(refused(Some(id), &[])));
        let column = writer.finish();
        for id in &ids {
            let found = read_applied_of(&column, id).unwrap();
            assert_eq!(read_applied_where(&column, |other| other == id.as_str()).unwrap(), found);
            assert_eq!(found.iter().map(|entry| entry.order_id.clone()).collect::<Vec<_>>(), [Some(id.clone())]);
        }
    }

    #[test]
    fn damage_is_an_error_and_names_what_it_hit() {
        assert!(matches!(read_applied(b"nonsense"), Err(FormatError::Compression(_))));
        assert!(matches!(read_applied(&compress(b"{\"s\":\"payment\"}\n")), Err(FormatError::Line { line: 1, .. })));
    }
}
