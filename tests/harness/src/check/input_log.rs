//! What went into one lane: every record of its partition of each input topic, judged.
//!
//! Read lane by lane, so that memory holds one lane's events at a time. Invariant: records stand in the order of their
//! offsets, so the journal's entries find theirs by binary search.

use anyhow::Result;
use bytes::Bytes;
use orderstream::decode::refusal::Reason;
use orderstream::order::Event;

use super::judge::{Evidence, Judge};
use crate::avro_reader;
use crate::topic_log::{self, Extent, LogReader, LogRecord, Partition};
use crate::topics::Input;

/// One record that went in.
#[derive(Clone, Debug)]
pub struct InputRecord {
    /// Its offset.
    pub offset: i64,
    /// What it must come to.
    pub judged: Result<Event, Refused>,
    /// How many journal entries tell of it.
    pub entries: u32,
}

/// A record that must be refused, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When it was produced, in milliseconds.
    pub timestamp_millis: Option<i64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
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

/// Judges what was read.
#[must_use]
pub fn judged(judge: &Judge<'_>, raw: RawPartition) -> InputPartition {
    let judge_one = |record: LogRecord| {
        let judged = judge.judge(raw.input, &evidence(&record)).map_err(|reason| Refused {
            reason,
            timestamp_millis: record.timestamp_millis,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        InputRecord { offset: record.offset, judged, entries: 0 }
    };
    let records = raw.records.into_iter().map(judge_one).collect();
    let Partition { topic, number } = raw.partition;
    InputPartition { input: raw.input, topic, lane: number, extent: raw.extent, records }
}

fn evidence(record: &LogRecord) -> Evidence<'_> {
    let length = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
    Evidence {
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        schema_id_header: schema_id_header(record),
        header_bytes: record.headers.iter().map(|(name, value)| name.len() + length(value)).sum(),
    }
}

fn schema_id(record: &LogRecord) -> Option<u32> {
    avro_reader::framed(record.value.as_deref(), schema_id_header(record)).ok().map(|(id, _)| id)
}

fn schema_id_header(record: &LogRecord) -> Option<&[u8]> {
    avro_reader::schema_id_header(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())))
}
