//! The four regions of an order's state: payment, inventory, fulfilment, returns.
//!
//! Each function is one row of the table in DOMAIN section 6, read from left to right: the first match wins. Invariant:
//! regions are functions of the sums; only where a row says so of the facts themselves.

use crate::order::event::inventory::InventoryKind;
use crate::order::event::shipping::Stage;
use crate::order::facts::Facts;
use crate::order::facts::payment::{Authorization, AuthorizationState};
use crate::order::facts::register::Stamp;
use crate::order::facts::shipment::{Return, ReturnState, Shipment};
use crate::order::names::named;

use super::goods::Goods;
use super::lines::OrderLines;
use super::stock::Stock;
use super::sums::Sums;

named! {
    /// Where the money is.
    pub enum PaymentState, "payment state" {
        /// All that was taken is gone, some of it by a lost dispute.
        ChargedBack = "CHARGED_BACK",
        /// All that was taken was given back.
        Refunded = "REFUNDED",
        /// Some was given back.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// We have more than the total.
        Overpaid = "OVERPAID",
        /// We have what we should have.
        Paid = "PAID",
        /// Something was taken.
        PartiallyPaid = "PARTIALLY_PAID",
        /// The total is held.
        Authorized = "AUTHORIZED",
        /// Something is held.
        PartiallyAuthorized = "PARTIALLY_AUTHORIZED",
        /// The shopper must act.
        ActionRequired = "ACTION_REQUIRED",
        /// An attempt is under way.
        Pending = "PENDING",
        /// The last hold lapsed.
        Expired = "EXPIRED",
        /// The last hold was given back.
        Voided = "VOIDED",
        /// The last attempt failed.
        Declined = "DECLINED",
        /// Nothing is held or taken.
        Unpaid = "UNPAID",
    }
}

named! {
    /// Where the stock is.
    pub enum InventoryState, "inventory state" {
        /// Every line is rejected in full.
        Rejected = "REJECTED",
        /// Every line is reserved in full.
        Reserved = "RESERVED",
        /// Something is reserved.
        PartiallyReserved = "PARTIALLY_RESERVED",
        /// Something is promised.
        Backordered = "BACKORDERED",
        /// The last word is that a hold lapsed.
        Expired = "EXPIRED",
        /// The last word is that a hold was given back.
        Released = "RELEASED",
        /// Nothing was said, or nothing came of it.
        None = "NONE",
    }
}

named! {
    /// Where the goods are on their way out.
    pub enum FulfilmentState, "fulfilment state" {
        /// Every line is delivered.
        Delivered = "DELIVERED",
        /// Something is delivered.
        PartiallyDelivered = "PARTIALLY_DELIVERED",
        /// Every line has left.
        Shipped = "SHIPPED",
        /// Something has left.
        PartiallyShipped = "PARTIALLY_SHIPPED",
        /// A shipment is being made ready.
        InProgress = "IN_PROGRESS",
        /// Every shipment was cancelled.
        Cancelled = "CANCELLED",
        /// Nothing was begun.
        NotStarted = "NOT_STARTED",
    }
}

named! {
    /// Where the goods are on their way back.
    pub enum ReturnsState, "returns state" {
        /// All that was shipped came back.
        Returned = "RETURNED",
        /// Something came back.
        PartiallyReturned = "PARTIALLY_RETURNED",
        /// A return was asked for.
        Requested = "REQUESTED",
        /// A return was refused.
        Closed = "CLOSED",
        /// No return.
        None = "NONE",
    }
}

pub(super) fn payment(facts: &Facts, sums: &Sums) -> PaymentState {
    let (net, target) = (sums.net(), sums.target());
    if sums.charged_back > 0 && net <= 0 {
        PaymentState::ChargedBack
    } else if sums.refunded > 0 && net <= 0 {
        PaymentState::Refunded
    } else if sums.refunded > 0 {
        PaymentState::PartiallyRefunded
    } else if !sums.is_shell() && net > sums.total() {
        PaymentState::Overpaid
    } else if (sums.captured > 0 || sums.known_total == Some(0)) && net >= target {
        PaymentState::Paid
    } else if sums.captured > 0 {
        PaymentState::PartiallyPaid
    } else if sums.authorized > 0 && sums.authorized >= sums.total() {
        PaymentState::Authorized
    } else if sums.authorized > 0 {
        PaymentState::PartiallyAuthorized
    } else {
        last_attempt(facts)
    }
}

/// What the latest of the authorizations' states says, when no money is held or taken.
fn last_attempt(facts: &Facts) -> PaymentState {
    let states = facts.authorizations.values().filter_map(Authorization::state);
    let latest = states.max_by_key(|(state, stamp)| (*stamp, *state));
    match latest.map(|(state, _)| state) {
        Some(AuthorizationState::ActionRequired) => PaymentState::ActionRequired,
        Some(AuthorizationState::Pending) => PaymentState::Pending,
        Some(AuthorizationState::Expired) => PaymentState::Expired,
        Some(AuthorizationState::Voided) => PaymentState::Voided,
        Some(AuthorizationState::Declined) => PaymentState::Declined,
        // With nothing left in it, or in another currency.
        Some(AuthorizationState::Authorized) | None => PaymentState::Unpaid,
    }
}

pub(super) fn inventory(facts: &Facts, lines: &OrderLines, stock: &Stock<'_>) -> InventoryState {
    let of_lines = &stock.lines;
    let latest = |kind| {
        let values = facts.reservations.values().filter_map(|reservation| reservation.latest(kind));
        values.map(Stamp::of).max()
    };
    let expired = latest(InventoryKind::ReservationExpired);
    let released = latest(InventoryKind::Released);
    if lines.ordered().all(|(row, line)| of_lines[row].rejected >= line.ordered) {
        InventoryState::Rejected
    } else if lines.ordered().all(|(row, line)| of_lines[row].reserved >= line.ordered) {
        InventoryState::Reserved
    } else if of_lines.iter().any(|line| line.reserved > 0) {
        InventoryState::PartiallyReserved
    } else if of_lines.iter().any(|line| line.backordered > 0) {
        InventoryState::Backordered
    } else if expired > released {
        InventoryState::Expired
    } else if released.is_some() {
        InventoryState::Released
    } else {
        InventoryState::None
    }
}

pub(super) fn fulfilment(facts: &Facts, lines: &OrderLines, goods: &[Goods]) -> FulfilmentState {
    let mut shipments = facts.shipments.values();
    if lines.ordered().all(|(row, line)| goods[row].delivered >= line.ordered) {
        FulfilmentState::Delivered
    } else if goods.iter().any(|goods| goods.delivered > 0) {
        FulfilmentState::PartiallyDelivered
    } else if lines.ordered().all(|(row, line)| goods[row].shipped >= line.ordered) {
        FulfilmentState::Shipped
    } else if goods.iter().any(|goods| goods.shipped > 0) {
        FulfilmentState::PartiallyShipped
    } else if shipments.clone().any(is_in_progress) {
        FulfilmentState::InProgress
    } else if !facts.shipments.is_empty() && shipments.all(Shipment::is_cancelled) {
        FulfilmentState::Cancelled
    } else {
        FulfilmentState::NotStarted
    }
}

/// Whether a shipment is live and at rank 1 or 2.
pub(super) fn is_in_progress(shipment: &Shipment) -> bool {
    let stage = shipment.stage();
    !shipment.is_cancelled() && stage.is_some() && stage < Some(Stage::Dispatched)
}

pub(super) fn returns(facts: &Facts, goods: &[Goods]) -> ReturnsState {
    let was_shipped = goods.iter().any(|goods| goods.shipped > 0);
    let any = |state| facts.returns.values().map(Return::state).any(|of_return| of_return == state);
    if was_shipped && goods.iter().all(|goods| goods.returned >= goods.shipped) {
        ReturnsState::Returned
    } else if goods.iter().any(|goods| goods.returned > 0) {
        ReturnsState::PartiallyReturned
    } else if any(ReturnState::Requested) {
        ReturnsState::Requested
    } else if any(ReturnState::Refused) {
        ReturnsState::Closed
    } else {
        ReturnsState::None
    }
}
