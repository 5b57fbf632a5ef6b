//! A writer: one connection, a share of the lanes, and batches that form by themselves.
//!
//! While one transaction runs, and while the writer rests after it (`spacing`), records queue up; the next takes all that is there,
//! up to the limits. What comes in later than that does not wait. Invariant: a lane's state here moves only when the database
//! confirmed the batch, or said so when it was asked afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use super::batch::{Batch, Item, LaneBatch};
use super::commit::Session;
use super::lane::LaneState;
use super::meaning;
use super::process::Process;
use super::spacing;
use super::turns::{self, Guest, Had, Lanes};
use super::visiting::Resting;
use crate::consume::inlet::ToWriter;
use crate::consume::tenure::{End, Tenure};
use crate::crash::{self, Point};
use crate::ids::{Lane, Timestamp};
use crate::persist::connection;
use crate::persist::lanes::{self, Step};

/// One of the process's writers.
pub struct Writer {
    pub(super) process: Arc<Process>,
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) session: Option<Session>,
    /// Its own, and those of the writers for which it works.
    pub(super) lanes: Lanes,
    pub(super) guests: Vec<Guest>,
    inbox: UnboundedReceiver<ToWriter>,
    round: usize,
    /// Until when nothing begins after the last batch.
    rests_until: Option<Instant>,
    /// The turn, while it rests and until it waits for the next: then its own lanes are among those that whoever is next works for.
    pub(super) turn: Option<Had>,
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
            number,
            name: format!("writer-{number}"),
            session: None,
            lanes: Lanes::new(),
            guests: Vec::new(),
            inbox,
            round: number,
            rests_until: None,
            turn: None,
            flushed_at: Instant::now(),
            look_again: false,
            resting: Resting::default(),
            horizon_wanted: None,
        }
    }

    /// Applies what comes in until nobody can send any more.
    pub async fn run(mut self) {
        while self.receive().await {
            let idle = self.flushed_at.elapsed() >= self.process.idle_flush;
            // Not before its lanes were compared with memory on a connection.
            if self.session.is_some() && turns::is_little(&mut self.lanes) {
                self.work_in_turn(idle).await;
            } else {
                self.turn = None;
                self.work(idle).await;
            }
            // What follows is for lanes of its own: nobody waits for that.
            if self.look_again || idle {
                self.turn = None;
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

    /// One batch of what the lanes have, if they have anything, and a rest after it.
    pub(super) async fn work(&mut self, idle: bool) {
        let began = Instant::now();
        let Some(batch) = self.take_batch(idle).await else { return };
        let records = batch.len();
        self.apply(batch).await;
        let has_backlog = turns::has_backlog(&self.lanes);
        self.rests_until = Some(Instant::now() + spacing::rest(records, has_backlog, began.elapsed()));
    }

    /// Takes what is in the inbox; waits where nothing can be worked on. False at the end.
    async fn receive(&mut self) -> bool {
        if let Some(until) = self.rests_until.take() {
            tokio::time::sleep_until(until.into()).await;
        }
        self.take_all();
        let until_flush = self.process.idle_flush.saturating_sub(self.flushed_at.elapsed());
        let pause = self.lanes.values_mut().filter_map(LaneState::ready_in).fold(until_flush, Duration::min);
        if !pause.is_zero() && !self.look_again {
            self.turn = None;
            match tokio::time::timeout(pause, self.inbox.recv()).await {
                Ok(Some(message)) => self.take(message),
                Ok(None) => return false,
                Err(_) => {}
            }
            self.take_all();
        }
        !(self.inbox.is_closed() && self.inbox.is_empty())
    }

    /// Takes all that is in the inbox by now.
    pub(super) fn take_all(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message);
        }
        self.lanes.retain(|_, lane| !lane.tenure.is_ended());
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
        let reading = self.process.reading(self.guests.is_empty());
        self.round = self.round.wrapping_add(1);
        let first = self.round % self.lanes.len().max(1);
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
                let Some(decoded) = meaning::of(&record, reading, &mut lane.patience).await else {
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
