//! What a writer remembers of a lane: under which tenure it has it, what waits, and how far the database has confirmed.
//!
//! Invariant: `last_seq` and `checkpoints` are what the database confirmed, and move with nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::step;
use super::meaning::Patience;
use super::queue::{Queue, Waiting};
use crate::consume::horizon::Horizon;
use crate::consume::inlet::Opening;
use crate::consume::tenure::Tenure;
use crate::ids::{NextOffset, Seq, Timestamp};
use crate::order::Source;
use crate::persist::lanes::Step;

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
    pub(super) queue: Queue,
    passed: Vec<(Source, NextOffset)>,
    /// How far the lane has seen.
    pub horizon: Horizon,
    pub(super) horizon_noted: Option<Timestamp>,
    pub(super) patience: Patience,
    pub(super) published_noted: Seq,
}

impl LaneState {
    pub(super) fn open(opening: Opening) -> Self {
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

    pub(super) fn pass(&mut self, source: Source, position: NextOffset) {
        self.queue.pass(source, position);
        self.passed.retain(|(other, _)| *other != source);
        self.passed.push((source, position));
    }

    /// Looks how far the lane has seen by now.
    pub(super) fn look(&mut self) {
        self.horizon.look(&self.checkpoints);
        self.tenure.set_horizon(self.horizon.at());
    }

    /// Where the consumer stands in partitions of which no earlier record waits: transaction markers that can be passed.
    pub(super) fn take_passed(&mut self) -> Vec<(Source, NextOffset)> {
        let queue = &self.queue;
        let waits = |(source, position): &(Source, NextOffset)| queue.has_before(*source, *position);
        let (waiting, passed) = self.passed.drain(..).partition(waits);
        self.passed = waiting;
        passed
    }

    /// Whether the lane has something to write down that no batch wrote: how far it is published, or how far it has seen where
    /// others wait for it until `wanted`.
    pub(super) fn has_news(&self, wanted: Option<Timestamp>) -> bool {
        let waits = wanted.is_some_and(|wanted| self.horizon_noted < Some(wanted));
        self.tenure.published() > self.published_noted || (waits && self.horizon.at() > self.horizon_noted)
    }

    /// The record at the head of the queue, unless the lane waits for a schema, or for older records.
    pub(super) fn next_ready(&mut self) -> Option<Waiting> {
        (self.tenure.is_placed() && self.patience.left().is_zero()).then(|| self.queue.pop()).flatten()
    }

    /// How long until the head of the queue can be worked on; `None` when the queue is empty.
    pub(super) fn ready_in(&mut self) -> Option<Duration> {
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
