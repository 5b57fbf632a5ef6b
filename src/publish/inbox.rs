//! What the relay is given: at its start, and while it runs, in order.
//!
//! Invariant: a lane's opening comes before its chunks, and its chunks before the request to close.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::chunk::Chunk;
use super::producer::Settings;
use crate::consume::observer::Observer;
use crate::consume::tenure::Tenure;
use crate::consume::topics::InputTopics;
use crate::heartbeat::pulse::Pulse;
use crate::ids::{Lane, NextOffset, Seq};
use crate::order::Source;
use crate::persist::{self, journal_format::EmittedRecord};
use crate::shutdown::Shutdown;
use crate::telemetry::queue::Spans;

/// A lane as the relay takes it over.
#[derive(Debug)]
pub struct Opening {
    /// The tenure that begins.
    pub tenure: Arc<Tenure>,
    /// The lane's last journal row.
    pub last_seq: Seq,
    /// The producers that may have left a transaction open.
    pub former_transactional_ids: Vec<String>,
    /// The lane's checkpoints, one a topic.
    pub checkpoints: Vec<(Source, NextOffset)>,
}

/// What the relay receives, in order.
#[derive(Debug)]
pub enum ToRelay {
    /// Tenures of one capture begin.
    Open(Vec<Opening>),
    /// A batch was committed.
    Chunk(Chunk),
    /// Publish what is there; answered when nothing is left to publish, and all lanes are let go.
    Close(oneshot::Sender<()>),
    /// Nothing more comes.
    Stop,
}

/// Reads journal rows for the relay, which is no async code and knows no SQL.
pub trait Journal: Send {
    /// The records of the rows from `first` to at most `last`.
    ///
    /// # Errors
    /// As [`persist::journal::emitted_between`].
    fn load(&mut self, lane: Lane, first: Seq, last: Seq) -> persist::Result<Vec<(Seq, Vec<EmittedRecord>)>>;

    /// Whether the database still holds the claim of a tenure.
    ///
    /// # Errors
    /// The query's failure.
    fn owns(&mut self, tenure: &Tenure) -> persist::Result<bool>;
}

/// What the relay needs to know of the process.
pub struct Setup {
    /// How its producers are made.
    pub producer: Settings,
    /// The transactional id of the process.
    pub transactional_id: String,
    /// A client of the group that never joins it, to read committed offsets.
    pub observer: Observer,
    /// The input topics.
    pub topics: InputTopics,
    /// Where status events go, for the metrics.
    pub status_topic: String,
    /// Where dead letters go, for the metrics.
    pub dead_letter_topic: Option<String>,
    /// The database's own id.
    pub database: Uuid,
    /// Where missing rows come from.
    pub journal: Box<dyn Journal>,
    /// Where it is told that Kafka has a chunk; none where nobody wants spans.
    pub spans: Option<Spans>,
    /// Where the process is told to stop.
    pub shutdown: Shutdown,
    /// Where it leaves a trace of each round.
    pub pulse: Arc<Pulse>,
}
