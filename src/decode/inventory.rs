//! The inventory topic: its record on the wire, and what each kind needs of it (DOMAIN section 4).
//!
//! Between the bytes and [`Inventory`]. Invariant: what `of` writes of an event, `check` makes that event of again.

use crate::ids::{ReservationId, Timestamp};
use crate::order::event::inventory::{Inventory, InventoryKind, StockFact};
use crate::order::{Body, Event};

use super::check::{self, Origin};
use super::refusal::Refusal;
use super::wire::{Line, Symbol, Text, record};

record! {
    /// Something happened to an order's stock.
    pub struct InventoryEvent of InventoryKind {
        /// The hold on stock.
        reservation_id: Option<Text>,
        /// The lines it speaks of; none means the whole order.
        lines: Vec<Line>,
        /// When the hold lapses, in microseconds.
        expires_at: Option<i64>,
        /// The state of goods that are back on the shelf.
        condition: Option<Text>,
    }
}

impl Symbol for InventoryKind {
    fn of_symbol(symbol: &str) -> Option<Self> {
        symbol.parse().ok()
    }

    fn symbol(&self) -> &'static str {
        self.as_str()
    }
}

impl InventoryEvent {
    /// Makes the event of it, if it is one that may be applied at `now`.
    ///
    /// # Errors
    /// What is missing or out of bounds.
    pub fn check(self, now: Timestamp) -> Result<Event, Refusal> {
        self.check_from(Origin::Upstream { now })
    }

    pub(super) fn check_from(&self, origin: Origin) -> Result<Event, Refusal> {
        let kind = check::known(&self.kind, "inventory")?;
        let inventory = self.inventory(kind)?;
        self.envelope().event(origin, Body::Inventory(inventory))
    }

    fn inventory(&self, kind: InventoryKind) -> Result<Inventory, Refusal> {
        let expires_at = check::optional_timestamp("expires_at", self.expires_at)?;
        let condition = check::name("condition", self.condition.as_ref())?;
        let reservation: Option<ReservationId> = check::optional_id("reservation_id", self.reservation_id.as_ref())?;
        Ok(Inventory {
            reservation: check::needed("reservation_id", reservation, &kind)?,
            lines: check::lines(&self.lines)?,
            fact: match kind {
                InventoryKind::Reserved => StockFact::Reserved { expires_at },
                InventoryKind::Backordered => StockFact::Backordered,
                InventoryKind::Rejected => StockFact::Rejected,
                InventoryKind::Shorted => StockFact::Shorted,
                InventoryKind::ReservationExpired => StockFact::ReservationExpired,
                InventoryKind::Released => StockFact::Released,
                InventoryKind::Restocked => StockFact::Restocked { condition },
            },
        })
    }

    /// The record that says this again.
    pub(super) fn of(event: &Event, inventory: &Inventory) -> Self {
        let condition = match inventory.fact {
            StockFact::Restocked { condition } => condition,
            StockFact::Reserved { .. }
            | StockFact::Backordered
            | StockFact::Rejected
            | StockFact::Shorted
            | StockFact::ReservationExpired
            | StockFact::Released => None,
        };
        Self {
            reservation_id: Some(inventory.reservation.clone().into()),
            lines: Line::all_of(&inventory.lines),
            expires_at: inventory.expires_at().map(|at| at.0),
            condition: condition.map(|condition| condition.as_str().into()),
            ..Self::with_envelope_of(event, inventory.kind())
        }
    }
}
