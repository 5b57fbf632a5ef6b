//! The checker: what went in, what the database holds and what came out, compared from outside. Trusts nobody.
//!
//! Reads the input topics, Postgres and the output topics by itself, and folds every order twice: once from what went in, once
//! from the journal. The comparisons are pure, one file each; this file reads and calls them.
//!
//! | compared | file |
//! |---|---|
//! | each input record has one journal entry, with the right event and outcome | [`entries`] |
//! | each entry leads to the version, the status and the status event that it must | [`replay`] |
//! | each record that the journal publishes is on its topic once; versions without gaps, in order | [`outputs`] |
//! | each order's row, its folds and its last status event agree | [`orders`] |
//! | each refused record is kept once, untouched | [`dead_letters`] |
//! | journal, checkpoints, committed offsets and ends agree | [`lanes`] |
//!
//! Memory holds one lane's events, all status events' digests, and the last status event of every order.

pub mod dead_letters;
pub mod entries;
pub mod findings;
#[cfg(test)]
mod fixture;
pub mod input_log;
pub mod judge;
pub mod lanes;
pub mod orders;
pub mod outputs;
mod reading;
pub mod replay;
pub mod stored;
pub mod verdict;

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::{Event, Facts, Source};
use orderstream::persist::journal_format::AppliedEntry;

use crate::deployment::Deployment;
use crate::progress::Progress as Bar;
use crate::topics::Input;
use findings::{Findings, Kind};
use input_log::InputPartition;
use judge::Judge;
use lanes::PartitionFigures;
use orders::Accounts;
use outputs::{Identity, Outputs};
use reading::Reading;
use replay::{Progress, Replay};
use stored::{StoredLane, StoredOrder};

pub use verdict::{Published, Totals, Verdict};

/// The input topic that a journal entry's source stands for; none for a deadline.
#[must_use]
pub fn input_of(source: Source) -> Option<Input> {
    match source {
        Source::Payment => Some(Input::Payment),
        Source::Inventory => Some(Input::Inventory),
        Source::Shipping => Some(Input::Shipping),
        Source::Order => Some(Input::Order),
        Source::Deadline => None,
    }
}

/// Compares everything of a deployment whose workers have published all that went in.
///
/// # Errors
/// A server does not answer; differences are no errors.
pub async fn check(deployment: &Deployment) -> Result<Verdict> {
    let mut reading = Reading::open(deployment).await?;
    let mut findings = Findings::default();
    let mut totals = Totals::default();
    let outputs = reading.outputs(&mut findings).await?;
    let of_several_lanes = reading.stored.orders_of_several_lanes().await?;
    let mut check = Check {
        replay: Replay::new(&deployment.policy, &deployment.topics, &of_several_lanes),
        deployment,
        outputs,
        findings: &mut findings,
        totals: &mut totals,
        folds_of_several_lanes: HashMap::new(),
    };
    let lanes = reading.stored.lanes().await?;
    let mut bar = Bar::towards(lanes.len() as u64, "lanes checked");
    for (done, lane) in lanes.iter().enumerate() {
        bar.show(done as u64, "");
        check.lane(&mut reading, lane, &of_several_lanes).await?;
    }
    check.orders_of_several_lanes(&mut reading, &of_several_lanes).await?;
    bar.end();
    check.outputs.close(check.findings);
    check.outputs.check_versions(|order| of_several_lanes.contains(order), check.findings);
    let outputs = check.outputs;
    totals.status_events = outputs.status_events();
    totals.by_status = outputs.by_status().into_iter().map(|(status, count)| (status.to_string(), count)).collect();
    totals.published.sort_unstable();
    Ok(Verdict { findings, totals })
}

/// A check under way.
struct Check<'a> {
    deployment: &'a Deployment,
    replay: Replay<'a>,
    outputs: Outputs,
    findings: &'a mut Findings,
    totals: &'a mut Totals,
    /// What went in of orders that more than one lane speaks of.
    folds_of_several_lanes: HashMap<OrderId, Facts>,
}

impl Check<'_> {
    /// Everything of one lane.
    async fn lane(
        &mut self,
        reading: &mut Reading<'_>,
        lane: &StoredLane,
        of_several: &HashSet<OrderId>,
    ) -> Result<()> {
        let raw = reading.inputs(lane.lane).await?;
        let judge = Judge::new(&reading.schemas, reading.now, self.deployment.record_max_bytes);
        let mut inputs: Vec<InputPartition> = raw.into_iter().map(|raw| input_log::judged(&judge, raw)).collect();
        self.totals.input_records += inputs.iter().map(|partition| partition.records.len() as u64).sum::<u64>();
        let mut folds = HashMap::new();
        for event in
            inputs.iter().flat_map(|partition| &partition.records).filter_map(|record| record.judged.as_ref().ok())
        {
            self.fold(&mut folds, of_several, event);
        }
        let mut journal_end = 0;
        loop {
            let page = reading.stored.journal_page(lane.lane, journal_end).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                if row.seq != journal_end + 1 {
                    let (number, missing) = (lane.lane, journal_end + 1);
                    self.findings
                        .add(Kind::JournalGap, || format!("lane {number}: row {missing}, the next is {}", row.seq));
                }
                journal_end = row.seq;
                for internal in self.row(reading, &mut inputs, lane.lane, &row) {
                    self.fold(&mut folds, of_several, &internal);
                }
            }
        }
        entries::close(&inputs, self.findings);
        let table = reading.stored.dead_letters(lane.lane).await?;
        dead_letters::compare(&inputs, &table, reading.dead_letters_of(lane.lane).as_deref(), self.findings);
        let figures = self.figures(reading, &inputs, lane.lane).await?;
        lanes::compare(lane, journal_end, reading.database, &figures, self.findings);
        let stored = reading.stored.orders_of(lane.lane).await?;
        let stored = stored.into_iter().filter(|order| !of_several.contains(&order.order_id)).collect();
        let replayed = self.replay.close_lane();
        self.orders(folds, replayed, stored);
        Ok(())
    }

    /// One journal row: its entries, what it publishes, and the fold. Returns what deadlines recorded in it.
    fn row(
        &mut self,
        reading: &Reading<'_>,
        inputs: &mut [InputPartition],
        lane: i32,
        row: &stored::StoredRow,
    ) -> Vec<Event> {
        let name = || format!("lane {lane} row {}", row.seq);
        self.totals.journal_rows += 1;
        let unpacked = match reading.unpack(lane, row) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                self.findings.add(Kind::JournalUnreadable, || format!("{}: {error:#}", name()));
                return Vec::new();
            }
        };
        let mut published_at = HashMap::new();
        for (record, changed) in &unpacked.emitted {
            let key = record.key.as_deref();
            let identity =
                Identity { topic: &record.topic, key, value: record.value.as_deref(), headers: &record.headers };
            let at = self.outputs.published(identity, name, self.findings);
            if let (Some(at), Some(cause)) = (at, changed.as_ref().and_then(|changed| changed.envelope.cause.as_ref()))
            {
                published_at.insert((cause.topic.clone(), cause.offset), at);
            }
        }
        for entry in &unpacked.entries {
            entries::compare(inputs, entry, &mut self.totals.outcomes, self.findings);
            let topic = input_of(entry.source).and_then(|input| self.deployment.topics.input(input)).map(str::to_owned);
            if let Some(at) = published_at.get(&(topic, Some(entry.offset))) {
                let caused_at_millis = entry.record_timestamp.0 / 1000;
                self.totals.published.push(Published { at_millis: *at, caused_at_millis, lane });
            }
        }
        self.replay.take(unpacked.into_row(lane, row.seq), self.findings)
    }

    /// Merges what went in; without regard to the journal.
    fn fold(&mut self, folds: &mut HashMap<OrderId, Facts>, of_several: &HashSet<OrderId>, event: &Event) {
        let folds = if of_several.contains(&event.order_id) { &mut self.folds_of_several_lanes } else { folds };
        _ = folds.entry(event.order_id.clone()).or_default().merge(event);
    }

    async fn figures(
        &self,
        reading: &mut Reading<'_>,
        inputs: &[InputPartition],
        lane: i32,
    ) -> Result<Vec<PartitionFigures>> {
        let checkpoints: HashMap<String, i64> = reading.stored.checkpoints(lane).await?.into_iter().collect();
        let figures = inputs.iter().map(|partition| PartitionFigures {
            topic: partition.topic.clone(),
            extent: partition.extent,
            checkpoint: checkpoints.get(&partition.topic).copied(),
            committed: reading.committed(&partition.topic, lane).cloned(),
        });
        Ok(figures.collect())
    }

    async fn orders_of_several_lanes(&mut self, reading: &mut Reading<'_>, orders: &HashSet<OrderId>) -> Result<()> {
        let stored = reading.stored.orders_named(orders).await?;
        let rows = stored.iter().map(|order| (order.order_id.clone(), order.journal_rows.clone())).collect();
        let replayed = self.replay.close_waiting(&rows, self.findings);
        let folds = std::mem::take(&mut self.folds_of_several_lanes);
        self.orders(folds, replayed, stored);
        Ok(())
    }

    /// Compares the accounts of all these orders.
    fn orders(
        &mut self,
        folds: HashMap<OrderId, Facts>,
        replayed: HashMap<OrderId, Progress>,
        stored: Vec<StoredOrder>,
    ) {
        let stored: HashMap<OrderId, StoredOrder> =
            stored.into_iter().map(|order| (order.order_id.clone(), order)).collect();
        self.totals.orders += stored.len() as u64;
        let names: HashSet<&OrderId> = folds.keys().chain(replayed.keys()).chain(stored.keys()).collect();
        for order in names {
            let accounts = Accounts {
                folded: folds.get(order),
                replayed: replayed.get(order),
                stored: stored.get(order),
                last_word: self.outputs.last_word(order),
            };
            orders::compare(order, accounts, &self.deployment.policy, self.findings);
        }
    }
}

/// A journal row as far as this file reads it.
struct Unpacked {
    entries: Vec<AppliedEntry>,
    emitted: Vec<(orderstream::persist::journal_format::EmittedRecord, Option<crate::output::StatusChanged>)>,
}

impl Unpacked {
    fn into_row(self, lane: i32, seq: i64) -> replay::UnpackedRow {
        let changes = self.emitted.into_iter().filter_map(|(_, changed)| changed).collect();
        replay::UnpackedRow { lane, seq, entries: self.entries, changes }
    }
}

/// The time by which nothing may have occurred that went in.
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}
