//! An event meets its order: merged, said, written down; or refused where the order would grow beyond its limits.
//!
//! Invariant: a refused event leaves its order exactly as it was, with all that the batch applied of it before.

use super::{LaneWork, is_live, place_of};
use crate::decode::{Reason, Refusal};
use crate::order::Event;
use crate::order::decision::Change;
use crate::order::facts::register::Merged;
use crate::persist::Result;
use crate::persist::dead_letters::Replayed;
use crate::persist::journal_format::{Entry, Outcome, Sent};
use crate::persist::orders::Locked;
use crate::publish::chunk::Cause;
use crate::publish::status_event::Origin;

impl LaneWork<'_> {
    /// Applies an event to its order; a refusal where the order would grow beyond its limits.
    pub(super) fn apply(&mut self, index: usize, event: &Event, locked: &mut Locked) -> Result<Option<Refusal>> {
        let before = locked.order.facts.len();
        let (merged, change) = locked.order.apply(event, &self.rules.policy);
        let facts = locked.order.facts.len();
        if facts > self.rules.facts_per_order && facts > before {
            let text = format!(
                "the order would have {facts} facts, more than the {} of worker.facts_per_order: find out which producer repeats itself under new ids",
                self.rules.facts_per_order
            );
            self.take_back(index, locked, change, event)?;
            return Ok(Some(Refusal::new(Reason::TooLarge, text)));
        }
        let item = &self.lane.items[index];
        let origin = Origin {
            topic: self.rules.topics.name(item.record.source),
            partition: item.record.lane.0,
            offset: item.record.offset,
        };
        let fact = Some((event, Some(origin)));
        if let Some(change) = change {
            let saying = self.status_record(&event.order_id, &locked.order, &change, fact)?;
            let size = saying.size_bytes();
            if size > self.rules.emitted_record_max_bytes {
                let text = format!(
                    "the status event of the order would have {size} bytes, more than the {} of worker.emitted_record_max_bytes",
                    self.rules.emitted_record_max_bytes
                );
                self.take_back(index, locked, Some(change), event)?;
                return Ok(Some(Refusal::new(Reason::TooLarge, text)));
            }
            self.say(saying);
            if item.letter.is_none() {
                self.out.causes.push(Cause {
                    occurred_at: event.occurred_at,
                    record_timestamp: item.record.timestamp,
                    consumed_at: item.consumed_at,
                });
            }
        }
        let sent = self.ask(&event.order_id, &mut locked.order, fact)?;
        self.note(index, event, locked, (merged, &sent));
        Ok(None)
    }

    /// Writes an applied event down: in the journal, in its order's list of rows, and for the metrics.
    fn note(&mut self, index: usize, event: &Event, locked: &mut Locked, (merged, sent): (Merged, &[Sent])) {
        let item = &self.lane.items[index];
        let (outcome, label) = match merged {
            Merged::Changed => (Outcome::Applied, "applied"),
            Merged::Duplicate => (Outcome::Duplicate, "duplicate"),
            Merged::Stale => (Outcome::Stale, "stale"),
        };
        if let Some(mut span) = self.span.take() {
            span.applied(event, label, locked.order.standing());
            self.out.spans.push(span);
        }
        self.enter(Entry {
            place: place_of(item),
            outcome,
            order_id: Some(&event.order_id),
            event: Some(event),
            left_in: Some(locked.order.standing()),
            sent,
        });
        if locked.home_lane != item.record.lane {
            locked.off_lane = true;
            let producer = event.producer.clone();
            let off_lane = (event.order_id.clone(), producer, item.record.lane, locked.home_lane);
            self.decided.tally.off_lane.push(off_lane);
        }
        *self.decided.tally.events.entry((item.record.source, label)).or_default() += 1;
        if let Some(id) = item.letter {
            *self.decided.tally.replayed.entry(label).or_default() += 1;
            self.decided.replayed.push(Replayed { id, is_applied: true, note: label.to_owned() });
        }
    }

    /// Undoes an event that was merged: the facts as locked, with what the batch applied of this order before it.
    fn take_back(&self, index: usize, locked: &mut Locked, change: Option<Change>, refused: &Event) -> Result<()> {
        let mut facts = locked.facts_before()?;
        let before = self.batch.lanes.iter().enumerate().take(self.place + 1).flat_map(|(place, lane)| {
            let until = if place == self.place { index } else { lane.items.len() };
            lane.items[..until].iter().enumerate().map(move |(index, item)| (place, index, item))
        });
        for (place, index, item) in before {
            if let Ok(event) = &item.decoded
                && event.order_id == refused.order_id
                && is_live(item, self.ground)
                && !self.decided.refused.iter().any(|(p, i, _)| (*p, *i) == (place, index))
            {
                let _ = facts.merge(event);
            }
        }
        locked.order.unsay(change, facts);
        Ok(())
    }
}
