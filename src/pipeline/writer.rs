//! A writer: one connection, a share of the lanes, and batches that form by themselves.
//!
//! While one transaction runs, and while the writer rests after it (`spacing`), records queue up; the next takes all that is there,
//! up to the limits. What comes in later than that does not wait. Invariant: a lane's state here moves only when the database
//! confirmed the batch, or said so when it was asked afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::batch::{Batch, Item, LaneBatch, step};
use super::commit::Session;
use super::meaning::{self, Patience};
use super::process::Process;
use super::queue::{Queue, Waiting};
use super::spacing;
use super::visiting::Resting;
use crate::consume::horizon::Horizon;
use crate::consume::inlet::{Opening, ToWriter};
use crate::consume::tenure::{End, Tenure};
use crate::crash::{self, Point};
use crate::ids::{Lane, NextOffset, Seq, Timestamp};
use crate::order::Source;
use crate::persist::connection;
use crate::persist::lanes::{self, Step};

/// How often a lane is looked at whose position is not judged yet: at a take-over, for some milliseconds.
const LOOK_AT_POSITION: Duration = Duration::from_millis(5);

/// What a writer remembers of a lane.
#[derive(Debug)]
pub struct LaneState {
    /// The lane's tenure.
    pub tenure: Arc<Tenure>,
    /// The last journal row that the database confirmed.
    pub last_seq: Seq,
    /// The checkpoints that the database confirmed.
    pub checkpoints: Vec<(Source, NextOffset)>,
    queue: Queue,
    passed: Vec<(Source, NextOffset)>,
    /// How far the lane has seen.
    pub horizon: Horizon,
    horizon_noted: Option<Timestamp>,
    patience: Patience,
    published_noted: Seq,
}

impl LaneState {
    fn open(opening: Opening) -> Self {
        Self {
            published_noted: opening.tenure.published(),
            tenure: opening.tenure,
            last_seq: opening.last_seq,
            queue: Queue::of(&opening.checkpoints),
            checkpoints: opening.checkpoints,
            passed: Vec::new(),
            horizon: Horizon::default(),
            horizon_noted: None,
            patience: Patience::default(),
        }
    }

    fn pass(&mut self, source: Source, position: NextOffset) {
        self.queue.pass(source, position);
        self.passed.retain(|(other, _)| *other != source);
        self.passed.push((source, position));
    }

    /// Looks how far the lane has seen by now.
    fn look(&mut self) {
        self.horizon.look(&self.checkpoints);
        self.tenure.set_horizon(self.horizon.at());
    }

    /// Where the consumer stands in partitions of which no earlier record waits: transaction markers that can be passed.
    fn take_passed(&mut self) -> Vec<(Source, NextOffset)> {
        let queue = &self.queue;
        let waits = |(source, position): &(Source, NextOffset)| queue.has_before(*source, *position);
        let (waiting, passed) = self.passed.drain(..).partition(waits);
        self.passed = waiting;
        passed
    }

    /// Whether the lane has something to write down that no batch wrote: how far it is published, or how far it has seen where
    /// others wait for it until `wanted`.
    fn has_news(&self, wanted: Option<Timestamp>) -> bool {
        let waits = wanted.is_some_and(|wanted| self.horizon_noted < Some(wanted));
        self.tenure.published() > self.published_noted || (waits && self.horizon.at() > self.horizon_noted)
    }

    /// The record at the head of the queue, unless the lane waits for a schema, or for older records.
    fn next_ready(&mut self) -> Option<Waiting> {
        (self.tenure.is_placed() && self.patience.left().is_zero()).then(|| self.queue.pop()).flatten()
    }

    /// How long until the head of the queue can be worked on; `None` when the queue is empty.
    fn ready_in(&mut self) -> Option<Duration> {
        if !self.tenure.is_placed() {
            return (!self.queue.is_empty()).then_some(LOOK_AT_POSITION);
        }
        self.queue.held_for(Instant::now()).map(|held| held.max(self.patience.left()))
    }

    /// The lane's step of the fence as it stands.
    #[must_use]
    pub fn step(&self) -> Step {
        step(&self.tenure, self.last_seq, self.horizon.passed())
    }
}

/// One of the process's writers.
pub struct Writer {
    pub(super) process: Arc<Process>,
    pub(super) name: String,
    pub(super) session: Option<Session>,
    pub(super) lanes: BTreeMap<Lane, LaneState>,
    inbox: UnboundedReceiver<ToWriter>,
    turn: usize,
    /// Until when nothing begins after the last batch.
    rests_until: Option<Instant>,
    flushed_at: Instant,
    /// Whether to look for what is due: the second is over, or there was more than one batch takes.
    pub(super) look_again: bool,
    /// The letters that are left alone for now.
    pub(super) resting: Resting,
    /// Until when the horizons of these lanes are waited for by orders of other lanes.
    horizon_wanted: Option<Timestamp>,
}

impl Writer {
    /// A writer without lanes, the `number`th of the process.
    #[must_use]
    pub fn new(process: Arc<Process>, number: usize, inbox: UnboundedReceiver<ToWriter>) -> Self {
        Self {
            process,
            name: format!("writer-{number}"),
            session: None,
            lanes: BTreeMap::new(),
            inbox,
            turn: number,
            rests_until: None,
            flushed_at: Instant::now(),
            look_again: false,
            resting: Resting::default(),
            horizon_wanted: None,
        }
    }

    /// Applies what comes in until nobody can send any more.
    pub async fn run(mut self) {
        while self.receive().await {
            let began = Instant::now();
            let idle = self.flushed_at.elapsed() >= self.process.idle_flush;
            if let Some(batch) = self.take_batch(idle).await {
                let records = batch.lanes.iter().map(|lane| lane.items.len()).sum();
                self.apply(batch).await;
                let has_backlog = self.lanes.values().any(|lane| lane.queue.has_backlog());
                self.rests_until = Some(Instant::now() + spacing::rest(records, has_backlog, began.elapsed()));
            }
            if self.look_again
                && let Some(batch) = self.take_visits().await
            {
                self.apply(batch).await;
            }
            if idle {
                self.settle_doubt().await;
                self.note_published().await;
                self.flushed_at = Instant::now();
            }
        }
    }

    /// Takes what is in the inbox; waits where nothing can be worked on. False at the end.
    async fn receive(&mut self) -> bool {
        if let Some(until) = self.rests_until.take() {
            tokio::time::sleep_until(until.into()).await;
        }
        let until_flush = self.process.idle_flush.saturating_sub(self.flushed_at.elapsed());
        let pause = self.lanes.values_mut().filter_map(LaneState::ready_in).fold(until_flush, Duration::min);
        if !pause.is_zero() && !self.look_again {
            match tokio::time::timeout(pause, self.inbox.recv()).await {
                Ok(Some(message)) => self.take(message),
                Ok(None) => return false,
                Err(_) => {}
            }
        }
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.lanes.retain(|_, lane| !lane.tenure.is_ended());
        true
    }

    fn take(&mut self, message: ToWriter) {
        match message {
            ToWriter::Open(opening) => {
                self.lanes.insert(opening.tenure.lane, LaneState::open(opening));
            }
            ToWriter::Record(record, consumed_at) => {
                if let Some(lane) = self.lanes.get_mut(&record.lane) {
                    lane.queue.push((record, consumed_at));
                }
            }
            ToWriter::Passed(lane, source, position) => {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.pass(source, position);
                }
            }
            ToWriter::Sighted(sightings, wanted) => {
                for (lane, sighting) in sightings {
                    if let Some(lane) = self.lanes.get_mut(&lane) {
                        lane.queue.sight(&sighting);
                        lane.horizon.sight(sighting);
                        lane.look();
                    }
                }
                (self.look_again, self.horizon_wanted) = (true, wanted);
            }
            ToWriter::Close(lanes, done) => {
                self.lanes.retain(|lane, _| !lanes.contains(lane));
                let _ = done.send(());
            }
        }
    }

    /// What all lanes have, up to the limits, beginning with another lane each time; positions alone only when `idle`.
    async fn take_batch(&mut self, idle: bool) -> Option<Batch> {
        let (mut records, mut bytes) = (self.process.batch_max_records, self.process.batch_max_bytes);
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % self.lanes.len().max(1);
        let numbers: Vec<Lane> = self.lanes.keys().copied().collect();
        let mut lanes = Vec::new();
        for number in numbers.iter().cycle().skip(first).take(numbers.len()) {
            let Some(lane) = self.lanes.get_mut(number) else { continue };
            let mut items = Vec::new();
            while let Some((record, consumed_at)) = lane.next_ready() {
                let size = record.size_bytes();
                if records == 0 || (size > bytes && !(lanes.is_empty() && items.is_empty())) {
                    lane.queue.put_back((record, consumed_at));
                    break;
                }
                let Some(decoded) = meaning::of(&record, &self.process, &mut lane.patience).await else {
                    lane.queue.put_back((record, consumed_at));
                    break;
                };
                (records, bytes) = (records - 1, bytes.saturating_sub(size));
                lane.tenure.record_taken(record.source, size);
                items.push(Item { record, consumed_at, decoded, letter: None });
            }
            let may_pass = !items.is_empty() || (idle && lane.tenure.is_placed());
            let passed = if may_pass { lane.take_passed() } else { Vec::new() };
            if !items.is_empty() || !passed.is_empty() {
                let (tenure, checkpoints) = (lane.tenure.clone(), lane.checkpoints.clone());
                let (visits, horizon) = (Vec::new(), lane.horizon.passed().cloned());
                lanes.push(LaneBatch {
                    tenure,
                    last_seq: lane.last_seq,
                    checkpoints,
                    items,
                    passed,
                    visits,
                    set_aside: Vec::new(),
                    horizon,
                });
            }
        }
        lanes.sort_by_key(LaneBatch::lane);
        (!lanes.is_empty()).then_some(Batch { lanes })
    }

    /// The database confirmed a lane's part of a batch.
    pub(super) fn confirmed(&mut self, part: &LaneBatch) {
        part.tenure.records_done(part.records().count());
        if let Some(lane) = self.lanes.get_mut(&part.lane())
            && lane.tenure.id == part.tenure.id
        {
            lane.last_seq = part.seq();
            lane.checkpoints = part.checkpoints_after();
            lane.look();
            lane.horizon_noted = part.horizon.as_ref().map(|sighting| sighting.at).max(lane.horizon_noted);
            lane.tenure.set_applied(part.seq(), &lane.checkpoints);
        }
    }

    /// Ends tenures that the database refused, and asks for the lanes to be taken anew.
    pub(super) fn lose(&mut self, lost: &[Lane]) {
        let lost: Vec<Arc<Tenure>> =
            lost.iter().filter_map(|number| self.lanes.remove(number)).map(|lane| lane.tenure).collect();
        self.process.fenced(&lost);
    }

    /// Writes down how far lanes are published and have seen, where no batch did it for a while.
    async fn note_published(&mut self) {
        let behind: Vec<Lane> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.has_news(self.horizon_wanted))
            .map(|(number, _)| *number)
            .collect();
        let steps: Vec<Step> = behind.iter().filter_map(|number| self.lanes.get(number)).map(LaneState::step).collect();
        let Some(session) = self.session.as_mut().filter(|_| !steps.is_empty()) else { return };
        let noting = lanes::note_published(&mut session.connection, &steps, false);
        match connection::answered(self.process.answer_timeout, noting).await {
            Ok(()) => {
                crash::at(Point::PublishedNoted);
                for step in steps {
                    if let Some(lane) = self.lanes.get_mut(&step.lane) {
                        lane.published_noted = step.published_seq;
                        lane.horizon_noted = step.horizon.max(lane.horizon_noted);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, writer = self.name, "noting what is published, trying again");
                self.session = None;
                self.doubt(true);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        for lane in self.lanes.values() {
            lane.tenure.end(End::Stopped);
        }
    }
}

/// The number of the writer that has a lane, of so many.
#[must_use]
pub fn number_of(lane: Lane, writers: usize) -> usize {
    usize::try_from(lane.0).unwrap_or_default() % writers.max(1)
}
