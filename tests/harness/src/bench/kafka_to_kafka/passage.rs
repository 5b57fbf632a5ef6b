//! The passage: what the product does between its topics, with orders in memory instead of Postgres.
//!
//! Its decoder, its core, its encoder and its transactional producer. One thread reads and decides; another publishes, in one
//! transaction, what the first has ready meanwhile, as the relay does. Nothing is kept that a restart would need, so this is no
//! alternative: it shows what is left of the time, and of the machine, when Postgres is taken away. Invariant: as in the product,
//! status events and the offsets of their causes become visible in one transaction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use orderstream::config::{Config, Environment};
use orderstream::consume::record::Record;
use orderstream::consume::topics::InputTopics;
use orderstream::decode::{self, Decoded, Decoder};
use orderstream::ids::{Lane, SchemaId, Timestamp};
use orderstream::order::{Event, Policy, Source};
use orderstream::persist::journal_format::EmittedRecord;
use orderstream::pipeline::input_topics;
use orderstream::publish::encode::{Encoder, STATUS_SCHEMA};
use orderstream::publish::pace::{COMPANY, MARKERS};
use orderstream::publish::producer::{Producer, Settings};
use orderstream::publish::status_event::{Origin, status_event};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::orders::Orders;
use crate::background::Background;
use crate::bench::pace::now;
use crate::config_file::ConfigFile;
use crate::deployment::Deployment;
use crate::registry::Registry;
use crate::stack;
use crate::topic_log::LogReader;

/// How long the reader waits for the first record of a chunk; a record ends the wait.
const POLL: Duration = Duration::from_millis(50);
/// Records of one chunk, at most; those that wait go into one transaction.
const CHUNK_RECORDS: u64 = 2_000;
/// Chunks that wait for the publisher, at most.
const READY: usize = 4;
/// Records of one transaction, at most.
const TRANSACTION_RECORDS: u64 = 10_000;

/// A passage at work.
pub struct Passage(Background<Result<()>>);

impl Passage {
    /// Begins at the beginning of the input topics, under the name of the deployment's group, in which nobody else may be. Each order
    /// must have so many events.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn start(deployment: &Deployment, events_per_order: usize) -> Result<Self> {
        let file = ConfigFile::of(deployment);
        let config = Config::read(Some(("the passage's file", &file.text())), &Environment::default())?;
        let registry = Registry::at(&deployment.stack.registry)?;
        let status = registry.register(&format!("{}-value", config.topics.status), STATUS_SCHEMA).await?;
        let asked = decode::Registry::new(decode::Access::from(&config.registry))?;
        let decoder = Decoder::new(asked, config.registry.cache_capacity, config.worker.record_max_bytes);
        for (input, topic) in deployment.topics.inputs() {
            decoder.fetch(SchemaId(registry.register_input(input, topic).await?.current)).await?;
        }
        let reader = Reader {
            consumer: consumer(deployment)?,
            topics: input_topics(&config),
            status_topic: config.topics.status.clone(),
            policy: config.order_policy(),
            decoder,
            encoder: Encoder::new(SchemaId(status), None),
            orders: Orders::of_stories(events_per_order),
        };
        let settings = Settings::new(&config.kafka, "passage", config.worker.emitted_record_max_bytes);
        let id = format!("{}-passage", config.kafka.group);
        Ok(Self(Background::begin(move |end| carry(reader, &settings, &id, &end))))
    }

    /// Ends it.
    ///
    /// # Errors
    /// What stopped it before.
    pub async fn end(self) -> Result<()> {
        self.0.end().await?
    }
}

/// A consumer of all input partitions, from their beginning.
fn consumer(deployment: &Deployment) -> Result<BaseConsumer> {
    let mut config = stack::client(&deployment.stack.brokers);
    config.set("group.id", &deployment.group).set("enable.auto.commit", "false");
    config.set("isolation.level", "read_committed").set("auto.offset.reset", "error");
    config.set("queued.max.messages.kbytes", "65536").set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = config.create()?;
    let reader = LogReader::on(&deployment.stack.brokers)?;
    let mut assignment = TopicPartitionList::new();
    for (_, topic) in deployment.topics.inputs() {
        for partition in reader.partitions(topic)? {
            assignment.add_partition_offset(topic, partition.number, Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

fn carry(mut reader: Reader, settings: &Settings, id: &str, end: &AtomicBool) -> Result<()> {
    let metadata = reader.consumer.group_metadata().context("a consumer with a group has its metadata")?;
    let producer = Producer::open(settings, id)?;
    let (hand_over, ready) = sync_channel(READY);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(move || publish(&producer, &metadata, &ready));
        let read = reader.read(&hand_over, end);
        drop(hand_over);
        match publisher.join() {
            Ok(published) => published.and(read),
            Err(_) => bail!("the thread that publishes panicked"),
        }
    })
}

/// What the reader has ready: status events, and the offsets behind the records that it looked at.
#[derive(Debug, Default)]
struct Chunk {
    records: u64,
    emitted: Vec<EmittedRecord>,
    offsets: BTreeMap<(Source, i32), (String, i64)>,
}

impl Chunk {
    fn add(&mut self, more: Self) {
        self.records += more.records;
        self.emitted.extend(more.emitted);
        self.offsets.extend(more.offsets);
    }
}

fn publish(producer: &Producer, metadata: &ConsumerGroupMetadata, ready: &Receiver<Chunk>) -> Result<()> {
    while let Ok(mut chunk) = ready.recv() {
        // Positions alone wait for records to go with, as in the relay and no longer: Kafka would let them wait for half a second.
        while chunk.emitted.is_empty()
            && let Ok(more) = ready.recv_timeout(COMPANY)
        {
            chunk.add(more);
        }
        while chunk.records < TRANSACTION_RECORDS
            && let Ok(more) = ready.try_recv()
        {
            chunk.add(more);
        }
        let mut offsets = TopicPartitionList::with_capacity(chunk.offsets.len());
        for ((_, partition), (topic, next)) in &chunk.offsets {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
        producer.publish(chunk.emitted.iter(), &offsets, metadata).context("a transaction failed")?;
        // As the relay does: a transaction that begins before the markers of the last stand is refused, and waits for longer.
        std::thread::sleep(MARKERS);
    }
    Ok(())
}

/// The thread that reads and decides.
struct Reader {
    consumer: BaseConsumer,
    topics: InputTopics,
    status_topic: String,
    policy: Policy,
    decoder: Decoder,
    encoder: Encoder,
    orders: Orders,
}

impl Reader {
    /// Goes on until it is told to end, or nobody publishes any more.
    fn read(&mut self, hand_over: &SyncSender<Chunk>, end: &AtomicBool) -> Result<()> {
        while !end.load(Ordering::SeqCst) {
            let (mut chunk, mut wait, mut began) = (Chunk::default(), POLL, None);
            while chunk.records < CHUNK_RECORDS {
                let Some(message) = self.consumer.poll(wait) else { break };
                let record = self.record(&message.context("an input topic cannot be read")?)?;
                let at = *began.get_or_insert_with(|| Timestamp(now()));
                self.decide(&record, at, &mut chunk)?;
                // What is there already goes along, what is not is not waited for.
                wait = Duration::ZERO;
            }
            if chunk.records > 0 && hand_over.send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn record(&self, message: &BorrowedMessage<'_>) -> Result<Record> {
        Ok(Record {
            source: self.topics.source(message.topic()).context("only input topics are read")?,
            lane: Lane(message.partition()),
            offset: message.offset(),
            timestamp: Timestamp(message.timestamp().to_millis().unwrap_or_default() * 1_000),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers: Ok(Vec::new()),
        })
    }

    /// Decodes a record, applies it to its order, and adds what has to be said.
    fn decide(&mut self, record: &Record, at: Timestamp, chunk: &mut Chunk) -> Result<()> {
        let event = match self.decoder.try_decode(record, at) {
            Decoded::Event(event) => event,
            Decoded::Refused(refusal) => bail!("a sound record was refused: {refusal}"),
            Decoded::NeedsSchema(id) => bail!("schema {id} was not fetched before"),
        };
        let topic = self.topics.name(record.source);
        let origin = Origin { topic, partition: record.lane.0, offset: record.offset };
        let value = self.orders.hear(&event.order_id, |order| -> Result<Option<Vec<u8>>> {
            let (_, Some(change)) = order.apply(&event, &self.policy) else { return Ok(None) };
            let view = order.view.as_ref().context("a change has a view")?;
            let told = status_event((&event.order_id, &*order, view), &change, Some((&event, Some(origin))), at);
            let mut value = Vec::with_capacity(512);
            self.encoder.encode_status(&told, &mut value)?;
            Ok(Some(value))
        })?;
        chunk.emitted.extend(value.map(|value| emitted(&self.status_topic, &event, value)));
        let offset = chunk.offsets.entry((record.source, record.lane.0)).or_insert_with(|| (topic.to_owned(), 0));
        offset.1 = record.next_offset().0;
        chunk.records += 1;
        Ok(())
    }
}

fn emitted(topic: &str, event: &Event, value: Vec<u8>) -> EmittedRecord {
    EmittedRecord {
        topic: topic.into(),
        key: Some(Bytes::copy_from_slice(event.order_id.as_str().as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp: None,
    }
}
