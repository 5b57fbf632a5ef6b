//! How long the relay leaves brokers in peace after a commit; learned, as only they know how long markers take.
//!
//! Kafka answers a commit before the transaction's markers stand. A transaction that begins before is refused, and librdkafka tries again
//! after 20 ms; meanwhile nothing is published, while a pause of a few milliseconds would have been enough. Pure. Invariant: the pause
//! is never longer than what it saves.

use std::time::Duration;

/// What librdkafka waits (`rd_kafka_txn_curr_api`, CONCURRENT_TRANSACTIONS) before it registers a partition again, less what a clock and
/// a scheduler may take off.
const PUT_OFF: Duration = Duration::from_millis(19);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(12);
/// What a transaction that was put off adds, and what one that was not takes away: one in twenty may be.
const MORE: Duration = Duration::from_millis(2);
const LESS: Duration = Duration::from_micros(100);

/// How long a transaction without records waits after a commit: librdkafka puts one off for as long as any other request that is to be
/// repeated (`REQUEST_RETRY`), and nobody waits for it.
const WITHOUT_RECORDS: Duration = Duration::from_millis(50);

/// The pause after a commit.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl Pace {
    /// How long to wait before the next transaction, so long after a commit; where one waits for company, until the next look at it.
    #[must_use]
    pub fn pause_after(self, elapsed: Duration) -> Duration {
        let left = self.0.saturating_sub(elapsed);
        if left.is_zero() && elapsed < WITHOUT_RECORDS { SHORTEST } else { left }
    }

    /// Whether a transaction should wait for company, so long after a commit.
    #[must_use]
    pub fn may_wait(self, elapsed: Duration, has_records: bool) -> bool {
        !has_records && elapsed < WITHOUT_RECORDS
    }

    /// Learns from a transaction that began so long after the commit of the one before, and whose records were acknowledged after so
    /// long.
    pub fn learn(&mut self, after_commit: Duration, acknowledged_after: Duration) {
        if acknowledged_after >= PUT_OFF {
            self.0 = (self.0 + MORE).min(LONGEST);
        } else if after_commit < LONGEST {
            self.0 = self.0.saturating_sub(LESS).max(SHORTEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a relay learns whose brokers take so long to write markers, and how many of its transactions are put off.
    fn with_markers_after(markers: Duration, transactions: usize) -> (Pace, usize) {
        let (mut pace, mut put_off) = (Pace::default(), 0);
        for _ in 0..transactions {
            let after_commit = pace.pause();
            let is_early = after_commit < markers;
            put_off += usize::from(is_early);
            let took = Duration::from_millis(if is_early { 22 } else { 3 });
            pace.learn(after_commit, took);
        }
        (pace, put_off)
    }

    #[test]
    fn the_pause_finds_how_long_markers_take() {
        for millis in [2, 4, 7, 9] {
            let (pace, put_off) = with_markers_after(Duration::from_millis(millis), 1000);
            let pause = pace.pause().as_millis();
            assert!(u128::from(millis) <= pause + 1 && pause <= u128::from(millis) + 2, "{pause} for {millis}");
            assert!(put_off <= 60, "{put_off} of 1000 were put off with markers after {millis} ms");
        }
    }

    #[test]
    fn brokers_that_are_always_slow_cost_a_bounded_pause() {
        let (pace, _) = with_markers_after(Duration::from_secs(1), 1000);
        assert_eq!(pace.pause(), LONGEST);
    }

    #[test]
    fn positions_alone_wait_for_records_to_go_with_and_not_for_ever() {
        let pace = Pace::default();
        let soon = Duration::from_millis(10);
        assert!(pace.may_wait(soon, false) && !pace.may_wait(soon, true) && !pace.may_wait(WITHOUT_RECORDS, false));
        assert_eq!(pace.pause_after(soon), SHORTEST);
        assert_eq!(pace.pause_after(WITHOUT_RECORDS), Duration::ZERO);
        assert_eq!(pace.pause_after(Duration::ZERO), pace.pause());
    }

    #[test]
    fn a_transaction_long_after_the_last_says_nothing_of_markers() {
        let mut pace = Pace::default();
        pace.learn(Duration::from_secs(1), Duration::from_millis(3));
        assert_eq!(pace.pause(), Pace::default().pause());
    }
}
