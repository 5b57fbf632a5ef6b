//! The state of the modelled world: Kafka, Postgres, and processes with their consumer, writers and relay.
//!
//! Invariant: a state holds nothing that no step looks at, so that states which behave alike are one.

use super::bounds::{Bounds, Faults, Without};
use super::kafka::{Kafka, Position, Request, Who};
use super::postgres::Row;

/// The world between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The broker.
    pub kafka: Kafka,
    /// The database, by lane.
    pub rows: Vec<Row>,
    /// The processes that run.
    pub processes: Vec<Process>,
    /// Requests that are still on their way to the broker, although nobody waits for their answer.
    pub late: Vec<Request>,
    /// How many processes were started.
    pub starts: u8,
    /// What may still go wrong.
    pub left: Faults,
    /// How often the group's offsets were lost.
    pub expired: u8,
    /// What a process did that none may do.
    pub broken: Option<Broken>,
}

/// What no process may do, seen at the step in which it does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// It stopped: a checkpoint stood elsewhere.
    CheckpointElsewhere(Who),
    /// It stopped: a lane's row can be explained by nothing that it did.
    RowOfNobody(Who),
    /// It stopped: the position was ahead of the database, and the claim its own.
    PositionAhead(Who),
    /// It was refused by the fence although the claim was its own.
    OwnerRefused(Who),
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its start, and with it its transactional id and its member id.
    pub who: Who,
    /// Its membership as it knows it.
    pub consumer: Consumer,
    /// It was refused by a fence and wants its lanes anew.
    pub asks_anew: bool,
    /// One writer a lane that is its own.
    pub writers: Vec<Option<Writer>>,
    /// Its relay.
    pub relay: Relay,
}

/// Where a process stands in the group, as it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumer {
    /// In no group.
    Out,
    /// It has joined and waits for the generation.
    Joining,
    /// In the assign callback, before its claim: the captured generation, and the lanes as bits.
    Called(u8, u8),
    /// It has its lanes, under this generation.
    Member(u8),
}

/// A writer's lane, with what its tenure shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// The epoch of the claim.
    pub epoch: u8,
    /// The last journal row that the database confirmed.
    pub last_seq: u8,
    /// The checkpoint that the database confirmed.
    pub checkpoint: u8,
    /// Up to which row Kafka confirmed the lane.
    pub published: u8,
    /// Whether the relay has ended the former owners' producers.
    pub former_ended: bool,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a writer stands with its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Between two batches.
    Ready,
    /// Its COMMIT was sent.
    Busy,
    /// Its connection is lost; with the records of the batch, where its COMMIT was sent.
    Cut(Option<(u8, u8)>),
}

/// A relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Relay {
    /// The epoch of its producer.
    pub producer: Option<u8>,
    /// How many batches of records this producer sent.
    pub batches: u8,
    /// A transaction of its own failed and may be open.
    pub own_left: bool,
    /// Former owners' producers to be ended.
    pub former: Vec<Who>,
    /// Its lanes.
    pub lanes: Vec<Option<RelayLane>>,
    /// The transaction under way.
    pub flight: Option<Flight>,
    /// An opening that came while a transaction was under way.
    pub opening: Option<Opening>,
}

/// Lanes that begin: what a claim gives to the relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Opening {
    /// Former owners' producers to be ended.
    pub former: Vec<Who>,
    /// The lanes.
    pub lanes: Vec<Option<RelayLane>>,
}

/// A lane that a relay publishes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayLane {
    /// The epoch of the claim.
    pub epoch: u8,
    /// The captured generation.
    pub generation: u8,
    /// The last row that is known to be committed.
    pub last_seq: u8,
    /// What Kafka said is published; none until it was asked.
    pub position: Option<u8>,
    /// Up to which row Kafka confirmed the lane.
    pub published: u8,
    /// Rows in memory.
    pub queue: Vec<u8>,
}

/// A transaction under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Its rows, each with its lane.
    pub rows: Vec<(usize, u8)>,
    /// The position of each lane behind them.
    pub positions: Vec<(usize, Position)>,
    /// The captured generation.
    pub generation: u8,
    /// What was answered last.
    pub stage: FlightStage,
    /// Which of its requests were repeated: that of the offsets, that of the end.
    pub repeated: [bool; 2],
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlightStage {
    /// It is decided what goes into it.
    Decided,
    /// The records are acknowledged.
    Produced,
    /// The offsets are acknowledged.
    Offered,
    /// It is committed, and the offsets are not; only where a mechanism is switched off.
    Ended,
}

impl State {
    /// Before anything happened.
    #[must_use]
    pub fn first(bounds: &Bounds) -> Self {
        let lanes = usize::from(bounds.lanes);
        let mut state = Self {
            kafka: Kafka::with_lanes(lanes),
            rows: vec![Row::default(); lanes],
            processes: Vec::new(),
            late: Vec::new(),
            starts: 0,
            left: bounds.faults,
            expired: 0,
            broken: None,
        };
        for _ in 0..bounds.processes {
            let process = Process::new(state.next_start(), lanes);
            state.processes.push(process);
        }
        state
    }

    /// A new start of a process.
    pub fn next_start(&mut self) -> Who {
        self.starts += 1;
        self.starts - 1
    }

    /// The process of a start, while it lives.
    #[must_use]
    pub fn alive(&self, who: Who) -> Option<usize> {
        self.processes.iter().position(|process| process.who == who)
    }
}

impl Flight {
    /// A request of the transaction was sent twice: the call took as long as librdkafka waits before it repeats one.
    pub fn note_repeated(&mut self, request: &Request) {
        match request {
            Request::Offsets(..) => self.repeated[0] = true,
            Request::End(..) => self.repeated[1] = true,
            // A repeated batch of records is known by its number, and a repeated Init fences its sender at worst.
            Request::Init { .. } | Request::Produce(..) | Request::PlainOffsets(_) => {}
        }
    }
}

impl Process {
    /// A process that has just started.
    #[must_use]
    pub fn new(who: Who, lanes: usize) -> Self {
        Self {
            who,
            consumer: Consumer::Out,
            asks_anew: false,
            writers: vec![None; lanes],
            relay: Relay { lanes: vec![None; lanes], ..Relay::default() },
        }
    }

    /// The generation that the client would say now, were it asked now; none while it is no member.
    #[must_use]
    pub fn generation_now(&self) -> Option<u8> {
        match self.consumer {
            Consumer::Out | Consumer::Joining => None,
            Consumer::Called(generation, _) | Consumer::Member(generation) => Some(generation),
        }
    }
}

/// What decides on every step: the bounds and the mechanisms that are at work.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// How large, and how much goes wrong.
    pub bounds: Bounds,
    /// What is switched off.
    pub without: Without,
}
