//! Input topics with transactions that are aborted, and with more partitions than they had.
//!
//! Aborted records look like all others and must never be applied. Each transaction stays open for a moment, and nobody may read past
//! its first record meanwhile. Invariant: nothing of it is ever committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::admin::{AdminOptions, NewPartitions};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::super::fault::{Fault, Kind};
use super::super::world::World;
use super::Effect;
use crate::deployment::Deployment;
use crate::produce::{Manner, Producer};
use crate::topics;

/// Records of a transaction.
const RECORDS: u64 = 20;
/// How long each stays open.
const OPEN: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(90);

/// What was done.
#[derive(Debug)]
pub(super) enum Wound {
    Aborting { end: Arc<AtomicBool>, thread: JoinHandle<u64> },
    Widened { topic: String, partitions: usize },
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let deployment = world.deployment().clone();
    if fault.kind == Kind::PartitionsAdded {
        let inputs: Vec<&str> = deployment.topics.inputs().map(|(_, topic)| topic).collect();
        let topic = (*fault.dice().pick(&inputs)).to_owned();
        let partitions = widen(&deployment, &topic).await?;
        return Ok((format!("topic `{topic}` gets {partitions} partitions"), Wound::Widened { topic, partitions }));
    }
    let id = format!("aborting-{}", Uuid::new_v4().simple());
    let manner = Manner { transactional_id: Some(id), ..Manner::default() };
    let producer = Producer::open_as(&deployment.stack, &deployment.topics, manner).await?;
    let end = Arc::new(AtomicBool::new(false));
    let thread = {
        let end = end.clone();
        tokio::task::spawn_blocking(move || abort_until(producer, &end))
    };
    Ok((format!("transactions of {RECORDS} payments are aborted"), Wound::Aborting { end, thread }))
}

impl Wound {
    pub(super) async fn heal(self) -> Result<Effect> {
        match self {
            Self::Aborting { end, thread } => {
                end.store(true, Ordering::SeqCst);
                let aborted = tokio::time::timeout(PATIENCE, thread).await.context("the producer does not end")??;
                Ok(Effect { what: format!("{aborted} transactions were aborted"), took_place: aborted > 0 })
            }
            Self::Widened { topic, partitions } => {
                let what = format!("topic `{topic}` has {partitions} partitions for good");
                Ok(Effect { what, took_place: true })
            }
        }
    }
}

/// Aborts one transaction after the other until it is told to end, or Kafka is too ill for it: then it gives up, and the broker aborts
/// what is open. Returns how many were aborted.
fn abort_until(mut producer: Producer, end: &AtomicBool) -> u64 {
    let mut aborted = 0;
    while !end.load(Ordering::SeqCst) {
        if abort_one(&mut producer).is_err() {
            return aborted;
        }
        aborted += 1;
    }
    aborted
}

fn abort_one(producer: &mut Producer) -> Result<()> {
    producer.begin()?;
    for _ in 0..RECORDS {
        let order = format!("aborted-{}", Uuid::new_v4());
        producer.send_json(&json!({
            "topic": "payment", "kind": "CAPTURED", "event_id": Uuid::new_v4().to_string(), "order_id": order,
            "occurred_at": jiff::Timestamp::now().as_microsecond(), "capture_id": "aborted", "amount_minor": 100,
            "currency": "EUR",
        }))?;
    }
    let until = Instant::now() + OPEN;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        producer.poll(left);
    }
    producer.abort()
}

/// Adds a partition to a topic; returns how many it has then.
async fn widen(deployment: &Deployment, topic: &str) -> Result<usize> {
    let admin = topics::admin(&deployment.stack.brokers)?;
    let metadata = admin.inner().fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let wanted = metadata.topics().first().map_or(0, |topic| topic.partitions().len()) + 1;
    let new = NewPartitions::new(topic, wanted);
    for answer in admin.create_partitions(&[new], &AdminOptions::new()).await? {
        answer.map_err(|(topic, code)| anyhow::anyhow!("topic `{topic}` gets no partition: {code}"))?;
    }
    Ok(wanted)
}
