//! How long lanes kept those waiting who had said something: pauses, and what was in flight, from the ways of single events.
//!
//! Pure; times are in microseconds. A lane pauses from the moment at which it last told something, or, where nothing waited then, from
//! the appointed time of the first event that had to wait, until it tells the next thing. Invariant: a lane that has nothing to say makes
//! no pause, however long that lasts.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::bench::arrivals::Way;

/// A time in which a lane told nothing although something waited in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The lane.
    pub lane: i32,
    /// When it began.
    pub from: i64,
    /// When the lane told the next thing.
    pub until: i64,
}

impl Pause {
    /// How long it lasted, in milliseconds.
    #[must_use]
    pub fn millis(&self) -> f64 {
        (self.until - self.from) as f64 / 1_000.0
    }
}

/// The longest pause of each lane that overlaps this time, in the order of the lanes. A lane that nothing of was told is absent.
#[must_use]
pub fn longest(ways: &[Way], within: &Range<i64>) -> Vec<Pause> {
    let mut by_lane: BTreeMap<i32, Vec<&Way>> = BTreeMap::new();
    for way in ways {
        by_lane.entry(way.lane).or_default().push(way);
    }
    let longest = by_lane.into_values().filter_map(|mut of_lane| {
        of_lane.sort_unstable_by_key(|way| way.visible);
        let pauses = pauses(&of_lane);
        pauses.filter(|pause| overlap(pause, within)).max_by_key(|pause| pause.until - pause.from)
    });
    longest.collect()
}

/// The pauses of a lane's ways, which are in the order in which they became visible; from the last one back.
fn pauses<'a>(of_lane: &'a [&'a Way]) -> impl Iterator<Item = Pause> + 'a {
    // Of what is not visible yet, when the earliest was to be sent.
    let mut waiting_since = i64::MAX;
    (0..of_lane.len()).rev().map(move |place| {
        let way = of_lane[place];
        waiting_since = waiting_since.min(way.appointed);
        let told_before = place.checked_sub(1).map_or(i64::MIN, |before| of_lane[before].visible);
        // What became visible together has pauses of nothing between it.
        let from = waiting_since.max(told_before).min(way.visible);
        Pause { lane: way.lane, from, until: way.visible }
    })
}

fn overlap(pause: &Pause, within: &Range<i64>) -> bool {
    pause.from < within.end && pause.until > within.start
}

/// How many events were appointed and not yet visible at an instant.
#[must_use]
pub fn in_flight(ways: &[Way], at: i64) -> usize {
    ways.iter().filter(|way| way.appointed <= at && at < way.visible).count()
}

/// The most events that were in flight at once within this time.
#[must_use]
pub fn most_in_flight(ways: &[Way], within: &Range<i64>) -> usize {
    let begins = ways.iter().map(|way| (way.appointed, true));
    let ends = ways.iter().map(|way| (way.visible, false));
    let mut steps: Vec<(i64, bool)> = begins.chain(ends).collect();
    // What ends at an instant is not in flight any more when others begin: `false` comes first.
    steps.sort_unstable();
    let (mut now, mut most) = (0_usize, in_flight(ways, within.start));
    for (at, begins) in steps {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        if within.contains(&at) {
            most = most.max(now);
        }
    }
    most
}

/// The middle of these numbers: the lower one of two.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(lane: i32, appointed: i64, visible: i64) -> Way {
        Way { lane, appointed, begun: visible, handed: visible, visible }
    }

    #[test]
    fn a_pause_is_the_time_in_which_nothing_was_told_while_something_waited() {
        // Every 100 a word, told 10 later; from 1,000 to 4,000 nobody speaks for lane 1, and then all comes at once.
        let word = |lane: i32, step: i64| {
            let appointed = step * 100;
            let held_back = lane == 1 && (1_000..4_000).contains(&appointed);
            way(lane, appointed, if held_back { 4_000 } else { appointed + 10 })
        };
        let ways: Vec<Way> = (0..60).flat_map(|step| [word(0, step), word(1, step)]).collect();
        let all = longest(&ways, &(0..10_000));
        assert_eq!(all, [Pause { lane: 0, from: 0, until: 10 }, Pause { lane: 1, from: 1_000, until: 4_000 }]);
        assert_eq!(all[1].millis(), 3.0);
        // Before it began there was no such pause.
        assert_eq!(longest(&ways, &(0..900))[1].until - longest(&ways, &(0..900))[1].from, 10);
    }

    #[test]
    fn a_lane_that_has_nothing_to_say_does_not_pause() {
        let ways = [way(0, 0, 10), way(0, 9_000, 9_010)];
        assert_eq!(longest(&ways, &(0..10_000)), [Pause { lane: 0, from: 0, until: 10 }]);
    }

    #[test]
    fn what_waited_all_along_pauses_from_the_last_word_before_it() {
        // The second word overtakes the first: the first waited while the second was told.
        let ways = [way(0, 0, 500), way(0, 100, 200)];
        let pauses = longest(&ways, &(0..1_000));
        assert_eq!(pauses, [Pause { lane: 0, from: 200, until: 500 }]);
    }

    #[test]
    fn in_flight_is_what_is_appointed_and_not_visible() {
        let ways = [way(0, 0, 100), way(0, 50, 150), way(1, 100, 300)];
        assert_eq!([0, 60, 100, 299, 300].map(|at| in_flight(&ways, at)), [1, 2, 2, 1, 0]);
        assert_eq!([0..400, 120..400, 200..400].map(|within| most_in_flight(&ways, &within)), [2, 2, 1]);
        assert_eq!(most_in_flight(&[], &(0..1)), 0);
    }

    #[test]
    fn the_median_is_a_number_that_was_measured() {
        assert_eq!(median(vec![5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
