//! What the journal says of each order, folded entry by entry in the order of its rows.
//!
//! Pure. Facts that were not touched for a while rest in their stored form, which is a tenth of the size. Invariant: the facts of
//! a whole history do not depend on the order of entries; what does (versions, outcomes) is judged when all of them are there.

use std::collections::HashMap;

use crate::ids::OrderId;
use crate::order::facts::register::Merged;
use crate::order::status::Status;
use crate::order::{Event, Facts};
use crate::persist::history::Place;
use crate::persist::journal::row_number;
use crate::persist::journal_format::{AppliedEntry, Outcome};

/// How many orders' facts are held ready for their next event.
const MAX_AWAKE: usize = 5_000;

/// The orders of one pass.
#[derive(Default)]
pub(super) struct Accounts {
    of: HashMap<OrderId, Account>,
    awake: Vec<OrderId>,
}

/// What the journal says of one order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account {
    facts: Held,
    /// Whether retention dropped a part: then the stored facts are what entries are merged into, and none may change them.
    pub is_part: bool,
    /// The versions that entries led to, each with its status, as they came.
    pub said: Vec<(i64, Status)>,
    /// The rows whose entries speak of it.
    pub rows: Vec<i64>,
    /// The first entry whose event does something else than it says.
    pub unlike: Option<Unlike>,
}

/// An entry that says one thing and does another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unlike {
    pub place: Place,
    pub event_id: String,
    pub said: Outcome,
    pub is: Merged,
}

#[derive(Clone, Debug, PartialEq)]
enum Held {
    Awake(Box<Facts>),
    /// In the stored form.
    Asleep(Box<str>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Awake(Box::default())
    }
}

impl Held {
    fn awake(&mut self) -> &mut Facts {
        if let Self::Asleep(text) = self {
            let facts = serde_json::from_str(text).expect("it was written by us, or read once before it came here");
            *self = Self::Awake(Box::new(facts));
        }
        match self {
            Self::Awake(facts) => facts,
            Self::Asleep(_) => unreachable!("it was woken above"),
        }
    }

    fn sleep(&mut self) {
        if let Self::Awake(facts) = self {
            let text = serde_json::to_string(facts).expect("facts have only string keys");
            *self = Self::Asleep(text.into());
        }
    }
}

impl Account {
    /// The facts that all entries lead to.
    pub fn facts(&mut self) -> &Facts {
        self.facts.awake()
    }

    /// An account of which a part is gone: what was stored stands for it.
    pub fn of_part(stored: &Facts) -> Self {
        let mut facts = Held::Awake(Box::new(stored.clone()));
        facts.sleep();
        Self { facts, is_part: true, ..Self::default() }
    }

    /// Takes an entry that speaks of the order.
    pub fn take(&mut self, place: Place, entry: &AppliedEntry) {
        if let Outcome::DeadLetter(_) = entry.outcome {
            return;
        }
        let row = row_number(place.lane, place.seq);
        if self.rows.last() != Some(&row) {
            self.rows.push(row);
        }
        if let Some(said) = entry.version.zip(entry.status)
            && self.said.last() != Some(&said)
        {
            self.said.push(said);
        }
        if let Some(event) = &entry.event {
            self.merge(place, event, entry.outcome);
        }
    }

    fn merge(&mut self, place: Place, event: &Event, said: Outcome) {
        let is = self.facts.awake().merge(event);
        let is_alike = match (is, said) {
            // Stored facts hold all that was ever applied, so nothing is new to them.
            (merged, _) if self.is_part => merged != Merged::Changed,
            (Merged::Changed, Outcome::Applied) => true,
            (Merged::Duplicate, Outcome::Duplicate) => true,
            (Merged::Stale, Outcome::Stale) => true,
            (Merged::Changed | Merged::Duplicate | Merged::Stale, _) => false,
        };
        if !is_alike && self.unlike.is_none() {
            self.unlike = Some(Unlike { place, event_id: event.event_id.to_string(), said, is });
        }
    }
}

impl Accounts {
    /// Puts stored facts in the place of what retention dropped.
    pub fn begin_part(&mut self, order_id: OrderId, stored: &Facts) {
        self.of.insert(order_id, Account::of_part(stored));
    }

    /// Takes an entry of any order.
    pub fn take(&mut self, place: Place, entry: &AppliedEntry) {
        let Some(order_id) = &entry.order_id else { return };
        if let Outcome::DeadLetter(_) = entry.outcome {
            return;
        }
        let account = self.of.entry(order_id.clone()).or_default();
        let was_asleep = matches!(account.facts, Held::Asleep(_)) || account.rows.is_empty();
        account.take(place, entry);
        if was_asleep {
            self.awake.push(order_id.clone());
            if self.awake.len() >= MAX_AWAKE {
                self.sleep();
            }
        }
    }

    fn sleep(&mut self) {
        for order_id in self.awake.drain(..) {
            if let Some(account) = self.of.get_mut(&order_id) {
                account.facts.sleep();
            }
        }
    }

    /// What the journal says of an order, once.
    pub fn remove(&mut self, order_id: &OrderId) -> Option<Account> {
        self.of.remove(order_id)
    }

    /// The orders that nobody asked for.
    pub fn left(self) -> impl Iterator<Item = (OrderId, Account)> {
        self.of.into_iter()
    }
}
