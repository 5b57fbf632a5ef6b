//! Status events as they become visible, each with the instant at which a read_committed consumer had it, and what they tell of their way.
//!
//! What [`super::visible`] counts without reading is read here: latencies and pauses are of single events. The consumer asks again at
//! once and is answered when a transaction commits, so what it adds is a request's way there and back, below a millisecond. All clocks
//! are one machine's. Invariant: nothing that became visible between the beginning and the end is missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value as Json;

use super::pace::now;
use crate::avro_reader::{self, Readers};
use crate::background::Background;
use crate::deployment::Deployment;
use crate::output::schema_id;
use crate::registry::{Registry, SchemaCache};
use crate::stack;
use crate::topic_log::{LogReader, Partition};

/// How long one poll waits; only its end waits for that.
const POLL: Duration = Duration::from_millis(100);
/// How long Kafka may keep back what is visible already.
const PATIENCE: Duration = Duration::from_secs(30);

/// One status event as it arrived. Times are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the consumer had it.
    pub visible: i64,
    /// When the worker handed it to Kafka, cut to whole milliseconds, as records have it.
    pub handed: i64,
    /// What it says.
    pub value: Option<Bytes>,
}

/// The way of an event of a paced sender, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The lane of its record.
    pub lane: i32,
    /// When it was to be sent.
    pub appointed: i64,
    /// When the transaction in Postgres began that applied it.
    pub begun: i64,
    /// When its status event was handed to Kafka, cut to whole milliseconds.
    pub handed: i64,
    /// When a read_committed consumer had that.
    pub visible: i64,
}

/// Listens to a deployment's status topic.
pub struct Arrivals(Background<Result<Vec<Arrival>>>);

impl Arrivals {
    /// Begins to listen, from where the topic ends now.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn begin(deployment: &Deployment) -> Result<Self> {
        let brokers = &deployment.stack.brokers;
        let reader = LogReader::on(brokers)?;
        let mut config = stack::client(brokers);
        // Assigning needs the name of a group; nothing is ever committed to it.
        config.set("group.id", "orderstream-harness-reader").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "10").set("fetch.min.bytes", "1");
        let consumer: BaseConsumer = config.create()?;
        let mut from = Ends::new();
        let mut assignment = TopicPartitionList::new();
        for partition in reader.partitions(&deployment.topics.status)? {
            let end = reader.extent(&partition)?.end;
            assignment.add_partition_offset(&partition.topic, partition.number, Offset::Offset(end))?;
            from.insert(partition, end);
        }
        consumer.assign(&assignment)?;
        Ok(Self(Background::begin(move |end| listen(&consumer, &reader, &from, &end))))
    }

    /// Ends it, once all that is visible by now has arrived. In the order of arrival.
    ///
    /// # Errors
    /// Kafka could not be read.
    pub async fn end(self) -> Result<Vec<Arrival>> {
        self.0.end().await?
    }
}

/// Where partitions end.
type Ends = BTreeMap<Partition, i64>;

fn listen(consumer: &BaseConsumer, reader: &LogReader, from: &Ends, end: &AtomicBool) -> Result<Vec<Arrival>> {
    let (mut arrivals, mut until) = (Vec::new(), None);
    loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) => arrivals.push(Arrival {
                visible: now(),
                handed: message.timestamp().to_millis().unwrap_or_default() * 1_000,
                value: message.payload().map(Bytes::copy_from_slice),
            }),
            Some(Err(error)) => return Err(error).context("the status topic cannot be read"),
            None if !end.load(Ordering::SeqCst) => {}
            None => {
                let (ends, deadline) = match until.take() {
                    Some(until) => until,
                    None => (ends(reader, from)?, Instant::now() + PATIENCE),
                };
                if has_reached(consumer, from, &ends)? {
                    return Ok(arrivals);
                }
                if Instant::now() > deadline {
                    bail!("kafka keeps back status events for {} s", PATIENCE.as_secs());
                }
                until = Some((ends, deadline));
            }
        }
    }
}

fn ends(reader: &LogReader, from: &Ends) -> Result<Ends> {
    from.keys().map(|partition| Ok((partition.clone(), reader.extent(partition)?.end))).collect()
}

/// Whether the consumer has passed all that lies before these ends.
fn has_reached(consumer: &BaseConsumer, from: &Ends, ends: &Ends) -> Result<bool> {
    let positions = consumer.position()?;
    let at = |Partition { topic, number }: &Partition| match positions.find_partition(topic, *number)?.offset() {
        Offset::Offset(at) => Some(at),
        _ => None,
    };
    // Where nothing came there is no position.
    Ok(ends.iter().all(|(partition, end)| *end <= from[partition] || at(partition).is_some_and(|at| at >= *end)))
}

/// What the arrivals tell of their way, in the same order; those that no record caused are left out.
///
/// # Errors
/// The registry does not answer, or one is no status event.
pub async fn ways(deployment: &Deployment, arrivals: &[Arrival]) -> Result<Vec<Way>> {
    let mut schemas = SchemaCache::before(Registry::at(&deployment.stack.registry)?);
    schemas.learn(arrivals.iter().filter_map(|arrival| schema_id(arrival.value.as_deref()))).await?;
    let readers = schemas.readers();
    let ways = arrivals.iter().map(|arrival| way(&readers, arrival));
    ways.filter_map(Result::transpose).collect()
}

fn way(readers: &Readers<'_>, arrival: &Arrival) -> Result<Option<Way>> {
    let framed = avro_reader::framed(arrival.value.as_deref(), None);
    let fields = match framed.and_then(|framed| readers.read("OrderStatusChanged", framed)) {
        Ok(fields) => fields,
        Err(why) => bail!("not a status event: {why:?}"),
    };
    let lane = fields.get("cause").and_then(|cause| cause["partition"].as_i64());
    let Some(lane) = lane else { return Ok(None) };
    let micros = |name: &str| fields.get(name).and_then(Json::as_i64).with_context(|| format!("no `{name}`"));
    Ok(Some(Way {
        lane: i32::try_from(lane)?,
        appointed: micros("occurred_at")?,
        begun: micros("changed_at")?,
        handed: arrival.handed,
        visible: arrival.visible,
    }))
}
