//! The bytes of a journal row: what a batch applied, and what it publishes.
//!
//! `applied` is zstd over JSON lines, so that people and later releases can read it without this program; an event stands
//! there in the flat form of `orderstream fold`. `emitted` is zstd over postcard behind a version byte. Invariant: what is
//! read back equals what was written, byte for byte for keys, values and headers.

use std::io::Write;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::consume::record::Header;
use crate::decode::json::{self, Flat};
use crate::decode::{Reason, Refusal};
use crate::ids::{OrderId, Timestamp};
use crate::order::status::Status;
use crate::order::{Event, Source};

const EMITTED_VERSION: u8 = 1;
const COMPRESSION_LEVEL: i32 = 1;
/// What a row may unpack to at most; a batch is bounded far below.
const UNPACKED_LIMIT_BYTES: usize = 1 << 30;

/// What became of an input record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It changed a register.
    Applied,
    /// The register held this very event already.
    Duplicate,
    /// The register held something later.
    Stale,
    /// It could not be applied, and is kept in `dead_letters`.
    DeadLetter(Reason),
}

/// One input record of a batch, as written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "s")]
    source: Source,
    #[serde(rename = "o")]
    offset: i64,
    #[serde(rename = "t")]
    record_timestamp: Timestamp,
    #[serde(rename = "r")]
    outcome: Outcome,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a OrderId>,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    event: Option<Flat<'a>>,
}

/// A line of `applied` as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    #[serde(rename = "s")]
    source: Source,
    #[serde(rename = "o")]
    offset: i64,
    #[serde(rename = "t")]
    record_timestamp: Timestamp,
    #[serde(rename = "r")]
    outcome: Outcome,
    #[serde(rename = "k", default)]
    order_id: Option<OrderId>,
    #[serde(rename = "v", default)]
    version: Option<i64>,
    #[serde(rename = "n", default)]
    status: Option<Status>,
    #[serde(rename = "e", default, borrow)]
    event: Option<&'a RawValue>,
}

/// One input record of a batch, as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedEntry {
    /// Which input topic it came from.
    pub source: Source,
    /// Where it stood in the lane's partition of that topic.
    pub offset: i64,
    /// When it was produced.
    pub record_timestamp: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The order, where it was understood that far.
    pub order_id: Option<OrderId>,
    /// The order's version after it.
    pub version: Option<i64>,
    /// The order's status after it.
    pub status: Option<Status>,
    /// The event; none for a dead letter.
    pub event: Option<Event>,
}

/// One record that a batch publishes, ready to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmittedRecord {
    /// The output topic's name.
    pub topic: String,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes, framed.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
    /// The record's timestamp; `None` lets the producer take the time of sending.
    pub timestamp: Option<Timestamp>,
}

/// What a header weighs on the wire beside its name and value, at most.
const HEADER_OVERHEAD_BYTES: usize = 10;

impl EmittedRecord {
    /// What the record weighs against the limits on bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| HEADER_OVERHEAD_BYTES + name.len() + value.as_ref().map_or(0, Bytes::len))
            .sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}

/// Why a journal row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The compression is damaged.
    #[error("journal row is not zstd: {0}")]
    Compression(#[from] std::io::Error),
    /// A line of `applied` is not what this release writes.
    #[error("line {line} of `applied`: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An event of `applied` is not one that this release writes.
    #[error("line {line} of `applied`: {}", refusal.text)]
    Event {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// `emitted` is of a version this release does not know.
    #[error("`emitted` has format version {0:?}, this release knows {EMITTED_VERSION}: use a newer release")]
    Version(Option<u8>),
    /// `emitted` is damaged.
    #[error("`emitted`: {0}")]
    Emitted(#[from] postcard::Error),
}

/// Gathers the lines of `applied` while a batch is decided.
#[derive(Debug, Default)]
pub struct AppliedWriter {
    lines: Vec<u8>,
    entries: usize,
}

impl AppliedWriter {
    /// Adds an event that reached its order, with the version and status it left the order in.
    pub fn event(
        &mut self,
        (source, offset, record_timestamp): (Source, i64, Timestamp),
        outcome: Outcome,
        event: &Event,
        (version, status): (i64, Status),
    ) {
        self.line(&Line {
            source,
            offset,
            record_timestamp,
            outcome,
            order_id: Some(&event.order_id),
            version: Some(version),
            status: Some(status),
            event: Some(Flat(event)),
        });
    }

    /// Adds a record that was set aside.
    pub fn dead_letter(
        &mut self,
        (source, offset, record_timestamp): (Source, i64, Timestamp),
        reason: Reason,
        order_id: Option<&OrderId>,
    ) {
        self.line(&Line {
            source,
            offset,
            record_timestamp,
            outcome: Outcome::DeadLetter(reason),
            order_id,
            version: None,
            status: None,
            event: None,
        });
    }

    /// How many records were added.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    fn line(&mut self, line: &Line<'_>) {
        serde_json::to_writer(&mut self.lines, line).expect("a line has only string keys, and a Vec takes every byte");
        self.lines.push(b'\n');
        self.entries += 1;
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
    let mut entries = Vec::new();
    for (index, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        entries.push(read_line(line, index + 1)?);
    }
    Ok(entries)
}

fn read_line(bytes: &[u8], line: usize) -> Result<AppliedEntry, FormatError> {
    let read: ReadLine<'_> = serde_json::from_slice(bytes).map_err(|source| FormatError::Line { line, source })?;
    let event = read.event.map(|event| json::from_journal(event.get().as_bytes())).transpose();
    Ok(AppliedEntry {
        source: read.source,
        offset: read.offset,
        record_timestamp: read.record_timestamp,
        outcome: read.outcome,
        order_id: read.order_id,
        version: read.version,
        status: read.status,
        event: event.map_err(|refusal| FormatError::Event { line, refusal })?,
    })
}

/// The bytes of the column `emitted`.
#[must_use]
pub fn write_emitted(records: &[EmittedRecord]) -> Vec<u8> {
    let plain = postcard::to_extend(records, vec![EMITTED_VERSION]).expect("postcard writes these types to memory");
    compress(&plain)
}

/// Reads the column `emitted`.
///
/// # Errors
/// Damage, or a version that this release does not know.
pub fn read_emitted(bytes: &[u8]) -> Result<Vec<EmittedRecord>, FormatError> {
    let plain = decompress(bytes)?;
    match plain.split_first() {
        Some((&EMITTED_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
        other => Err(FormatError::Version(other.map(|(version, _)| *version))),
    }
}

fn compress(plain: &[u8]) -> Vec<u8> {
    let mut encoder =
        zstd::Encoder::new(Vec::with_capacity(plain.len() / 4), COMPRESSION_LEVEL).expect("level 1 is a level of zstd");
    encoder.include_contentsize(true).expect("set before the first byte");
    encoder.set_pledged_src_size(u64::try_from(plain.len()).ok()).expect("set before the first byte");
    encoder.write_all(plain).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    Ok(zstd::bulk::decompress(
        bytes,
        zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(UNPACKED_LIMIT_BYTES).min(UNPACKED_LIMIT_BYTES),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EmittedRecord {
        EmittedRecord {
            topic: "order-status".to_owned(),
            key: Some(Bytes::from_static(b"ord-1")),
            value: None,
            headers: vec![("a".to_owned(), Some(Bytes::from_static(b"\x00\xff"))), ("b".to_owned(), None)],
            timestamp: Some(Timestamp(1_760_000_000_000_000)),
        }
    }

    #[test]
    fn emitted_records_come_back_byte_for_byte() {
        let records = vec![record(), EmittedRecord { key: None, value: Some(Bytes::from(vec![7; 5000])), ..record() }];
        assert_eq!(read_emitted(&write_emitted(&records)).unwrap(), records);
        assert_eq!(read_emitted(&write_emitted(&[])).unwrap(), vec![]);
    }

    #[test]
    fn a_dead_letter_is_a_line_without_an_event() {
        let mut writer = AppliedWriter::default();
        writer.dead_letter((Source::Payment, 17, Timestamp(5)), Reason::BadAvro, Some(&OrderId::from("ord-1")));
        let entries = read_applied(&writer.finish()).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].outcome, Outcome::DeadLetter(Reason::BadAvro));
        assert_eq!((entries[0].offset, entries[0].event.clone()), (17, None));
    }

    #[test]
    fn damage_is_an_error_and_names_what_it_hit() {
        assert!(matches!(read_applied(b"nonsense"), Err(FormatError::Compression(_))));
        assert!(matches!(read_emitted(&compress(&[9, 0])), Err(FormatError::Version(Some(9)))));
        assert!(matches!(read_applied(&compress(b"{\"s\":\"payment\"}\n")), Err(FormatError::Line { line: 1, .. })));
    }
}
