//! The registers of authorizations, captures, refunds, disputes and reviews, and how those of one entity are read.
//!
//! Written by [`super::Facts::merge`], read by the sums of section 6. Invariant: reading looks at the values held and at
//! nothing else (DOMAIN section 3, "Reading the registers of one entity").

use super::register::{Earliest, Latest, Merged, Stamp, Value};
use crate::ids::{AuthorizationId, CaptureId, Timestamp};
use crate::order::event::money::Money;
use crate::order::event::payment::{
    AuthorizationFact, Authorized, CaptureFact, DisputeFact, Lost, Moved, RefundFact, ReviewFact,
};

/// One attempt to hold money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    pub(super) pending: Latest<()>,
    pub(super) action_required: Latest<()>,
    pub(super) authorized: Latest<Authorized>,
    pub(super) declined: Latest<()>,
    pub(super) voided: Latest<()>,
    pub(super) expired: Latest<()>,
}

/// What an attempt has come to. Ordered: of two facts at the same instant the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorizationState {
    /// Under way.
    Pending,
    /// The shopper must act.
    ActionRequired,
    /// Live.
    Authorized,
    /// Failed.
    Declined,
    /// Given back.
    Voided,
    /// Lapsed.
    Expired,
}

impl Authorization {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: &AuthorizationFact) -> Merged {
        match fact {
            AuthorizationFact::Pending => self.pending.offer(stamp.value(())),
            AuthorizationFact::ActionRequired => self.action_required.offer(stamp.value(())),
            AuthorizationFact::Authorized(authorized) => self.authorized.offer(stamp.value(authorized.clone())),
            AuthorizationFact::Declined => self.declined.offer(stamp.value(())),
            AuthorizationFact::Voided => self.voided.offer(stamp.value(())),
            AuthorizationFact::Expired => self.expired.offer(stamp.value(())),
        }
    }

    /// The state that occurred last, with its stamp; at the same instant the greatest.
    #[must_use]
    pub fn state(&self) -> Option<(AuthorizationState, Stamp<'_>)> {
        let authorized = self.authorized.get().map(Stamp::of);
        let said = [
            (AuthorizationState::Pending, self.pending.get().map(Stamp::of)),
            (AuthorizationState::ActionRequired, self.action_required.get().map(Stamp::of)),
            (AuthorizationState::Authorized, authorized),
            (AuthorizationState::Declined, self.declined.get().map(Stamp::of)),
            (AuthorizationState::Voided, self.voided.get().map(Stamp::of)),
            (AuthorizationState::Expired, self.expired.get().map(Stamp::of)),
        ];
        said.into_iter()
            .filter_map(|(state, stamp)| Some((state, stamp?)))
            .max_by_key(|(state, stamp)| (stamp.at, *state))
    }

    /// The money it holds, while it is live.
    #[must_use]
    pub fn live(&self) -> Option<&Value<Authorized>> {
        let (state, _) = self.state()?;
        (state == AuthorizationState::Authorized).then(|| self.authorized.get()).flatten()
    }

    /// The latest AUTHORIZED, live or not.
    #[must_use]
    pub fn authorized(&self) -> Option<&Value<Authorized>> {
        self.authorized.get()
    }

    /// When it was declined last.
    #[must_use]
    pub fn declined_at(&self) -> Option<Timestamp> {
        self.declined.at()
    }

    /// Whether an AUTHORIZATION_EXPIRED with this stamp would be kept.
    #[must_use]
    pub fn would_expire(&self, stamp: Stamp<'_>) -> bool {
        self.expired.would_change(&stamp.value(()))
    }

    pub(super) fn len(&self) -> usize {
        let plain = [&self.pending, &self.action_required, &self.declined, &self.voided, &self.expired];
        plain.into_iter().map(Latest::len).sum::<usize>() + self.authorized.len()
    }
}

/// One taking of money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    pub(super) captured: Latest<Moved<AuthorizationId>>,
    pub(super) failed: Latest<()>,
}

/// One giving back of money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refund {
    pub(super) refunded: Latest<Moved<CaptureId>>,
    pub(super) failed: Latest<()>,
}

impl Capture {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: &CaptureFact) -> Merged {
        match fact {
            CaptureFact::Captured(moved) => self.captured.offer(stamp.value(moved.clone())),
            CaptureFact::Failed => self.failed.offer(stamp.value(())),
        }
    }

    /// The money taken, unless that failed.
    #[must_use]
    pub fn ok(&self) -> Option<&Value<Moved<AuthorizationId>>> {
        unless_failed(&self.captured, &self.failed)
    }

    /// The latest CAPTURED, ok or not.
    #[must_use]
    pub fn captured(&self) -> Option<&Value<Moved<AuthorizationId>>> {
        self.captured.get()
    }

    pub(super) fn len(&self) -> usize {
        self.captured.len() + self.failed.len()
    }
}

impl Refund {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: &RefundFact) -> Merged {
        match fact {
            RefundFact::Refunded(moved) => self.refunded.offer(stamp.value(moved.clone())),
            RefundFact::Failed => self.failed.offer(stamp.value(())),
        }
    }

    /// The money given back, unless that failed.
    #[must_use]
    pub fn ok(&self) -> Option<&Value<Moved<CaptureId>>> {
        unless_failed(&self.refunded, &self.failed)
    }

    /// The latest REFUNDED, ok or not.
    #[must_use]
    pub fn refunded(&self) -> Option<&Value<Moved<CaptureId>>> {
        self.refunded.get()
    }

    /// The latest REFUND_FAILED.
    #[must_use]
    pub fn failed(&self) -> Option<&Value<()>> {
        self.failed.get()
    }

    pub(super) fn len(&self) -> usize {
        self.refunded.len() + self.failed.len()
    }
}

/// What moved, unless a failure occurred at or after it.
fn unless_failed<'a, T>(moved: &'a Latest<T>, failed: &Latest<()>) -> Option<&'a Value<T>> {
    moved.get().filter(|value| failed.at().is_none_or(|failed_at| failed_at < value.at))
}

/// One chargeback or inquiry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispute {
    pub(super) opened: Latest<Moved<CaptureId>>,
    pub(super) won: Latest<()>,
    pub(super) lost: Latest<Lost>,
}

/// What a dispute has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisputeState<'a> {
    /// Not decided.
    Open(&'a Moved<CaptureId>),
    /// Decided for us.
    Won,
    /// Decided against us. Without money, nobody said how much.
    Lost(Option<Money>, Option<&'a CaptureId>),
}

impl Dispute {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: &DisputeFact) -> Merged {
        match fact {
            DisputeFact::Opened(moved) => self.opened.offer(stamp.value(moved.clone())),
            DisputeFact::Won => self.won.offer(stamp.value(())),
            DisputeFact::Lost(lost) => self.lost.offer(stamp.value(lost.clone())),
        }
    }

    /// The later of WON and LOST decides; what LOST leaves out is taken from OPENED.
    #[must_use]
    pub fn state(&self) -> Option<DisputeState<'_>> {
        let opened = self.opened().map(|value| &value.content);
        let Some(lost) = self.lost.get() else {
            return if self.won.is_empty() { opened.map(DisputeState::Open) } else { Some(DisputeState::Won) };
        };
        if self.won.get().map(Stamp::of) > Some(Stamp::of(lost)) {
            return Some(DisputeState::Won);
        }
        let money = lost.content.money.or(opened.map(|moved| moved.money));
        let of = lost.content.of.as_ref().or(opened.and_then(|moved| moved.of.as_ref()));
        Some(DisputeState::Lost(money, of))
    }

    /// The latest DISPUTE_OPENED, decided or not.
    #[must_use]
    pub fn opened(&self) -> Option<&Value<Moved<CaptureId>>> {
        self.opened.get()
    }

    pub(super) fn len(&self) -> usize {
        self.opened.len() + self.won.len() + self.lost.len()
    }
}

/// One fraud review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    pub(super) opened: Latest<()>,
    pub(super) approved: Latest<()>,
    pub(super) rejected: Earliest<()>,
}

impl Review {
    pub(super) fn offer(&mut self, stamp: Stamp<'_>, fact: ReviewFact) -> Merged {
        match fact {
            ReviewFact::Opened => self.opened.offer(stamp.value(())),
            ReviewFact::Approved => self.approved.offer(stamp.value(())),
            ReviewFact::Rejected => self.rejected.offer(stamp.value(())),
        }
    }

    /// Whether it began and has not ended either way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.approved.is_empty() && self.rejected.is_empty()
    }

    /// When it was first rejected; final, whatever was approved later.
    #[must_use]
    pub fn rejected_at(&self) -> Option<Timestamp> {
        self.rejected.at()
    }

    pub(super) fn len(&self) -> usize {
        self.opened.len() + self.approved.len() + self.rejected.len()
    }
}
