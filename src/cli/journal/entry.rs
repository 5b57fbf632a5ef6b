//! A journal entry as JSON: every field under its full name, none left out.
//!
//! The same in `journal export` and in `order history`, so that a tool that reads one reads the other. Times are microseconds since
//! 1970, as in the contract; `event` is the flat form that `orderstream fold` takes.

use serde::Serialize;

use crate::config::Topics;
use crate::decode::Reason;
use crate::decode::json::Flat;
use crate::ids::{Epoch, Lane, OrderId, Seq, Timestamp};
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;
use crate::order::{Event, Source};
use crate::persist::history::Place;
use crate::persist::journal_format::{AppliedEntry, Outcome};

/// An entry with the place of its row.
#[derive(Serialize)]
pub struct Entry<'a> {
    lane: Lane,
    seq: Seq,
    written_at: Timestamp,
    epoch: Epoch,
    source: Source,
    topic: Option<&'a str>,
    partition: Option<Lane>,
    offset: Option<i64>,
    record_timestamp: Option<Timestamp>,
    /// The dead letter that was replayed, if it was one.
    dead_letter: Option<i64>,
    outcome: &'static str,
    /// Why it could not be applied; for a dead letter alone.
    reason: Option<Reason>,
    order_id: Option<&'a OrderId>,
    version: Option<i64>,
    status: Option<Status>,
    sent: Vec<Command<'a>>,
    event: Option<Flat<'a>>,
}

#[derive(Serialize)]
struct Command<'a> {
    kind: ObligationKind,
    id: &'a str,
    attempt: u32,
}

impl<'a> Entry<'a> {
    /// The entry as it is written for people outside.
    #[must_use]
    pub fn of(place: Place, entry: &'a AppliedEntry, topics: &'a Topics) -> Self {
        let topic = topic(topics, entry.place.source);
        Self {
            lane: place.lane,
            seq: place.seq,
            written_at: place.written_at,
            epoch: place.epoch,
            source: entry.place.source,
            topic,
            partition: topic.map(|_| place.lane),
            offset: entry.place.offset,
            record_timestamp: entry.place.record_timestamp,
            dead_letter: entry.place.letter,
            outcome: outcome(entry.outcome),
            reason: match entry.outcome {
                Outcome::DeadLetter(reason) => Some(reason),
                _ => None,
            },
            order_id: entry.order_id.as_ref(),
            version: entry.version,
            status: entry.status,
            sent: entry
                .sent
                .iter()
                .map(|sent| Command { kind: sent.kind, id: &sent.id, attempt: sent.attempt })
                .collect(),
            event: entry.event.as_ref().map(|event: &Event| Flat(event)),
        }
    }
}

/// The topic of a role; none for what no record said.
#[must_use]
pub fn topic(topics: &Topics, source: Source) -> Option<&str> {
    match source {
        Source::Payment => Some(&topics.payment),
        Source::Inventory => Some(&topics.inventory),
        Source::Shipping => Some(&topics.shipping),
        Source::Order => topics.order.as_deref(),
        Source::Deadline => None,
    }
}

/// The word for what became of a record, or happened without one.
#[must_use]
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Duplicate => "duplicate",
        Outcome::Stale => "stale",
        Outcome::DeadLetter(_) => "dead_letter",
        Outcome::Reminded => "reminded",
        Outcome::Unanswered => "unanswered",
        Outcome::Rederived => "rederived",
    }
}
