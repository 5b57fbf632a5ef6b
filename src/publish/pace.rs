//! How long the relay leaves brokers in peace after a commit. Pure.
//!
//! Kafka answers a commit before the transaction's markers stand. A transaction that begins before that is refused and tried again by
//! librdkafka: one with records after 20 ms, one with positions alone after `retry.backoff.ms`, half a second. Meanwhile nothing is
//! published, while more comes in for the next. Invariant: no record waits longer than [`MARKERS`] for this.

use std::time::Duration;

/// Within which time brokers write the markers of nineteen in twenty transactions, on two busy processors.
pub const MARKERS: Duration = Duration::from_millis(5);
/// How long positions wait for records to go with. Nobody waits for them.
pub const COMPANY: Duration = Duration::from_millis(50);

/// How long after a commit, of which so much is over, the relay looks for work again.
#[must_use]
pub fn pause(since_commit: Duration) -> Duration {
    if since_commit < COMPANY {
        MARKERS.saturating_sub(since_commit).max(Duration::from_millis(1))
    } else {
        Duration::ZERO
    }
}

/// Whether what is there should wait for company, so long after a commit.
#[must_use]
pub fn may_wait(since_commit: Duration, has_records: bool) -> bool {
    !has_records && since_commit < COMPANY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_transaction_begins_when_the_markers_of_the_last_should_stand() {
        assert_eq!(pause(Duration::ZERO), MARKERS);
        assert_eq!(pause(Duration::from_millis(2)), Duration::from_millis(3));
        assert_eq!(pause(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn positions_alone_wait_for_records_to_go_with_and_not_for_ever() {
        let soon = Duration::from_millis(10);
        assert!(may_wait(soon, false) && !may_wait(soon, true) && !may_wait(COMPANY, false));
        assert!(!pause(soon).is_zero() && pause(soon) <= MARKERS, "it is looked at again");
    }
}
