//! What all parts of a worker process share: settings, rules, the decoder, the way to the relay and the way out.
//!
//! Invariant: everything here is either fixed for the life of the process or safe to touch from any thread.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::decide::Rules;
use super::meaning::Reading;
use super::turns::Turns;
use crate::cli::exit::Exit;
use crate::consume::tenure::{End, Tenure};
use crate::decode::Decoder;
use crate::heartbeat::pulse::Pulse;
use crate::ids::{Lane, OrderId, Timestamp};
use crate::metrics;
use crate::persist::{self, DatabaseClock};
use crate::publish::inbox::ToRelay;
use crate::publish::plan::TooOften;
use crate::shutdown::Shutdown;
use crate::telemetry::queue::Spans;

/// The unit in which room in the relay's queue is counted.
const ROOM_BYTES: usize = 1024;

/// How many orders are remembered as set aside. Of more, some are tried again each time, which costs time and nothing else.
const SET_ASIDE: usize = 1_000;

/// One worker process.
pub struct Process {
    /// How to reach the database.
    pub database: persist::Settings,
    /// What deciding depends on.
    pub rules: Rules,
    /// From records to events.
    pub decoder: Decoder,
    /// How long an unknown schema id is waited for.
    pub unknown_id_grace: Duration,
    /// Records in a batch, at most.
    pub batch_max_records: usize,
    /// Bytes of a batch's records, at most.
    pub batch_max_bytes: usize,
    /// How long an answer of the database may take before the connection counts as lost.
    pub answer_timeout: Duration,
    /// How long a lane rests before what is known of it is written down alone.
    pub idle_flush: Duration,
    /// The relay's inbox.
    pub relay: Sender<ToRelay>,
    /// Where spans go; none where nobody wants them.
    pub spans: Option<Spans>,
    /// Who this process is to Kafka, and in what it writes down about itself.
    pub transactional_id: String,
    /// Set to have all lanes given up and taken anew.
    pub rejoin: AtomicBool,
    /// The way out.
    pub shutdown: Shutdown,
    /// What its threads leave behind as they come round.
    pub pulse: Arc<Pulse>,
    /// Whose turn it is to apply the little that there is.
    pub turns: Turns,
    clock: RwLock<DatabaseClock>,
    relay_room: Arc<Semaphore>,
    relay_room_units: u32,
    fences: Mutex<TooOften>,
    off_lane_producers: Mutex<BTreeSet<String>>,
    set_aside: Mutex<BTreeSet<OrderId>>,
}

/// What [`Process::new`] is given beside its fixed parts.
pub struct Parts {
    /// See [`Process::database`].
    pub database: persist::Settings,
    /// See [`Process::rules`].
    pub rules: Rules,
    /// See [`Process::decoder`].
    pub decoder: Decoder,
    /// See [`Process::relay`].
    pub relay: Sender<ToRelay>,
    /// See [`Process::spans`].
    pub spans: Option<Spans>,
    /// See [`Process::transactional_id`].
    pub transactional_id: String,
    /// See [`Process::shutdown`].
    pub shutdown: Shutdown,
    /// See [`Process::pulse`].
    pub pulse: Arc<Pulse>,
    /// The database's clock.
    pub clock: DatabaseClock,
}

impl Process {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts, worker: &crate::config::Worker, unknown_id_grace: Duration) -> Self {
        let relay_room = (worker.relay_queue_bytes / ROOM_BYTES).max(1);
        let answer_timeout = parts.database.answer_timeout();
        Self {
            database: parts.database,
            rules: parts.rules,
            decoder: parts.decoder,
            unknown_id_grace,
            batch_max_records: worker.batch_max_records,
            batch_max_bytes: worker.batch_max_bytes,
            idle_flush: worker.idle_flush,
            answer_timeout,
            relay: parts.relay,
            spans: parts.spans,
            transactional_id: parts.transactional_id,
            rejoin: AtomicBool::new(false),
            shutdown: parts.shutdown,
            pulse: parts.pulse,
            turns: Turns::default(),
            clock: RwLock::new(parts.clock),
            relay_room: Arc::new(Semaphore::new(relay_room)),
            relay_room_units: u32::try_from(relay_room).unwrap_or(u32::MAX),
            fences: Mutex::new(TooOften::new(5, Duration::from_secs(60))),
            off_lane_producers: Mutex::default(),
            set_aside: Mutex::default(),
        }
    }

    /// The time now, by the database's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.read().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// A fresher reading of the database's clock.
    pub fn set_clock(&self, clock: DatabaseClock) {
        *self.clock.write().unwrap_or_else(PoisonError::into_inner) = clock;
    }

    /// What reading records depends on now, and whether it may ask the registry.
    #[must_use]
    pub fn reading(&self, may_ask: bool) -> Reading<'_> {
        Reading { decoder: &self.decoder, now: self.now(), grace: self.unknown_id_grace, may_ask }
    }

    /// Waits until the relay's queue has room for so many bytes; the room is given back when the permit is dropped.
    pub async fn room_in_relay(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // A single chunk that is larger than the queue waits for all of it.
        let units = u32::try_from(bytes / ROOM_BYTES + 1).unwrap_or(u32::MAX).min(self.relay_room_units);
        self.relay_room.clone().acquire_many_owned(units).await.ok()
    }

    /// The database refused tenures: they end, and unless that happens too often, the lanes are taken anew.
    pub fn fenced(&self, tenures: &[Arc<Tenure>]) {
        let ended: Vec<i32> =
            tenures.iter().filter(|tenure| tenure.end(End::Fenced)).map(|tenure| tenure.lane.0).collect();
        if ended.is_empty() {
            return;
        }
        metrics::FENCED.increment(1, &["epoch"]);
        tracing::warn!(lanes = ?ended, "another process claimed lanes of ours: their tenures end");
        if self.fences.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now()) {
            let text =
                "lanes were claimed away from us five times in a minute: look for a second deployment on this database";
            self.shutdown.stop(Exit::TempFail, text);
        } else {
            self.rejoin.store(true, Ordering::SeqCst);
        }
    }

    /// The database refuses what a visit would make of an order: it is left alone until the process starts again, or a person
    /// marks it again.
    pub fn set_aside(&self, order_id: &OrderId, error: &persist::Error) {
        metrics::DEADLINES_REFUSED.increment(1, &[]);
        tracing::error!(order.id = %order_id, %error, "the database refuses what time or a person asks of an order: it is left as it is");
        let mut set_aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        if set_aside.len() >= SET_ASIDE {
            set_aside.pop_first();
        }
        set_aside.insert(order_id.clone());
    }

    /// The orders that were set aside.
    #[must_use]
    pub fn set_aside_orders(&self) -> Vec<String> {
        let set_aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        set_aside.iter().map(|order_id| order_id.as_str().to_owned()).collect()
    }

    /// Says once a producer that its partitioner differs from the others'.
    pub fn warn_off_lane(&self, order_id: &OrderId, producer: Option<&str>, lane: Lane, home: Lane) {
        let producer = producer.unwrap_or("(unnamed)").to_owned();
        let mut known = self.off_lane_producers.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded: a producer that makes its name up anew each time is only counted.
        if known.len() < 100 && known.insert(producer.clone()) {
            tracing::warn!(
                order.id = %order_id, producer, lane = lane.0, home = home.0,
                "an event came through another lane than its order's first one: producers use different partitioners, and versions may be published out of order; give all of them murmur2 of the key"
            );
        }
    }
}
