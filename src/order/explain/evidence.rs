//! What an explanation rests on: the reading that the view came from, and the facts by their addresses.
//!
//! Under every sentence. Invariant: amounts and quantities are those of the reading; facts are only picked, never judged.

use crate::ids::LineId;
use crate::order::event::inventory::InventoryKind;
use crate::order::event::money;
use crate::order::facts::register::{Stamp, Value};
use crate::order::facts::told::{Entity, Fact};
use crate::order::goods::Goods;
use crate::order::obligation::Obligation;
use crate::order::reading::Reading;

use super::Sentence;

/// The reading of one order with its facts.
pub(super) struct Evidence<'a> {
    pub reading: &'a Reading<'a>,
    /// What the view owes.
    pub owed: &'a [Obligation],
    /// Every fact, the earliest first.
    pub told: Vec<Fact>,
}

/// The most lines that a sentence counts up.
const MAX_LINES_SAID: usize = 5;

impl Evidence<'_> {
    /// A sentence with the facts that match.
    pub fn say(&self, text: impl Into<String>, is_behind: impl Fn(&Fact) -> bool) -> Sentence {
        let facts = self.told.iter().filter(|fact| is_behind(fact)).cloned().collect();
        Sentence { text: text.into(), facts }
    }

    /// A sum in the order's currency.
    pub fn money(&self, minor: i128) -> String {
        match self.reading.sums.currency {
            Some(currency) => money::shown(minor, currency),
            None => minor.to_string(),
        }
    }

    /// How much of what left of each line there is of something; long lists are cut.
    pub fn of_shipped(&self, what: &str, count: impl Fn(&Goods) -> i64) -> String {
        let said = self.reading.lines.iter().map(|(row, line)| (line, &self.reading.goods[row]));
        let said = said.filter(|(_, goods)| goods.shipped > 0 || count(goods) > 0);
        let said = said.map(|(line, goods)| format!("line {}: {} of {} {what}", line.id, count(goods), goods.shipped));
        cut(said.collect())
    }

    /// How much of each ordered line is there of something, out of what is ordered.
    pub fn of_ordered(&self, what: &str, count: impl Fn(usize, &Goods) -> i64) -> String {
        let said = self.reading.lines.ordered().map(|(row, line)| {
            format!("line {}: {} of {} {what}", line.id, count(row, &self.reading.goods[row]), line.ordered)
        });
        cut(said.collect())
    }

    /// The lines of which a count is more than nothing, as `2 of line 1`.
    pub fn pieces<'a>(&self, pieces: impl Iterator<Item = (&'a LineId, i64)>) -> String {
        cut(pieces.filter(|(_, count)| *count > 0).map(|(line, count)| format!("{count} of line {line}")).collect())
    }

    /// Whether a fact is the PLACED or AMENDED that holds.
    pub fn is_terms(&self, fact: &Fact) -> bool {
        fact.entity == Entity::Order && self.reading.facts.terms().is_some_and(|terms| is_of(fact, Stamp::of(terms)))
    }

    /// Whether a fact tells of the money that the sums count: what each authorization has come to, captures, refunds,
    /// disputes, and the total.
    pub fn is_money(&self, fact: &Fact) -> bool {
        match fact.entity {
            Entity::Capture | Entity::Refund | Entity::Dispute => true,
            Entity::Authorization => {
                let authorization = self.reading.facts.authorizations.get(&fact.id.as_str().into());
                let state = authorization.and_then(|authorization| authorization.state());
                state.is_some_and(|(_, stamp)| is_of(fact, stamp))
            }
            Entity::Order => self.is_terms(fact),
            Entity::Review | Entity::Reservation | Entity::Shipment => false,
            Entity::Return | Entity::Hold | Entity::Deadline => false,
        }
    }
}

/// Whether a fact was said by the event of this stamp.
pub(super) fn is_of(fact: &Fact, stamp: Stamp<'_>) -> bool {
    fact.occurred_at == stamp.at && fact.event_id == *stamp.event_id
}

/// Whether a fact is what this register holds.
pub(super) fn is_value<T>(fact: &Fact, value: Option<&Value<T>>) -> bool {
    value.is_some_and(|value| is_of(fact, Stamp::of(value)))
}

/// Whether a fact of stock counts for what is reserved, backordered or rejected.
pub(super) fn is_stock(fact: &Fact) -> bool {
    fact.entity == Entity::Reservation && fact.kind != InventoryKind::Restocked.as_str()
}

fn cut(mut said: Vec<String>) -> String {
    let more = said.len().saturating_sub(MAX_LINES_SAID);
    if more > 0 {
        said.truncate(MAX_LINES_SAID);
        said.push(format!("and {more} more lines"));
    }
    said.join(", ")
}
