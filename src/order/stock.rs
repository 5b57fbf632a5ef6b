//! How much of each line is reserved, backordered and rejected, and which reservation holds it.
//!
//! Between the reservations' registers and the inventory region. Invariant: a line's numbers are the sums over the
//! order's reservations (DOMAIN section 4). Whole-order facts are counted once and spread at the end, so that many
//! reservations of many lines cost their sum and not their product.

use crate::ids::ReservationId;
use crate::order::facts::Facts;
use crate::order::facts::reservation::Quantities;

use super::lines::OrderLines;

/// The stock of one order.
#[derive(Debug)]
pub(super) struct Stock<'a> {
    /// By row of the order's lines.
    pub lines: Vec<Quantities>,
    /// By reservation, in the order of their ids.
    pub held: Vec<Held<'a>>,
}

/// What one reservation holds.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub reservation: &'a ReservationId,
    /// Reserved pieces of the lines that it names, by row.
    named: Vec<(usize, i64)>,
    /// Reserved of each ordered line that it does not name, in multiples of what is ordered.
    others: i64,
}

impl<'a> Stock<'a> {
    pub fn of(facts: &'a Facts, lines: &OrderLines) -> Self {
        let mut sums = vec![Quantities::default(); lines.len()];
        let mut whole = Quantities::default();
        let mut held = Vec::with_capacity(facts.reservations.len());
        for (id, reservation) in &facts.reservations {
            let others = reservation.of_others();
            whole.add(others, 1);
            let mut named = Vec::new();
            for (line_id, said) in reservation.lines() {
                let Some(row) = lines.row(line_id) else { continue };
                let line = &lines[row];
                let of_line = reservation.of_named(said, line.ordered);
                sums[row].add(of_line, 1);
                if line.is_ordered {
                    // What is spread below is not for lines that the reservation names.
                    sums[row].add(others, -line.ordered);
                }
                named.push((row, of_line.reserved));
            }
            held.push(Held { reservation: id, named, others: others.reserved });
        }
        for (row, line) in lines.ordered() {
            sums[row].add(whole, line.ordered);
        }
        Self { lines: sums, held }
    }
}

impl Held<'_> {
    /// Whether anything is reserved.
    pub fn holds_any(&self, lines: &OrderLines) -> bool {
        let named = self.named.iter().filter(|(row, _)| lines[*row].is_ordered).count();
        self.named.iter().any(|(_, pieces)| *pieces > 0) || self.others > 0 && lines.ordered().count() > named
    }

    /// The reserved pieces of each line that has any, by row.
    pub fn reserved(&self, lines: &OrderLines) -> Vec<(usize, i64)> {
        let mut reserved = self.named.clone();
        if self.others > 0 {
            let is_named = |row| self.named.binary_search_by_key(&row, |(named, _)| *named).is_ok();
            let others = lines.ordered().filter(|(row, _)| !is_named(*row));
            reserved.extend(others.map(|(row, line)| (row, line.ordered * self.others)));
            reserved.sort_unstable();
        }
        reserved.retain(|(_, pieces)| *pieces > 0);
        reserved
    }
}

impl Quantities {
    fn add(&mut self, other: Self, times: i64) {
        self.reserved += other.reserved * times;
        self.backordered += other.backordered * times;
        self.rejected += other.rejected * times;
    }
}
