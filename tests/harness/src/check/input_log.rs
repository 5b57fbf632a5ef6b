//! What went into one lane: every record of its partition of each input topic, judged.
//!
//! Read lane by lane, so that memory holds one lane's events at a time; the bytes of those records alone that were refused.
//! Invariant: records stand in the order of their offsets, so the journal's entries find theirs by binary search.

use std::collections::HashSet;

use anyhow::Result;
use bytes::Bytes;
use orderstream::decode::refusal::Reason;
use orderstream::ids::Timestamp;
use orderstream::order::Event;
use orderstream::persist::journal_format::Outcome;

use super::judge::{Evidence, Judge};
use crate::avro_reader;
use crate::topic_log::{self, Extent, LogReader, LogRecord, Partition};
use crate::topics::Input;

/// One record that went in.
#[derive(Clone, Debug)]
pub struct InputRecord {
    /// Its offset.
    pub offset: i64,
    /// When it was produced.
    pub produced_at: Option<Timestamp>,
    /// When the broker wrote it, where the topic says that.
    pub appended_at: Option<Timestamp>,
    /// The schema that it names.
    pub schema_id: Option<u32>,
    /// What it must come to, as of now.
    pub judged: Result<Event, Reason>,
    /// Its bytes, where it is or was refused.
    pub raw: Option<Box<Raw>>,
    /// What the journal says became of it, one entry after the other.
    pub tries: Vec<Try>,
}

/// A record's bytes as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// When it was produced, in milliseconds.
    pub timestamp_millis: Option<i64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// A journal entry of a record: the first is of the record itself, all others are of its dead letter that was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// The journal row.
    pub seq: i64,
    /// The dead letter, where it was one that was replayed.
    pub letter: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
}

impl InputRecord {
    /// The reasons for which the journal says it was refused, in their order.
    pub fn refusals(&self) -> impl DoubleEndedIterator<Item = Reason> {
        self.tries.iter().filter_map(|tried| match tried.outcome {
            Outcome::DeadLetter(reason) => Some(reason),
            _ => None,
        })
    }

    /// Whether its event is among its order's facts: it was applied, or should have been at once.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.judged.is_ok() && !matches!(self.tries.last(), Some(Try { outcome: Outcome::DeadLetter(_), .. }))
    }
}

/// What went into a lane through one topic.
#[derive(Clone, Debug)]
pub struct InputPartition {
    /// The topic's role.
    pub input: Input,
    /// The topic's name.
    pub topic: String,
    /// The lane.
    pub lane: i32,
    /// Where it begins and ends.
    pub extent: Extent,
    /// The records in the order of their offsets.
    pub records: Vec<InputRecord>,
}

impl InputPartition {
    /// The record at an offset.
    pub fn at(&mut self, offset: i64) -> Option<&mut InputRecord> {
        let place = self.records.binary_search_by_key(&offset, |record| record.offset).ok()?;
        self.records.get_mut(place)
    }

    /// How a record of it is named.
    #[must_use]
    pub fn name(&self, offset: i64) -> String {
        place(&self.topic, self.lane, offset)
    }
}

/// How a record is named: topic, partition and offset.
#[must_use]
pub fn place(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic} {partition}@{offset}")
}

/// A partition as it was read, not judged yet.
#[derive(Debug)]
pub struct RawPartition {
    input: Input,
    partition: Partition,
    extent: Extent,
    records: Vec<LogRecord>,
}

impl RawPartition {
    /// The ids of the schemas that its records name.
    pub fn schema_ids(&self) -> impl Iterator<Item = u32> {
        self.records.iter().filter_map(schema_id)
    }
}

/// Reads all records of a partition.
///
/// # Errors
/// Kafka does not answer.
pub fn read_raw(reader: &LogReader, input: Input, partition: Partition) -> Result<RawPartition> {
    let mut records = Vec::new();
    let extent = reader.read_one(&partition, |message| {
        records.push(topic_log::owned(message));
        Ok(())
    })?;
    Ok(RawPartition { input, partition, extent, records })
}

/// Judges a partition that was read. Of records at the offsets in `kept` the bytes stay, whatever they are worth.
#[must_use]
pub fn judged(judge: &Judge<'_>, raw: RawPartition, kept: &HashSet<i64>) -> InputPartition {
    let judge_one = |record: LogRecord| {
        let judged = judge.judge(raw.input, &evidence(&record));
        InputRecord {
            offset: record.offset,
            produced_at: record.timestamp_millis.map(micros),
            appended_at: record.appended_millis.map(micros),
            schema_id: schema_id(&record),
            raw: (judged.is_err() || kept.contains(&record.offset)).then(|| Box::new(raw_of(record))),
            judged,
            tries: Vec::new(),
        }
    };
    let records = raw.records.into_iter().map(judge_one).collect();
    let Partition { topic, number } = raw.partition;
    InputPartition { input: raw.input, topic, lane: number, extent: raw.extent, records }
}

fn raw_of(record: LogRecord) -> Raw {
    let LogRecord { timestamp_millis, key, value, headers, .. } = record;
    Raw { timestamp_millis, key, value, headers }
}

fn micros(millis: i64) -> Timestamp {
    Timestamp(millis.saturating_mul(1_000))
}

fn evidence(record: &LogRecord) -> Evidence<'_> {
    let weight = |(name, value): &(String, Option<Bytes>)| 64 + name.len() + value.as_ref().map_or(0, Bytes::len);
    Evidence {
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        schema_id_header: schema_id_header(record),
        header_bytes: record.headers.iter().map(weight).sum(),
    }
}

fn schema_id(record: &LogRecord) -> Option<u32> {
    avro_reader::framed(record.value.as_deref(), schema_id_header(record)).ok().map(|(id, _)| id)
}

fn schema_id_header(record: &LogRecord) -> Option<&[u8]> {
    avro_reader::schema_id_header(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())))
}
