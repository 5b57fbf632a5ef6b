//! How far a lane has seen: the instant up to which everything that was in its input partitions is applied.
//!
//! A deadline is judged against the stream, not the wall (DOMAIN section 8): it may fire at t only when all that the partitions held
//! at t was applied. Pure. Invariant: a sighting is kept until it is passed; one taken afresh each time would never be passed on a
//! lane that is never idle.

use crate::ids::{NextOffset, Timestamp};
use crate::order::Source;

/// An instant, and where each input partition of a lane ended then or a little later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The instant, by the database's clock: read before the ends were.
    pub at: Timestamp,
    /// The high watermark of each input partition, records of open transactions included.
    pub ends: Vec<(Source, NextOffset)>,
}

impl Sighting {
    /// Whether these checkpoints are at or past every end. A partition without a checkpoint is not.
    #[must_use]
    pub fn is_passed_by(&self, checkpoints: &[(Source, NextOffset)]) -> bool {
        self.ends.iter().all(|(source, end)| checkpoints.iter().any(|(other, next)| other == source && next >= end))
    }
}

/// A lane's horizon: the sighting that it passed, and the one that it is on the way to.
#[derive(Clone, Debug, Default)]
pub struct Horizon {
    awaited: Option<Sighting>,
    passed: Option<Sighting>,
}

impl Horizon {
    /// Takes a sighting to wait for, unless one is awaited already. A log that has become shorter since has lost its end to an
    /// unclean election: what is awaited would never be passed.
    pub fn sight(&mut self, sighting: Sighting) {
        let is_shorter = |awaited: &Sighting| {
            let mut ends = awaited.ends.iter();
            ends.any(|(source, end)| sighting.ends.iter().any(|(other, newer)| other == source && newer < end))
        };
        if self.awaited.as_ref().is_none_or(is_shorter) {
            self.awaited = Some(sighting);
        }
    }

    /// Looks whether the awaited sighting is passed.
    pub fn look(&mut self, checkpoints: &[(Source, NextOffset)]) {
        if let Some(passed) = self.awaited.take_if(|awaited| awaited.is_passed_by(checkpoints)) {
            self.passed = Some(passed);
        }
    }

    /// The sighting that was passed last; none at first.
    #[must_use]
    pub fn passed(&self) -> Option<&Sighting> {
        self.passed.as_ref()
    }

    /// The instant of that sighting.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.passed.as_ref().map(|sighting| sighting.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(at: i64, payment: i64, shipping: i64) -> Sighting {
        let ends = vec![(Source::Payment, NextOffset(payment)), (Source::Shipping, NextOffset(shipping))];
        Sighting { at: Timestamp(at), ends }
    }

    fn checkpoints(payment: i64, shipping: i64) -> [(Source, NextOffset); 2] {
        [(Source::Payment, NextOffset(payment)), (Source::Shipping, NextOffset(shipping))]
    }

    #[test]
    fn every_partition_must_be_read_to_where_it_ended() {
        let seen = sighting(1, 10, 20);
        assert!(seen.is_passed_by(&checkpoints(10, 20)));
        assert!(!seen.is_passed_by(&checkpoints(9, 20)));
        assert!(!seen.is_passed_by(&checkpoints(10, 19)));
        assert!(!seen.is_passed_by(&checkpoints(10, 20)[..1]), "a partition that nobody reads is not read to its end");
    }

    #[test]
    fn a_lane_that_is_never_idle_passes_what_it_once_saw() {
        let mut horizon = Horizon::default();
        for second in 0..10 {
            // The ends run ahead of the checkpoints for ever.
            horizon.sight(sighting(second, 100 + 10 * second, 0));
            horizon.look(&checkpoints(70 + 10 * second, 0));
        }
        assert_eq!(horizon.at(), Some(Timestamp(4)), "seen at 0, passed at 3; seen at 4, passed at 7; seen at 8");
    }

    #[test]
    fn an_end_that_a_log_has_lost_is_not_waited_for() {
        let mut horizon = Horizon::default();
        horizon.sight(sighting(1, 100, 0));
        horizon.sight(sighting(2, 90, 0));
        horizon.look(&checkpoints(90, 0));
        assert_eq!(horizon.at(), Some(Timestamp(2)));
    }

    #[test]
    fn nothing_is_passed_before_it_was_seen() {
        let mut horizon = Horizon::default();
        horizon.look(&checkpoints(1000, 1000));
        assert_eq!(horizon.at(), None);
    }
}
