//! The rebalance hand-over: lanes are taken and given back inside the group's callbacks.
//!
//! ```text
//! assign ─▶ capture the group's metadata ─▶ lanes complete? ─▶ claim in Postgres ─▶ open tenures ─▶ assign from checkpoints
//! revoke ─▶ hand nothing on any more ─▶ drain, up to a deadline ─▶ end tenures ─▶ unassign ─▶ return
//! ```
//!
//! Both run on the poll thread; heartbeats go on meanwhile. Invariant: when the revoke callback returns, drained or not, every
//! tenure of the capture has ended, and the broker refuses its generation from the next one on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::access::Access;
use super::capture::Capture;
use super::inlet::Inlet;
use super::tenure::End;
use super::topics::InputTopics;
use crate::ids::{Lane, NextOffset};
use crate::order::Source;

/// Who takes lanes and gives them back. Called on the poll thread, inside the callbacks; may block.
pub trait Owner: Send + Sync {
    /// Claims lanes and opens their tenures. `None` when the process stops instead.
    fn take(&self, lanes: &[Lane], capture: Arc<Capture>) -> Option<Vec<Inlet>>;

    /// Drains what can be drained and ends every tenure.
    fn give_back(&self, why: End);

    /// Stops the process: what Kafka gives must not be worked on. The reason is one of those of `lanes_stopped`, the text says why and
    /// what to do.
    fn refuse(&self, reason: &'static str, text: String);

    /// Takes note of how far partitions reach, and of what was handed on of them.
    fn observe(&self, ends: &Ends, inlets: &mut BTreeMap<Lane, Inlet>);
}

/// The ends of the partitions of each lane, as the broker said them last.
pub type Ends = BTreeMap<Lane, Vec<(Source, NextOffset)>>;

/// The consumer's context: what its callbacks work on.
pub struct Handover {
    topics: InputTopics,
    owner: Box<dyn Owner>,
    inlets: Mutex<BTreeMap<Lane, Inlet>>,
    refused: AtomicBool,
    access: Access,
}

impl Handover {
    /// A context without lanes.
    #[must_use]
    pub fn new(topics: InputTopics, owner: Box<dyn Owner>, access: Access) -> Self {
        Self { topics, owner, inlets: Mutex::default(), refused: AtomicBool::new(false), access }
    }

    /// How Kafka lets the consumer in.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The configured input topics.
    #[must_use]
    pub fn topics(&self) -> &InputTopics {
        &self.topics
    }

    /// Where the records of each owned lane go.
    pub fn inlets(&self) -> MutexGuard<'_, BTreeMap<Lane, Inlet>> {
        self.inlets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process; see [`Owner::refuse`].
    pub fn refuse(&self, reason: &'static str, text: String) {
        if !self.refused.swap(true, Ordering::SeqCst) {
            self.owner.refuse(reason, text);
        }
    }

    /// Whether the process was told to stop from here.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }

    /// What to assign, with the tenures of it opened; nothing where nothing may be worked on.
    fn assigned(&self, consumer: &BaseConsumer<Self>, offered: &TopicPartitionList) -> TopicPartitionList {
        let mut assignment = TopicPartitionList::new();
        let lanes = match self.topics.lanes(offered) {
            Ok(lanes) => lanes,
            Err(text) => {
                self.refuse("assignment", text);
                return assignment;
            }
        };
        let Some(capture) = Capture::take(consumer) else {
            tracing::warn!("the group gave us lanes and then gave us up: waiting for the next assignment");
            return assignment;
        };
        let Some(taken) = self.owner.take(&lanes, Arc::new(capture)) else { return assignment };
        let mut inlets = self.inlets();
        for inlet in taken {
            let lane = inlet.tenure.lane;
            for (source, next_offset) in &inlet.expected {
                let added =
                    assignment.add_partition_offset(self.topics.name(*source), lane.0, Offset::Offset(next_offset.0));
                debug_assert!(added.is_ok(), "a checkpoint is not negative");
            }
            inlets.insert(lane, inlet);
        }
        assignment
    }

    /// Hands nothing on any more and gives the lanes back.
    pub fn revoked(&self, why: End) {
        self.inlets().clear();
        self.owner.give_back(why);
    }
}

impl ClientContext for Handover {
    fn stats(&self, statistics: Statistics) {
        let mut ends = Ends::new();
        for (source, name) in self.topics.iter() {
            let partitions = statistics.topics.get(name).into_iter().flat_map(|topic| &topic.partitions);
            for (number, partition) in partitions.filter(|(_, partition)| partition.hi_offset >= 0) {
                ends.entry(Lane(*number)).or_default().push((source, NextOffset(partition.hi_offset)));
            }
        }
        self.owner.observe(&ends, &mut self.inlets());
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !self.access.hear(&error, reason) {
            tracing::debug!(%error, reason, "consumer");
        }
    }
}

impl ConsumerContext for Handover {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, answer: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = if answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let assignment = self.assigned(consumer, partitions);
            // Until the poll thread has opened the partitions' taps.
            consumer.assign(&assignment).and_then(|()| consumer.pause(&assignment))
        } else {
            self.revoked(if consumer.assignment_lost() { End::Lost } else { End::Revoked });
            consumer.unassign()
        };
        if let Err(error) = done {
            self.refuse("consumer", format!("kafka does not take the assignment: {error}"));
        }
    }
}
