//! What the relay does when publishing failed: it believes nothing any more that it had in memory about Kafka.
//!
//! Invariant: after any error of the producer the next step is a new producer with our id, which ends what was open, and every
//! position is read again; never an abort by hand, never a position from memory.

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::plan::{self, Failure};
use super::relay::Relay;
use crate::cli::exit::Exit;
use crate::consume::access;
use crate::consume::tenure::End;
use crate::metrics;
use crate::persist;

/// How long after a rebalance other owners may fence us in good order.
const AFTER_REBALANCE: Duration = Duration::from_secs(15);

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
                // A new owner of lanes that we left in a hurry ends our transactions too: only a fence far from a rebalance counts.
                if self.opened_at.elapsed() > AFTER_REBALANCE && self.fences.count(Instant::now()) {
                    let id = &self.setup.transactional_id;
                    let text = format!(
                        "another process uses the transactional id `{id}`: instance id used twice; give each process its own `kafka.instance`, or none"
                    );
                    self.setup.shutdown.stop(Exit::Config, text);
                }
                "fenced"
            }
            Failure::Doubt => "error",
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
            fate => {
                metrics::LANES_STOPPED.set(1.0, &[error.stops_lanes_as()]);
                self.setup.shutdown.stop(fate.exit(), error.to_string());
            }
        }
        self.retry.next_delay()
    }

    /// Lets go of the producer and of every position.
    pub(super) fn forget(&mut self) {
        self.producer = None;
        self.lanes.values_mut().for_each(|lane| lane.position = None);
    }
}
