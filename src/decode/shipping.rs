//! The shipping topic: its record on the wire, and what each kind needs of it (DOMAIN section 5).
//!
//! Between the bytes and [`Shipping`]. Invariant: what `of` writes of an event, `check` makes that event of again.

use crate::ids::Timestamp;
use crate::order::event::shipping::{ReturnFact, ReturnKind, ShipmentKind, Shipping, ShippingFact};
use crate::order::{Body, Event};

use super::check::{self, Origin};
use super::refusal::Refusal;
use super::wire::{Line, Symbol, Text, record};

record! {
    /// Something happened to an order's parcels, or to goods on their way back.
    pub struct ShippingEvent of ShippingKind {
        /// The parcel.
        shipment_id: Option<Text>,
        /// The return.
        return_id: Option<Text>,
        /// The lines it speaks of; none means the whole order.
        lines: Vec<Line>,
        /// Who carries it.
        carrier: Option<Text>,
        /// The carrier's number.
        tracking_number: Option<Text>,
        /// Whether we took returned goods back.
        accepted: Option<bool>,
    }
}

/// The kinds of the shipping topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShippingKind {
    /// Of a parcel.
    Shipment(ShipmentKind),
    /// Of goods that come back.
    Return(ReturnKind),
}

impl Symbol for ShippingKind {
    fn of_symbol(symbol: &str) -> Option<Self> {
        let shipment = symbol.parse().map(Self::Shipment);
        shipment.or_else(|_| symbol.parse().map(Self::Return)).ok()
    }

    fn symbol(&self) -> &'static str {
        match self {
            Self::Shipment(kind) => kind.as_str(),
            Self::Return(kind) => kind.as_str(),
        }
    }
}

impl ShippingEvent {
    /// Makes the event of it, if it is one that may be applied at `now`.
    ///
    /// # Errors
    /// What is missing or out of bounds.
    pub fn check(self, now: Timestamp) -> Result<Event, Refusal> {
        self.check_from(Origin::Upstream { now })
    }

    pub(super) fn check_from(&self, origin: Origin) -> Result<Event, Refusal> {
        let kind = check::known(&self.kind, "shipping")?;
        let shipping = Shipping {
            fact: self.fact(kind)?,
            lines: check::lines(&self.lines)?,
            carrier: check::text("carrier", self.carrier.as_ref())?,
            tracking_number: check::text("tracking_number", self.tracking_number.as_ref())?,
        };
        self.envelope().event(origin, Body::Shipping(shipping))
    }

    fn fact(&self, kind: ShippingKind) -> Result<ShippingFact, Refusal> {
        let shipment_id = check::optional_id("shipment_id", self.shipment_id.as_ref())?;
        let return_id = check::optional_id("return_id", self.return_id.as_ref())?;
        Ok(match kind {
            ShippingKind::Shipment(of_shipment) => {
                ShippingFact::Shipment(check::needed("shipment_id", shipment_id, &kind)?, of_shipment)
            }
            ShippingKind::Return(of_return) => {
                let fact = match of_return {
                    ReturnKind::Requested => ReturnFact::Requested,
                    ReturnKind::Received => ReturnFact::Received,
                    ReturnKind::Closed => {
                        ReturnFact::Closed { accepted: check::needed("accepted", self.accepted, &kind)? }
                    }
                };
                ShippingFact::Return(check::needed("return_id", return_id, &kind)?, fact)
            }
        })
    }

    /// The record that says this again.
    pub(super) fn of(event: &Event, shipping: &Shipping) -> Self {
        let kind = match &shipping.fact {
            ShippingFact::Shipment(_, kind) => ShippingKind::Shipment(*kind),
            ShippingFact::Return(_, fact) => ShippingKind::Return(fact.kind()),
        };
        let record = Self {
            lines: Line::all_of(&shipping.lines),
            carrier: shipping.carrier.clone(),
            tracking_number: shipping.tracking_number.clone(),
            ..Self::with_envelope_of(event, kind)
        };
        match &shipping.fact {
            ShippingFact::Shipment(id, _) => Self { shipment_id: Some(id.clone().into()), ..record },
            ShippingFact::Return(id, fact) => Self {
                return_id: Some(id.clone().into()),
                accepted: match fact {
                    ReturnFact::Closed { accepted } => Some(*accepted),
                    ReturnFact::Requested | ReturnFact::Received => None,
                },
                ..record
            },
        }
    }
}
