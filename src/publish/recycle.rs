//! What the relay does when publishing failed: it believes nothing any more that it had in memory about Kafka.
//!
//! Invariant: after any error of the producer the next step is a new producer with our id, which ends what was open, and every
//! position is read again; never an abort by hand, never a position from memory.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::plan::{self, Failure, TooOften};
use super::relay::Relay;
use crate::cli::exit::Exit;
use crate::consume::access;
use crate::consume::tenure::End;
use crate::metrics;
use crate::persist;

/// How long after a rebalance, or after an outage, other owners may fence us in good order.
const AFTER_REBALANCE: Duration = Duration::from_secs(15);

/// Tells the fences of new owners, who end transactions of lanes that we left in a hurry, from those of a process with our id.
#[derive(Debug)]
pub(super) struct Fences {
    /// When lanes came last, or Kafka came back: rebalances go on then that began before.
    quiet_since: Instant,
    in_doubt: bool,
    often: TooOften,
}

impl Fences {
    pub(super) fn new(now: Instant) -> Self {
        Self { quiet_since: now, in_doubt: false, often: TooOften::new(3, Duration::from_secs(60)) }
    }

    /// Lanes were given to us.
    pub(super) fn lanes_came(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// Publishing failed, and no broker spoke of a fence. A queue that was purged, or a fatal error without a name, is what librdkafka
    /// says at times of a producer that was fenced: no outage.
    fn doubted(&mut self, error: &KafkaError) {
        let may_be_fenced = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight | RDKafkaErrorCode::Fatal)
        );
        self.in_doubt |= !may_be_fenced;
    }

    /// A producer was made.
    pub(super) fn producer_opened(&mut self, now: Instant) {
        if std::mem::take(&mut self.in_doubt) {
            self.quiet_since = now;
        }
    }

    /// Counts a fence; true when there were too many that no rebalance explains.
    fn are_another_process(&mut self, now: Instant) -> bool {
        now.duration_since(self.quiet_since) > AFTER_REBALANCE && self.often.count(now)
    }
}

/// What kept a transaction from happening.
pub(super) enum Trouble {
    /// The broker, or the way to it: the outcome of what was under way is open.
    Kafka(KafkaError),
    /// The journal could not be read.
    Database(persist::Error),
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl Relay {
    /// Doubt means recycle: nothing that was in memory about Kafka is believed any more.
    pub(super) fn recycle(&mut self, error: &KafkaError) -> Duration {
        self.failures += 1;
        let cause = match plan::failure(error) {
            Failure::Generation => {
                metrics::FENCED.increment(1, &["generation"]);
                self.lanes.values().for_each(|lane| {
                    lane.tenure.end(End::Generation);
                });
                "generation"
            }
            Failure::Fenced => {
                metrics::FENCED.increment(1, &["producer"]);
                if self.fences.are_another_process(Instant::now()) {
                    let id = &self.setup.transactional_id;
                    let text = format!(
                        "another process uses the transactional id `{id}`: instance id used twice; give each process its own `kafka.instance`, or none"
                    );
                    self.setup.shutdown.stop(Exit::Config, text);
                }
                "fenced"
            }
            Failure::Doubt => {
                self.fences.doubted(error);
                "error"
            }
        };
        metrics::PRODUCER_RECYCLES.increment(1, &[cause]);
        let missing = access::missing_right(error);
        tracing::warn!(%error, cause, failures = self.failures, missing, "publishing failed: making a new producer and reading the positions again");
        self.forget();
        self.retry.because(missing.map_or("kafka_publish", |_| "kafka_access")).next_delay()
    }

    /// The journal cannot be read; what can pass is waited for.
    pub(super) fn wait_for_database(&mut self, error: &persist::Error) -> Duration {
        match error.fate() {
            persist::Fate::Retry(cause) => {
                self.retry.because(cause);
                tracing::warn!(%error, "reading the journal, trying again");
            }
            fate => self.setup.shutdown.stop(fate.exit(), error.to_string()),
        }
        self.retry.next_delay()
    }

    /// Lets go of the producer and of every position.
    pub(super) fn forget(&mut self) {
        self.producer = None;
        self.lanes.values_mut().for_each(|lane| lane.position = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(4);

    #[test]
    fn three_fences_far_from_a_rebalance_are_another_process() {
        let now = Instant::now();
        let mut fences = Fences::new(now);
        assert!((1..4).all(|step| !fences.are_another_process(now + STEP * step)), "new owners");
        let later = now + AFTER_REBALANCE + STEP;
        for code in [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::Fatal] {
            fences.doubted(&KafkaError::MessageProduction(code));
        }
        fences.producer_opened(later);
        let counted = [0, 1, 2].map(|step| fences.are_another_process(later + STEP * step));
        assert_eq!(counted, [false, false, true]);
    }

    #[test]
    fn fences_soon_after_an_outage_are_in_good_order_however_long_ago_the_lanes_came() {
        let now = Instant::now();
        let mut fences = Fences::new(now - AFTER_REBALANCE * 4);
        fences.doubted(&KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
        fences.producer_opened(now);
        assert!((0..3).all(|step| !fences.are_another_process(now + STEP * step)));
        fences.producer_opened(now + STEP * 3);
        let counted = [4, 5, 6].map(|step| fences.are_another_process(now + STEP * step));
        assert_eq!(counted, [false, false, true], "a producer that was made after a fence is no news");
    }
}
