//! What is measured from outside of a batch: which lanes are ours, how far they lag behind, and what waits to be published.
//!
//! Invariant: lag is counted to the end of the partition as the broker says it, not to what was fetched, and is 0 only when the
//! last record was applied; a lane that is not ours any more is in no gauge but the one that says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consume::inlet::Inlet;
use crate::consume::rebalance::Ends;
use crate::consume::tenure::Tenure;
use crate::ids::{Lane, NextOffset, Timestamp};
use crate::metrics;
use crate::order::Source;

/// How many records lie between what is applied and the ends of a lane's partitions.
#[must_use]
pub fn records_behind(applied: &[(Source, NextOffset)], ends: &[(Source, NextOffset)]) -> u64 {
    let behind = applied.iter().map(|(source, next)| {
        let furthest = ends.iter().filter(|(other, _)| other == source).map(|(_, end)| end.0).max();
        u64::try_from(furthest.unwrap_or_default() - next.0).unwrap_or_default()
    });
    behind.sum()
}

/// For how many seconds something lasts that began then; 0 where nothing has begun.
#[must_use]
pub fn seconds_since(begun: Option<Timestamp>, now: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 microseconds")]
    begun.map_or(0.0, |begun| (now.0 - begun.0).max(0) as f64 / 1e6)
}

/// Sets the gauges of lag: from the ends of the partitions as the consumer knows them, which stands still while it does not fetch,
/// and as the last look at them saw them.
pub fn lag(ends: &Ends, inlets: &mut BTreeMap<Lane, Inlet>, now: Timestamp) {
    for (lane, inlet) in inlets {
        let tenure = inlet.tenure.clone();
        if tenure.is_ended() {
            forget(*lane);
            continue;
        }
        let applied = tenure.applied();
        let ends = [applied.ends.as_slice(), ends.get(lane).map_or(&[], Vec::as_slice)].concat();
        let behind = records_behind(&applied.checkpoints, &ends).max(tenure.queued() as u64);
        let since = inlet.unapplied_since(&applied.checkpoints, &ends, now);
        let unpublished = (applied.last_seq.0 - tenure.published().0).max(0);
        #[expect(clippy::cast_precision_loss, reason = "lags and queues are far below 2^52")]
        {
            metrics::LAG_RECORDS.set_lane(behind as f64, *lane);
            metrics::LANE_QUEUE_RECORDS.set_lane(tenure.queued() as f64, *lane);
            metrics::UNPUBLISHED_ROWS.set_lane(unpublished as f64, *lane);
        }
        metrics::LAG_SECONDS.set_lane(seconds_since(since, now), *lane);
        if let Some(horizon) = applied.horizon {
            metrics::HORIZON_SECONDS.set_lane(seconds_since(Some(horizon), now), *lane);
        }
        metrics::UNPUBLISHED_SECONDS.set_lane(tenure.unpublished_for().as_secs_f64(), *lane);
    }
}

/// Says of each lane of the deployment whether its tenure is open here.
pub fn owned(lane_count: i32, tenures: &BTreeMap<Lane, Arc<Tenure>>) {
    let is_open = |lane: &Lane| tenures.get(lane).is_some_and(|tenure| !tenure.is_ended());
    for lane in (0..lane_count).map(Lane) {
        metrics::LANE_OWNED.set_lane(if is_open(&lane) { 1.0 } else { 0.0 }, lane);
    }
    metrics::LANES.set(f64::from(lane_count), &[]);
    metrics::LANES_OWNED.set_count(tenures.keys().filter(|lane| is_open(lane)).count(), &[]);
}

/// Takes a lane that is not ours any more out of the gauges.
pub fn forget(lane: Lane) {
    metrics::LAG_RECORDS.retire_lane(lane);
    metrics::LAG_SECONDS.retire_lane(lane);
    metrics::LANE_QUEUE_RECORDS.retire_lane(lane);
    metrics::UNPUBLISHED_ROWS.retire_lane(lane);
    metrics::UNPUBLISHED_SECONDS.retire_lane(lane);
    metrics::HORIZON_SECONDS.retire_lane(lane);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_counted_over_all_partitions_of_a_lane_to_the_furthest_end_and_never_below_nothing() {
        let ends = |pairs: &[(Source, i64)]| pairs.iter().map(|(s, end)| (*s, NextOffset(*end))).collect::<Vec<_>>();
        let applied = ends(&[(Source::Payment, 10), (Source::Shipping, 5)]);
        assert_eq!(records_behind(&applied, &ends(&[(Source::Payment, 25), (Source::Shipping, 5)])), 15);
        assert_eq!(records_behind(&applied, &ends(&[(Source::Payment, 9)])), 0);
        let seen_twice = ends(&[(Source::Payment, 12), (Source::Shipping, 6), (Source::Payment, 11)]);
        assert_eq!(records_behind(&applied, &seen_twice), 3);
    }

    #[test]
    fn what_has_not_begun_and_what_a_clock_ahead_of_ours_dates_into_the_future_lasts_for_no_time() {
        assert!(seconds_since(None, Timestamp(5)).abs() < f64::EPSILON);
        assert!(seconds_since(Some(Timestamp(7)), Timestamp(5)).abs() < f64::EPSILON);
        assert!((seconds_since(Some(Timestamp(1)), Timestamp(2_500_001)) - 2.5).abs() < 1e-9);
    }
}
