//! The lines of an order: which there are, and how many pieces of each are ordered.
//!
//! The first step of the derivation; stock and goods are counted in its rows. Invariant: rows are sorted by line id,
//! there is at least one, and at least one is ordered (DOMAIN section 6).

use std::ops::Index;

use crate::ids::LineId;
use crate::order::event::line::{Lines, WHOLE};
use crate::order::facts::Facts;
use crate::order::facts::reservation::{Reservation, named_quantity};
use crate::order::facts::shipment::{Return, Shipment};

/// The lines of one order, sorted by id.
#[derive(Debug)]
pub(super) struct OrderLines(Vec<OrderLine>);

/// One line of the order.
#[derive(Debug)]
pub(super) struct OrderLine {
    /// Which.
    pub id: LineId,
    /// How many pieces are ordered; of a line that is not, how many it takes for it to be complete.
    pub ordered: i64,
    /// Whether it is one of the ordered lines, or only named by somebody.
    pub is_ordered: bool,
}

impl OrderLines {
    pub fn of(facts: &Facts) -> Self {
        let given = facts.terms().map(|terms| &terms.content.lines);
        let given = given.map(Lines::as_slice).unwrap_or_default();
        let mut ids: Vec<&LineId> = named(facts).chain(given.iter().map(|line| &line.line_id)).collect();
        ids.sort_unstable();
        ids.dedup();

        let mut lines = Self(Vec::with_capacity(ids.len().max(1)));
        for id in ids {
            let of_terms = given.binary_search_by(|line| line.line_id.cmp(id)).ok();
            let ordered = of_terms.map_or(0, |index| given[index].quantity.pieces());
            lines.0.push(OrderLine { id: id.clone(), ordered, is_ordered: given.is_empty() || of_terms.is_some() });
        }
        if lines.0.is_empty() {
            lines.0.push(OrderLine { id: LineId::from(WHOLE), ordered: 0, is_ordered: true });
        }
        lines.measure(facts);
        lines
    }

    /// Gives each line that the terms do not give the greatest of 1, what live shipments and what inventory name for it.
    fn measure(&mut self, facts: &Facts) {
        if self.0.iter().all(|line| line.ordered > 0) {
            return;
        }
        let shipped = live_shipments(facts).filter_map(Shipment::lines).flat_map(Lines::as_slice);
        let shipped = self.sum(shipped.map(|line| (&line.line_id, line.quantity.pieces())));
        let reserved = facts.reservations.values().flat_map(Reservation::lines);
        let reserved = self.sum(reserved.map(|(id, said)| (id, named_quantity(said))));
        for (row, line) in self.0.iter_mut().enumerate() {
            if line.ordered == 0 {
                line.ordered = shipped[row].max(reserved[row]).max(1);
            }
        }
    }

    /// What is named for each line, by row.
    fn sum<'a>(&self, named: impl Iterator<Item = (&'a LineId, i64)>) -> Vec<i64> {
        let mut sums = vec![0; self.0.len()];
        for (id, pieces) in named {
            if let Some(row) = self.row(id) {
                sums[row] += pieces;
            }
        }
        sums
    }

    /// The row of a line, unless only cancelled shipments name it.
    pub fn row(&self, id: &LineId) -> Option<usize> {
        self.0.binary_search_by(|line| line.id.cmp(id)).ok()
    }

    /// Every line, by row.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &OrderLine)> {
        self.0.iter().enumerate()
    }

    /// The ordered lines, by row: those that "every line" and "the whole order" mean.
    pub fn ordered(&self) -> impl Iterator<Item = (usize, &OrderLine)> {
        self.iter().filter(|(_, line)| line.is_ordered)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Index<usize> for OrderLines {
    type Output = OrderLine;

    fn index(&self, row: usize) -> &OrderLine {
        &self.0[row]
    }
}

/// Every line that inventory, a live shipment or a return names; some more than once.
fn named(facts: &Facts) -> impl Iterator<Item = &LineId> {
    let reserved = facts.reservations.values().flat_map(Reservation::lines).map(|(id, _)| id);
    let shipped = live_shipments(facts).filter_map(Shipment::lines);
    let returned = facts.returns.values().filter_map(Return::lines);
    let moved = shipped.chain(returned).flat_map(Lines::as_slice).map(|line| &line.line_id);
    reserved.chain(moved)
}

fn live_shipments(facts: &Facts) -> impl Iterator<Item = &Shipment> {
    facts.shipments.values().filter(|shipment| !shipment.is_cancelled())
}
