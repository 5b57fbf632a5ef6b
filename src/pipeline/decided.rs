//! What a batch comes to: the rows to write, the records to publish, the numbers to count.
//!
//! Made by [`super::decide`], turned into rows here. Invariant: nothing is computed anew on the way into the database; a row says
//! what was decided.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Batch;
use super::decide::Rules;
use crate::consume::record::Record;
use crate::consume::topics::InputTopics;
use crate::decode::{Refusal, framing};
use crate::ids::{Lane, OrderId, SchemaId};
use crate::order::Source;
use crate::persist::dead_letters::{DeadLetter, Replayed};
use crate::persist::journal::NewRow;
use crate::persist::journal_format::{AppliedWriter, EmittedRecord, write_emitted};
use crate::persist::orders::{ByOrder, Changed, Locked};
use crate::publish::chunk::Cause;
use crate::telemetry::tracer::Processing;

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Decided {
    /// One a lane, in the batch's order.
    pub lanes: Vec<LaneDecided>,
    /// Refused records: lane and place in the batch, and why.
    pub refused: Vec<(usize, usize, Refusal)>,
    /// What became of replayed dead letters.
    pub replayed: Vec<Replayed>,
    /// The orders to be written, each with the journal rows of this batch in which it appears.
    pub touched: ByOrder<Vec<i64>>,
    /// Visited orders whose cancelling deadlines are held back by a dead letter.
    pub held: BTreeSet<OrderId>,
    /// Orders with a command that is too large to be published: with its size in bytes.
    pub too_large: BTreeMap<OrderId, usize>,
    /// Visited orders that were left as they are, since their status event would be too large: with its size in bytes.
    pub at_rest: BTreeMap<OrderId, usize>,
    /// How events fared.
    pub tally: Tally,
}

/// What one lane's part of a batch publishes and writes down.
#[derive(Debug, Default)]
pub struct LaneDecided {
    /// The journal's account of the records.
    pub applied: AppliedWriter,
    /// The records to publish.
    pub emitted: Vec<EmittedRecord>,
    /// The clocks of the status events' causes.
    pub causes: Vec<Cause>,
    /// The spans of those records whose traces are sampled, and of what they publish.
    pub spans: Vec<Processing>,
}

impl LaneDecided {
    /// With room for what so many events come to.
    #[must_use]
    pub fn with_room_for(events: usize) -> Self {
        Self {
            applied: AppliedWriter::with_room_for(events),
            emitted: Vec::with_capacity(events),
            causes: Vec::with_capacity(events),
            spans: Vec::new(),
        }
    }
}

/// Numbers for the metrics, counted once the batch is committed.
#[derive(Debug, Default)]
pub struct Tally {
    /// Events by topic and outcome.
    pub events: BTreeMap<(Source, &'static str), u64>,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Status events.
    pub status_events: u64,
    /// Deadlines that fired, by name.
    pub fired: BTreeMap<&'static str, u64>,
    /// Commands by kind, for the first time or again.
    pub commands: BTreeMap<(&'static str, &'static str), u64>,
    /// Orders with a command that had all its attempts in vain.
    pub given_up: u64,
    /// Replayed dead letters by what became of them.
    pub replayed: BTreeMap<&'static str, u64>,
    /// Events that came through another lane than their order's home: order, producer, lane and home.
    pub off_lane: Vec<(OrderId, Option<std::sync::Arc<str>>, Lane, Lane)>,
}

/// The key as text that a table can hold, if it is that.
pub(super) fn order_id_of(key: Option<&[u8]>) -> Option<&str> {
    let text = std::str::from_utf8(key?).ok()?;
    (!text.is_empty() && text.len() <= 128 && !text.contains('\0')).then_some(text)
}

/// The schema that a record names, if it names one.
pub(super) fn schema_id_of(record: &Record) -> Option<SchemaId> {
    framing::unframe(record).ok().map(|framed| framed.schema)
}

impl Decided {
    /// The rows for `dead_letters`.
    #[must_use]
    pub fn dead_letters<'a>(&'a self, batch: &'a Batch, topics: &'a InputTopics) -> Vec<DeadLetter<'a>> {
        let letters = self.refused.iter().map(|(place, index, refusal)| {
            let item = &batch.lanes[*place].items[*index];
            let record = &item.record;
            DeadLetter {
                topic: topics.name(record.source),
                record,
                letter: item.letter,
                order_id: order_id_of(record.key.as_deref()),
                schema_id: schema_id_of(record),
                refusal,
            }
        });
        letters.collect()
    }

    /// The rows for `orders`, in no order.
    #[must_use]
    pub fn orders<'a>(&'a self, orders: &'a ByOrder<Locked>, rules: &Rules) -> Vec<Changed<'a>> {
        let touched = self.touched.iter().filter_map(|(order_id, rows)| {
            let locked = orders.get(order_id)?;
            let order = &locked.order;
            let next_look = order.next_look(&rules.policy, rules.command_topic.is_some(), self.held.contains(order_id));
            let next_deadline = next_look.filter(|_| !self.at_rest.contains_key(order_id));
            let (journal_rows, off_lane) = (rows.clone(), locked.off_lane);
            let new_in = locked.is_new().then_some(locked.home_lane);
            Some(Changed { order_id, new_in, order, journal_rows, next_deadline, off_lane })
        });
        let mut rows = Vec::with_capacity(self.touched.len());
        rows.extend(touched);
        rows
    }

    /// The rows for `journal`; leaves the lines behind and keeps the records for the relay.
    #[must_use]
    pub fn journal_rows(&mut self, batch: &Batch) -> Vec<NewRow> {
        let rows = self.lanes.iter_mut().zip(&batch.lanes).map(|(decided, lane)| NewRow {
            lane: lane.lane(),
            seq: lane.seq(),
            epoch: lane.tenure.epoch,
            events: decided.applied.entries(),
            emitted_records: decided.emitted.len(),
            applied: std::mem::take(&mut decided.applied).finish(),
            emitted: write_emitted(&decided.emitted),
        });
        rows.collect()
    }
}
