//! Since when the first record of a partition waits that is not applied: what a lane's lag in seconds is made of.
//!
//! Fed by the poll thread with what it hands on, and once a second with where the partition ends. Pure. Invariant: it never says more
//! than is so. A record in memory tells its own time; of one that Kafka has not given us yet is known only when its offset was
//! first seen to be there.

use std::collections::VecDeque;

use crate::ids::{NextOffset, Timestamp};

/// Records whose timestamps are no further apart are remembered as one: a run.
const GRAIN_MICROS: u64 = 100_000;
/// How many sightings are kept; of more, every second is forgotten, which makes the answer smaller and never larger.
const SIGHTINGS: usize = 256;

/// What is known of the records of one partition that are not applied.
#[derive(Debug, Default)]
pub struct Unapplied {
    runs: VecDeque<Until>,
    sightings: VecDeque<Until>,
}

/// Everything before this offset that the entry before does not cover, and its time.
#[derive(Clone, Copy, Debug)]
struct Until {
    end: NextOffset,
    at: Timestamp,
}

impl Unapplied {
    /// A record was handed on: what follows it, and its timestamp, 0 where it does not say.
    pub fn push(&mut self, next_offset: NextOffset, timestamp: Timestamp) {
        match self.runs.back_mut() {
            Some(run) if run.at.0.abs_diff(timestamp.0) < GRAIN_MICROS => run.end = next_offset,
            _ => self.runs.push_back(Until { end: next_offset, at: timestamp }),
        }
    }

    /// The partition ended here when somebody looked.
    pub fn sight(&mut self, end: NextOffset, now: Timestamp) {
        if self.sightings.back().is_some_and(|last| last.end >= end) {
            return;
        }
        if self.sightings.len() >= SIGHTINGS {
            let mut number = 0;
            self.sightings.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.sightings.push_back(Until { end, at: now });
    }

    /// Since when the first record waits that is not applied, where the partition is applied up to here: the record's own timestamp
    /// where it is in memory and has one, else when it was first seen to be there. None where all is applied.
    pub fn since(&mut self, applied: NextOffset) -> Option<Timestamp> {
        for entries in [&mut self.runs, &mut self.sightings] {
            while entries.pop_front_if(|entry| entry.end <= applied).is_some() {}
        }
        let told = self.runs.front().map(|run| run.at).filter(|at| at.0 > 0);
        told.or_else(|| self.sightings.front().map(|sighting| sighting.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_760_000_000_000_000 + seconds * SECOND)
    }

    #[test]
    fn a_record_in_memory_tells_its_own_time_until_it_is_applied() {
        let mut unapplied = Unapplied::default();
        unapplied.sight(NextOffset(12), at(100));
        unapplied.push(NextOffset(11), at(5));
        unapplied.push(NextOffset(12), at(9));
        assert_eq!(unapplied.since(NextOffset(10)), Some(at(5)));
        assert_eq!(unapplied.since(NextOffset(11)), Some(at(9)));
        assert_eq!(unapplied.since(NextOffset(12)), None);
    }

    #[test]
    fn a_lane_that_has_applied_nothing_since_its_take_over_is_as_old_as_its_record_says() {
        let mut unapplied = Unapplied::default();
        unapplied.push(NextOffset(11), at(-3600));
        assert_eq!(unapplied.since(NextOffset(10)), Some(at(-3600)));
    }

    #[test]
    fn what_kafka_has_not_given_us_is_at_least_as_old_as_the_first_look_that_saw_it() {
        let mut unapplied = Unapplied::default();
        unapplied.sight(NextOffset(10), at(1));
        assert_eq!(unapplied.since(NextOffset(10)), None);
        for (end, seconds) in [(14, 2), (14, 3), (20, 4)] {
            unapplied.sight(NextOffset(end), at(seconds));
        }
        assert_eq!(unapplied.since(NextOffset(10)), Some(at(2)));
        assert_eq!(unapplied.since(NextOffset(13)), Some(at(2)));
        assert_eq!(unapplied.since(NextOffset(14)), Some(at(4)), "it was not there at 3");
        assert_eq!(unapplied.since(NextOffset(20)), None);
    }

    #[test]
    fn a_record_behind_a_long_silence_is_as_old_as_itself_whatever_was_applied_last() {
        let mut unapplied = Unapplied::default();
        unapplied.push(NextOffset(10), at(0));
        // Offset 10 is a transaction marker.
        unapplied.push(NextOffset(12), at(7200));
        assert_eq!(unapplied.since(NextOffset(10)), Some(at(7200)));
    }

    #[test]
    fn a_record_that_does_not_say_when_it_was_made_counts_from_when_it_was_seen() {
        let mut unapplied = Unapplied::default();
        unapplied.push(NextOffset(11), Timestamp(0));
        assert_eq!(unapplied.since(NextOffset(10)), None, "nobody has looked yet");
        unapplied.sight(NextOffset(11), at(3));
        assert_eq!(unapplied.since(NextOffset(10)), Some(at(3)));
    }

    #[test]
    fn records_of_about_one_time_take_one_entry_and_sightings_have_a_bound() {
        let mut unapplied = Unapplied::default();
        for offset in 1..=1000 {
            unapplied.push(NextOffset(offset), Timestamp(at(0).0 + offset * 50));
            unapplied.sight(NextOffset(offset), at(offset));
        }
        assert!(unapplied.runs.len() == 1 && unapplied.sightings.len() <= SIGHTINGS);
        let seen = unapplied.sightings.front().expect("some are kept").at;
        unapplied.runs.clear();
        assert_eq!(unapplied.since(NextOffset(0)), Some(seen));
        assert!(seen >= at(1));
    }
}
