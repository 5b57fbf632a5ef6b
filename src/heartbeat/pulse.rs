//! What a worker's threads leave behind them as they come round, to be written down by another.
//!
//! Cheap enough for every turn of a loop: one store a beat. Invariant: nothing here waits for anybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Part;
use crate::ids::Lane;

/// One thread's trace.
#[derive(Debug)]
pub struct Beat {
    name: &'static str,
    limit: Duration,
    /// Milliseconds since the process began, plus one; 0 before the first.
    at_ms: AtomicU64,
}

impl Beat {
    fn new(name: &'static str, limit: Duration) -> Self {
        Self { name, limit, at_ms: AtomicU64::new(0) }
    }
}

/// The traces of a process.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    poll: Beat,
    relay: Beat,
    tasks: Beat,
    has_started: AtomicBool,
    is_assigned: AtomicBool,
    waits: Mutex<BTreeMap<Lane, Duration>>,
}

/// How long each part may take to come round.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The poll thread, callbacks of the group included.
    pub poll: Duration,
    /// The relay, a transaction that fails included.
    pub relay: Duration,
    /// The tasks, which never wait for long.
    pub tasks: Duration,
}

impl Pulse {
    /// Of a process that begins.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            began: Instant::now(),
            poll: Beat::new("the poll thread", limits.poll),
            relay: Beat::new("the relay", limits.relay),
            tasks: Beat::new("the tasks", limits.tasks),
            has_started: AtomicBool::new(false),
            is_assigned: AtomicBool::new(false),
            waits: Mutex::default(),
        }
    }

    /// The poll thread comes round.
    pub fn poll(&self) {
        self.beat(&self.poll);
    }

    /// The relay comes round.
    pub fn relay(&self) {
        self.beat(&self.relay);
    }

    /// The watchdog comes round, a task among those that apply batches, with how long each lane has waited.
    pub fn tasks(&self, waits: BTreeMap<Lane, Duration>) {
        self.beat(&self.tasks);
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
    }

    /// The checks at start are done, and all threads run.
    pub fn set_started(&self) {
        [&self.poll, &self.relay, &self.tasks].into_iter().for_each(|beat| self.beat(beat));
        self.has_started.store(true, Ordering::SeqCst);
    }

    /// Whether the checks at start are done.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.has_started.load(Ordering::SeqCst)
    }

    /// The group has given an assignment, or taken it back.
    pub fn set_assigned(&self, is_assigned: bool) {
        self.is_assigned.store(is_assigned, Ordering::SeqCst);
    }

    /// Whether the group has given an assignment, of no lane perhaps.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        self.is_assigned.load(Ordering::SeqCst)
    }

    /// For how long work of a lane has waited without progress, as the watchdog saw it last.
    #[must_use]
    pub fn waits(&self, lane: Lane) -> Duration {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.get(&lane).copied().unwrap_or_default()
    }

    /// The parts that have come round at least once.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let now = self.now_ms();
        let part = |beat: &Beat| {
            let at = beat.at_ms.load(Ordering::Relaxed).checked_sub(1)?;
            let limit_ms = u64::try_from(beat.limit.as_millis()).unwrap_or(u64::MAX);
            Some(Part { name: beat.name.to_owned(), idle_ms: now.saturating_sub(at), limit_ms })
        };
        [&self.poll, &self.relay, &self.tasks].into_iter().filter_map(part).collect()
    }

    fn beat(&self, beat: &Beat) {
        beat.at_ms.store(self.now_ms() + 1, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_judged_from_its_first_beat_on() {
        let limit = Duration::from_secs(60);
        let pulse = Pulse::new(Limits { poll: limit, relay: limit, tasks: limit });
        assert!(pulse.parts().is_empty() && !pulse.has_started());
        pulse.poll();
        let parts = pulse.parts();
        assert_eq!((parts.len(), parts[0].name.as_str(), parts[0].limit_ms), (1, "the poll thread", 60_000));
        pulse.set_started();
        assert_eq!(pulse.parts().len(), 3);
    }

    #[test]
    fn a_lane_that_the_watchdog_did_not_name_does_not_wait() {
        let limit = Duration::from_secs(60);
        let pulse = Pulse::new(Limits { poll: limit, relay: limit, tasks: limit });
        pulse.tasks(BTreeMap::from([(Lane(1), Duration::from_secs(5))]));
        assert_eq!((pulse.waits(Lane(1)), pulse.waits(Lane(2))), (Duration::from_secs(5), Duration::ZERO));
    }
}
