//! The poll thread: takes records from Kafka and hands them to the writers of their lanes.
//!
//! It never waits for a writer: a partition of which enough waits is left alone, and polling goes on, because rebalances and heartbeats
//! need it. Invariant: offsets of a partition rise; one that falls is a bug that stops the process, since its
//! record would be applied under a checkpoint that is past it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;

use super::access;
use super::headers;
use super::inlet::Inlet;
use super::outside::{self, Wanted};
use super::rebalance::Handover;
use super::record::Record;
use super::room::Room;
use super::taps::Taps;
use super::tenure::End;
use crate::heartbeat::pulse::Pulse;
use crate::ids::{Lane, NextOffset, Timestamp};
use crate::metrics;
use crate::shutdown::Shutdown;

const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// How many records of one partition are taken before it is the others' turn.
const IN_A_ROW: usize = 500;
/// How long until room is looked for again: a writer takes all that its lanes have at once.
const ROOM_AFTER: Duration = Duration::from_millis(2);
/// How often the group is listened to while there are no records; a record that comes ends the wait.
const IDLE: Duration = Duration::from_millis(20);
/// The end of the year 9999: a record may claim any timestamp, the database cannot hold any.
const LATEST_MILLIS: i64 = 253_402_300_799_999;
/// How long leaving the group may take before the lanes are given back without it.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);
const POSITIONS_EVERY: Duration = Duration::from_millis(250);
/// How long a process stays out of the group when it gives its lanes up to take them again.
const REJOIN_AFTER: Duration = Duration::from_millis(500);

/// What a round over the partitions brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Taken {
    /// There was nothing.
    Nothing,
    /// There may have been, and there was no room for it.
    NoRoom,
    /// Records.
    Some,
}

/// The consumer, and what its thread remembers between two records.
pub struct Poller<'a> {
    taps: Taps,
    consumer: Arc<BaseConsumer<Handover>>,
    room: Room,
    rejoin: &'a AtomicBool,
    shutdown: &'a Shutdown,
    positions_at: Instant,
    pulse: Option<&'a Pulse>,
}

impl<'a> Poller<'a> {
    /// A poller over a consumer that has not subscribed yet. `rejoin` is set by whoever wants all lanes taken anew.
    #[must_use]
    pub fn new(consumer: BaseConsumer<Handover>, room: Room, rejoin: &'a AtomicBool, shutdown: &'a Shutdown) -> Self {
        let (taps, consumer) = (Taps::default(), Arc::new(consumer));
        Self { taps, consumer, room, rejoin, shutdown, positions_at: Instant::now(), pulse: None }
    }

    /// The same, leaving a trace of each round.
    #[must_use]
    pub fn with_pulse(self, pulse: &'a Pulse) -> Self {
        Self { pulse: Some(pulse), ..self }
    }

    /// Polls until shutdown, then leaves the group: the last revoke callback runs in here.
    pub fn run(mut self) {
        self.subscribe();
        let thread = thread::current();
        while !self.shutdown.is_requested() {
            if let Some(pulse) = self.pulse {
                pulse.poll();
            }
            self.serve(Duration::ZERO);
            self.taps.follow(&self.consumer, &self.consumer.context().inlets(), &thread);
            let taken = self.take_records();
            self.look_after_positions();
            if self.rejoin.swap(false, Ordering::SeqCst) {
                self.leave();
                thread::sleep(REJOIN_AFTER);
                self.subscribe();
            }
            match taken {
                Taken::Some => {}
                Taken::NoRoom => thread::park_timeout(ROOM_AFTER),
                Taken::Nothing => thread::park_timeout(IDLE),
            }
        }
        self.leave();
    }

    fn subscribe(&self) {
        let names: Vec<&str> = self.handover().topics().iter().map(|(_, name)| name).collect();
        if let Err(error) = self.consumer.subscribe(&names) {
            let text = format!("kafka does not take the subscription to {names:?}: {error}");
            self.handover().refuse("consumer", text);
        }
    }

    /// Leaves the group and waits until the lanes are given back.
    fn leave(&self) {
        self.consumer.unsubscribe();
        let since = Instant::now();
        while !self.handover().inlets().is_empty() {
            self.serve(POLL_TIMEOUT);
            if since.elapsed() > LEAVE_WITHIN {
                // A consumer that failed for good unassigns without a callback.
                self.handover().revoked(End::Lost);
            }
        }
    }

    fn handover(&self) -> &Handover {
        self.consumer.context()
    }

    /// Serves what the group and the brokers say. Records come here only of partitions that have no tap.
    fn serve(&self, timeout: Duration) {
        match self.consumer.poll(timeout) {
            None => {}
            Some(Ok(message)) => self.hand_on(&message),
            Some(Err(error)) => self.judge(&error),
        }
    }

    /// Takes records of all partitions of which there is room for more, some of each.
    fn take_records(&self) -> Taken {
        let handover = self.handover();
        let lanes = handover.inlets().len();
        let room = self.room.of_topic(lanes, handover.topics().len());
        let mut taken = Taken::Nothing;
        for tap in self.taps.iter() {
            for _ in 0..IN_A_ROW {
                if room.is_full(tap.tenure.waiting(tap.source)) {
                    taken = taken.max(Taken::NoRoom);
                    break;
                }
                match tap.queue.poll(Duration::ZERO) {
                    None => break,
                    Some(Ok(message)) => self.hand_on(&message),
                    Some(Err(error)) => self.judge(&error),
                }
                taken = Taken::Some;
            }
        }
        taken
    }

    fn hand_on(&self, message: &BorrowedMessage<'_>) {
        if let Err(text) = hand_on(self.handover(), message) {
            self.handover().refuse("internal", text);
        }
    }

    fn judge(&self, error: &KafkaError) {
        match error {
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                let wanted = self.wanted();
                self.handover().refuse("offset_out_of_range", outside::describe(&self.consumer, &wanted));
            }
            // librdkafka skips what it cannot read and goes on behind it; a restart reads again from the checkpoint.
            KafkaError::MessageConsumption(RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::NotImplemented) => {
                let text = format!(
                    "kafka gave records that cannot be read ({error}): start again; if that does not help, look at the broker's disk"
                );
                self.handover().refuse("unreadable", text);
            }
            KafkaError::MessageConsumptionFatal(_) => {
                self.handover().refuse("consumer", format!("the consumer cannot go on: {error}"));
            }
            // The context has said it, with what to do about it.
            KafkaError::MessageConsumption(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {}
            _ => {
                let missing = access::missing_right(error);
                metrics::RETRIES.increment(1, &[missing.map_or("kafka_consume", |_| "kafka_access")]);
                tracing::warn!(%error, "{}, trying again", missing.unwrap_or("kafka: consuming"));
            }
        }
    }

    /// What is to be read next of each partition.
    fn wanted(&self) -> Vec<Wanted> {
        let (inlets, topics) = (self.handover().inlets(), self.handover().topics());
        let of_lane = |inlet: &Inlet| {
            let lane = inlet.tenure.lane;
            let wanted = inlet.expected.iter().map(|(source, next)| (topics.name(*source).to_owned(), lane, *next));
            wanted.collect::<Vec<_>>()
        };
        inlets.values().flat_map(of_lane).collect()
    }

    /// Tells writers where partitions stand behind their last record, so that markers at the end count as read.
    fn look_after_positions(&mut self) {
        if self.positions_at.elapsed() < POSITIONS_EVERY {
            return;
        }
        self.positions_at = Instant::now();
        self.handover().access().renew(self.consumer.client());
        let Ok(positions) = self.consumer.position() else { return };
        let handover = self.handover();
        let mut inlets = handover.inlets();
        for element in positions.elements() {
            let inlet = inlets.get_mut(&Lane(element.partition()));
            if let (Some(source), Some(inlet), Offset::Offset(position)) =
                (handover.topics().source(element.topic()), inlet, element.offset())
            {
                inlet.passed(source, NextOffset(position));
            }
        }
    }
}

/// Hands a message to its lane's writer. A message of a lane that is not ours any more is dropped: its new owner reads it.
fn hand_on(handover: &Handover, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let lane = Lane(message.partition());
    // After a refusal nothing is handed on: what comes may lie behind a hole.
    if handover.is_refused() {
        return Ok(());
    }
    let mut inlets = handover.inlets();
    let (Some(source), Some(inlet)) = (handover.topics().source(message.topic()), inlets.get_mut(&lane)) else {
        return Ok(());
    };
    metrics::RECORDS_CONSUMED.increment(1, &[source.as_str()]);
    inlet.push(Record {
        source,
        lane,
        offset: message.offset(),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or_default().clamp(0, LATEST_MILLIS) * 1000),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers::read(message),
    })
}
