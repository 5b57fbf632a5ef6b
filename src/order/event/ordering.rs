//! What order events say (DOMAIN section 5): what was ordered, who asked to cancel, and what holds the order up.
//!
//! Between decode, which makes these, and `facts`, which keeps them. The topic is optional; an order of which nothing
//! here was heard is a shell.

use crate::ids::{HoldId, Timestamp};
use crate::order::names::named;

use super::line::Lines;
use super::money::Money;

/// One fact of the order itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// The order as it was placed.
    Placed(Terms),
    /// The order as it was changed.
    Amended(Terms),
    /// Somebody asked to cancel it.
    CancelRequested(RequestedBy),
    /// It is not to be worked on until the hold is released.
    HoldPlaced(HoldId),
    /// The hold is off.
    HoldReleased(HoldId),
}

/// What was ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// What it costs.
    pub total: Money,
    /// What it is made of; none means that the lines are not known.
    pub lines: Lines,
    /// Until when it is to be paid, if that was agreed.
    pub payment_due_at: Option<Timestamp>,
}

named! {
    /// Who asked to cancel.
    pub enum RequestedBy, "requester" {
        /// The buyer; also when nobody is named.
        Customer = "customer",
        /// The seller.
        Merchant = "merchant",
    }
}

named! {
    /// The kinds of the order topic.
    pub enum OrderKind, "order kind" {
        /// [`Ordering::Placed`].
        Placed = "PLACED",
        /// [`Ordering::Amended`].
        Amended = "AMENDED",
        /// [`Ordering::CancelRequested`].
        CancelRequested = "CANCEL_REQUESTED",
        /// [`Ordering::HoldPlaced`].
        HoldPlaced = "HOLD_PLACED",
        /// [`Ordering::HoldReleased`].
        HoldReleased = "HOLD_RELEASED",
    }
}

impl Ordering {
    /// The kind that says this.
    #[must_use]
    pub fn kind(&self) -> OrderKind {
        match self {
            Self::Placed(_) => OrderKind::Placed,
            Self::Amended(_) => OrderKind::Amended,
            Self::CancelRequested(_) => OrderKind::CancelRequested,
            Self::HoldPlaced(_) => OrderKind::HoldPlaced,
            Self::HoldReleased(_) => OrderKind::HoldReleased,
        }
    }
}
