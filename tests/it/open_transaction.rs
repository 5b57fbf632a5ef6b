//! A worker that is frozen while its Kafka transaction is open, and who sees that it is.

use std::time::{Duration, Instant};

use orderstream_harness::deployment::Deployment;
use orderstream_harness::worker::Worker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::patience::PATIENCE;
use crate::stage::Stage;

/// Lanes of its deployment.
pub const LANES: i32 = 4;

/// A worker that is frozen while it has a Kafka transaction open with records in it.
pub async fn frozen_in_a_transaction(test: &str) -> (Stage, Worker) {
    frozen_when(test, Onlooker::sees_open_records).await
}

/// The same, before the transaction has any offsets.
pub async fn frozen_before_its_offsets(test: &str) -> (Stage, Worker) {
    frozen_when(test, |onlooker| onlooker.sees_open_records() && !onlooker.misses_positions()).await
}

/// A worker that is frozen at a moment when something holds that stays so while it is frozen.
async fn frozen_when(test: &str, holds: impl Fn(&Onlooker) -> bool) -> (Stage, Worker) {
    for _ in 0..5 {
        let mut stage = Stage::new(test, LANES).await.with_short_sessions();
        // So long that nobody ends a transaction because of its age while we look.
        stage.config.set("kafka.transaction_timeout", "10m");
        stage.configure();
        let mut worker = stage.worker("frozen");
        let onlooker = Onlooker::of(&stage.deployment);
        let flow = stage.flow(61, 1_500).await;
        let seen = freeze_when(&mut worker, &onlooker, &holds).await;
        flow.end().await;
        // What was on its way to the broker when it was frozen may have ended the transaction since.
        if seen && holds(&onlooker) {
            return (stage, worker);
        }
        drop(worker);
        stage.strike().await;
    }
    panic!("no worker was ever frozen at a moment that lasted");
}

async fn freeze_when(worker: &mut Worker, onlooker: &Onlooker, holds: impl Fn(&Onlooker) -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        worker.must_run().expect("nobody stopped it");
        // While records are under way, as that is most of the way to either moment.
        if !onlooker.sees_open_records() {
            tokio::task::yield_now().await;
            continue;
        }
        worker.freeze().expect("it runs");
        if (0..10).all(|_| holds(onlooker)) {
            return true;
        }
        worker.thaw().expect("it is frozen");
    }
    false
}

/// Sees what a worker's Kafka transactions leave visible.
pub struct Onlooker {
    deployment: Deployment,
    uncommitted: BaseConsumer,
    committed: BaseConsumer,
}

impl Onlooker {
    pub fn of(deployment: &Deployment) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &deployment.stack.brokers).set("group.id", &deployment.group);
        let mut consumer = |isolation: &str| config.set("isolation.level", isolation).create().expect("a consumer");
        let (uncommitted, committed) = (consumer("read_uncommitted"), consumer("read_committed"));
        Self { deployment: deployment.clone(), uncommitted, committed }
    }

    /// Whether there are status events that are neither committed nor aborted.
    pub fn sees_open_records(&self) -> bool {
        let end = |consumer: &BaseConsumer, lane: i32| {
            let marks = consumer.fetch_watermarks(&self.deployment.topics.status, lane, Duration::from_secs(5));
            marks.expect("kafka answers").1
        };
        (0..LANES).any(|lane| end(&self.uncommitted, lane) > end(&self.committed, lane))
    }

    /// Whether an unfinished transaction holds offsets of the group, so that nobody learns its position.
    fn misses_positions(&self) -> bool {
        let mut asked = TopicPartitionList::new();
        for (_, topic) in self.deployment.topics.inputs() {
            asked.add_partition_range(topic, 0, LANES - 1);
        }
        self.committed.committed_offsets(asked, Duration::from_secs(1)).is_err()
    }
}
