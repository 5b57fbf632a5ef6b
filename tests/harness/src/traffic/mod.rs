//! Traffic from a seed: every record that upstream services would send for a number of orders, in the order of sending.
//!
//! Pure: no clock, no Kafka, the same records for the same [`Shape`] on every machine. `plot` decides what becomes of an order,
//! `tale` and the chapters tell it, `delivery` disturbs how it arrives, and [`Traffic`] interleaves thousands of orders.

mod cart;
mod delivering;
mod delivery;
mod dice;
mod flaw;
mod paying;
mod plot;
mod pressing;
mod stocking;
mod tale;
mod undoing;

use crate::event::FlatEvent;
use crate::topics::Input;
use delivery::Disturbance;
use tale::Tale;

pub use dice::Dice;
pub use flaw::{Flaw, NEWER_KIND};
pub use plot::Plot;

/// What the traffic is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// How many orders.
    pub orders: u64,
    /// The number of the first; orders of one seed that were sent before keep their numbers.
    pub first_order: u64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Share of events that are sent again, with the same id or under a new one.
    pub duplicates: f64,
    /// Share of events that arrive after later ones.
    pub out_of_order: f64,
    /// Records that must be refused, as a share of the events.
    pub malformed: f64,
    /// Records that are refused as long as time or the registry is not ready for them, as a share of the events.
    pub repairable: f64,
    /// How much more than the 24 hours that are allowed a record is ahead of its time that is to be refused for that, in microseconds.
    pub ahead: i64,
    /// Share of orders that live in the present: deadlines come up, cancellations wait for their answers.
    pub pressing: f64,
    /// Who answers what a cancelled order owes.
    pub answers: Answers,
    /// Share of orders whose order topic says nothing of them.
    pub without_order_topic: f64,
    /// How many orders are under way at a time.
    pub in_flight: usize,
    /// The instant, in microseconds, by which everything has occurred.
    pub now: i64,
    /// How many times faster than in life things occur.
    pub speed: i64,
    /// The largest record that workers take; a record that is to be refused for its size is larger than this.
    pub record_max_bytes: usize,
}

impl Shape {
    /// So many orders of a seed, with the usual shares of everything.
    #[must_use]
    pub fn usual(orders: u64, seed: u64, now: i64) -> Self {
        Self {
            orders,
            first_order: 0,
            seed,
            duplicates: 0.02,
            out_of_order: 0.05,
            malformed: 0.005,
            repairable: 0.0,
            ahead: 10_000_000,
            pressing: 0.0,
            answers: Answers::Told,
            without_order_topic: 0.3,
            in_flight: 2_000,
            now,
            speed: 1,
            record_max_bytes: 1 << 20,
        }
    }

    /// So many orders without any disturbance, for tests that add their own.
    #[must_use]
    pub fn undisturbed(orders: u64, seed: u64, now: i64) -> Self {
        Self { duplicates: 0.0, out_of_order: 0.0, malformed: 0.0, ..Self::usual(orders, seed, now) }
    }
}

/// Who answers what a cancelled order owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The answers are part of the order's story.
    Told,
    /// They are left to somebody who hears the commands: `services`.
    Left,
}

/// One record to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The topic.
    pub input: Input,
    /// The key; none where its absence is the flaw.
    pub key: Option<String>,
    /// What it says, before the flaw is put into its bytes.
    pub event: FlatEvent,
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
    /// Whether an earlier record said the same.
    pub repeated: bool,
}

/// The records of a [`Shape`], one after the other.
#[derive(Debug)]
pub struct Traffic {
    shape: Shape,
    /// Decides whose turn it is.
    dice: Dice,
    disturbance: Disturbance,
    next_order: u64,
    under_way: Vec<std::vec::IntoIter<Planned>>,
}

impl Traffic {
    /// The traffic of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let dice = Dice::new(shape.seed, u64::MAX);
        let under_way = Vec::with_capacity(shape.in_flight);
        Self { disturbance: Disturbance::default(), next_order: 0, dice, under_way, shape }
    }

    /// How many orders there are in all.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.shape.orders
    }

    /// How many orders have begun.
    #[must_use]
    pub fn orders_begun(&self) -> u64 {
        self.next_order
    }

    fn begin_orders(&mut self) {
        while self.under_way.len() < self.shape.in_flight.max(1) && self.next_order < self.shape.orders {
            let (_, events, mut dice) = story(&self.shape, self.shape.first_order + self.next_order);
            self.next_order += 1;
            self.under_way.push(self.disturbance.deliver(&self.shape, events, &mut dice).into_iter());
        }
    }
}

impl Iterator for Traffic {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        loop {
            self.begin_orders();
            if self.under_way.is_empty() {
                return None;
            }
            let turn = self.dice.index(self.under_way.len());
            match self.under_way[turn].next() {
                Some(planned) => return Some(planned),
                None => drop(self.under_way.swap_remove(turn)),
            }
        }
    }
}

/// The events of one order in the order in which they occurred, with its plot and what is left of its chance.
fn story(shape: &Shape, number: u64) -> (Plot, Vec<FlatEvent>, Dice) {
    let mut tale = Tale::begin(shape.seed, number, shape.without_order_topic, shape.answers);
    let is_pressing = shape.pressing > 0.0 && tale.dice.chance(shape.pressing);
    let plot = if is_pressing { Plot::roll_pressing(&mut tale) } else { Plot::roll(&mut tale.dice) };
    plot.tell(&mut tale);
    // Not all orders end at the same instant; those that press have come to this very one.
    let ago = if is_pressing { 0 } else { tale.dice.between(1_000_000, 3_600_000_000) / shape.speed };
    let end = shape.now - ago;
    let (events, dice) = tale.end(end, shape.speed);
    (plot, events, dice)
}

/// The id of the order `number` of a seed.
#[must_use]
pub fn order_id(seed: u64, number: u64) -> String {
    tale::order_id(seed, number)
}

/// What becomes of the order `number` of a shape.
#[must_use]
pub fn plot_of(shape: &Shape, number: u64) -> Plot {
    story(shape, number).0
}

#[cfg(test)]
mod tests;
