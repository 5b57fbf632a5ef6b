//! The relay: one thread that publishes chunks in the order of their lanes' journals, exactly once.
//!
//! A Kafka transaction carries chunks of tenures of one capture, each lane's in seq order, and the group's offsets of all
//! input partitions of those lanes, whose metadata says how far each lane is published. Invariant: what a lane's position is, is
//! read back from Kafka at every take-over and after every doubt, and never while a transaction of ours is open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::oneshot;

use super::chunk::Chunk;
use super::inbox::{Setup, ToRelay};
use super::pace;
use super::plan::{self, Duty, Heed, Next, Situation, TooOften};
use super::position::{Known, judge};
use super::producer::{Producer, Trust};
use super::recycle::Trouble;
use super::takeover;
use crate::cli::exit::Exit;
use crate::consume::tenure::{End, Tenure};
use crate::crash::{self, Point};
use crate::ids::{Lane, NextOffset, Seq};
use crate::metrics;
use crate::order::Source;
use crate::persist::journal_format::EmittedRecord;
use crate::retry::Retry;

/// What one transaction carries at most, so that it ends well before its time-out.
pub(super) const TRANSACTION_BYTES: usize = 8 << 20;
const IDLE: Duration = Duration::from_secs(1);
/// A transaction that failed so often is tried lane by lane, so that one lane cannot hold the others.
const FAILURES_UNTIL_ALONE: u32 = 2;

/// A lane that the relay publishes.
pub(super) struct RelayLane {
    pub(super) tenure: Arc<Tenure>,
    /// The last row that is known to be committed.
    pub(super) last_seq: Seq,
    /// What Kafka said is published; `None` until it was asked.
    pub(super) position: Option<Seq>,
    pub(super) offsets: Vec<(Source, NextOffset)>,
    pub(super) queue: VecDeque<Chunk>,
}

impl RelayLane {
    /// Whether something of the lane waits to be published.
    fn has_work(&self) -> bool {
        self.position.is_none_or(|position| self.last_seq > position)
    }
}

/// The thread's state.
pub struct Relay {
    pub(super) setup: Setup,
    inbox: Receiver<ToRelay>,
    pub(super) producer: Option<Producer>,
    pub(super) lanes: BTreeMap<Lane, RelayLane>,
    former: BTreeSet<String>,
    /// A transaction of ours failed and may be open; a new producer with our id ends it.
    own_left: bool,
    closing: Option<oneshot::Sender<()>>,
    pub(super) retry: Retry,
    pub(super) failures: u32,
    turn: usize,
    /// When the last transaction was committed.
    committed_at: Instant,
    pub(super) fences: TooOften,
    pub(super) opened_at: Instant,
}

impl Relay {
    /// A relay without lanes, with the producer that has taken our transactional id over.
    #[must_use]
    pub fn new(setup: Setup, inbox: Receiver<ToRelay>, producer: Producer) -> Self {
        Self {
            setup,
            inbox,
            producer: Some(producer),
            lanes: BTreeMap::new(),
            former: BTreeSet::new(),
            own_left: false,
            closing: None,
            retry: Retry::new("kafka_publish"),
            failures: 0,
            turn: 0,
            committed_at: Instant::now(),
            fences: TooOften::new(3, Duration::from_secs(60)),
            opened_at: Instant::now(),
        }
    }

    /// Publishes until it is told to stop.
    pub fn run(mut self) {
        let mut pause = Duration::ZERO;
        while self.receive(pause) {
            self.setup.pulse.relay();
            self.lanes.retain(|_, lane| !lane.tenure.is_ended());
            pause = match self.publish_some() {
                Ok(()) => pace::pause(self.committed_at.elapsed()),
                Err(Trouble::Kafka(error)) => self.recycle(&error),
                Err(Trouble::Database(error)) => self.wait_for_database(&error),
            };
            self.answer_close();
            metrics::RELAY_QUEUE_CHUNKS.set_count(self.lanes.values().map(|lane| lane.queue.len()).sum(), &[]);
        }
    }

    /// Takes what is in the inbox; waits where there is nothing to do, or for `pause`. False at the end.
    fn receive(&mut self, pause: Duration) -> bool {
        let busy = self.own_left || self.lanes.values().any(|lane| lane.has_work() && !lane.tenure.is_in_doubt());
        let until = Instant::now() + pause;
        let mut wait = if busy { pause } else { pause.max(IDLE) };
        loop {
            match self.inbox.recv_timeout(wait) {
                Ok(ToRelay::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(message) => {
                    // Lanes that come or go do not wait for a pause to end.
                    let urgent = matches!(message, ToRelay::Open(_) | ToRelay::Close(_));
                    self.take(message);
                    if urgent {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
            }
            // A pause is kept, so that a stream of chunks does not turn it into a storm of attempts.
            wait = until.saturating_duration_since(Instant::now());
        }
    }

    fn take(&mut self, message: ToRelay) {
        match message {
            ToRelay::Open(openings) => {
                self.lanes.clear();
                // A drain that ran out of time is of no interest any more, and must not let go of the new lanes.
                self.closing = None;
                self.retry.reset();
                self.opened_at = Instant::now();
                for opening in openings {
                    self.former.extend(opening.former_transactional_ids);
                    let lane = RelayLane {
                        last_seq: opening.last_seq,
                        position: None,
                        offsets: opening.checkpoints,
                        queue: VecDeque::new(),
                        tenure: opening.tenure,
                    };
                    self.lanes.insert(lane.tenure.lane, lane);
                }
            }
            ToRelay::Chunk(chunk) => {
                // A chunk of another claim of the lane is the business of the lane's journal.
                let lane = self.lanes.get_mut(&chunk.tenure.lane).filter(|lane| lane.tenure.id == chunk.tenure.id);
                if let Some(lane) = lane {
                    lane.last_seq = lane.last_seq.max(chunk.seq);
                    lane.offsets.clone_from(&chunk.offsets);
                    lane.queue.push_back(chunk);
                }
            }
            ToRelay::Close(done) => self.closing = Some(done),
            ToRelay::Stop => {}
        }
    }

    /// Answers a request to close once nothing is left to publish.
    fn answer_close(&mut self) {
        self.lanes.retain(|_, lane| !lane.tenure.is_ended());
        if !self.lanes.values().any(RelayLane::has_work)
            && let Some(done) = self.closing.take()
        {
            self.lanes.clear();
            let _ = done.send(());
        }
    }

    /// One transaction with what is there, after everything that must come before it.
    fn publish_some(&mut self) -> Result<(), Trouble> {
        loop {
            match plan::duty(self.situation()) {
                Duty::Rest => return Ok(()),
                Duty::OpenProducer => {
                    self.producer = Some(Producer::open(&self.setup.producer, &self.setup.transactional_id)?);
                    crash::at(Point::ProducerOpened);
                    self.own_left = false;
                }
                Duty::EndFormer => takeover::end_open_transactions(&self.setup.producer, &mut self.former)?,
                // The duty before this one left nothing of former owners.
                Duty::ReadPositions => self.read_positions()?,
                Duty::Publish => return self.publish_ready(),
            }
        }
    }

    fn situation(&self) -> Situation {
        let open = || self.lanes.values().filter(|lane| !lane.tenure.is_ended());
        Situation {
            has_work: open().any(RelayLane::has_work),
            has_producer: self.producer.is_some(),
            own_left: self.own_left,
            former_left: !self.former.is_empty(),
            position_unknown: open().any(|lane| lane.position.is_none()),
        }
    }

    fn publish_ready(&mut self) -> Result<(), Trouble> {
        let lanes = self.lanes_of_this_turn()?;
        if lanes.is_empty() || pace::may_wait(self.committed_at.elapsed(), self.has_records(&lanes)) {
            return Ok(());
        }
        self.own_left = true;
        let trust = self.transact(&lanes)?;
        self.committed_at = Instant::now();
        self.own_left = false;
        self.retry.reset();
        self.failures = 0;
        if trust == Trust::Doubtful {
            metrics::PRODUCER_RECYCLES.increment(1, &["slow"]);
            self.forget();
        }
        Ok(())
    }

    /// Whether these lanes have more to publish than how far they are.
    fn has_records(&self, lanes: &[Lane]) -> bool {
        let mut chunks = lanes.iter().filter_map(|lane| self.lanes.get(lane)).flat_map(|lane| &lane.queue);
        chunks.any(|chunk| !chunk.records.is_empty())
    }

    /// Asks Kafka where lanes stand that nobody has asked for.
    fn read_positions(&mut self) -> Result<(), Trouble> {
        let unknown: Vec<Lane> =
            self.lanes.iter().filter(|(_, lane)| lane.position.is_none()).map(|(number, _)| *number).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let setup = &mut self.setup;
        let committed = setup.observer.committed(&setup.topics, &unknown).inspect_err(|error| {
            tracing::warn!(%error, "the group's positions cannot be read: trying again; a transaction that is open may hold them");
        })?;
        crash::at(Point::PositionsRead);
        for number in unknown {
            let Some(lane) = self.lanes.get_mut(&number) else { continue };
            let known = Known {
                database: setup.database,
                epoch: lane.tenure.epoch,
                last_seq: lane.last_seq,
                published_seq: lane.tenure.published(),
            };
            let verdict = judge(&known, committed.get(&number).map_or(&[], Vec::as_slice));
            match plan::heed(verdict, || setup.journal.owns(&lane.tenure)).map_err(Trouble::Database)? {
                Heed::After(seq) => {
                    lane.tenure.set_placed();
                    lane.position = Some(seq);
                }
                Heed::AgainAfter(seq) => {
                    metrics::POSITIONS_LOST.increment(1, &[]);
                    tracing::warn!(
                        lane = number.0,
                        from = seq.0,
                        "the group's position of the lane is gone or went back: publishing again after this row; consumers may see records twice"
                    );
                    lane.tenure.set_placed();
                    lane.position = Some(seq);
                }
                Heed::Taken => {
                    lane.tenure.end(End::Fenced);
                }
                Heed::Stop(text) => {
                    lane.tenure.end(End::Stopped);
                    metrics::LANES_STOPPED.set(1.0, &["position_ahead"]);
                    setup.shutdown.stop(Exit::Config, format!("lane {number}: {text}"));
                }
            }
        }
        Ok(())
    }

    /// The lanes with something to publish in the next transaction, their next rows in memory.
    fn lanes_of_this_turn(&mut self) -> Result<Vec<Lane>, Trouble> {
        let (mut ready, mut loaded) = (Vec::new(), 0);
        for (number, lane) in &mut self.lanes {
            let Some(position) = lane.position.filter(|_| !lane.tenure.is_in_doubt() && !lane.tenure.is_ended()) else {
                continue;
            };
            while lane.queue.front().is_some_and(|chunk| plan::next(position, chunk.seq) == Next::Drop) {
                lane.queue.pop_front();
            }
            let missing = plan::missing(position, lane.queue.front().map(|chunk| chunk.seq), lane.last_seq);
            // What the journal holds beyond one transaction stays there for the next.
            if let Some((first, last)) = missing.filter(|_| loaded < TRANSACTION_BYTES) {
                let rows = self.setup.journal.load(*number, first, last).map_err(Trouble::Database)?;
                crash::at(Point::JournalLoaded);
                metrics::JOURNAL_ROWS_RELOADED.increment(rows.len() as u64, &[]);
                for (seq, records) in rows.into_iter().rev() {
                    let (tenure, offsets) = (lane.tenure.clone(), lane.offsets.clone());
                    loaded += records.iter().map(EmittedRecord::size_bytes).sum::<usize>();
                    lane.queue.push_front(Chunk::of_journal(tenure, seq, records, offsets));
                }
            }
            if !lane.queue.is_empty() {
                ready.push(*number);
            }
        }
        if self.failures >= FAILURES_UNTIL_ALONE && !ready.is_empty() {
            self.turn = self.turn.wrapping_add(1);
            ready = vec![ready[self.turn % ready.len()]];
        }
        Ok(ready)
    }
}
