//! A tenure: one value for "this lane is ours, under this claim, as the group said at that moment".
//!
//! Everything that is done for a lane is done under a tenure. It is opened in the assign callback and ends once: when the lane
//! is revoked or lost, when a fence refuses it, or at shutdown. Invariant: an ended tenure never works again; whoever takes
//! something out of a queue looks here first.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::capture::Capture;
use crate::ids::{Epoch, Lane, NextOffset, Seq, TenureId, Timestamp};
use crate::metrics;
use crate::order::Source;

/// Why a tenure ended; the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The group gave the lane to somebody else, or we left.
    Revoked = 1,
    /// The group gave us up before we knew.
    Lost = 2,
    /// The database refused our claim.
    Fenced = 3,
    /// The group refused our generation.
    Generation = 4,
    /// The lane had to be stopped; a gauge says why.
    Stopped = 5,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Revoked, Self::Lost, Self::Fenced, Self::Generation, Self::Stopped];

    /// The label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Lost => "lost",
            Self::Fenced => "fenced",
            Self::Generation => "generation",
            Self::Stopped => "stopped",
        }
    }
}

/// A lane under one claim and one capture. Shared by the poll thread, a writer and the relay.
#[derive(Debug)]
pub struct Tenure {
    /// The lane.
    pub lane: Lane,
    /// The epoch with which it was claimed in Postgres.
    pub epoch: Epoch,
    /// The random id of that claim.
    pub id: TenureId,
    /// What the group said when it gave us the lane.
    pub capture: Arc<Capture>,
    ended: AtomicU8,
    in_doubt: AtomicBool,
    is_placed: AtomicBool,
    published: AtomicI64,
    waiting: [Waiting; Source::ALL.len()],
    in_batches: AtomicUsize,
    applied: Mutex<Applied>,
}

/// What waits of one topic.
#[derive(Debug, Default)]
struct Waiting {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

/// How a lane stands: two that are equal a minute apart, with work, mean that it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last journal row that the database confirmed.
    pub applied: Seq,
    /// The last one that Kafka confirmed.
    pub published: Seq,
    /// Whether records wait to be applied.
    pub is_queued: bool,
}

impl Standing {
    /// Whether anything waits to be applied or published.
    #[must_use]
    pub fn has_work(self) -> bool {
        self.is_queued || self.is_unpublished()
    }

    /// Whether a row waits to be published.
    #[must_use]
    pub fn is_unpublished(self) -> bool {
        self.applied > self.published
    }
}

/// How far a lane is applied, for those who measure.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The last journal row.
    pub last_seq: Seq,
    /// The checkpoints, one a topic.
    pub checkpoints: Vec<(Source, NextOffset)>,
    /// Where its partitions ended when somebody looked last.
    pub ends: Vec<(Source, NextOffset)>,
    /// Up to when the lane has read everything that its partitions held then.
    pub horizon: Option<Timestamp>,
    /// Since when something waits to be published.
    unpublished_since: Option<Instant>,
}

impl Tenure {
    /// A tenure that begins now, with the journal known to be published up to `published`.
    #[must_use]
    pub fn open(lane: Lane, (epoch, id): (Epoch, TenureId), capture: Arc<Capture>, published: Seq) -> Self {
        Self {
            lane,
            epoch,
            id,
            capture,
            ended: AtomicU8::new(0),
            in_doubt: AtomicBool::new(false),
            is_placed: AtomicBool::new(false),
            published: AtomicI64::new(published.0),
            waiting: Default::default(),
            in_batches: AtomicUsize::new(0),
            applied: Mutex::default(),
        }
    }

    /// Ends the tenure, and counts that. Returns whether it was open until now: the first reason stands.
    pub fn end(&self, why: End) -> bool {
        let was_open = self.ended.compare_exchange(0, why as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if was_open {
            metrics::TENURES_ENDED.increment(1, &[why.as_str()]);
        }
        was_open
    }

    /// Whether it ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) != 0
    }

    /// Why it ended, if it did.
    #[must_use]
    pub fn why_ended(&self) -> Option<End> {
        let ended = self.ended.load(Ordering::SeqCst);
        End::ALL.into_iter().find(|end| *end as u8 == ended)
    }

    /// While a writer has lost its connection and has not compared the lane with memory, nothing of the lane is published.
    pub fn set_in_doubt(&self, in_doubt: bool) {
        self.in_doubt.store(in_doubt, Ordering::SeqCst);
    }

    /// Whether the lane waits for its writer to compare it with memory.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::SeqCst)
    }

    /// The relay has ended what former owners may have left open, and judged the lane's position and found it possible.
    pub fn set_placed(&self) {
        self.is_placed.store(true, Ordering::SeqCst);
    }

    /// Whether former owners' transactions are ended and the lane's position was judged. Until then no row of the lane is written:
    /// one more row could hide that the position is ahead of a database that went back.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.is_placed.load(Ordering::SeqCst)
    }

    /// Up to which journal row Kafka has confirmed the lane.
    #[must_use]
    pub fn published(&self) -> Seq {
        Seq(self.published.load(Ordering::SeqCst))
    }

    /// Notes what Kafka confirmed.
    pub fn set_published(&self, seq: Seq) {
        self.published.fetch_max(seq.0, Ordering::SeqCst);
        let mut applied = self.lock_applied();
        applied.unpublished_since = (applied.last_seq > seq).then(Instant::now);
    }

    /// Notes what the database confirmed.
    pub fn set_applied(&self, last_seq: Seq, checkpoints: &[(Source, NextOffset)]) {
        let behind = last_seq > self.published();
        let mut applied = self.lock_applied();
        applied.last_seq = last_seq;
        applied.checkpoints = checkpoints.to_vec();
        applied.unpublished_since = applied.unpublished_since.or(behind.then(Instant::now)).filter(|_| behind);
    }

    /// Notes where the lane's partitions end.
    pub fn set_ends(&self, ends: &[(Source, NextOffset)]) {
        ends.clone_into(&mut self.lock_applied().ends);
    }

    /// Notes how far the lane has seen.
    pub fn set_horizon(&self, horizon: Option<Timestamp>) {
        self.lock_applied().horizon = horizon;
    }

    /// How far the lane is applied.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.lock_applied().clone()
    }

    /// How the lane stands, for the watchdog.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (applied, published) = (self.lock_applied().last_seq, self.published());
        Standing { applied, published, is_queued: self.queued() > 0 }
    }

    /// How long the oldest row that is not published has been waiting.
    #[must_use]
    pub fn unpublished_for(&self) -> Duration {
        self.lock_applied().unpublished_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock_applied(&self) -> MutexGuard<'_, Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record of a topic was queued.
    pub fn record_queued(&self, source: Source, bytes: usize) {
        let waiting = &self.waiting[source as usize];
        waiting.records.fetch_add(1, Ordering::Relaxed);
        waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A record of a topic is part of a batch now: there is room for another.
    pub fn record_taken(&self, source: Source, bytes: usize) {
        let waiting = &self.waiting[source as usize];
        self.in_batches.fetch_add(1, Ordering::Relaxed);
        waiting.records.fetch_sub(1, Ordering::Relaxed);
        waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// So many records of a batch are applied.
    pub fn records_done(&self, records: usize) {
        self.in_batches.fetch_sub(records, Ordering::Relaxed);
    }

    /// Records and bytes of a topic between the poll thread and the writer's next batch.
    #[must_use]
    pub fn waiting(&self, source: Source) -> (usize, usize) {
        let waiting = &self.waiting[source as usize];
        (waiting.records.load(Ordering::Relaxed), waiting.bytes.load(Ordering::Relaxed))
    }

    /// Records of all topics between the poll thread and the end of the writer's work.
    #[must_use]
    pub fn queued(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.records.load(Ordering::Relaxed)).sum();
        waiting + self.in_batches.load(Ordering::Relaxed)
    }
}
