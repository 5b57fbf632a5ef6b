//! What is measured from outside of a batch: how far lanes lag behind, and what waits to be published.
//!
//! Invariant: lag is counted to the end of the partition as the broker says it, not to what was fetched, and is 0 only when the
//! last record was applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consume::rebalance::Ends;
use crate::consume::tenure::Tenure;
use crate::ids::{Lane, NextOffset, Timestamp};
use crate::metrics;
use crate::order::Source;

/// How many records lie between what is applied and the ends of a lane's partitions.
#[must_use]
pub fn records_behind(applied: &[(Source, NextOffset)], ends: &[(Source, i64)]) -> i64 {
    let behind = ends.iter().filter_map(|(source, end)| {
        let (_, next) = applied.iter().find(|(other, _)| other == source)?;
        Some((end - next.0).max(0))
    });
    behind.sum()
}

/// Sets the gauges of lag from the ends of the partitions.
pub fn lag(ends: &Ends, tenures: &BTreeMap<Lane, Arc<Tenure>>, now: Timestamp) {
    for (lane, tenure) in tenures {
        let applied = tenure.applied();
        let behind = records_behind(&applied.checkpoints, ends.get(lane).map_or(&[], Vec::as_slice));
        #[expect(clippy::cast_precision_loss, reason = "lags are far below 2^52")]
        let (behind_records, seconds) = {
            let oldest = applied.record_timestamp.filter(|_| behind > 0);
            (behind as f64, oldest.map_or(0.0, |at| (now.0 - at.0).max(0) as f64 / 1e6))
        };
        metrics::LAG_RECORDS.set_lane(behind_records, *lane);
        metrics::LAG_SECONDS.set_lane(seconds, *lane);
        metrics::LANE_QUEUE_RECORDS.set_lane(tenure.queued() as f64, *lane);
        let unpublished = (applied.last_seq.0 - tenure.published().0).max(0);
        metrics::UNPUBLISHED_ROWS.set_lane(unpublished as f64, *lane);
        if let Some(horizon) = applied.horizon {
            #[expect(clippy::cast_precision_loss, reason = "ages are far below 2^52 microseconds")]
            metrics::HORIZON_SECONDS.set_lane((now.0 - horizon.0).max(0) as f64 / 1e6, *lane);
        }
        metrics::UNPUBLISHED_SECONDS.set_lane(tenure.unpublished_for().as_secs_f64(), *lane);
    }
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
    fn lag_is_counted_over_all_partitions_of_a_lane_and_never_below_nothing() {
        let applied = [(Source::Payment, NextOffset(10)), (Source::Shipping, NextOffset(5))];
        assert_eq!(records_behind(&applied, &[(Source::Payment, 25), (Source::Shipping, 5)]), 15);
        assert_eq!(records_behind(&applied, &[(Source::Payment, 9)]), 0);
    }
}
