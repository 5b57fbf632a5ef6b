//! What a committed batch adds to the metrics.
//!
//! Counted after COMMIT was confirmed and never before, so a batch that is repeated counts once.

use super::batch::Batch;
use super::decided::Decided;
use super::process::Process;
use crate::metrics;

impl Process {
    /// Counts a committed batch.
    pub(super) fn count(&self, part: &Batch, decided: &Decided) {
        metrics::BATCHES.increment(1, &[]);
        #[expect(clippy::cast_precision_loss, reason = "counts of records and bytes are far below 2^52")]
        {
            metrics::BATCH_RECORDS.record(part.len() as f64, &[]);
            metrics::BATCH_BYTES.record(part.size_bytes() as f64, &[]);
        }
        for lane in part.lanes.iter().filter(|lane| !lane.items.is_empty()) {
            metrics::LANE_EVENTS.increment(lane.items.len() as u64, &[&lane.lane().to_string()]);
        }
        metrics::STATUS_EVENTS.increment(decided.tally.status_events, &[]);
        for ((source, outcome), count) in &decided.tally.events {
            metrics::EVENTS.increment(*count, &[source.as_str(), outcome]);
        }
        for (reason, count) in &decided.tally.dead_letters {
            metrics::DEAD_LETTERS.increment(*count, &[reason]);
        }
        for (outcome, count) in &decided.tally.replayed {
            metrics::DEAD_LETTERS_REPLAYED.increment(*count, &[outcome]);
        }
        for (name, count) in &decided.tally.fired {
            metrics::DEADLINES_FIRED.increment(*count, &[name]);
        }
        for ((kind, which), count) in &decided.tally.commands {
            metrics::COMMANDS.increment(*count, &[kind, which]);
        }
        metrics::COMMANDS_GIVEN_UP.increment(decided.tally.given_up, &[]);
        for (order_id, bytes) in &decided.too_large {
            metrics::DEADLINES_REFUSED.increment(1, &[]);
            tracing::error!(order.id = %order_id, bytes, "a command of an order is not sent: it is larger than worker.emitted_record_max_bytes; raise that");
        }
        for (order_id, bytes) in &decided.at_rest {
            metrics::DEADLINES_REFUSED.increment(1, &[]);
            tracing::error!(order.id = %order_id, bytes, "an order cannot change as time or a person asks: its status event would be larger than worker.emitted_record_max_bytes; raise that, then `orderstream rederive`");
        }
        for (order_id, producer, lane, home) in &decided.tally.off_lane {
            metrics::ORDERS_OFF_LANE.increment(1, &[]);
            self.warn_off_lane(order_id, producer.as_deref(), *lane, *home);
        }
    }
}
