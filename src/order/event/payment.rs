//! What payment events say (DOMAIN section 3): one enum for each entity, grouped as the registers are.
//!
//! Between decode, which makes these, and `facts::payment`, which keeps them. Invariant: a kind holds exactly what it
//! needs, so nothing behind this asks whether a field is there.

use crate::ids::{AuthorizationId, CaptureId, DisputeId, RefundId, ReviewId, Timestamp};
use crate::order::names::named;

use super::money::Money;

/// One payment fact, by the entity it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Of an attempt to hold money.
    Authorization(AuthorizationId, AuthorizationFact),
    /// Of money taken.
    Capture(CaptureId, CaptureFact),
    /// Of money given back.
    Refund(RefundId, RefundFact),
    /// Of a chargeback or inquiry.
    Dispute(DisputeId, DisputeFact),
    /// Of a fraud review.
    Review(ReviewId, ReviewFact),
}

/// What is said of an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationFact {
    /// The attempt is under way.
    Pending,
    /// The shopper must act.
    ActionRequired,
    /// Money is held.
    Authorized(Authorized),
    /// This attempt failed.
    Declined,
    /// The hold was given back.
    Voided,
    /// The hold lapsed.
    Expired,
}

/// Money that is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Authorized {
    /// How much.
    pub money: Money,
    /// When the hold lapses, if that is known.
    pub expires_at: Option<Timestamp>,
}

/// What is said of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureFact {
    /// Money was taken; may name the authorization it was taken from.
    Captured(Moved<AuthorizationId>),
    /// It was not taken after all.
    Failed,
}

/// What is said of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundFact {
    /// Money was given back; may name the capture it came from.
    Refunded(Moved<CaptureId>),
    /// It was not given back, or that was reversed.
    Failed,
}

/// What is said of a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisputeFact {
    /// It began; may name the capture it is about.
    Opened(Moved<CaptureId>),
    /// It was decided for us.
    Won,
    /// It was decided against us.
    Lost(Lost),
}

/// Money that moved, and what it was moved from if the event names that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved<From> {
    /// How much.
    pub money: Money,
    /// The entity it belongs to.
    pub of: Option<From>,
}

/// A dispute's end against us. What is missing is taken from its DISPUTE_OPENED.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// How much was lost.
    pub money: Option<Money>,
    /// The capture it is about.
    pub of: Option<CaptureId>,
}

/// What is said of a fraud review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewFact {
    /// It began.
    Opened,
    /// It ended well.
    Approved,
    /// It ended badly; final.
    Rejected,
}

named! {
    /// The kinds of the payment topic.
    pub enum PaymentKind, "payment kind" {
        /// [`AuthorizationFact::Pending`].
        Pending = "PENDING",
        /// [`AuthorizationFact::ActionRequired`].
        ActionRequired = "ACTION_REQUIRED",
        /// [`AuthorizationFact::Authorized`].
        Authorized = "AUTHORIZED",
        /// [`AuthorizationFact::Declined`].
        Declined = "DECLINED",
        /// [`AuthorizationFact::Voided`].
        Voided = "VOIDED",
        /// [`AuthorizationFact::Expired`].
        AuthorizationExpired = "AUTHORIZATION_EXPIRED",
        /// [`CaptureFact::Captured`].
        Captured = "CAPTURED",
        /// [`CaptureFact::Failed`].
        CaptureFailed = "CAPTURE_FAILED",
        /// [`RefundFact::Refunded`].
        Refunded = "REFUNDED",
        /// [`RefundFact::Failed`].
        RefundFailed = "REFUND_FAILED",
        /// [`DisputeFact::Opened`].
        DisputeOpened = "DISPUTE_OPENED",
        /// [`DisputeFact::Won`].
        DisputeWon = "DISPUTE_WON",
        /// [`DisputeFact::Lost`].
        DisputeLost = "DISPUTE_LOST",
        /// [`ReviewFact::Opened`].
        ReviewOpened = "REVIEW_OPENED",
        /// [`ReviewFact::Approved`].
        ReviewApproved = "REVIEW_APPROVED",
        /// [`ReviewFact::Rejected`].
        ReviewRejected = "REVIEW_REJECTED",
    }
}

impl Payment {
    /// The kind that says this.
    #[must_use]
    pub fn kind(&self) -> PaymentKind {
        match self {
            Self::Authorization(_, fact) => match fact {
                AuthorizationFact::Pending => PaymentKind::Pending,
                AuthorizationFact::ActionRequired => PaymentKind::ActionRequired,
                AuthorizationFact::Authorized(_) => PaymentKind::Authorized,
                AuthorizationFact::Declined => PaymentKind::Declined,
                AuthorizationFact::Voided => PaymentKind::Voided,
                AuthorizationFact::Expired => PaymentKind::AuthorizationExpired,
            },
            Self::Capture(_, CaptureFact::Captured(_)) => PaymentKind::Captured,
            Self::Capture(_, CaptureFact::Failed) => PaymentKind::CaptureFailed,
            Self::Refund(_, RefundFact::Refunded(_)) => PaymentKind::Refunded,
            Self::Refund(_, RefundFact::Failed) => PaymentKind::RefundFailed,
            Self::Dispute(_, DisputeFact::Opened(_)) => PaymentKind::DisputeOpened,
            Self::Dispute(_, DisputeFact::Won) => PaymentKind::DisputeWon,
            Self::Dispute(_, DisputeFact::Lost(_)) => PaymentKind::DisputeLost,
            Self::Review(_, ReviewFact::Opened) => PaymentKind::ReviewOpened,
            Self::Review(_, ReviewFact::Approved) => PaymentKind::ReviewApproved,
            Self::Review(_, ReviewFact::Rejected) => PaymentKind::ReviewRejected,
        }
    }
}
