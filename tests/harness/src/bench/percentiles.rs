//! Percentiles of measured times, exact: all of them are kept and sorted.
//!
//! Pure. The nearest rank: the least of the times that so large a share of them does not exceed. So a percentile is always a time
//! that was measured, never one between two.

use serde::Serialize;

/// What a number of times come to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many they are.
    pub count: usize,
    /// Half of them are not above this.
    pub p50: f64,
    /// 99 in 100 of them are not.
    pub p99: f64,
    /// 999 in 1,000 of them are not.
    pub p999: f64,
    /// None of them is.
    pub max: f64,
}

impl Percentiles {
    /// Of times in microseconds; none where there are none.
    #[must_use]
    pub fn of(mut micros: Vec<i64>) -> Option<Self> {
        micros.sort_unstable();
        let max = millis(*micros.last()?);
        let at = |thousandths| millis(micros[rank(micros.len(), thousandths)]);
        Some(Self { count: micros.len(), p50: at(500), p99: at(990), p999: at(999), max })
    }
}

/// The place of the time that this many thousandths of `count` sorted times do not exceed. There must be one time at least.
fn rank(count: usize, thousandths: usize) -> usize {
    (count * thousandths).div_ceil(1_000).max(1) - 1
}

fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{Percentiles, rank};

    #[test]
    fn of_a_thousand_times_the_percentiles_are_the_500th_the_990th_and_the_999th() {
        let backwards = (1..=1_000).rev().map(|number| number * 1_000).collect();
        let expected = Percentiles { count: 1_000, p50: 500.0, p99: 990.0, p999: 999.0, max: 1_000.0 };
        assert_eq!(Percentiles::of(backwards), Some(expected));
    }

    #[test]
    fn of_few_times_the_high_percentiles_are_the_highest() {
        let expected = Percentiles { count: 3, p50: 0.002, p99: 0.003, p999: 0.003, max: 0.003 };
        assert_eq!(Percentiles::of(vec![3, 1, 2]), Some(expected));
        assert_eq!(Percentiles::of(vec![7]).map(|one| (one.p50, one.max)), Some((0.007, 0.007)));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    #[test]
    fn a_rank_is_within_the_times_and_never_too_low() {
        for count in 1..2_500 {
            for thousandths in [1, 500, 990, 999, 1_000] {
                let place = rank(count, thousandths);
                assert!(place < count && (place + 1) * 1_000 >= count * thousandths, "{count} {thousandths}");
                assert!(place * 1_000 < count * thousandths, "one less would do: {count} {thousandths}");
            }
        }
    }
}
