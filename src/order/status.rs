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

named! {
    /// What the rows of the table ask for.
    pub enum Clause, "clause" {
        /// Something asked to cancel before the dispatch.
        CancelIntent = "cancel_intent",
        /// No obligation is open.
        NothingOwed = "nothing_owed",
        /// Nothing is out that did not come back.
        NothingOut = "nothing_out",
        /// All that was shipped came back.
        EverythingReturned = "everything_returned",
        /// Some of it came back, and not all.
        SomethingReturned = "something_returned",
        /// Every line is delivered.
        EverythingDelivered = "everything_delivered",
        /// What is taken covers the total.
        Settled = "settled",
        /// No return is merely asked for.
        NoReturnRequested = "no_return_requested",
        /// Every line has left.
        EverythingShipped = "everything_shipped",
        /// Something has left.
        SomethingShipped = "something_shipped",
        /// A shipment is being made ready.
        ShipmentBegun = "shipment_begun",
        /// What is held and taken covers the total.
        Secured = "secured",
        /// Every line is reserved.
        EverythingReserved = "everything_reserved",
    }
}

/// The status of an order: the first row of which every clause holds. `owes` says whether any obligation is open.
pub(super) fn status(reading: &Reading<'_>, owes: bool) -> Status {
    // Each is asked once, by place: cheaper than to ask again in every row, and this is the hot path.
    let held = Clause::ALL.map(|clause| clause.holds(reading, owes));
    let matches = |status: &Status| status.clauses().iter().all(|clause| held[*clause as usize]);
    Status::ALL.into_iter().find(matches).expect("the last row asks for nothing")
}

impl Status {
    /// The row of the table: what must hold, all of it.
    pub(super) fn clauses(self) -> &'static [Clause] {
        match self {
            Self::Cancelled => &[Clause::CancelIntent, Clause::NothingOwed, Clause::NothingOut],
            Self::Cancelling => &[Clause::CancelIntent],
            Self::Returned => &[Clause::EverythingReturned],
            Self::PartiallyReturned => &[Clause::SomethingReturned],
            Self::Completed => &[Clause::EverythingDelivered, Clause::Settled, Clause::NoReturnRequested],
            Self::Delivered => &[Clause::EverythingDelivered],
            Self::Shipped => &[Clause::EverythingShipped],
            Self::PartiallyShipped => &[Clause::SomethingShipped],
            Self::InFulfilment => &[Clause::ShipmentBegun],
            Self::Confirmed => &[Clause::Secured, Clause::EverythingReserved],
            Self::AwaitingStock => &[Clause::Secured],
            Self::AwaitingPayment => &[Clause::EverythingReserved],
            Self::Pending => &[],
        }
    }
}

impl Clause {
    /// Whether it holds; `owes` says whether any obligation is open.
    pub(super) fn holds(self, reading: &Reading<'_>, owes: bool) -> bool {
        let goods = &reading.goods;
        match self {
            Self::CancelIntent => reading.is_cancelled(),
            Self::NothingOwed => !owes,
            Self::NothingOut => !reading.is_out(),
            Self::EverythingReturned => reading.returns == ReturnsState::Returned,
            Self::SomethingReturned => reading.returns == ReturnsState::PartiallyReturned,
            Self::EverythingDelivered => reading.fulfilment == FulfilmentState::Delivered,
            Self::Settled => reading.is_settled(),
            Self::NoReturnRequested => reading.returns != ReturnsState::Requested,
            Self::EverythingShipped => reading.lines.ordered().all(|(row, line)| goods[row].shipped >= line.ordered),
            Self::SomethingShipped => goods.iter().any(|goods| goods.shipped > 0),
            Self::ShipmentBegun => reading.fulfilment == FulfilmentState::InProgress,
            Self::Secured => reading.is_secured(),
            Self::EverythingReserved => reading.inventory == InventoryState::Reserved,
        }
    }
}
