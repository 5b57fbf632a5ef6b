//! What the poll thread hands to writers: records, and the opening and closing of tenures, in one order.
//!
//! One channel a writer. It has no bound of its own: the poll thread pauses a lane whose queue is full (see
//! [`super::poll`]), so what is in it is bounded by the limits of its lanes. Invariant: a record comes after the opening of its
//! tenure and before its closing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::horizon::Sighting;
use super::record::Record;
use super::tenure::Tenure;
use super::unapplied::Unapplied;
use crate::ids::{Lane, NextOffset, Seq, Timestamp};
use crate::order::Source;

/// A lane as a writer takes it over.
#[derive(Debug)]
pub struct Opening {
    /// The tenure that begins.
    pub tenure: Arc<Tenure>,
    /// The lane's last journal row.
    pub last_seq: Seq,
    /// The lane's checkpoints, one a topic.
    pub checkpoints: Vec<(Source, NextOffset)>,
}

/// What a writer receives.
#[derive(Debug)]
pub enum ToWriter {
    /// A tenure begins.
    Open(Opening),
    /// A record of a lane, and when it was taken from Kafka.
    Record(Record, Instant),
    /// The consumer stands here: behind the last record it gave us there were only transaction markers and aborted records.
    Passed(Lane, Source, NextOffset),
    /// Once a second: where the partitions of these lanes ended, and until when another lane's orders need the horizons of all.
    Sighted(Vec<(Lane, Sighting)>, Option<Timestamp>),
    /// These tenures end. Answered when no batch of theirs runs any more and every chunk was handed to the relay.
    Close(Vec<Lane>, oneshot::Sender<()>),
}

/// Where a lane's records go, and what the poll thread remembers of it.
#[derive(Debug)]
pub struct Inlet {
    /// The lane's tenure.
    pub tenure: Arc<Tenure>,
    /// The channel of the writer that has the lane.
    pub writer: UnboundedSender<ToWriter>,
    /// The next offset of each of its partitions; at first the checkpoints.
    pub expected: BTreeMap<Source, NextOffset>,
    unapplied: BTreeMap<Source, Unapplied>,
}

impl Inlet {
    /// The way into a lane from these checkpoints on.
    #[must_use]
    pub fn new(tenure: Arc<Tenure>, writer: UnboundedSender<ToWriter>, checkpoints: &[(Source, NextOffset)]) -> Self {
        Self { tenure, writer, expected: checkpoints.iter().copied().collect(), unapplied: BTreeMap::new() }
    }

    /// Hands a record on.
    ///
    /// # Errors
    /// A record that lies before what was handed on already, as a sentence.
    pub fn push(&mut self, record: Record) -> Result<(), String> {
        let expected = self.expected.entry(record.source).or_default();
        if record.offset < expected.0 {
            let (source, lane, offset) = (record.source, record.lane, record.offset);
            return Err(format!(
                "kafka gave offset {offset} of the {source} topic, partition {lane}, after {expected}"
            ));
        }
        *expected = record.next_offset();
        self.unapplied.entry(record.source).or_default().push(*expected, record.timestamp);
        self.tenure.record_queued(record.source, record.size_bytes());
        // A writer that is gone takes its process with it; what it did not apply is read again from the checkpoint.
        let _ = self.writer.send(ToWriter::Record(record, Instant::now()));
        Ok(())
    }

    /// Since when the lane's oldest record waits that is not applied, as [`Unapplied::since`] says it of each partition, where its
    /// partitions are applied up to `applied` and now end at `ends`. None where all is applied.
    pub fn unapplied_since(
        &mut self,
        applied: &[(Source, NextOffset)],
        ends: &[(Source, NextOffset)],
        now: Timestamp,
    ) -> Option<Timestamp> {
        for (source, end) in ends {
            self.unapplied.entry(*source).or_default().sight(*end, now);
        }
        let since = applied.iter().filter_map(|(source, next)| self.unapplied.get_mut(source)?.since(*next));
        since.min()
    }

    /// Hands on where the consumer stands, if that is behind the last record.
    pub fn passed(&mut self, source: Source, position: NextOffset) {
        let expected = self.expected.entry(source).or_default();
        if position > *expected {
            *expected = position;
            let _ = self.writer.send(ToWriter::Passed(self.tenure.lane, source, position));
        }
    }
}
