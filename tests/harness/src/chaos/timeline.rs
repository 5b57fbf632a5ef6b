//! What was seen of a run, second by second, and what that says: rates, stalls of lanes, recovery times, numbers that fell.
//!
//! Pure. Times are since the schedule's beginning. A server that did not answer leaves a gap in a sample, never a zero.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::fault::{Fault, Kind, seconds};

/// What was seen at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// The lanes in the database, where it answered.
    pub stored: Option<BTreeMap<i32, Stored>>,
    /// The lanes in Kafka, where it answered.
    pub published: Option<BTreeMap<i32, Published>>,
    /// The resident memory of each worker that lives, in bytes, by name.
    pub workers: BTreeMap<String, u64>,
}

/// How far a lane is in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Offsets that are applied, over all its partitions.
    pub applied: i64,
    /// The last row of its journal.
    pub last_seq: i64,
    /// The row up to which the database knows it to be published.
    pub published_seq: i64,
}

/// How far a lane is in Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Offsets that the group has committed, over all its partitions.
    pub committed: i64,
    /// Where its partitions end.
    pub end: i64,
}

impl Published {
    fn lag(self) -> i64 {
        self.end - self.committed
    }
}

/// A fault as it came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// What was planned.
    #[serde(flatten)]
    pub fault: Fault,
    /// What was really done, and what was seen of it.
    pub did: String,
    /// Whether it really took place; else its victim was away, for example.
    pub took_place: bool,
    /// When it was done.
    #[serde(rename = "injected_seconds", serialize_with = "seconds")]
    pub injected: Duration,
    /// When it was healed.
    #[serde(rename = "healed_seconds", serialize_with = "seconds")]
    pub healed: Duration,
}

/// A time in which a lane had something to publish and did not move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// The lane.
    pub lane: i32,
    /// When it moved last, or when there was something to publish again.
    #[serde(rename = "from_seconds", serialize_with = "seconds")]
    pub from: Duration,
    /// How long that was.
    #[serde(rename = "lasted_seconds", serialize_with = "seconds")]
    pub lasted: Duration,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The samples, one a second.
    pub samples: Vec<Sample>,
    /// The faults, in the order in which they were injected.
    pub faults: Vec<Happened>,
}

/// One number over time.
pub type Series = Vec<(Duration, f64)>;

impl Timeline {
    /// Records applied a second.
    #[must_use]
    pub fn applied_rate(&self) -> Series {
        let sum = |lanes: &BTreeMap<i32, Stored>| lanes.values().map(|lane| lane.applied).sum();
        rate(self.samples.iter().filter_map(|sample| Some((sample.at, sum(sample.stored.as_ref()?)))))
    }

    /// Input records a second whose effects are published.
    #[must_use]
    pub fn published_rate(&self) -> Series {
        let sum = |lanes: &BTreeMap<i32, Published>| lanes.values().map(|lane| lane.committed).sum();
        rate(self.samples.iter().filter_map(|sample| Some((sample.at, sum(sample.published.as_ref()?)))))
    }

    /// Input records whose effects are not published yet.
    #[must_use]
    pub fn lag(&self) -> Series {
        let lag = |lanes: &BTreeMap<i32, Published>| lanes.values().map(|lane| lane.lag().max(0)).sum::<i64>() as f64;
        self.samples.iter().filter_map(|sample| Some((sample.at, lag(sample.published.as_ref()?)))).collect()
    }

    /// The resident memory of each worker, by name, in bytes.
    #[must_use]
    pub fn memory(&self) -> BTreeMap<&str, Series> {
        let mut memory: BTreeMap<&str, Series> = BTreeMap::new();
        for sample in &self.samples {
            for (name, bytes) in &sample.workers {
                memory.entry(name).or_default().push((sample.at, *bytes as f64));
            }
        }
        memory
    }

    /// The most memory that a worker had, with its name.
    #[must_use]
    pub fn peak_memory(&self) -> Option<(&str, u64)> {
        let all = self.samples.iter().flat_map(|sample| &sample.workers);
        all.map(|(name, bytes)| (name.as_str(), *bytes)).max_by_key(|(_, bytes)| *bytes)
    }

    /// The longest stall of each lane that ever stood still, the longest first.
    #[must_use]
    pub fn longest_stalls(&self) -> Vec<Stall> {
        let mut standing: BTreeMap<i32, (Duration, i64)> = BTreeMap::new();
        let mut longest: BTreeMap<i32, Stall> = BTreeMap::new();
        for (at, lanes) in self.published() {
            for (lane, now) in lanes {
                let (from, committed) = *standing.entry(*lane).or_insert((at, now.committed));
                let stall = Stall { lane: *lane, from, lasted: at - from };
                if longest.get(lane).is_none_or(|longest| stall.lasted > longest.lasted) {
                    longest.insert(*lane, stall);
                }
                if now.committed != committed || now.lag() <= 0 {
                    standing.insert(*lane, (at, now.committed));
                }
            }
        }
        let mut stalls: Vec<Stall> = longest.into_values().filter(|stall| !stall.lasted.is_zero()).collect();
        stalls.sort_by_key(|stall| std::cmp::Reverse(stall.lasted));
        stalls
    }

    /// From the healing of each fault until every lane had published something, or had nothing to publish; by kind. What never came
    /// about within the run is absent. Faults overlap, so one may have to wait for another's end.
    #[must_use]
    pub fn recoveries(&self) -> BTreeMap<Kind, Vec<Duration>> {
        let mut recoveries: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
        for happened in self.took_place() {
            if let Some(at) = self.all_moved_after(happened.healed) {
                recoveries.entry(happened.fault.kind).or_default().push(at - happened.healed);
            }
        }
        recoveries
    }

    /// The faults that really took place.
    pub fn took_place(&self) -> impl Iterator<Item = &Happened> {
        self.faults.iter().filter(|happened| happened.took_place)
    }

    /// How many faults of each kind there were that really took place.
    #[must_use]
    pub fn faults_by_kind(&self) -> BTreeMap<Kind, usize> {
        let mut by_kind = BTreeMap::new();
        for happened in self.took_place() {
            *by_kind.entry(happened.fault.kind).or_default() += 1;
        }
        by_kind
    }

    /// Where the lanes were that still have something to publish, when they were seen last.
    #[must_use]
    pub fn behind(&self) -> Vec<(i32, Published)> {
        let last = self.published().last().map(|(_, lanes)| lanes);
        last.into_iter().flatten().filter(|(_, lane)| lane.lag() > 0).map(|(lane, at)| (*lane, *at)).collect()
    }

    fn published(&self) -> impl Iterator<Item = (Duration, &BTreeMap<i32, Published>)> {
        self.samples.iter().filter_map(|sample| Some((sample.at, sample.published.as_ref()?)))
    }

    fn all_moved_after(&self, healed: Duration) -> Option<Duration> {
        let (_, before) = self.published().take_while(|(at, _)| *at <= healed).last()?;
        let has_moved = |(lane, now): (&i32, &Published)| {
            now.lag() <= 0 || before.get(lane).is_none_or(|before| now.committed > before.committed)
        };
        let after = self.published().find(|(at, lanes)| *at > healed && lanes.iter().all(has_moved));
        after.map(|(at, _)| at)
    }
}

/// Differences by time; the first number begins, and what fell is told elsewhere.
fn rate(totals: impl Iterator<Item = (Duration, i64)>) -> Series {
    let totals: Vec<(Duration, i64)> = totals.collect();
    let between = |pair: &[(Duration, i64)]| {
        let seconds = (pair[1].0 - pair[0].0).as_secs_f64().max(0.001);
        (pair[1].0, (pair[1].1 - pair[0].1).max(0) as f64 / seconds)
    };
    totals.windows(2).map(between).collect()
}

/// A number that must never fall, and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fall {
    /// Which.
    pub what: String,
    /// What it had been.
    pub from: i64,
    /// What it was then.
    pub to: i64,
}

/// The highest value of each number that was ever seen.
#[derive(Clone, Debug, Default)]
pub struct Tide(BTreeMap<String, i64>);

impl Tide {
    /// Looks at a number again; a fall is told once, and measured from the lower value from then on.
    pub fn look(&mut self, what: &str, now: i64) -> Option<Fall> {
        match self.0.get_mut(what) {
            Some(highest) => {
                let from = std::mem::replace(highest, now);
                (now < from).then(|| Fall { what: what.to_owned(), from, to: now })
            }
            None => {
                self.0.insert(what.to_owned(), now);
                None
            }
        }
    }

    /// Whether a number is below what it was, without taking note of it.
    #[must_use]
    pub fn would_fall(&self, what: &str, now: i64) -> bool {
        self.0.get(what).is_some_and(|highest| now < *highest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Target;
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// Two lanes with these committed offsets, second by second; 100 in each partition to be reached.
    fn timeline(committed: &[Option<[i64; 2]>]) -> Timeline {
        let sample = |(second, committed): (u64, &Option<[i64; 2]>)| {
            let lane = |committed| Published { committed, end: 100 };
            let published = committed.map(|[zero, one]| BTreeMap::from([(0, lane(zero)), (1, lane(one))]));
            Sample { at: at(second), published, ..Sample::default() }
        };
        Timeline { samples: (0..).zip(committed).map(sample).collect(), faults: Vec::new() }
    }

    fn happened(kind: Kind, healed: u64) -> Happened {
        let fault = Fault { kind, target: Target::Postgres, at: at(0), lasts: at(1), chance: 0 };
        Happened { fault, did: String::new(), took_place: true, injected: at(0), healed: at(healed) }
    }

    #[test]
    fn a_stall_lasts_from_the_last_move_to_the_next_also_while_nobody_answers() {
        let seen = [Some([0, 0]), Some([10, 10]), Some([10, 20]), None, Some([10, 30]), Some([40, 40])];
        let stalls = timeline(&seen).longest_stalls();
        assert_eq!(stalls[0], Stall { lane: 0, from: at(1), lasted: at(4) });
        assert_eq!((stalls[1].lane, stalls[1].lasted), (1, at(2)));
    }

    #[test]
    fn a_lane_with_nothing_to_publish_does_not_stall() {
        let seen = [Some([100, 99]), Some([100, 100]), Some([100, 100]), Some([100, 100])];
        let longest = timeline(&seen).longest_stalls().into_iter().map(|stall| stall.lasted).max();
        assert_eq!(longest, Some(at(1)));
    }

    #[test]
    fn recovered_is_when_every_lane_has_moved_since_the_healing() {
        let seen = [Some([0, 0]), Some([5, 0]), Some([5, 0]), Some([9, 0]), Some([9, 7])];
        let mut timeline = timeline(&seen);
        timeline.faults = vec![happened(Kind::PostgresCrash, 2), happened(Kind::LocksHeld, 4)];
        let recoveries = timeline.recoveries();
        assert_eq!(recoveries[&Kind::PostgresCrash], [at(2)]);
        assert!(!recoveries.contains_key(&Kind::LocksHeld), "nothing was seen after it");
    }

    #[test]
    fn rates_are_of_the_time_between_two_answers() {
        let rates = timeline(&[Some([0, 0]), None, Some([10, 10])]).published_rate();
        assert_eq!(rates, [(at(2), 10.0)]);
    }

    #[test]
    fn who_is_behind_is_told_with_both_numbers() {
        assert_eq!(timeline(&[Some([100, 40]), None]).behind(), [(1, Published { committed: 40, end: 100 })]);
    }

    #[test]
    fn a_number_that_falls_is_told_once() {
        let mut tide = Tide::default();
        let looks = [5, 7, 6, 6, 8].map(|now| tide.look("lane 3, last_seq", now));
        assert_eq!(looks.iter().flatten().count(), 1);
        assert_eq!(looks[2], Some(Fall { what: "lane 3, last_seq".to_owned(), from: 7, to: 6 }));
        assert!(tide.would_fall("lane 3, last_seq", 7) && !tide.would_fall("other", 0));
    }
}
