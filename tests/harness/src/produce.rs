//! Records into the input topics: planned traffic, single events from JSON, raw bytes, transactions.
//!
//! An idempotent producer that partitions by murmur2 of the key as Java does, unless a test wants otherwise. Invariant: when
//! [`Producer::flush`] returns, every record sent before is acknowledged by all replicas in sync, or the call is an error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use serde_json::Value as Json;

use crate::avro::{self, Encoder};
use crate::registry::Registry;
use crate::stack::{self, Stack};
use crate::topics::{Input, MAX_MESSAGE_BYTES, Topics};
use crate::traffic::Planned;

/// How long a flush and each step of a transaction may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many records librdkafka gets to tell what became of earlier ones.
const POLL_EVERY: u64 = 256;

/// How a producer finds a key's partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitioner {
    /// As Java's client does; what orderstream expects.
    #[default]
    Murmur2,
    /// As librdkafka does by default: the usual accident.
    Crc32,
}

/// How a producer differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// How it finds a key's partition.
    pub partitioner: Partitioner,
    /// Makes it a transactional producer with this id.
    pub transactional_id: Option<String>,
    /// Sends each record at once, where the usual one waits some milliseconds for company.
    pub at_once: bool,
}

/// A record as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRecord {
    /// The topic's name.
    pub topic: String,
    /// The partition; chosen by the key where it is not given.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A producer for the input topics of one deployment.
pub struct Producer {
    inner: BaseProducer<Deliveries>,
    /// By role: the topic's name and its encoder.
    inputs: [Option<(String, Encoder)>; Input::ALL.len()],
    value: Vec<u8>,
    sent: u64,
}

impl Producer {
    /// Registers the input topics' schemas and opens the usual producer.
    ///
    /// # Errors
    /// The registry does not answer, or librdkafka refuses the configuration.
    pub async fn open(stack: &Stack, topics: &Topics) -> Result<Self> {
        Self::open_as(stack, topics, Manner::default()).await
    }

    /// Registers the input topics' schemas and opens a producer that differs from the usual one.
    ///
    /// # Errors
    /// As [`Self::open`]; for a transactional one also what keeps the broker from knowing it.
    pub async fn open_as(stack: &Stack, topics: &Topics, manner: Manner) -> Result<Self> {
        let registry = Registry::at(&stack.registry)?;
        let mut inputs = [const { None }; Input::ALL.len()];
        for (input, topic) in topics.inputs() {
            let ids = registry.register_input(input, topic).await?;
            inputs[input as usize] = Some((topic.to_owned(), Encoder::new(input, ids)));
        }
        Self::of(stack, inputs, manner)
    }

    /// Opens a producer that knows no schema and registers none, for bytes as they are.
    ///
    /// # Errors
    /// Librdkafka refuses the configuration.
    pub fn bare(stack: &Stack) -> Result<Self> {
        Self::of(stack, [const { None }; Input::ALL.len()], Manner::default())
    }

    fn of(stack: &Stack, inputs: [Option<(String, Encoder)>; Input::ALL.len()], manner: Manner) -> Result<Self> {
        let mut config = stack::client(&stack.brokers);
        config.set("enable.idempotence", "true").set("compression.type", "lz4");
        // Now and then librdkafka (2.12.1) sends nothing any more after the only broker was stopped and started, for two minutes at least:
        // it is made to look for leaders, and to connect, anew.
        config.set("topic.metadata.refresh.interval.ms", "5000").set("connections.max.idle.ms", "15000");
        config.set("linger.ms", if manner.at_once { "0" } else { "5" });
        config.set("batch.size", "1000000").set("queue.buffering.max.messages", "200000");
        config.set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
        config.set(
            "partitioner",
            match manner.partitioner {
                Partitioner::Murmur2 => "murmur2_random",
                Partitioner::Crc32 => "consistent_random",
            },
        );
        if let Some(id) = &manner.transactional_id {
            config.set("transactional.id", id);
        }
        let inner: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
        if manner.transactional_id.is_some() {
            inner.init_transactions(PATIENCE).context("transactions cannot be initialised")?;
        }
        Ok(Self { inner, inputs, value: Vec::with_capacity(1024), sent: 0 })
    }

    /// The ids of the schemas that records with [`crate::traffic::Flaw::EarlySchema`] name.
    pub fn later_schemas(&self) -> impl Iterator<Item = u32> {
        self.inputs.iter().flatten().map(|(_, encoder)| encoder.schemas().later)
    }

    /// Sends a planned record, waiting while the queue is full. False for a topic that the deployment lacks.
    ///
    /// # Errors
    /// A record that went wrong earlier, or this one cannot be sent.
    pub fn send(&mut self, planned: &Planned) -> Result<bool> {
        self.send_of(planned, None)
    }

    /// Sends a planned record like [`Self::send`], with this as its time instead of the present, in milliseconds.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_of(&mut self, planned: &Planned, millis: Option<i64>) -> Result<bool> {
        let Some((topic, encoder)) = &self.inputs[planned.input as usize] else { return Ok(false) };
        self.value.clear();
        let has_value = encoder.write_flawed(&planned.event, planned.flaw, &mut self.value)?;
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.key = planned.key.as_deref().map(str::as_bytes);
        record.payload = has_value.then_some(&self.value);
        record.timestamp = millis;
        self.enqueue(record)?;
        self.sent += 1;
        Ok(true)
    }

    /// Sends one event in its flat JSON form, keyed by its order.
    ///
    /// # Errors
    /// The JSON is no event, or it cannot be sent.
    pub fn send_json(&mut self, event: &Json) -> Result<()> {
        let event = avro::flat_event(event)?;
        let topic = event.topic;
        anyhow::ensure!(self.send(&Planned::sound(event))?, "there is no {topic} topic in this deployment");
        Ok(())
    }

    /// The framed bytes of an event, for a test that wants to change them.
    ///
    /// # Errors
    /// The JSON is no event, or of a topic that the deployment lacks.
    pub fn encode(&self, event: &Json) -> Result<Vec<u8>> {
        let event = avro::flat_event(event)?;
        let Some((_, encoder)) = &self.inputs[event.topic as usize] else {
            bail!("there is no {} topic in this deployment", event.topic)
        };
        let mut bytes = Vec::new();
        encoder.write(&event, &mut bytes)?;
        Ok(bytes)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// They cannot be sent.
    pub fn send_raw(&mut self, raw: &RawRecord) -> Result<()> {
        let headers = raw
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
        let mut record = BaseRecord::<[u8], [u8]>::to(&raw.topic).headers(headers);
        record.partition = raw.partition;
        record.key = raw.key.as_deref();
        record.payload = raw.value.as_deref();
        self.enqueue(record)?;
        self.sent += 1;
        Ok(())
    }

    /// Waits until everything sent so far is acknowledged.
    ///
    /// # Errors
    /// Something was not, or not within a minute.
    pub fn flush(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // Short polls: librdkafka's own flush returns in steps of 100 ms.
        while self.inner.in_flight_count() > 0 && Instant::now() < deadline {
            self.inner.poll(Duration::from_millis(5));
        }
        match self.inner.in_flight_count() {
            0 => self.deliveries().check(),
            left => bail!("{left} records are not acknowledged after {} s", PATIENCE.as_secs()),
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// The producer is not transactional, or one is open already.
    pub fn begin(&self) -> Result<()> {
        Ok(self.inner.begin_transaction()?)
    }

    /// Commits the open transaction.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn commit(&self) -> Result<()> {
        self.flush()?;
        Ok(self.inner.commit_transaction(PATIENCE)?)
    }

    /// Aborts the open transaction; its records stay in the log behind an abort marker.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn abort(&self) -> Result<()> {
        self.flush()?;
        Ok(self.inner.abort_transaction(PATIENCE)?)
    }

    /// Lets librdkafka tell what became of records, for that long at most.
    pub fn poll(&self, at_most: Duration) {
        self.inner.poll(at_most);
    }

    /// How many records were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many records were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.deliveries().acknowledged.load(Ordering::Relaxed)
    }

    fn enqueue(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        if self.sent.is_multiple_of(POLL_EVERY) {
            self.inner.poll(Duration::ZERO);
        }
        loop {
            match self.inner.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.inner.poll(Duration::from_millis(5));
                    record = back;
                }
                Err((error, _)) => return Err(error).context("record cannot be sent"),
            }
        }
        Ok(())
    }

    fn deliveries(&self) -> &Deliveries {
        self.inner.context()
    }
}

/// What became of the records, told by librdkafka.
#[derive(Debug, Default)]
struct Deliveries {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

impl Deliveries {
    fn check(&self) -> Result<()> {
        let failed = self.failed.load(Ordering::Relaxed);
        let first = self.first_failure.lock().expect("nobody panics with the lock").clone();
        match first {
            Some(first) => bail!("{failed} records were not delivered, the first because: {first}"),
            None => Ok(()),
        }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => _ = self.acknowledged.fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.first_failure.lock().expect("nobody panics with the lock");
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
}
