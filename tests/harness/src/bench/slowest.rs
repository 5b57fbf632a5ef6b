//! Where the time of the slowest hundredth goes: what a p99 is made of.
//!
//! The parts are means, so that they add up; a percentile of one part is not of the records that were slow as a whole. Many slow
//! records may be one pause of the system, so the instants at which they became visible are counted too. Invariant: of these
//! records none was faster than any of the others.

use serde::Serialize;

use super::arrivals::Way;

/// Two of the slow that became visible within this belong to one pause, in microseconds.
const ONE_PAUSE: i64 = 5_000;

/// The slowest hundredth, but at least one; all times are means in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slowest {
    /// How many records.
    pub count: usize,
    /// In how many groups they became visible.
    pub pauses: usize,
    /// From the record's time to its visible status event.
    pub total: f64,
    /// Of that: until the transaction in Postgres began.
    pub until_begun: f64,
    /// From there until the status event was handed to Kafka.
    pub until_handed: f64,
    /// From there until it was visible.
    pub until_visible: f64,
}

impl Slowest {
    /// Of these ways, in any order; none of no way at all.
    #[must_use]
    pub fn of(ways: &[Way]) -> Option<Self> {
        let mut slow: Vec<&Way> = ways.iter().collect();
        slow.sort_unstable_by_key(|way| way.appointed - way.visible);
        slow.truncate(ways.len().div_ceil(100));
        slow.sort_unstable_by_key(|way| way.visible);
        let apart = slow.windows(2).filter(|pair| pair[1].visible - pair[0].visible > ONE_PAUSE).count();
        let count = slow.len();
        let mean =
            |time: fn(&Way) -> i64| slow.iter().map(|way| time(way)).sum::<i64>() as f64 / count as f64 / 1_000.0;
        (count > 0).then(|| Self {
            count,
            pauses: apart + 1,
            total: mean(|way| way.visible - way.appointed),
            until_begun: mean(|way| way.begun - way.appointed),
            until_handed: mean(|way| way.handed - way.begun),
            until_visible: mean(|way| way.visible - way.handed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record a millisecond, each of which took 1 ms to begin, 2 to be handed over and as long as is said to be visible.
    fn ways(took: impl Fn(i64) -> i64) -> Vec<Way> {
        let way = |number: i64| {
            let appointed = number * 1_000;
            let (begun, handed) = (appointed + 1_000, appointed + 3_000);
            Way { lane: 0, appointed, begun, handed, visible: handed + took(number) }
        };
        (0..400).map(way).collect()
    }

    #[test]
    fn the_parts_of_the_slowest_add_up_and_a_pause_is_counted_once() {
        // Two stand still until the same instant, two others for themselves.
        let slow = |number| match number {
            100 => 51_000,
            101 => 50_000,
            200 | 300 => 90_000,
            _ => 1_000,
        };
        let slowest = Slowest::of(&ways(slow)).expect("there are some");
        assert_eq!((slowest.count, slowest.pauses), (4, 3));
        assert_eq!((slowest.until_begun, slowest.until_handed, slowest.until_visible), (1.0, 2.0, 70.25));
        assert_eq!(slowest.total, 73.25);
    }

    #[test]
    fn of_a_few_the_slowest_one_counts_and_of_none_none() {
        assert_eq!(
            Slowest::of(&ways(|number| number)[..3]).map(|slowest| (slowest.count, slowest.total)),
            Some((1, 3.002))
        );
        assert_eq!(Slowest::of(&[]), None);
    }
}
