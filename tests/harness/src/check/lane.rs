//! One lane of a check: what went in is judged and folded, the journal is read row by row, and all of it is compared.
//!
//! Calls the pure comparisons in the order in which their material is at hand. Invariant: when a lane is closed, nothing of it
//! stays in memory but what its findings and totals say.

use std::collections::HashMap;

use anyhow::Result;
use orderstream::order::Source;
use orderstream::persist::journal_format::{AppliedEntry, EmittedRecord};

use super::deadlines::Firing;
use super::findings::Kind;
use super::input_log::{self, InputPartition};
use super::judge::Judge;
use super::lanes::{self, PartitionFigures};
use super::outputs::Identity;
use super::reading::{self, Reading};
use super::replay::{Said, UnpackedRow};
use super::stored::{StoredDeadLetter, StoredLane, StoredRow};
use super::verdict::Published;
use super::{Check, dead_letters, deadlines, entries, input_of};

/// A journal row as far as it is read here.
pub(super) struct Unpacked {
    /// What it applied.
    pub entries: Vec<AppliedEntry>,
    /// What it publishes; status events and commands are read.
    pub emitted: Vec<(EmittedRecord, Option<Said>)>,
}

impl Check<'_> {
    /// Everything of one lane.
    pub(super) async fn lane(&mut self, reading: &mut Reading<'_>, lane: &StoredLane) -> Result<()> {
        let table = reading.stored.dead_letters(lane.lane).await?;
        let mut inputs = self.inputs(reading, lane.lane, &table).await?;
        let mut fired = Vec::new();
        let journal_end = self.journal(reading, lane.lane, &mut inputs, &mut fired).await?;
        entries::close(&inputs, &mut self.totals.outcomes, self.findings);
        deadlines::compare((&inputs, self.unreplicated), &fired, &table, self.findings);
        let mut folds = HashMap::new();
        let records = inputs.iter().flat_map(|partition| &partition.records).filter(|record| record.counts());
        for event in records.filter_map(|record| record.judged.as_ref().ok()) {
            self.fold(&mut folds, event);
        }
        for firing in fired {
            self.fold(&mut folds, &firing.event);
        }
        dead_letters::compare(&inputs, &table, reading.dead_letters_of(lane.lane).as_deref(), self.findings);
        let figures = figures(reading, &inputs, lane.lane).await?;
        lanes::compare(lane, journal_end, reading.database, &figures, self.findings);
        let mut stored = reading.stored.orders_of(lane.lane).await?;
        stored.retain(|order| !self.of_several_lanes.contains(&order.order_id));
        let replayed = self.replay.close_lane();
        self.orders(folds, replayed, stored);
        Ok(())
    }

    /// What went into a lane, judged.
    async fn inputs(
        &mut self,
        reading: &mut Reading<'_>,
        lane: i32,
        letters: &[StoredDeadLetter],
    ) -> Result<Vec<InputPartition>> {
        let mut inputs = Vec::new();
        for (input, topic) in self.deployment.topics.inputs() {
            let kept = letters.iter().filter(|letter| letter.topic == topic).map(|letter| letter.offset).collect();
            let raw = reading.input(input, topic, lane).await?;
            let readers = reading.schemas.readers();
            let judge = Judge::new(&readers, reading.now, self.deployment.record_max_bytes);
            let judge = judge.with_json_on(&self.deployment.in_json);
            inputs.push(input_log::judged(&judge, raw, &kept));
        }
        self.totals.input_records += inputs.iter().map(|partition| partition.records.len() as u64).sum::<u64>();
        Ok(inputs)
    }

    /// The lane's journal, row by row. Returns the number of its last row.
    async fn journal(
        &mut self,
        reading: &mut Reading<'_>,
        lane: i32,
        inputs: &mut [InputPartition],
        fired: &mut Vec<Firing>,
    ) -> Result<i64> {
        let mut last = 0;
        loop {
            let page = reading.stored.journal_page(lane, last).await?;
            if page.is_empty() {
                return Ok(last);
            }
            let readers = reading.schemas.readers();
            for row in page {
                if row.seq != last + 1 {
                    let missing = last + 1;
                    self.findings
                        .add(Kind::JournalGap, || format!("lane {lane}: row {missing}, the next is {}", row.seq));
                }
                last = row.seq;
                self.totals.journal_rows += 1;
                match reading::unpack(&readers, &self.deployment.topics, lane, &row) {
                    Ok(unpacked) => self.row((inputs, fired), lane, &row, unpacked),
                    Err(error) => {
                        self.findings.add(Kind::JournalUnreadable, || format!("lane {lane} row {last}: {error:#}"));
                    }
                }
            }
        }
    }

    /// One journal row: what it publishes, what it tells of the records and of deadlines, and the fold.
    fn row(
        &mut self,
        (inputs, fired): (&mut [InputPartition], &mut Vec<Firing>),
        lane: i32,
        row: &StoredRow,
        unpacked: Unpacked,
    ) {
        let mut published_at = HashMap::new();
        for (record, said) in &unpacked.emitted {
            let identity = Identity {
                topic: &record.topic,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &record.headers,
            };
            let name = || format!("lane {lane} row {}", row.seq);
            let at = self.outputs.published(identity, name, self.findings);
            let Some(Said::Changed(changed)) = said else { continue };
            if let (Some(at), Some(cause)) = (at, &changed.envelope.cause) {
                published_at.insert((cause.topic.as_deref(), cause.offset), at);
            }
        }
        for entry in &unpacked.entries {
            entries::note(inputs, entry, row.seq, self.findings);
            self.totals.time.count(entry);
            if let (Source::Deadline, Some(event)) = (entry.place.source, &entry.event) {
                fired.push(Firing { seq: row.seq, written_at: row.written_at, event: event.clone() });
            }
            if entry.place.letter.is_some() {
                continue;
            }
            let topic = input_of(entry.place.source).and_then(|input| self.deployment.topics.input(input));
            let at = published_at.get(&(topic, entry.place.offset));
            if let (Some(at), Some(produced_at)) = (at, entry.place.record_timestamp) {
                let caused_at_millis = produced_at.0 / 1000;
                self.totals.published.push(Published { at_millis: *at, caused_at_millis, lane });
            }
        }
        let said = unpacked.emitted.into_iter().filter_map(|(_, said)| said).collect();
        let (seq, written_at, entries) = (row.seq, row.written_at, unpacked.entries);
        self.replay.take(UnpackedRow { lane, seq, written_at, entries, said }, self.findings);
    }
}

/// A lane's numbers from all sides.
async fn figures(reading: &mut Reading<'_>, inputs: &[InputPartition], lane: i32) -> Result<Vec<PartitionFigures>> {
    let checkpoints: HashMap<String, i64> = reading.stored.checkpoints(lane).await?.into_iter().collect();
    let figures = inputs.iter().map(|partition| PartitionFigures {
        topic: partition.topic.clone(),
        extent: partition.extent,
        checkpoint: checkpoints.get(&partition.topic).copied(),
        committed: reading.committed(&partition.topic, lane).cloned(),
    });
    Ok(figures.collect())
}
