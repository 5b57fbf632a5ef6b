//! What can happen next outside, when everybody keeps to the story of what he reports.
//!
//! Between the alphabet and the exploration: money is captured while it is held, a warehouse begins what is CONFIRMED, what
//! arrived can come back. Invariant: this reads the facts and the view and says what may be said next, never what follows
//! from it; and it is exhaustive, so a new kind must say when it is in turn.

use crate::order::event::Body;
use crate::order::event::inventory::InventoryKind;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::{AuthorizationFact, CaptureFact, DisputeFact, Payment, RefundFact, ReviewFact};
use crate::order::event::shipping::{ReturnFact, ShipmentKind, ShippingFact, Stage};
use crate::order::facts::Facts;
use crate::order::facts::payment::{Authorization, AuthorizationState, Dispute, DisputeState};
use crate::order::facts::shipment::{Return, ReturnState, Shipment};
use crate::order::obligation::ObligationKind;
use crate::order::region::{FulfilmentState, InventoryState};
use crate::order::status::Status;
use crate::order::view::View;

use super::alphabet::{ONE_HALF, OTHER_HALF};

/// Whether this may be said next of an order of these facts.
pub fn is_in_turn(body: &Body, facts: &Facts, view: &View) -> bool {
    let is_placed = !facts.placed.is_empty();
    match body {
        Body::Order(ordering) => match ordering.kind() {
            OrderKind::Placed => !is_placed,
            OrderKind::Amended => is_placed && facts.amended.is_empty() && shipped(view) == 0,
            OrderKind::CancelRequested => is_placed && facts.cancel_requested.is_empty(),
            OrderKind::HoldPlaced | OrderKind::HoldReleased => is_placed,
        },
        Body::Payment(_) | Body::Inventory(_) | Body::Shipping(_) if !is_placed => false,
        Body::Payment(payment) => is_payment_in_turn(payment, facts, view),
        Body::Inventory(inventory) => is_stock_in_turn(inventory.kind(), view),
        Body::Shipping(shipping) => match &shipping.fact {
            ShippingFact::Shipment(id, kind) => is_shipment_in_turn(id.as_str(), *kind, facts, view),
            ShippingFact::Return(id, fact) => is_return_in_turn(id.as_str(), *fact, facts, view),
        },
        // Only our own deadlines say this.
        Body::Fired(_) => false,
    }
}

fn is_payment_in_turn(payment: &Payment, facts: &Facts, view: &View) -> bool {
    let is_taken = facts.captures.values().any(|capture| capture.ok().is_some());
    let is_given_back = facts.refunds.values().any(|refund| refund.ok().is_some());
    let is_held = view.authorized_minor.0 > 0;
    match payment {
        Payment::Authorization(id, fact) => {
            let state = facts.authorizations.get(id).and_then(Authorization::state).map(|(state, _)| state);
            let may_try = !is_taken && !is_held;
            match fact {
                AuthorizationFact::Pending => may_try && state != Some(AuthorizationState::Pending),
                AuthorizationFact::ActionRequired => state == Some(AuthorizationState::Pending),
                AuthorizationFact::Authorized(_) => may_try,
                AuthorizationFact::Declined => may_try && state != Some(AuthorizationState::Declined),
                AuthorizationFact::Voided => is_held && is_owed(ObligationKind::VoidPayment, view),
                AuthorizationFact::Expired => is_held,
            }
        }
        Payment::Capture(_, CaptureFact::Captured(_)) => !is_taken && is_held,
        Payment::Capture(_, CaptureFact::Failed) => is_taken && !is_given_back,
        Payment::Refund(_, RefundFact::Refunded(_)) => {
            let is_back = facts.returns.values().any(|returned| returned.state() == ReturnState::Returned);
            is_taken && !is_given_back && (is_back || is_owed(ObligationKind::RefundPayment, view))
        }
        Payment::Refund(_, RefundFact::Failed) => is_given_back,
        Payment::Dispute(id, fact) => {
            let state = facts.disputes.get(id).and_then(Dispute::state);
            match fact {
                DisputeFact::Opened(_) => is_taken && shipped(view) > 0 && state.is_none(),
                DisputeFact::Won | DisputeFact::Lost(_) => matches!(state, Some(DisputeState::Open(_))),
            }
        }
        // Nothing but its end moves an order, so the end is told alone.
        Payment::Review(_, fact) => match fact {
            ReviewFact::Opened | ReviewFact::Approved => false,
            ReviewFact::Rejected => shipped(view) == 0 && facts.reviews.is_empty(),
        },
    }
}

fn is_stock_in_turn(kind: InventoryKind, view: &View) -> bool {
    let is_here = shipped(view) == 0;
    let is_held = is_here && view.lines.iter().any(|line| line.reserved > 0);
    let is_undecided = is_here && matches!(view.inventory, InventoryState::None | InventoryState::Backordered);
    match kind {
        InventoryKind::Reserved => is_here && view.inventory != InventoryState::Reserved,
        InventoryKind::Backordered | InventoryKind::Rejected => is_undecided,
        InventoryKind::Shorted | InventoryKind::ReservationExpired => is_held,
        InventoryKind::Released => is_held && is_owed(ObligationKind::ReleaseInventory, view),
        InventoryKind::Restocked => view.lines.iter().any(|line| line.returned > 0),
    }
}

fn is_shipment_in_turn(id: &str, kind: ShipmentKind, facts: &Facts, view: &View) -> bool {
    let of = |id: &str| facts.shipments.get(&id.into()).filter(|shipment| !shipment.is_cancelled());
    let stage = of(id).and_then(Shipment::stage);
    let is_begun = stage.is_some_and(|stage| stage < Stage::Dispatched);
    let is_on_its_way = stage.is_some_and(|stage| (Stage::Dispatched..=Stage::Lost).contains(&stage));
    match kind {
        ShipmentKind::LabelCreated => {
            let has_left = |id| of(id).and_then(Shipment::stage) >= Some(Stage::Dispatched);
            let is_first = facts.shipments.values().all(Shipment::is_cancelled) && view.status == Status::Confirmed;
            let is_fresh = !facts.shipments.contains_key(&id.into());
            is_fresh && if id == OTHER_HALF { has_left(ONE_HALF) && view.cancel_reason.is_none() } else { is_first }
        }
        ShipmentKind::Picked | ShipmentKind::Dispatched | ShipmentKind::Cancelled => is_begun,
        ShipmentKind::InTransit
        | ShipmentKind::OutForDelivery
        | ShipmentKind::ReadyForPickup
        | ShipmentKind::Lost
        | ShipmentKind::DeliveryFailed
        | ShipmentKind::Delayed
        | ShipmentKind::Delivered
        | ShipmentKind::ReturnedToSender => is_on_its_way,
    }
}

fn is_return_in_turn(id: &str, fact: ReturnFact, facts: &Facts, view: &View) -> bool {
    let state = |id: &str| facts.returns.get(&id.into()).map(Return::state);
    match fact {
        ReturnFact::Requested => {
            let is_first = facts.returns.is_empty();
            let is_next = id == OTHER_HALF && state(ONE_HALF) == Some(ReturnState::Returned);
            let is_complete = view.fulfilment == FulfilmentState::Delivered && view.cancel_reason.is_none();
            is_complete && state(id).is_none() && (is_next || is_first && id != OTHER_HALF)
        }
        ReturnFact::Received => state(id) == Some(ReturnState::Requested),
        ReturnFact::Closed { .. } => {
            state(id).is_some() && facts.returns.get(&id.into()).is_some_and(|of| of.is_open())
        }
    }
}

fn shipped(view: &View) -> i64 {
    view.lines.iter().map(|line| line.shipped).sum()
}

fn is_owed(kind: ObligationKind, view: &View) -> bool {
    view.owed.iter().any(|owed| owed.kind() == kind)
}
