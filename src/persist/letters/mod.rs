//! Dead letters as people ask for them: found by a filter, counted, read, marked for replay, discarded.
//!
//! Beside the path: workers write the letters (`dead_letters.rs`), commands look at them and decide. One file reads, one
//! changes, one watches what becomes of changes. Invariant: a command changes nothing of a letter but its state, in the
//! statement that writes down who did it and why.

mod change;
mod filter;
mod read;
mod watch;

use std::str::FromStr;

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgRow;

pub use change::{By, Chunk, Marked, discard, mark, unresolved};
pub use filter::Filter;
pub use read::{Action, Group, action_history, groups, one, page, states};
pub use watch::{Ending, Owner, endings, outstanding, owners};

use super::error::{self, Error};
use crate::consume::record::{Header, Record};
use crate::decode::Reason;
use crate::ids::{Lane, SchemaId, Timestamp};
use crate::order::Source;
use crate::order::names::named;

named! {
    /// What became of a dead letter so far.
    pub enum State, "state" {
        /// It waits for a person.
        Open = "open",
        /// It is marked; the owner of its lane takes it with one of the next batches.
        Replay = "replay",
        /// Its event reached its order.
        Applied = "applied",
        /// A person decided that it is not to be applied.
        Discarded = "discarded",
    }
}

impl State {
    /// Those in which something is still to happen.
    pub const UNRESOLVED: [Self; 2] = [Self::Open, Self::Replay];
}

/// A dead letter without what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number, by which people name it.
    pub id: i64,
    /// The topic that the record came from.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The key as text, where it is text: the order that lacks this event.
    pub order_id: Option<String>,
    /// Why it was refused the last time.
    pub reason: Reason,
    /// The same in a sentence.
    pub explanation: String,
    /// How often it was tried.
    pub attempts: i32,
    /// What became of it.
    pub state: State,
    /// When it was refused first.
    pub first_seen_at: Timestamp,
    /// When it was tried last.
    pub last_seen_at: Timestamp,
}

/// A dead letter with all that is kept of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeLetter {
    /// What a list shows of it.
    pub letter: Letter,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
    /// When the record was produced, as it says.
    pub record_timestamp: Timestamp,
    /// The schema that it names, where it names one.
    pub schema_id: Option<SchemaId>,
    /// When it was applied or discarded.
    pub resolved_at: Option<Timestamp>,
}

impl WholeLetter {
    /// The record as it was read from the topic, which has this role.
    #[must_use]
    pub fn record(&self, source: Source) -> Record {
        Record {
            source,
            lane: Lane(self.letter.partition),
            offset: self.letter.offset,
            timestamp: self.record_timestamp,
            key: self.key.clone(),
            value: self.value.clone(),
            headers: Ok(self.headers.clone()),
        }
    }
}

/// An instant of a row, selected as microseconds.
fn instant(row: &PgRow, column: &str) -> error::Result<Timestamp> {
    Ok(Timestamp(row.try_get(column)?))
}

/// A value of one of the database's enums, selected as text.
fn name<T: FromStr>(row: &PgRow, column: &str) -> error::Result<T> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| Error::bug(format!("`{text}` is no {column} that this release knows")))
}
