//! Step 4 of a batch: what its events do to the orders under lock, and everything that follows. Pure.
//!
//! Folds the events of each lane in their order, and collects status events, dead letters, journal lines and the orders to be
//! written. Invariant: what is decided depends on the batch, on the orders as locked, on the settings and on the transaction's
//! time alone, so a batch that is repeated after a lost connection decides the same.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::batch::{Batch, Item, LaneBatch};
use super::decided::{Decided, LaneDecided, order_id_of, schema_id_of};
use crate::consume::topics::InputTopics;
use crate::decode::{Reason, Refusal};
use crate::ids::{OrderId, Timestamp};
use crate::order::decision::{Change, Order};
use crate::order::facts::register::Merged;
use crate::order::status::Status;
use crate::order::{Event, Policy};
use crate::persist::journal::{self};
use crate::persist::journal_format::{EmittedRecord, Entry, Outcome, Place};
use crate::persist::orders::Locked;
use crate::persist::{Error, Result};
use crate::publish::chunk::Cause;
use crate::publish::dead_letter;
use crate::publish::encode::Encoder;
use crate::publish::status_event::{self, status_event};

/// What deciding depends on beside the batch and the orders.
pub struct Rules {
    /// The merchant's choices.
    pub policy: Policy,
    /// The input topics.
    pub topics: InputTopics,
    /// Where status events go.
    pub status_topic: String,
    /// Where dead letters go, beside the table.
    pub dead_letter_topic: Option<String>,
    /// How status events become bytes.
    pub encoder: Encoder,
    /// The largest record that may be published.
    pub emitted_record_max_bytes: usize,
    /// The most that one batch may publish.
    pub emit_max_bytes: usize,
    /// The most facts that an order may have.
    pub facts_per_order: usize,
}

/// What deciding a batch can end in.
#[derive(Debug)]
pub enum Verdict {
    /// Go on and write it.
    Write(Decided),
    /// It would publish more than a batch may; cut it in two.
    TooMuch,
}

/// Decides a batch. `now` is the transaction's time.
///
/// # Errors
/// A bug: stored facts that cannot be read again, or a status event that has no place in its schema.
pub fn decide(batch: &Batch, orders: &mut BTreeMap<OrderId, Locked>, rules: &Rules, now: Timestamp) -> Result<Verdict> {
    let mut decided = Decided::default();
    let mut emitted_bytes = 0;
    for (place, lane) in batch.lanes.iter().enumerate() {
        let mut work = LaneWork { rules, now, lane, place, out: LaneDecided::default(), decided: &mut decided };
        for index in 0..lane.items.len() {
            let before = work.out.emitted.len();
            work.decide_item(batch, index, orders)?;
            emitted_bytes += work.out.emitted[before..].iter().map(EmittedRecord::size_bytes).sum::<usize>();
            if emitted_bytes > rules.emit_max_bytes && batch.len() > 1 {
                return Ok(Verdict::TooMuch);
            }
        }
        let out = work.out;
        decided.lanes.push(out);
    }
    Ok(Verdict::Write(decided))
}

/// One lane's part under work.
struct LaneWork<'a> {
    rules: &'a Rules,
    now: Timestamp,
    lane: &'a LaneBatch,
    place: usize,
    out: LaneDecided,
    decided: &'a mut Decided,
}

impl LaneWork<'_> {
    fn decide_item(&mut self, batch: &Batch, index: usize, orders: &mut BTreeMap<OrderId, Locked>) -> Result<()> {
        let item = &self.lane.items[index];
        let refusal = match &item.decoded {
            Err(refusal) => refusal.clone(),
            Ok(event) => {
                let locked = orders.get_mut(&event.order_id);
                let locked = locked.ok_or_else(|| Error::bug(format!("order `{}` is not locked", event.order_id)))?;
                match self.apply(item, event, locked, (batch, index))? {
                    None => return Ok(()),
                    Some(refusal) => refusal,
                }
            }
        };
        self.refuse(index, refusal);
        Ok(())
    }

    /// Applies an event to its order; a refusal where the order would grow beyond its limits.
    fn apply(
        &mut self,
        item: &Item,
        event: &Event,
        locked: &mut Locked,
        at: (&Batch, usize),
    ) -> Result<Option<Refusal>> {
        let (merged, change) = locked.order.apply(event, &self.rules.policy);
        let outcome = match merged {
            Merged::Changed => Outcome::Applied,
            Merged::Duplicate => Outcome::Duplicate,
            Merged::Stale => Outcome::Stale,
        };
        let facts = locked.order.facts.len();
        if merged == Merged::Changed && facts > self.rules.facts_per_order {
            let text = format!(
                "the order would have {facts} facts, more than the {} of worker.facts_per_order: find out which producer repeats itself under new ids",
                self.rules.facts_per_order
            );
            self.take_back(locked, change, event, at)?;
            return Ok(Some(Refusal::new(Reason::TooLarge, text)));
        }
        if let Some(change) = change {
            let record = self.status_record(item, event, &locked.order, &change)?;
            let size = record.size_bytes();
            if size > self.rules.emitted_record_max_bytes {
                let text = format!(
                    "the status event of the order would have {size} bytes, more than the {} of worker.emitted_record_max_bytes",
                    self.rules.emitted_record_max_bytes
                );
                self.take_back(locked, Some(change), event, at)?;
                return Ok(Some(Refusal::new(Reason::TooLarge, text)));
            }
            self.emit_status(item, event, record);
        }
        self.note(item, event, locked, outcome);
        Ok(None)
    }

    fn status_record(&self, item: &Item, event: &Event, order: &Order, change: &Change) -> Result<EmittedRecord> {
        let view = order.view.as_ref().ok_or_else(|| Error::bug("a change without a view".to_owned()))?;
        let origin = status_event::Origin {
            topic: self.rules.topics.name(item.record.source),
            partition: item.record.lane.0,
            offset: item.record.offset,
        };
        let told = status_event((&event.order_id, order, view), change, (event, origin), self.now);
        let mut value = Vec::with_capacity(512);
        self.rules.encoder.encode_status(&told, &mut value).map_err(|error| Error::bug(error.to_string()))?;
        Ok(EmittedRecord {
            topic: self.rules.status_topic.clone(),
            key: Some(Bytes::copy_from_slice(event.order_id.as_str().as_bytes())),
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp: None,
        })
    }

    fn emit_status(&mut self, item: &Item, event: &Event, record: EmittedRecord) {
        self.out.emitted.push(record);
        self.out.causes.push(Cause {
            occurred_at: event.occurred_at,
            record_timestamp: item.record.timestamp,
            consumed_at: item.consumed_at,
        });
        self.decided.tally.status_events += 1;
    }

    /// Writes an applied event down: in the journal, in its order's list of rows, and for the metrics.
    fn note(&mut self, item: &Item, event: &Event, locked: &mut Locked, outcome: Outcome) {
        let record = &item.record;
        let status = locked.order.view.as_ref().map_or(Status::Pending, |view| view.status);
        self.out.applied.add(Entry {
            place: place_of(record),
            outcome,
            order_id: Some(&event.order_id),
            event: Some(event),
            left_in: Some((locked.order.version, status)),
            sent: &[],
        });
        let row = journal::row_number(self.lane.lane(), self.lane.seq());
        let rows = self.decided.touched.entry(event.order_id.clone()).or_default();
        if rows.last() != Some(&row) {
            rows.push(row);
        }
        if locked.home_lane != record.lane {
            locked.off_lane = true;
            let producer = event.producer.clone();
            self.decided.tally.off_lane.push((event.order_id.clone(), producer, record.lane, locked.home_lane));
        }
        let label = match outcome {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Stale => "stale",
            Outcome::DeadLetter(_) | Outcome::Reminded | Outcome::Unanswered | Outcome::Rederived => "dead_letter",
        };
        *self.decided.tally.events.entry((record.source, label)).or_default() += 1;
    }

    /// Undoes an event that was merged: the facts as locked, with what the batch applied of this order before it.
    fn take_back(
        &self,
        locked: &mut Locked,
        change: Option<Change>,
        refused: &Event,
        (batch, index): (&Batch, usize),
    ) -> Result<()> {
        let mut facts = locked.facts_before()?;
        let before = batch.lanes.iter().enumerate().take(self.place + 1).flat_map(|(place, lane)| {
            let until = if place == self.place { index } else { lane.items.len() };
            lane.items[..until].iter().enumerate().map(move |(index, item)| (place, index, item))
        });
        for (place, index, item) in before {
            if let Ok(event) = &item.decoded
                && event.order_id == refused.order_id
                && !self.decided.refused.iter().any(|(p, i, _)| (*p, *i) == (place, index))
            {
                let _ = facts.merge(event);
            }
        }
        locked.order.unsay(change, facts);
        Ok(())
    }

    fn refuse(&mut self, index: usize, refusal: Refusal) {
        let record = &self.lane.items[index].record;
        let order_id = order_id_of(record.key.as_deref()).map(OrderId::from);
        self.out.applied.add(Entry {
            place: place_of(record),
            outcome: Outcome::DeadLetter(refusal.reason),
            order_id: order_id.as_ref(),
            event: None,
            left_in: None,
            sent: &[],
        });
        if let Some(topic) = &self.rules.dead_letter_topic {
            let origin = dead_letter::Origin {
                topic: self.rules.topics.name(record.source),
                schema_id: schema_id_of(record),
                attempts: 1,
                refused_at: self.now,
            };
            let max_bytes = self.rules.emitted_record_max_bytes;
            self.out.emitted.push(dead_letter::dead_letter(topic, (record, &refusal), origin, max_bytes));
        }
        *self.decided.tally.events.entry((record.source, "dead_letter")).or_default() += 1;
        *self.decided.tally.dead_letters.entry(refusal.reason.as_str()).or_default() += 1;
        self.decided.refused.push((self.place, index, refusal));
    }
}

fn place_of(record: &crate::consume::record::Record) -> Place {
    Place { source: record.source, offset: Some(record.offset), record_timestamp: Some(record.timestamp), letter: None }
}
