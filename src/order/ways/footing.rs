//! When two orders stand alike: what the exploration takes for one, so that it comes to an end.
//!
//! Between the orders that were met and those that go on. Invariant: a footing holds the status and what the next facts
//! depend on in this small world; what only tells how the order came there is left out.

use crate::ids::{ReturnId, ShipmentId};
use crate::order::attention::Flag;
use crate::order::event::shipping::Stage;
use crate::order::facts::Facts;
use crate::order::facts::shipment::{ReturnState, Shipment};
use crate::order::obligation::{Obligation, ObligationKind};
use crate::order::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
use crate::order::status::Status;
use crate::order::view::View;

/// The status and the regions of a view.
pub type Regions = (Status, PaymentState, InventoryState, FulfilmentState, ReturnsState);

/// Where an order stands.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Footing {
    status: Status,
    payment: PaymentState,
    /// Until something leaves; what the shelves say later moves nothing.
    inventory: Option<InventoryState>,
    fulfilment: FulfilmentState,
    is_disputed: bool,
    owed: Vec<ObligationKind>,
    parcels: Vec<(ShipmentId, Parcel)>,
    /// Each with whether it is still to be closed.
    returns: Vec<(ReturnId, ReturnState, bool)>,
}

/// How far a parcel is, as far as that matters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Parcel {
    None,
    Begun,
    Left,
    Delivered,
    Back,
}

pub fn regions(view: &View) -> Regions {
    (view.status, view.payment, view.inventory, view.fulfilment, view.returns)
}

impl Footing {
    pub fn of(facts: &Facts, view: &View) -> Self {
        let has_left = view.lines.iter().any(|line| line.shipped > 0);
        Self {
            status: view.status,
            payment: view.payment,
            inventory: (!has_left).then_some(view.inventory),
            fulfilment: view.fulfilment,
            is_disputed: view.flags.contains(&Flag::Disputed),
            owed: view.owed.iter().map(Obligation::kind).collect(),
            parcels: facts.shipments.iter().map(|(id, shipment)| (id.clone(), Parcel::of(shipment))).collect(),
            returns: facts.returns.iter().map(|(id, back)| (id.clone(), back.state(), back.is_open())).collect(),
        }
    }
}

impl Parcel {
    fn of(shipment: &Shipment) -> Self {
        match shipment.stage() {
            None => Self::None,
            Some(_) if shipment.is_cancelled() => Self::None,
            Some(Stage::Labelled | Stage::Picked) => Self::Begun,
            Some(Stage::Dispatched | Stage::InTransit | Stage::LastMile | Stage::Lost) => Self::Left,
            Some(Stage::Delivered) => Self::Delivered,
            Some(Stage::ReturnedToSender) => Self::Back,
        }
    }
}
