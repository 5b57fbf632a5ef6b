//! A chunk: what one batch of one lane publishes; the arrow from `persist` to `publish`.
//!
//! Handed over after COMMIT, still in memory. Losing one is harmless: the journal has it, and the next gap in the sequence, or
//! the next owner, loads it from there.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use crate::consume::tenure::Tenure;
use crate::ids::{NextOffset, Seq, Timestamp};
use crate::order::Source;
use crate::persist::journal_format::EmittedRecord;
use crate::telemetry::queue::Waiting;

/// What one journal row publishes.
#[derive(Debug)]
pub struct Chunk {
    /// The tenure under which it was written.
    pub tenure: Arc<Tenure>,
    /// The journal row's number.
    pub seq: Seq,
    /// The records, ready to send.
    pub records: Vec<EmittedRecord>,
    /// Where each input partition of the lane stands after the batch.
    pub offsets: Vec<(Source, NextOffset)>,
    /// When the causes of the status events happened, were produced, and were taken from Kafka.
    pub causes: Vec<Cause>,
    /// The spans of the records' publication, where their traces are sampled.
    pub spans: Vec<Waiting>,
    /// The chunk's share of the relay's queue, given back when it is dropped.
    pub share: Option<OwnedSemaphorePermit>,
}

/// The three clocks from which the latency of a status event is measured.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// When it happened at the source.
    pub occurred_at: Timestamp,
    /// When its record was produced.
    pub record_timestamp: Timestamp,
    /// When we took it from Kafka.
    pub consumed_at: Instant,
}

impl Chunk {
    /// One that was read back: when its causes came and who waits for its spans is not known any more.
    #[must_use]
    pub fn of_journal(
        tenure: Arc<Tenure>,
        seq: Seq,
        records: Vec<EmittedRecord>,
        offsets: Vec<(Source, NextOffset)>,
    ) -> Self {
        Self { tenure, seq, records, offsets, causes: Vec::new(), spans: Vec::new(), share: None }
    }

    /// What the records weigh.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.records.iter().map(EmittedRecord::size_bytes).sum()
    }
}
