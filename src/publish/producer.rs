//! The transactional producer: one transaction at a time, and no benefit of the doubt.
//!
//! librdkafka speaks the older transaction protocol, without an epoch a transaction (KIP-890 part 2): a delayed EndTxn of one
//! transaction may hit the next. Invariant: every delivery is drained before offsets are sent, and a producer that failed, took
//! too long or lost a broker during a transaction is never used again; making a new one with the same id ends what was open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::config;
use crate::consume::access::Access;
use crate::consume::client;
use crate::crash::{self, Point};
use crate::persist::journal_format::EmittedRecord;

/// A transactional call that takes longer than this leaves doubt about what the broker will still do.
const DOUBTFUL: Duration = Duration::from_millis(350);
/// How long librdkafka waits before it repeats a request: so much longer than `DOUBTFUL` that a repeated request shows as time
/// (a disconnect is no error event; and a request that was repeated may arrive twice).
pub const REQUEST_RETRY: Duration = Duration::from_millis(500);
/// librdkafka takes up to a fifth off (`RD_KAFKA_RETRY_JITTER_PERCENT`).
const _: () = assert!(REQUEST_RETRY.as_millis() * 8 / 10 > DOUBTFUL.as_millis());
/// After how long without a byte a connection is closed. librdkafka (2.12.1) asks for the group's coordinator anew only when one of
/// its connections comes or goes: a producer whose question was lost with the coordinator would wait for ever in
/// `send_offsets_to_transaction`, whatever time-out that was given. Closing an idle connection makes it ask.
const CONNECTION_IDLE_MS: &str = "15000";
/// How often a thread that waits for acknowledgements looks for them. librdkafka counts in milliseconds, and a shorter wait of its
/// own would keep a processor busy.
const LOOK_FOR_ACKNOWLEDGEMENTS: Duration = Duration::from_micros(300);
/// What a record weighs beside key, value and headers, generously.
const RECORD_OVERHEAD_BYTES: usize = 1024;

/// Settings of the producer.
#[derive(Clone, Debug)]
pub struct Settings {
    kafka: config::Kafka,
    instance: String,
    record_max_bytes: usize,
}

impl Settings {
    /// Takes what a producer needs from the configuration.
    #[must_use]
    pub fn new(kafka: &config::Kafka, instance: &str, record_max_bytes: usize) -> Self {
        Self { kafka: kafka.clone(), instance: instance.to_owned(), record_max_bytes }
    }

    /// How long a transaction may stay open, and any call about one may take.
    #[must_use]
    pub fn transaction_timeout(&self) -> Duration {
        self.kafka.transaction_timeout
    }
}

/// Whether a transaction that was committed left the producer fit for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Go on with it.
    Fit,
    /// Make a new one.
    Doubtful,
}

/// Whether a request of a committed transaction may have been sent twice: it shows as time, since librdkafka waits longer than
/// `DOUBTFUL` before it repeats one. The other copy may still arrive, in a later transaction of the same producer.
#[must_use]
pub fn trust(calls_took: [Duration; 2], lost_a_broker: bool) -> Trust {
    if lost_a_broker || calls_took.iter().any(|took| *took > DOUBTFUL) { Trust::Doubtful } else { Trust::Fit }
}

/// Whether a producer was not made because we may not use its transactional id.
#[must_use]
pub fn is_forbidden(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed)
}

/// A producer that has taken its transactional id over.
pub struct Producer {
    inner: BaseProducer<Deliveries>,
    timeout: Duration,
}

impl Producer {
    /// Makes a producer and takes the transactional id over: fences whoever had it, and ends what they left open.
    ///
    /// # Errors
    /// A broker out of reach, or a former transaction that cannot be ended yet.
    pub fn open(settings: &Settings, transactional_id: &str) -> KafkaResult<Self> {
        let timeout = settings.transaction_timeout();
        let inner: BaseProducer<Deliveries> = client::shared(&settings.kafka, &settings.instance)
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .set("message.timeout.ms", timeout.as_millis().to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // As Java does it, so that consumers find a key where they expect it.
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", (settings.record_max_bytes + RECORD_OVERHEAD_BYTES).to_string())
            .set("linger.ms", "0")
            .set("retry.backoff.ms", REQUEST_RETRY.as_millis().to_string())
            .set("retry.backoff.max.ms", "1000")
            .set("connections.max.idle.ms", CONNECTION_IDLE_MS)
            .create_with_context(Deliveries::of(&settings.kafka))?;
        inner.init_transactions(timeout)?;
        Ok(Self { inner, timeout })
    }

    /// Publishes records and offsets in one transaction, fenced by the group's metadata.
    ///
    /// # Errors
    /// Any failure leaves the outcome open: drop the producer, make a new one, read the positions again. Once another producer has
    /// our transactional id, the error says so, whatever was under way, unless the transaction is older than its time-out: Kafka
    /// fences those too.
    pub fn publish<'a>(
        &self,
        records: impl Iterator<Item = &'a EmittedRecord>,
        offsets: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
    ) -> KafkaResult<Trust> {
        let since = Instant::now();
        self.transact(records, offsets, metadata).map_err(|error| match self.inner.client().fatal_error() {
            // Kafka fences a transaction that grew too old as well, and nobody has our id then.
            Some((reason, sentence)) if since.elapsed() < self.timeout && says_no_reason(&error) => {
                tracing::debug!(%error, sentence, "why librdkafka gave records back");
                KafkaError::MessageProduction(reason)
            }
            _ => error,
        })
    }

    fn transact<'a>(
        &self,
        records: impl Iterator<Item = &'a EmittedRecord>,
        offsets: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
    ) -> KafkaResult<Trust> {
        let deliveries = self.inner.context();
        deliveries.access.renew(self.inner.client());
        self.inner.begin_transaction()?;
        crash::at(Point::RelayBegun);
        let deadline = Instant::now() + self.timeout;
        for record in records {
            self.send(record, deadline)?;
        }
        crash::at(Point::RelaySent);
        self.drain(deadline)?;
        crash::at(Point::RelayDrained);
        let since = Instant::now();
        self.inner.send_offsets_to_transaction(offsets, metadata, self.timeout)?;
        crash::at(Point::RelayOffsetsSent);
        let offsets_took = since.elapsed();
        let since = Instant::now();
        self.inner.commit_transaction(self.timeout)?;
        crash::at(Point::RelayCommitted);
        self.inner.poll(Duration::ZERO);
        Ok(trust([offsets_took, since.elapsed()], deliveries.lost_a_broker()))
    }

    fn send(&self, record: &EmittedRecord, deadline: Instant) -> KafkaResult<()> {
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.timestamp = record.timestamp.map(|timestamp| timestamp.0 / 1000);
        message.headers = (!record.headers.is_empty()).then(|| {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let each = record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() });
            each.fold(headers, OwnedHeaders::insert)
        });
        loop {
            match self.inner.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    message = back;
                    self.wait_a_little();
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Takes what was acknowledged; waits a moment where records are still under way.
    fn wait_a_little(&self) {
        self.inner.poll(Duration::ZERO);
        if self.inner.in_flight_count() > 0 {
            std::thread::sleep(LOOK_FOR_ACKNOWLEDGEMENTS);
        }
    }

    /// Waits until every record has been acknowledged. `flush` would poll in slices of 100 ms.
    fn drain(&self, deadline: Instant) -> KafkaResult<()> {
        while self.inner.in_flight_count() > 0 {
            if Instant::now() > deadline {
                return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
            }
            self.wait_a_little();
        }
        self.inner.context().failure().map_or(Ok(()), Err)
    }
}

/// Whether librdkafka kept the reason to itself: it says to whoever sends records that they were purged, or that something is fatal.
fn says_no_reason(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{Fatal, PurgeInflight, PurgeQueue};
    matches!(error.rdkafka_error_code(), Some(Fatal | PurgeInflight | PurgeQueue))
}

/// What became of the records of the transaction under way.
struct Deliveries {
    failed: Mutex<Option<KafkaError>>,
    lost_a_broker: AtomicBool,
    access: Access,
}

impl Deliveries {
    fn of(kafka: &config::Kafka) -> Self {
        Self { failed: Mutex::default(), lost_a_broker: AtomicBool::new(false), access: Access::of(kafka) }
    }

    fn failure(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lost_a_broker(&self) -> bool {
        self.lost_a_broker.load(Ordering::SeqCst)
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        self.lost_a_broker.store(true, Ordering::SeqCst);
        if !self.access.hear(&error, reason) {
            tracing::debug!(%error, reason, "producer");
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = delivery {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}
