//! What stands beside the status: flags, which pass, and attention, for a person to look at.
//!
//! The two tables of DOMAIN section 7. Neither ever replaces the status. Invariant: values are declared in the order of
//! their names, so a set of them is sorted as it is emitted.

use std::collections::BTreeSet;

use crate::order::event::GivenUp;
use crate::order::event::shipping::Stage;
use crate::order::facts::Facts;
use crate::order::facts::Hold;
use crate::order::facts::payment::{Authorization, Capture, Dispute, DisputeState, Refund, Review};
use crate::order::facts::register::{Register, Stamp};
use crate::order::facts::shipment::Shipment;
use crate::order::names::named;

use super::cancel::CancelReason;
use super::reading::Reading;
use super::region::{InventoryState, PaymentState};
use super::sums;

named! {
    /// Something that holds for now.
    pub enum Flag, "flag" {
        /// A shipment had trouble on its way.
        DeliveryException = "delivery_exception",
        /// A dispute is open.
        Disputed = "disputed",
        /// A fraud review is open.
        InReview = "in_review",
        /// A hold is on.
        OnHold = "on_hold",
    }
}

named! {
    /// Why a person should look.
    pub enum Attention, "attention" {
        /// The last hold on money lapsed.
        AuthorizationExpired = "authorization_expired",
        /// Somebody asked to cancel, too late.
        CancelAfterDispatch = "cancel_after_dispatch",
        /// A command had all its attempts and no answer. Set by the order's row, never by its facts.
        CommandUnanswered = "command_unanswered",
        /// Money of another currency.
        CurrencyMismatch = "currency_mismatch",
        /// Cancelled in time, and yet it left.
        DispatchedAfterCancel = "dispatched_after_cancel",
        /// We have more than the total.
        Overpaid = "overpaid",
        /// Given up for want of payment, and yet it was paid in time.
        PaidBeforeDeadline = "paid_before_deadline",
        /// Some of it cannot be supplied.
        PartiallyRejected = "partially_rejected",
        /// The latest refund did not happen.
        RefundFailed = "refund_failed",
        /// All money was given back before anything left, and nobody cancelled.
        RefundedBeforeDispatch = "refunded_before_dispatch",
        /// The stock is gone although the order is paid.
        ReservationExpiredWhilePaid = "reservation_expired_while_paid",
        /// A shipment is back undelivered.
        ReturnedToSender = "returned_to_sender",
        /// A shipment is lost.
        ShipmentLost = "shipment_lost",
    }
}

/// The flags that hold.
pub(super) fn flags(facts: &Facts) -> BTreeSet<Flag> {
    let is_disputed = |dispute: &Dispute| matches!(dispute.state(), Some(DisputeState::Open(_)));
    let flags = [
        (Flag::DeliveryException, facts.shipments.values().any(Shipment::has_exception)),
        (Flag::Disputed, facts.disputes.values().any(is_disputed)),
        (Flag::InReview, facts.reviews.values().any(Review::is_open)),
        (Flag::OnHold, facts.holds.values().any(Hold::is_on)),
    ];
    flags.into_iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag).collect()
}

/// The reasons for a person to look, without the one that the facts do not know.
pub(super) fn attention(reading: &Reading<'_>) -> BTreeSet<Attention> {
    let facts = reading.facts;
    let is_dispatched = reading.race.is_dispatched();
    let is_cancelled = reading.is_cancelled();
    let any_stage = |stage| facts.shipments.values().any(|shipment| shipment.stage() == Some(stage));
    let attention = [
        (Attention::AuthorizationExpired, !is_cancelled && reading.payment == PaymentState::Expired),
        (Attention::CancelAfterDispatch, !is_cancelled && reading.race.was_asked),
        (Attention::CommandUnanswered, false),
        (Attention::CurrencyMismatch, sums::is_mixed(facts, reading.sums.currency)),
        (Attention::DispatchedAfterCancel, is_cancelled && is_dispatched),
        (Attention::Overpaid, !is_cancelled && reading.is_overpaid()),
        (Attention::PaidBeforeDeadline, was_paid_before_deadline(reading)),
        (Attention::PartiallyRejected, !is_cancelled && is_partially_rejected(reading)),
        (Attention::RefundFailed, last_refund_failed(facts)),
        (
            Attention::RefundedBeforeDispatch,
            !is_cancelled && !is_dispatched && reading.sums.refunded > 0 && reading.sums.net() <= 0,
        ),
        (
            Attention::ReservationExpiredWhilePaid,
            !is_cancelled && !is_dispatched && reading.inventory == InventoryState::Expired && reading.is_secured(),
        ),
        (Attention::ReturnedToSender, any_stage(Stage::ReturnedToSender)),
        (Attention::ShipmentLost, any_stage(Stage::Lost)),
    ];
    attention.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason).collect()
}

/// Whether the order was given up for want of payment although payment had come before the first such deadline.
fn was_paid_before_deadline(reading: &Reading<'_>) -> bool {
    let unpaid = [Some(CancelReason::PaymentExpired), Some(CancelReason::PaymentFailed)];
    if !unpaid.contains(&reading.race.intent) || !reading.is_secured() {
        return false;
    }
    let facts = reading.facts;
    let fired = [GivenUp::PaymentDue, GivenUp::PaymentRetry];
    let deadline = fired.iter().filter_map(|name| facts.given_up.get(name).and_then(Register::at)).min();
    let authorized = facts.authorizations.values().filter_map(Authorization::authorized);
    let captured = facts.captures.values().filter_map(Capture::captured);
    let paid = authorized.map(|value| value.at).chain(captured.map(|value| value.at)).min();
    paid.zip(deadline).is_some_and(|(paid, deadline)| paid < deadline)
}

fn is_partially_rejected(reading: &Reading<'_>) -> bool {
    reading.inventory != InventoryState::Rejected && reading.stock.lines.iter().any(|line| line.rejected > 0)
}

/// Whether the latest REFUNDED or REFUND_FAILED of the order is a REFUND_FAILED.
fn last_refund_failed(facts: &Facts) -> bool {
    let refunded = facts.refunds.values().filter_map(Refund::refunded).map(Stamp::of).max();
    let failed = facts.refunds.values().filter_map(Refund::failed).map(Stamp::of).max();
    failed > refunded
}
