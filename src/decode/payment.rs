//! The payment topic: its record on the wire, and what each kind needs of it (DOMAIN section 3).
//!
//! Between the bytes and [`Payment`]. Invariant: what `of` writes of an event, `check` makes that event of again.

use crate::ids::Timestamp;
use crate::order::event::money::Money;
use crate::order::event::payment::{
    AuthorizationFact, Authorized, CaptureFact, DisputeFact, Lost, Moved, Payment, PaymentKind, RefundFact, ReviewFact,
};
use crate::order::{Body, Event};

use super::check::{self, Origin};
use super::refusal::Refusal;
use super::wire::{Symbol, Text, record};

record! {
    /// Something happened to an order's money.
    pub struct PaymentEvent of PaymentKind {
        /// The attempt to hold money.
        authorization_id: Option<Text>,
        /// The taking of money.
        capture_id: Option<Text>,
        /// The giving back of money.
        refund_id: Option<Text>,
        /// The chargeback or inquiry.
        dispute_id: Option<Text>,
        /// The fraud review.
        review_id: Option<Text>,
        /// How much, in minor units.
        amount_minor: Option<i64>,
        /// Of what.
        currency: Option<Text>,
        /// When the hold on money lapses, in microseconds.
        expires_at: Option<i64>,
    }
}

impl Symbol for PaymentKind {
    fn of_symbol(symbol: &str) -> Option<Self> {
        symbol.parse().ok()
    }

    fn symbol(&self) -> &'static str {
        self.as_str()
    }
}

impl PaymentEvent {
    /// Makes the event of it, if it is one that may be applied at `now`.
    ///
    /// # Errors
    /// What is missing or out of bounds.
    pub fn check(self, now: Timestamp) -> Result<Event, Refusal> {
        self.check_from(Origin::Upstream { now })
    }

    pub(super) fn check_from(&self, origin: Origin) -> Result<Event, Refusal> {
        let kind = check::known(&self.kind, "payment")?;
        let payment = self.payment(kind)?;
        self.envelope().event(origin, Body::Payment(payment))
    }

    /// What the kind says, with the fields that it needs. Those that it does not need are checked and left.
    fn payment(&self, kind: PaymentKind) -> Result<Payment, Refusal> {
        let money = check::money("amount_minor", self.amount_minor, self.currency.as_ref())?;
        let expires_at = check::optional_timestamp("expires_at", self.expires_at)?;
        let authorization_id = check::optional_id("authorization_id", self.authorization_id.as_ref())?;
        let capture_id = check::optional_id("capture_id", self.capture_id.as_ref())?;
        let refund_id = check::optional_id("refund_id", self.refund_id.as_ref())?;
        let dispute_id = check::optional_id("dispute_id", self.dispute_id.as_ref())?;
        let review_id = check::optional_id("review_id", self.review_id.as_ref())?;

        let paid = || check::needed("amount_minor", money, &kind);
        let authorization = |id, fact| Ok(Payment::Authorization(check::needed("authorization_id", id, &kind)?, fact));
        let capture = |id, fact| Ok(Payment::Capture(check::needed("capture_id", id, &kind)?, fact));
        let refund = |fact| Ok(Payment::Refund(check::needed("refund_id", refund_id, &kind)?, fact));
        let dispute = |fact| Ok(Payment::Dispute(check::needed("dispute_id", dispute_id, &kind)?, fact));
        let review = |fact| Ok(Payment::Review(check::needed("review_id", review_id, &kind)?, fact));
        match kind {
            PaymentKind::Pending => authorization(authorization_id, AuthorizationFact::Pending),
            PaymentKind::ActionRequired => authorization(authorization_id, AuthorizationFact::ActionRequired),
            PaymentKind::Authorized => {
                let held = Authorized { money: paid()?, expires_at };
                authorization(authorization_id, AuthorizationFact::Authorized(held))
            }
            PaymentKind::Declined => authorization(authorization_id, AuthorizationFact::Declined),
            PaymentKind::Voided => authorization(authorization_id, AuthorizationFact::Voided),
            PaymentKind::AuthorizationExpired => authorization(authorization_id, AuthorizationFact::Expired),
            PaymentKind::Captured => {
                let moved = Moved { money: paid()?, of: authorization_id };
                capture(capture_id, CaptureFact::Captured(moved))
            }
            PaymentKind::CaptureFailed => capture(capture_id, CaptureFact::Failed),
            PaymentKind::Refunded => refund(RefundFact::Refunded(Moved { money: paid()?, of: capture_id })),
            PaymentKind::RefundFailed => refund(RefundFact::Failed),
            PaymentKind::DisputeOpened => dispute(DisputeFact::Opened(Moved { money: paid()?, of: capture_id })),
            PaymentKind::DisputeWon => dispute(DisputeFact::Won),
            PaymentKind::DisputeLost => dispute(DisputeFact::Lost(Lost { money, of: capture_id })),
            PaymentKind::ReviewOpened => review(ReviewFact::Opened),
            PaymentKind::ReviewApproved => review(ReviewFact::Approved),
            PaymentKind::ReviewRejected => review(ReviewFact::Rejected),
        }
    }

    /// The record that says this again.
    pub(super) fn of(event: &Event, payment: &Payment) -> Self {
        let record = Self::with_envelope_of(event, payment.kind());
        match payment.clone() {
            Payment::Authorization(id, fact) => {
                let authorization_id = Some(id.into());
                match fact {
                    AuthorizationFact::Authorized(Authorized { money, expires_at }) => {
                        Self { authorization_id, expires_at: expires_at.map(|at| at.0), ..record.with(Some(money)) }
                    }
                    AuthorizationFact::Pending
                    | AuthorizationFact::ActionRequired
                    | AuthorizationFact::Declined
                    | AuthorizationFact::Voided
                    | AuthorizationFact::Expired => Self { authorization_id, ..record },
                }
            }
            Payment::Capture(id, CaptureFact::Captured(Moved { money, of })) => {
                Self { capture_id: Some(id.into()), authorization_id: of.map(Text::from), ..record.with(Some(money)) }
            }
            Payment::Capture(id, CaptureFact::Failed) => Self { capture_id: Some(id.into()), ..record },
            Payment::Refund(id, RefundFact::Refunded(Moved { money, of })) => {
                Self { refund_id: Some(id.into()), capture_id: of.map(Text::from), ..record.with(Some(money)) }
            }
            Payment::Refund(id, RefundFact::Failed) => Self { refund_id: Some(id.into()), ..record },
            Payment::Dispute(id, DisputeFact::Opened(Moved { money, of })) => {
                Self { dispute_id: Some(id.into()), capture_id: of.map(Text::from), ..record.with(Some(money)) }
            }
            Payment::Dispute(id, DisputeFact::Lost(Lost { money, of })) => {
                Self { dispute_id: Some(id.into()), capture_id: of.map(Text::from), ..record.with(money) }
            }
            Payment::Dispute(id, DisputeFact::Won) => Self { dispute_id: Some(id.into()), ..record },
            Payment::Review(id, _) => Self { review_id: Some(id.into()), ..record },
        }
    }

    fn with(self, money: Option<Money>) -> Self {
        Self {
            amount_minor: money.map(|money| money.amount.0),
            currency: money.map(|money| money.currency.as_str().into()),
            ..self
        }
    }
}
