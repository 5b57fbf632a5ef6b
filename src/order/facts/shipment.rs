//! The registers of shipments and returns, and how those of one entity are read.
//!
//! Written by [`super::Facts::merge`], read by `lines`, `goods` and `cancel`. Invariant: LEFT keeps the earliest of all
//! that was ever said of leaving, so that a later DISPATCHED cannot move the dispatch behind a cancel (DOMAIN section 5).

use super::few::Few;
use super::register::{Earliest, Latest, Merged, Stamp};
use crate::ids::Timestamp;
use crate::order::event::line::Lines;
use crate::order::event::shipping::{ReturnFact, ShipmentKind, Stage};

/// One parcel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shipment {
    pub(super) said: Few<ShipmentKind, Latest<Lines>>,
    pub(super) left: Earliest<()>,
}

impl Shipment {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, kind: ShipmentKind, lines: &Lines) -> Merged {
        let merged = self.said.entry(&kind).offer(stamp.value(lines.clone()));
        if !kind.has_left() {
            return merged;
        }
        merged.max(self.left.offer(stamp.value(())))
    }

    /// The greatest stage heard of.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.said.keys().filter_map(|kind| kind.stage()).max()
    }

    /// Whether it was cancelled before it left; if not it is live.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.said.contains_key(&ShipmentKind::Cancelled) && self.stage() < Some(Stage::Dispatched)
    }

    /// When it left, by the earliest word of it.
    #[must_use]
    pub fn left_at(&self) -> Option<Timestamp> {
        self.left.at()
    }

    /// The lines it holds: those of the latest value that names any; none means the whole order.
    #[must_use]
    pub fn lines(&self) -> Option<&Lines> {
        let values = self.said.values().filter_map(Latest::get);
        let naming = values.filter(|value| !value.content.is_whole_order());
        naming.max().map(|value| &value.content)
    }

    /// Whether something went wrong on its way and has not been put right since.
    #[must_use]
    pub fn has_exception(&self) -> bool {
        matches!(self.stage(), Some(Stage::Lost | Stage::ReturnedToSender))
            || self.is_annotated(ShipmentKind::DeliveryFailed)
            || self.is_annotated(ShipmentKind::Delayed)
    }

    fn is_annotated(&self, annotation: ShipmentKind) -> bool {
        let at = |kind| self.said.get(&kind).and_then(Latest::at);
        let moved_on = [ShipmentKind::InTransit, ShipmentKind::OutForDelivery, ShipmentKind::ReadyForPickup];
        at(annotation).is_some()
            && at(ShipmentKind::Delivered).is_none()
            && moved_on.into_iter().all(|kind| at(kind) <= at(annotation))
    }

    pub(super) fn len(&self) -> usize {
        let values = self.said.values().filter_map(Latest::get);
        values.map(|value| weight(&value.content)).sum::<usize>() + self.left.len()
    }

    /// Every value that names lines, with when it did.
    pub(super) fn naming(&self) -> impl Iterator<Item = (Stamp<'_>, &Lines)> {
        self.said.values().filter_map(Latest::get).map(|value| (Stamp::of(value), &value.content))
    }
}

/// Goods that come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Return {
    pub(super) requested: Latest<Lines>,
    pub(super) received: Latest<Lines>,
    pub(super) closed: Latest<Closed>,
}

/// The end of a return.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closed {
    /// Whether we took the goods back.
    pub accepted: bool,
    /// The lines it speaks of.
    pub lines: Lines,
}

/// What a return has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnState {
    /// Asked for; the goods are not here.
    Requested,
    /// The goods came back.
    Returned,
    /// We did not take them back.
    Refused,
}

impl Return {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: ReturnFact, lines: &Lines) -> Merged {
        let lines = lines.clone();
        match fact {
            ReturnFact::Requested => self.requested.offer(stamp.value(lines)),
            ReturnFact::Received => self.received.offer(stamp.value(lines)),
            ReturnFact::Closed { accepted } => self.closed.offer(stamp.value(Closed { accepted, lines })),
        }
    }

    /// What it has come to, by the greatest rank heard of.
    #[must_use]
    pub fn state(&self) -> ReturnState {
        match self.closed.get() {
            Some(closed) if closed.content.accepted => ReturnState::Returned,
            Some(_) => ReturnState::Refused,
            None if self.received.is_empty() => ReturnState::Requested,
            None => ReturnState::Returned,
        }
    }

    /// Whether nobody closed it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_empty()
    }

    /// The lines it speaks of: those of the latest value that names any; none means everything that was shipped.
    #[must_use]
    pub fn lines(&self) -> Option<&Lines> {
        let naming = self.naming().filter(|(_, lines)| !lines.is_whole_order());
        naming.max().map(|(_, lines)| lines)
    }

    pub(super) fn len(&self) -> usize {
        self.naming().map(|(_, lines)| weight(lines)).sum()
    }

    /// Every value, with when it was said.
    pub(super) fn naming(&self) -> impl Iterator<Item = (Stamp<'_>, &Lines)> {
        let steps = [&self.requested, &self.received].into_iter().filter_map(Latest::get);
        let steps = steps.map(|value| (Stamp::of(value), &value.content));
        let closed = self.closed.get().map(|value| (Stamp::of(value), &value.content.lines));
        steps.chain(closed)
    }
}

/// What a value that names lines counts towards the bound on an order's facts: as much as it makes the order grow.
pub(super) fn weight(lines: &Lines) -> usize {
    lines.as_slice().len().max(1)
}
