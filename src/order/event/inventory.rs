//! What inventory events say (DOMAIN section 4): of one reservation, of some lines or of the whole order.
//!
//! Between decode, which makes these, and `facts::reservation`, which keeps them. Invariant: only RESERVED has an
//! expiry and only RESTOCKED a condition.

use crate::ids::{ReservationId, Timestamp};
use crate::order::names::named;

use super::line::Lines;

/// One inventory fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The reservation it is about.
    pub reservation: ReservationId,
    /// The lines it speaks of; none means the whole order.
    pub lines: Lines,
    /// What it says of them.
    pub fact: StockFact,
}

/// What is said of a reservation's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockFact {
    /// Stock is held, until `expires_at` if that is known.
    Reserved {
        /// When the hold lapses.
        expires_at: Option<Timestamp>,
    },
    /// Promised, not there yet.
    Backordered,
    /// Cannot be supplied.
    Rejected,
    /// Was reserved, turned out missing at picking.
    Shorted,
    /// The hold lapsed.
    ReservationExpired,
    /// The hold was given back.
    Released,
    /// Returned goods are back on the shelf; information only.
    Restocked {
        /// In what state they came back, if the event says so.
        condition: Option<Condition>,
    },
}

named! {
    /// The kinds of the inventory topic.
    pub enum InventoryKind, "inventory kind" {
        /// [`StockFact::Reserved`].
        Reserved = "RESERVED",
        /// [`StockFact::Backordered`].
        Backordered = "BACKORDERED",
        /// [`StockFact::Rejected`].
        Rejected = "REJECTED",
        /// [`StockFact::Shorted`].
        Shorted = "SHORTED",
        /// [`StockFact::ReservationExpired`].
        ReservationExpired = "RESERVATION_EXPIRED",
        /// [`StockFact::Released`].
        Released = "RELEASED",
        /// [`StockFact::Restocked`].
        Restocked = "RESTOCKED",
    }
}

named! {
    /// The state of goods that are back on the shelf.
    pub enum Condition, "condition" {
        /// As new.
        Sellable = "SELLABLE",
        /// Broken.
        Damaged = "DAMAGED",
        /// Not known yet.
        Quarantine = "QUARANTINE",
    }
}

impl Inventory {
    /// The kind that says this.
    #[must_use]
    pub fn kind(&self) -> InventoryKind {
        match self.fact {
            StockFact::Reserved { .. } => InventoryKind::Reserved,
            StockFact::Backordered => InventoryKind::Backordered,
            StockFact::Rejected => InventoryKind::Rejected,
            StockFact::Shorted => InventoryKind::Shorted,
            StockFact::ReservationExpired => InventoryKind::ReservationExpired,
            StockFact::Released => InventoryKind::Released,
            StockFact::Restocked { .. } => InventoryKind::Restocked,
        }
    }

    /// When the hold lapses, if this is a RESERVED that says so.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.fact {
            StockFact::Reserved { expires_at } => expires_at,
            StockFact::Backordered
            | StockFact::Rejected
            | StockFact::Shorted
            | StockFact::ReservationExpired
            | StockFact::Released
            | StockFact::Restocked { .. } => None,
        }
    }
}
