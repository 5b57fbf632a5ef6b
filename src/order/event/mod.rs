//! An event: one thing that one service said of one order, or that a deadline of ours recorded.
//!
//! The arrow from decode to order. Invariant: it was checked where it was made, so every field that its kind needs is
//! there and within bounds (parse, don't validate). `decode` turns one into flat JSON and back without loss.

pub mod inventory;
pub mod line;
pub mod money;
pub mod ordering;
pub mod payment;
pub mod shipping;

use std::sync::Arc;

use super::names::named;
use crate::ids::{EventId, OrderId, Timestamp};

pub use inventory::Inventory;
pub use ordering::Ordering;
pub use payment::Payment;
pub use shipping::Shipping;

/// How the event_id of every internal event begins; no event from outside may.
pub const INTERNAL_PREFIX: &str = "deadline:";

/// One event of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event, the same again when a producer retries.
    pub event_id: EventId,
    /// The order it is about.
    pub order_id: OrderId,
    /// When it happened at the source; for a deadline, when that was due.
    pub occurred_at: Timestamp,
    /// The service that said it.
    pub producer: Option<Arc<str>>,
    /// Carried through to what we emit.
    pub correlation_id: Option<Arc<str>>,
    /// Carried through to what we emit.
    pub causation_id: Option<Arc<str>>,
    /// Free text of the source. Carried through, never judged.
    pub reason: Option<Arc<str>>,
    /// What it says.
    pub body: Body,
}

/// What an event says, by topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Of money.
    Payment(Payment),
    /// Of stock.
    Inventory(Inventory),
    /// Of parcels and returns.
    Shipping(Shipping),
    /// Of the order itself.
    Order(Ordering),
    /// Of a deadline that gave the order up: the internal fact FIRED.
    Fired(GivenUp),
}

named! {
    /// Where an event comes from.
    pub enum Source, "topic" {
        /// The payment topic.
        Payment = "payment",
        /// The inventory topic.
        Inventory = "inventory",
        /// The shipping topic.
        Shipping = "shipping",
        /// The order topic.
        Order = "order",
        /// No topic: a deadline of ours.
        Deadline = "deadline",
    }
}

named! {
    /// The deadlines that cancel an order when they fire.
    pub enum GivenUp, "cancelling deadline" {
        /// Not paid in time.
        PaymentDue = "payment_due",
        /// Declined, and nobody tried again in time.
        PaymentRetry = "payment_retry",
        /// Out of stock.
        Rejection = "rejection",
    }
}

impl Event {
    /// The name of what it says, as the topic's schema spells it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.body {
            Body::Payment(payment) => payment.kind().as_str(),
            Body::Inventory(inventory) => inventory.kind().as_str(),
            Body::Shipping(shipping) => shipping.kind(),
            Body::Order(ordering) => ordering.kind().as_str(),
            Body::Fired(_) => "FIRED",
        }
    }

    /// The topic whose schema it follows. The fact of an expiry deadline follows the topic that could have said it.
    #[must_use]
    pub fn topic(&self) -> Source {
        match self.body {
            Body::Payment(_) => Source::Payment,
            Body::Inventory(_) => Source::Inventory,
            Body::Shipping(_) => Source::Shipping,
            Body::Order(_) => Source::Order,
            Body::Fired(_) => Source::Deadline,
        }
    }

    /// Whether a deadline of ours recorded it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.event_id.as_str().starts_with(INTERNAL_PREFIX)
    }
}
