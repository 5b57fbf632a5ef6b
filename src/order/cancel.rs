//! Cancel or dispatch: which came first, and why the order is to be cancelled.
//!
//! Invariant: event time decides, never arrival; at the same instant dispatch wins (DOMAIN section 7, "Cancel intent").

use crate::ids::Timestamp;
use crate::order::event::GivenUp;
use crate::order::event::ordering::RequestedBy;
use crate::order::facts::Facts;
use crate::order::facts::payment::Review;
use crate::order::names::named;

named! {
    /// Why an order is cancelled. Ordered: of two at the same instant the first counts.
    pub enum CancelReason, "cancel reason" {
        /// The buyer asked.
        Customer = "customer",
        /// The seller asked.
        Merchant = "merchant",
        /// A fraud review ended badly.
        Fraud = "fraud",
        /// Nothing of it can be supplied.
        OutOfStock = "out_of_stock",
        /// Not paid by the due time.
        PaymentExpired = "payment_expired",
        /// Declined, and no other attempt came.
        PaymentFailed = "payment_failed",
    }
}

/// What became of the race between cancel and dispatch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Race {
    /// When the order was dispatched, if it was.
    pub dispatched_at: Option<Timestamp>,
    /// Why the order is to be cancelled: the cancel intent, if there is one.
    pub intent: Option<CancelReason>,
    /// Whether anything asked to cancel, in time or not.
    pub was_asked: bool,
}

impl Race {
    pub fn of(facts: &Facts) -> Self {
        let dispatched_at = facts.dispatched_at();
        let in_time = |(at, _): &(Timestamp, CancelReason)| dispatched_at.is_none_or(|left| *at < left);
        Self {
            dispatched_at,
            intent: asked(facts).filter(in_time).min().map(|(_, reason)| reason),
            was_asked: asked(facts).next().is_some(),
        }
    }

    pub fn is_dispatched(&self) -> bool {
        self.dispatched_at.is_some()
    }
}

/// Everything that asks to cancel, and when it did.
fn asked(facts: &Facts) -> impl Iterator<Item = (Timestamp, CancelReason)> {
    let requested = facts.cancel_requested.get().map(|value| match value.content {
        RequestedBy::Customer => (value.at, CancelReason::Customer),
        RequestedBy::Merchant => (value.at, CancelReason::Merchant),
    });
    let rejected = facts.reviews.values().filter_map(Review::rejected_at);
    let fired = facts.given_up.iter().filter_map(|(deadline, register)| {
        let reason = match deadline {
            GivenUp::Rejection => CancelReason::OutOfStock,
            GivenUp::PaymentDue => CancelReason::PaymentExpired,
            GivenUp::PaymentRetry => CancelReason::PaymentFailed,
        };
        Some((register.at()?, reason))
    });
    requested.into_iter().chain(rejected.map(|at| (at, CancelReason::Fraud))).chain(fired)
}
