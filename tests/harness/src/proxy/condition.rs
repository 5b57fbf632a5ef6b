//! How a link is at a moment, as a value. Pure.
//!
//! Invariant: a mended link is as a new one, except that connections which were to be reset or torn still are.

use std::time::Duration;

use crate::traffic::Dice;

/// A way through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer = 0,
    /// From the server to the client: answers.
    ToClient = 1,
}

/// How much later something arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// On average.
    pub by: Duration,
    /// By how much more or less, at most.
    pub jitter: Duration,
}

impl Delay {
    /// One delay, as the dice fall.
    pub(super) fn draw(self, dice: &mut Dice) -> Duration {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2);
        let drawn = dice.between(micros(self.by) - micros(self.jitter), micros(self.by) + micros(self.jitter));
        Duration::from_micros(u64::try_from(drawn).unwrap_or_default())
    }
}

/// How a link is. All of it holds at once: what is lost is lost late where there is a delay, and what is held up waits first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Connections end, and new ones as soon as they are made.
    pub cut: bool,
    /// Nothing passes, and nothing is lost.
    pub held_up: bool,
    /// What goes that way is lost; by [`Direction`].
    pub loses: [bool; 2],
    /// Everything arrives later.
    pub delay: Option<Delay>,
    /// What passes each way in a second, at most.
    pub bytes_per_second: Option<u64>,
    /// How often all connections were reset.
    pub(super) resets: u64,
    /// How often all connections were to be torn.
    pub(super) tears: u64,
}

impl Condition {
    /// Lets everything through again.
    pub fn mend(&mut self) {
        *self = Self { resets: self.resets, tears: self.tears, ..Self::default() };
    }
}
