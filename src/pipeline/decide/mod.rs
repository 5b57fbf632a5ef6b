//! Step 4 of a batch: what its events, and time, do to the orders under lock, and everything that follows. Pure.
//!
//! Folds the events of each lane in their order (`event`), then looks at the orders that are to be visited (`visit`), and collects
//! status events, commands, dead letters, journal entries and the orders to be written (`emit`). Invariant: what is decided depends
//! on the batch, on what was read under lock, on the settings and on the transaction's time alone, so a batch that is repeated
//! after a lost connection decides the same.

mod emit;
mod event;
#[cfg(test)]
mod tests;
mod visit;

use std::sync::Arc;

use super::batch::{Batch, Item, LaneBatch, Piece};
use super::decided::{Decided, LaneDecided, order_id_of, schema_id_of};
use crate::consume::record::Record;
use crate::consume::topics::InputTopics;
use crate::decode::Refusal;
use crate::ids::{OrderId, Timestamp};
use crate::order::Policy;
use crate::persist::dead_letters::Replayed;
use crate::persist::journal_format::{EmittedRecord, Entry, Outcome, Place};
use crate::persist::orders::{ByOrder, Locked};
use crate::persist::visits::Ground;
use crate::persist::{Error, Result};
use crate::publish::cloud_events::CloudEvents;
use crate::publish::dead_letter;
use crate::publish::encode::Encoder;
use crate::publish::trace::Trace;
use crate::telemetry::tracer::{Processing, Read, Tracer};

/// What deciding depends on beside the batch and the orders.
pub struct Rules {
    /// The merchant's choices.
    pub policy: Policy,
    /// The input topics.
    pub topics: InputTopics,
    /// Where status events go.
    pub status_topic: Arc<str>,
    /// Where commands go; none where nobody is asked.
    pub command_topic: Option<Arc<str>>,
    /// Where dead letters go, beside the table.
    pub dead_letter_topic: Option<Arc<str>>,
    /// How status events and commands become bytes.
    pub encoder: Encoder,
    /// Which records get spans; none where nobody wants any.
    pub tracer: Option<Tracer>,
    /// How they become CloudEvents; none where nobody wants that.
    pub cloud_events: Option<CloudEvents>,
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
    Write(Box<Decided>),
    /// It would publish more than a batch may; cut it in two.
    TooMuch,
}

/// The orders under lock.
pub type Orders = ByOrder<Locked>;

/// Decides a batch. `now` is the transaction's time.
///
/// # Errors
/// A bug: stored facts that cannot be read again, or a status event that has no place in its schema.
pub fn decide(batch: &Batch, orders: &mut Orders, ground: &Ground, rules: &Rules, now: Timestamp) -> Result<Verdict> {
    let mut decided = Box::<Decided>::default();
    decided.lanes.extend(batch.lanes.iter().map(|lane| LaneDecided::with_room_for(lane.items.len())));
    let mut emitted_bytes = 0;
    // All events before any visit: an event that is taken back is taken back to what events alone had made of its order.
    for (place, piece) in batch.pieces() {
        let (lane, out) = (&batch.lanes[place], std::mem::take(&mut decided.lanes[place]));
        let before = out.emitted.len();
        let trace = match piece {
            Piece::Item(index) => Trace::of(lane.items[index].record.headers()),
            Piece::Visit(_) => None,
        };
        let span = None;
        let mut work = LaneWork { rules, ground, now, batch, lane, place, trace, span, out, decided: &mut decided };
        match piece {
            Piece::Item(index) => {
                work.begin_span(index);
                work.decide_item(index, orders)?;
            }
            Piece::Visit(index) => work.visit(&lane.visits[index], orders)?,
        }
        let out = work.out;
        emitted_bytes += out.emitted[before..].iter().map(EmittedRecord::size_bytes).sum::<usize>();
        decided.lanes[place] = out;
        if emitted_bytes > rules.emit_max_bytes && batch.work() > 1 {
            return Ok(Verdict::TooMuch);
        }
    }
    Ok(Verdict::Write(decided))
}

/// One lane's part under work.
struct LaneWork<'a> {
    rules: &'a Rules,
    ground: &'a Ground,
    now: Timestamp,
    batch: &'a Batch,
    lane: &'a LaneBatch,
    place: usize,
    /// The trace of the record under work.
    trace: Option<Trace<'a>>,
    /// Its spans, where the trace is sampled and somebody wants them.
    span: Option<Processing>,
    out: LaneDecided,
    decided: &'a mut Decided,
}

impl<'a> LaneWork<'a> {
    fn begin_span(&mut self, index: usize) {
        let Some((tracer, trace)) = self.rules.tracer.as_ref().zip(self.trace) else { return };
        let Item { record, consumed_at, letter, .. } = &self.lane.items[index];
        let replayed = letter.map(|letter| (letter, self.lane.seq()));
        let topic = self.rules.topics.name(record.source);
        self.span = tracer.begin(&trace, Read { topic, record, consumed_at: *consumed_at, replayed });
    }

    fn decide_item(&mut self, index: usize, orders: &mut Orders) -> Result<()> {
        let lane: &'a LaneBatch = self.lane;
        let item = &lane.items[index];
        if !is_live(item, self.ground) {
            return Ok(());
        }
        let refusal = match &item.decoded {
            Err(refusal) => refusal.clone(),
            Ok(event) => {
                let locked = orders.get_mut(&event.order_id);
                let locked = locked.ok_or_else(|| Error::bug(format!("order `{}` is not locked", event.order_id)))?;
                match self.apply(index, event, locked)? {
                    None => return Ok(()),
                    Some(refusal) => refusal,
                }
            }
        };
        self.refuse(index, refusal);
        Ok(())
    }

    /// Sets a record aside. One that was a dead letter before stays the one it is, and is not published again.
    fn refuse(&mut self, index: usize, refusal: Refusal) {
        let item = &self.lane.items[index];
        let record = &item.record;
        let order_id = order_id_of(record.key.as_deref()).map(OrderId::from);
        self.out.applied.add(Entry {
            place: place_of(item),
            outcome: Outcome::DeadLetter(refusal.reason),
            order_id: order_id.as_ref(),
            event: None,
            left_in: None,
            sent: &[],
        });
        if let Some(mut span) = self.span.take() {
            span.refused(refusal.reason, order_id.as_ref());
            self.out.spans.push(span);
        }
        let tally = &mut self.decided.tally;
        if let Some(id) = item.letter {
            *tally.replayed.entry("refused").or_default() += 1;
            let note = format!("{}: {}", refusal.reason, refusal.text);
            self.decided.replayed.push(Replayed { id, is_applied: false, note });
        } else {
            *tally.events.entry((record.source, "dead_letter")).or_default() += 1;
            *tally.dead_letters.entry(refusal.reason.as_str()).or_default() += 1;
            self.publish_letter(record, &refusal);
        }
        self.decided.refused.push((self.place, index, refusal));
    }

    fn publish_letter(&mut self, record: &Record, refusal: &Refusal) {
        let Some(topic) = &self.rules.dead_letter_topic else { return };
        let origin = dead_letter::Origin {
            topic: self.rules.topics.name(record.source),
            schema_id: schema_id_of(record),
            attempts: 1,
            refused_at: self.now,
        };
        let max_bytes = self.rules.emitted_record_max_bytes;
        self.out.emitted.push(dead_letter::dead_letter(topic, (record, refusal), origin, max_bytes));
    }
}

/// Whether an item is still to be decided: a dead letter that somebody discarded meanwhile is not.
fn is_live(item: &Item, ground: &Ground) -> bool {
    item.letter.is_none_or(|id| ground.letters.contains(&id))
}

fn place_of(item: &Item) -> Place {
    let record = &item.record;
    Place {
        source: record.source,
        offset: Some(record.offset),
        record_timestamp: Some(record.timestamp),
        letter: item.letter,
    }
}
