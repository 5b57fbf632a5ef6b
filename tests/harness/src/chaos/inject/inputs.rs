//! Input topics with transactions that are aborted, and with more partitions than they had.
//!
//! Aborted records look like all others and must never be applied. Each transaction stays open for a moment, and nobody may read past
//! its first record meanwhile. Invariant: nothing of it is ever committed, and none is left open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::admin::{AdminOptions, NewPartitions};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::super::fault::{Fault, Kind};
use super::super::world::World;
use super::Effect;
use crate::background::Background;
use crate::deployment::Deployment;
use crate::positions;
use crate::produce::{Manner, Producer, RawRecord};
use crate::topic_log::LogReader;
use crate::topics::{self, Input};
use crate::wait;

/// Records of a transaction, and of a new partition.
const RECORDS: u64 = 20;
/// How long each stays open.
const OPEN: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(90);
const PATIENCE_SECONDS: u64 = 90;

/// What was done.
#[derive(Debug)]
pub(super) enum Wound {
    Aborting { deployment: Box<Deployment>, id: String, work: Background<Aborted> },
    Widened { topic: String, partitions: usize },
}

/// What became of transactions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aborted {
    /// How many were aborted.
    times: u64,
    /// Whether the producer gave up on one that may still be open.
    gave_up: bool,
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let deployment = world.deployment().clone();
    if fault.kind == Kind::PartitionsAdded {
        let inputs: Vec<(Input, &str)> = deployment.topics.inputs().collect();
        let (input, topic) = *fault.dice().pick(&inputs);
        let topic = topic.to_owned();
        let partitions = widen(&deployment, &topic).await?;
        fill(&deployment, (input, &topic), partitions - 1).await?;
        let what = format!("topic `{topic}` gets {partitions} partitions, the last of them {RECORDS} records");
        return Ok((what, Wound::Widened { topic, partitions }));
    }
    let id = format!("aborting-{}", Uuid::new_v4().simple());
    let producer = open(&deployment, &id).await?;
    let work = Background::begin(move |end| abort_until(producer, &end));
    let wound = Wound::Aborting { deployment: Box::new(deployment), id, work };
    Ok((format!("transactions of {RECORDS} payments are aborted"), wound))
}

impl Wound {
    pub(super) async fn heal(self) -> Result<Effect> {
        match self {
            Self::Aborting { deployment, id, work } => {
                let ended = tokio::time::timeout(PATIENCE, work.end()).await;
                let Aborted { times, gave_up } = ended.context("the producer does not end")??;
                let mut what = format!("{times} transactions were aborted");
                if gave_up {
                    // Who comes under the same id ends what was left open.
                    let ending = async || Ok(open(&deployment, &id).await.map(|_| true)?);
                    wait::within(PATIENCE_SECONDS, "the last aborted transaction to be ended", ending).await?;
                    what += ", and one more by the producer's successor";
                }
                Ok(Effect { what, took_place: times > 0 })
            }
            Self::Widened { topic, partitions } => {
                let what = format!("topic `{topic}` has {partitions} partitions for good");
                Ok(Effect { what, took_place: true })
            }
        }
    }
}

async fn open(deployment: &Deployment, id: &str) -> Result<Producer> {
    let manner = Manner { transactional_id: Some(id.to_owned()), ..Manner::default() };
    Producer::open_as(&deployment.stack, &deployment.topics, manner).await
}

/// Aborts one transaction after the other until it is told to end, or Kafka is too ill for it.
fn abort_until(mut producer: Producer, end: &AtomicBool) -> Aborted {
    let mut aborted = Aborted::default();
    while !end.load(Ordering::SeqCst) {
        if abort_one(&mut producer).is_err() {
            aborted.gave_up = true;
            break;
        }
        aborted.times += 1;
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

/// Puts news of new orders into a partition that no worker may take.
async fn fill(deployment: &Deployment, (input, topic): (Input, &str), partition: usize) -> Result<()> {
    let mut producer = Producer::open(&deployment.stack, &deployment.topics).await?;
    for _ in 0..RECORDS {
        let order = format!("beyond-{}", Uuid::new_v4());
        let value = producer.encode(&news(input, &order))?;
        let (topic, partition, key) = (topic.to_owned(), Some(i32::try_from(partition)?), Some(order.into_bytes()));
        producer.send_raw(&RawRecord { topic, partition, key, value: Some(value), ..RawRecord::default() })?;
    }
    producer.flush()
}

/// Something that a topic may be the first to say of an order.
fn news(input: Input, order: &str) -> Json {
    let lines = json!([{"line_id": "1", "quantity": 1}]);
    let mut event = match input {
        Input::Payment => json!({"kind": "PENDING", "authorization_id": "beyond"}),
        Input::Inventory => json!({"kind": "RESERVED", "reservation_id": "beyond", "lines": lines}),
        Input::Shipping => json!({"kind": "DISPATCHED", "shipment_id": "beyond", "lines": lines}),
        Input::Order => json!({"kind": "CANCEL_REQUESTED", "requested_by": "CUSTOMER"}),
    };
    event["topic"] = input.as_str().into();
    event["event_id"] = Uuid::new_v4().to_string().into();
    event["order_id"] = order.into();
    event["occurred_at"] = jiff::Timestamp::now().as_microsecond().into();
    event
}

/// Gives all input topics as many partitions as the widest has.
pub(in super::super) async fn widen_all(deployment: &Deployment) -> Result<()> {
    let partitions = positions::input_partitions(&LogReader::on(&deployment.stack.brokers)?, deployment)?;
    let of = |topic: &str| partitions.iter().filter(|partition| partition.topic == topic).count();
    let topics: Vec<&str> = deployment.topics.inputs().map(|(_, topic)| topic).collect();
    let widest = topics.iter().map(|topic| of(topic)).max().unwrap_or(0);
    for topic in topics.into_iter().filter(|topic| of(topic) < widest) {
        widen_to(deployment, topic, widest).await?;
    }
    Ok(())
}

/// Adds a partition to a topic; returns how many it has then.
async fn widen(deployment: &Deployment, topic: &str) -> Result<usize> {
    let wanted = LogReader::on(&deployment.stack.brokers)?.partitions(topic)?.len() + 1;
    widen_to(deployment, topic, wanted).await?;
    Ok(wanted)
}

/// Gives a topic that many partitions, and waits until everybody knows it.
async fn widen_to(deployment: &Deployment, topic: &str, wanted: usize) -> Result<()> {
    let admin = topics::admin(&deployment.stack.brokers)?;
    let new = NewPartitions::new(topic, wanted);
    for answer in admin.create_partitions(&[new], &AdminOptions::new()).await? {
        answer.map_err(|(topic, code)| anyhow::anyhow!("topic `{topic}` gets no partition: {code}"))?;
    }
    let reader = LogReader::on(&deployment.stack.brokers)?;
    let known = async || Ok(reader.partitions(topic)?.len() == wanted);
    wait::within(PATIENCE_SECONDS, "the new partitions to be known", known).await
}

#[cfg(test)]
mod tests {
    use super::{Input, news};
    use crate::avro;

    #[test]
    fn what_goes_into_a_new_partition_is_an_event_of_its_topic() {
        for input in Input::ALL {
            let event = avro::flat_event(&news(input, "ord-1")).expect("an event");
            assert_eq!((event.topic, event.order_id.as_str()), (input, "ord-1"));
        }
    }
}
