//! How an order's events arrive: some late, some twice, with malformed records in between.
//!
//! Between a tale and the interleaving. Invariant: every event of the tale is delivered at least once and unharmed, or in a
//! form that is understood in time; whatever is malformed for good comes in addition.

use super::dice::Dice;
use super::flaw::{self, Flaw};
use super::{Planned, Shape};
use crate::event::FlatEvent;

/// How many costly flaws of each kind one simulation has at most.
const COSTLY_MOST: u64 = 3;
/// How far ahead of the clock an event may be, in microseconds.
const A_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// What goes through all deliveries: flaws come in turn, so that even a short simulation has each of them.
#[derive(Debug, Default)]
pub(super) struct Disturbance {
    malformed: u64,
    early: usize,
    rounds: u64,
    turn: usize,
}

impl Disturbance {
    /// The records of one order in the order of their arrival.
    pub fn deliver(&mut self, shape: &Shape, events: Vec<FlatEvent>, dice: &mut Dice) -> Vec<Planned> {
        let mut records: Vec<Planned> =
            late(events, shape.out_of_order, dice).into_iter().map(Planned::sound).collect();
        repeat(&mut records, shape.duplicates, dice);
        let mut arriving = Vec::with_capacity(records.len() + 1);
        for record in records {
            if dice.chance(shape.malformed) {
                arriving.push(self.malformed(shape, &record.event, dice));
            }
            let record = self.too_early(shape, record, &mut arriving, dice);
            arriving.push(record);
        }
        arriving
    }

    /// Some records name a schema that is registered later; beside others comes news from the future.
    fn too_early(&mut self, shape: &Shape, record: Planned, arriving: &mut Vec<Planned>, dice: &mut Dice) -> Planned {
        if shape.repairable == 0.0 || !dice.chance(shape.repairable) {
            return record;
        }
        let flaw = Flaw::EARLY[self.early % Flaw::EARLY.len()];
        self.early += 1;
        if flaw == Flaw::EarlySchema {
            return Planned { flaw: Some(flaw), ..record };
        }
        let at = shape.now + A_DAY + shape.ahead;
        let event = flaw::ahead(self.early as u64, &record.event.order_id, at);
        arriving.push(Planned { flaw: Some(flaw), ..Planned::sound(event) });
        record
    }

    fn malformed(&mut self, shape: &Shape, beside: &FlatEvent, dice: &mut Dice) -> Planned {
        let flaw = self.next_flaw();
        self.malformed += 1;
        let event =
            flaw::event(flaw, self.malformed, &beside.order_id, beside.occurred_at, shape.record_max_bytes, dice);
        let key = (flaw != Flaw::NoKey).then(|| beside.order_id.clone());
        Planned { input: event.topic, key, event, flaw: Some(flaw), repeated: false }
    }

    fn next_flaw(&mut self) -> Flaw {
        loop {
            let flaw = Flaw::ALL[self.turn];
            self.turn = (self.turn + 1) % Flaw::ALL.len();
            let round = self.rounds;
            self.rounds += u64::from(self.turn == 0);
            if !flaw.is_costly() || round < COSTLY_MOST {
                return flaw;
            }
        }
    }
}

impl Planned {
    /// A record in which nothing is wrong.
    #[must_use]
    pub fn sound(event: FlatEvent) -> Self {
        Self { input: event.topic, key: Some(event.order_id.clone()), event, flaw: None, repeated: false }
    }
}

/// Holds some events back until later ones have arrived; one in ten of those until all others have.
fn late(events: Vec<FlatEvent>, share: f64, dice: &mut Dice) -> Vec<FlatEvent> {
    let mut places: Vec<(usize, FlatEvent)> = events.into_iter().enumerate().collect();
    let all = places.len();
    for (place, _) in &mut places {
        if dice.chance(share) {
            *place += if dice.chance(0.1) { all } else { 1 + dice.index(5) };
        }
    }
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, event)| event).collect()
}

/// Sends some records again a little later: half of them as they were, half as if they were news.
fn repeat(records: &mut Vec<Planned>, share: f64, dice: &mut Dice) {
    let mut place = 0;
    while place < records.len() {
        if !records[place].repeated && dice.chance(share) {
            let mut again = Planned { repeated: true, ..records[place].clone() };
            if dice.chance(0.5) {
                again.event.event_id.push_str("-again");
            }
            let later = (place + 1 + dice.index(4)).min(records.len());
            records.insert(later, again);
        }
        place += 1;
    }
}
