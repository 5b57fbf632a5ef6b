//! The status: one word for where an order is.
//!
//! The table of DOMAIN section 7, from top to bottom: the first match wins.

use crate::order::names::named;

use super::reading::Reading;
use super::region::{FulfilmentState, InventoryState, ReturnsState};

named! {
    /// The 13 values, in the order in which they are tried.
    pub enum Status, "status" {
        /// Given up, and everything given back.
        Cancelled = "CANCELLED",
        /// Given up; something is still to be given back.
        Cancelling = "CANCELLING",
        /// All that was shipped came back.
        Returned = "RETURNED",
        /// Something came back.
        PartiallyReturned = "PARTIALLY_RETURNED",
        /// Delivered and settled.
        Completed = "COMPLETED",
        /// Delivered.
        Delivered = "DELIVERED",
        /// Every line has left.
        Shipped = "SHIPPED",
        /// Something has left.
        PartiallyShipped = "PARTIALLY_SHIPPED",
        /// A shipment is being made ready.
        InFulfilment = "IN_FULFILMENT",
        /// Secured, and every line reserved.
        Confirmed = "CONFIRMED",
        /// Secured.
        AwaitingStock = "AWAITING_STOCK",
        /// Every line reserved.
        AwaitingPayment = "AWAITING_PAYMENT",
        /// Anything else.
        Pending = "PENDING",
    }
}

impl Status {
    /// Whether nothing more is expected. Late facts can still move the order.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Returned)
    }
}

/// The status of an order; `owes` says whether any obligation is open.
pub(super) fn status(reading: &Reading<'_>, owes: bool) -> Status {
    let goods = &reading.goods;
    let every_line_shipped = reading.lines.ordered().all(|(row, line)| goods[row].shipped >= line.ordered);
    let is_delivered = reading.fulfilment == FulfilmentState::Delivered;
    let is_reserved = reading.inventory == InventoryState::Reserved;

    if reading.is_cancelled() && !owes && !reading.is_out() {
        Status::Cancelled
    } else if reading.is_cancelled() {
        Status::Cancelling
    } else if reading.returns == ReturnsState::Returned {
        Status::Returned
    } else if reading.returns == ReturnsState::PartiallyReturned {
        Status::PartiallyReturned
    } else if is_delivered && reading.is_settled() && reading.returns != ReturnsState::Requested {
        Status::Completed
    } else if is_delivered {
        Status::Delivered
    } else if every_line_shipped {
        Status::Shipped
    } else if goods.iter().any(|goods| goods.shipped > 0) {
        Status::PartiallyShipped
    } else if reading.fulfilment == FulfilmentState::InProgress {
        Status::InFulfilment
    } else if reading.is_secured() && is_reserved {
        Status::Confirmed
    } else if reading.is_secured() {
        Status::AwaitingStock
    } else if is_reserved {
        Status::AwaitingPayment
    } else {
        Status::Pending
    }
}
