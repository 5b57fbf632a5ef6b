//! What shipping events say (DOMAIN section 5): of a parcel on its way out, or of goods on their way back.
//!
//! Between decode, which makes these, and `facts::shipment`, which keeps them. Invariant: a stage, if a kind has one,
//! is the rank of DOMAIN's table; annotations and CANCELLED have none.

use std::sync::Arc;

use crate::ids::{ReturnId, ShipmentId};
use crate::order::names::named;

use super::line::Lines;

/// One shipping fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipping {
    /// The lines it speaks of; none means the whole order.
    pub lines: Lines,
    /// Who carries it. Carried through, never judged.
    pub carrier: Option<Arc<str>>,
    /// The carrier's number. Carried through, never judged.
    pub tracking_number: Option<Arc<str>>,
    /// What it says, and of what.
    pub fact: ShippingFact,
}

/// What is said of a shipment or of a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShippingFact {
    /// Of a parcel.
    Shipment(ShipmentId, ShipmentKind),
    /// Of goods that come back.
    Return(ReturnId, ReturnFact),
}

/// What is said of a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnFact {
    /// The customer asked for it.
    Requested,
    /// The goods are here.
    Received,
    /// It is settled.
    Closed {
        /// Whether we took the goods back.
        accepted: bool,
    },
}

/// How far a shipment is: the rank of DOMAIN's table. The greatest heard is the one that counts, whatever the clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Rank 1: the shipment exists.
    Labelled,
    /// Rank 2: picked or packed.
    Picked,
    /// Rank 3: left the building. From here on the order is dispatched.
    Dispatched,
    /// Rank 4: with the carrier.
    InTransit,
    /// Rank 5: the last mile.
    LastMile,
    /// Rank 6: lost, damaged, destroyed.
    Lost,
    /// Rank 7: delivered.
    Delivered,
    /// Rank 8: back undelivered.
    ReturnedToSender,
}

named! {
    /// The kinds of the shipping topic that speak of a shipment.
    pub enum ShipmentKind, "shipment kind" {
        /// The shipment exists.
        LabelCreated = "LABEL_CREATED",
        /// Picked or packed.
        Picked = "PICKED",
        /// Left the building.
        Dispatched = "DISPATCHED",
        /// With the carrier.
        InTransit = "IN_TRANSIT",
        /// Last mile, to the door.
        OutForDelivery = "OUT_FOR_DELIVERY",
        /// Last mile, to be fetched.
        ReadyForPickup = "READY_FOR_PICKUP",
        /// Lost, damaged, destroyed.
        Lost = "LOST",
        /// Delivered.
        Delivered = "DELIVERED",
        /// Back undelivered.
        ReturnedToSender = "RETURNED_TO_SENDER",
        /// Will not leave.
        Cancelled = "CANCELLED",
        /// An annotation: an attempt to deliver failed.
        DeliveryFailed = "DELIVERY_FAILED",
        /// An annotation: late.
        Delayed = "DELAYED",
    }
}

named! {
    /// The kinds of the shipping topic that speak of a return, in the order of their ranks.
    pub enum ReturnKind, "return kind" {
        /// [`ReturnFact::Requested`].
        Requested = "RETURN_REQUESTED",
        /// [`ReturnFact::Received`].
        Received = "RETURN_RECEIVED",
        /// [`ReturnFact::Closed`].
        Closed = "RETURN_CLOSED",
    }
}

impl ShipmentKind {
    /// The stage that this kind reports, if it reports one.
    #[must_use]
    pub fn stage(self) -> Option<Stage> {
        match self {
            Self::LabelCreated => Some(Stage::Labelled),
            Self::Picked => Some(Stage::Picked),
            Self::Dispatched => Some(Stage::Dispatched),
            Self::InTransit => Some(Stage::InTransit),
            Self::OutForDelivery | Self::ReadyForPickup => Some(Stage::LastMile),
            Self::Lost => Some(Stage::Lost),
            Self::Delivered => Some(Stage::Delivered),
            Self::ReturnedToSender => Some(Stage::ReturnedToSender),
            Self::Cancelled | Self::DeliveryFailed | Self::Delayed => None,
        }
    }

    /// Whether a shipment of which this is said has left the building.
    #[must_use]
    pub fn has_left(self) -> bool {
        self.stage() >= Some(Stage::Dispatched)
    }
}

impl ReturnFact {
    /// The kind that says this.
    #[must_use]
    pub fn kind(self) -> ReturnKind {
        match self {
            Self::Requested => ReturnKind::Requested,
            Self::Received => ReturnKind::Received,
            Self::Closed { .. } => ReturnKind::Closed,
        }
    }
}

impl Shipping {
    /// The name of the kind that says this.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.fact {
            ShippingFact::Shipment(_, kind) => kind.as_str(),
            ShippingFact::Return(_, fact) => fact.kind().as_str(),
        }
    }
}
