//! How much of each line was shipped, delivered, returned, and came back undelivered.
//!
//! Between the registers of shipments and returns and the regions of fulfilment and returns. Invariant: only a shipment
//! that left counts as shipped; a shipment back at the sender is shipped and not delivered (DOMAIN section 6).

use crate::order::event::line::Lines;
use crate::order::event::shipping::Stage;
use crate::order::facts::Facts;
use crate::order::facts::shipment::ReturnState;

use super::lines::OrderLines;

/// Pieces of one line, by what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goods {
    /// In shipments that left.
    pub shipped: i64,
    /// In shipments that were delivered.
    pub delivered: i64,
    /// In shipments that are back at the sender.
    pub back: i64,
    /// In returns.
    pub returned: i64,
}

impl Goods {
    /// The goods of each line, by row.
    pub fn of(facts: &Facts, lines: &OrderLines) -> Vec<Self> {
        let mut goods = vec![Self::default(); lines.len()];
        add_shipments(&mut goods, facts, lines);
        add_returns(&mut goods, facts, lines);
        goods
    }

    /// Whether more left than came back either way.
    pub fn is_out(&self) -> bool {
        self.shipped > self.back_again()
    }

    /// What came back either way.
    pub fn back_again(&self) -> i64 {
        self.returned.saturating_add(self.back)
    }

    fn add(&mut self, other: Self, times: i64) {
        self.shipped += other.shipped * times;
        self.delivered += other.delivered * times;
        self.back += other.back * times;
    }
}

fn add_shipments(goods: &mut [Goods], facts: &Facts, lines: &OrderLines) {
    let mut whole = Goods::default();
    for shipment in facts.shipments.values() {
        let stage = shipment.stage();
        if stage < Some(Stage::Dispatched) {
            continue;
        }
        let piece = Goods {
            shipped: 1,
            delivered: i64::from(stage == Some(Stage::Delivered)),
            back: i64::from(stage == Some(Stage::ReturnedToSender)),
            returned: 0,
        };
        match shipment.lines() {
            Some(named) => each_row(named, lines, |row, pieces| goods[row].add(piece, pieces)),
            None => whole.add(piece, 1),
        }
    }
    for (row, line) in lines.ordered() {
        goods[row].add(whole, line.ordered);
    }
}

fn add_returns(goods: &mut [Goods], facts: &Facts, lines: &OrderLines) {
    let mut whole = 0;
    for returned in facts.returns.values() {
        match (returned.state(), returned.lines()) {
            (ReturnState::Requested | ReturnState::Refused, _) => {}
            (ReturnState::Returned, Some(named)) => {
                each_row(named, lines, |row, pieces| goods[row].returned += pieces);
            }
            (ReturnState::Returned, None) => whole += 1,
        }
    }
    for goods in goods {
        // The only product of three counts; nobody can tell so many pieces from more.
        goods.returned = goods.returned.saturating_add(goods.shipped.saturating_mul(whole));
    }
}

fn each_row(named: &Lines, lines: &OrderLines, mut count: impl FnMut(usize, i64)) {
    for line in named.as_slice() {
        if let Some(row) = lines.row(&line.line_id) {
            count(row, line.quantity.pieces());
        }
    }
}
