//! Deadlines: what time alone may add to an order's facts.
//!
//! Judged by the caller against the stream (DOMAIN section 8); here the time is an argument. Invariant: whether a
//! deadline is armed and whether its condition holds are functions of the facts, so firing is one more merge: the
//! internal fact is an event like any other and commutes like any other.

use std::sync::Arc;

use crate::ids::{EventId, OrderId, Timestamp};
use crate::order::event::inventory::{Inventory, InventoryKind, StockFact};
use crate::order::event::line::Lines;
use crate::order::event::payment::{AuthorizationFact, Payment};
use crate::order::event::{Body, Event, GivenUp, INTERNAL_PREFIX};
use crate::order::facts::Facts;
use crate::order::facts::payment::Authorization;
use crate::order::facts::register::{Latest, Merged, Stamp};
use crate::order::names::named;

use super::policy::Policy;
use super::reading::Reading;
use super::region::{InventoryState, PaymentState};

/// The most deadlines of one order that fire at once: many more than any honest order has.
pub const MAX_FIRED: usize = 100;

named! {
    /// The deadlines. Ordered by name: of two due at once the smaller fires first.
    pub enum DeadlineName, "deadline" {
        /// An authorization lapses.
        AuthorizationExpiry = "authorization_expiry",
        /// The order should be paid by now.
        PaymentDue = "payment_due",
        /// Another attempt to pay should have come by now.
        PaymentRetry = "payment_retry",
        /// Stock should have turned up by now.
        Rejection = "rejection",
        /// A reservation lapses.
        ReservationExpiry = "reservation_expiry",
    }
}

/// A deadline that is armed: firing it would change a register. Ordered by what fires first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When it is due, and the time of what it records.
    pub due: Timestamp,
    /// Which deadline.
    pub name: DeadlineName,
    /// The authorization or reservation it is about; empty for the order itself.
    pub entity_id: Arc<str>,
    /// Whether its condition holds on the facts as they are. Only another fact can change that.
    pub holds: bool,
}

/// A deadline that fired, and the fact that it recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Which one.
    pub deadline: Deadline,
    /// What it recorded: already merged.
    pub event: Event,
}

/// The deadlines that are armed, sorted by what fires first.
#[must_use]
pub fn deadlines(facts: &Facts, policy: &Policy) -> Vec<Deadline> {
    let mut armed = armed(facts, policy);
    if !armed.is_empty() {
        let reading = Reading::of(facts, policy);
        for deadline in &mut armed {
            deadline.holds = holds(deadline, &reading);
        }
    }
    armed.sort();
    armed
}

/// When the next deadline fires if no other fact comes: the smallest due time of those whose condition holds now.
///
/// What an index by time needs. A deadline that is due but does not hold is not in it: only a fact can make it hold, and
/// whoever merges that fact asks again and is told a time that may be long past.
#[must_use]
pub fn next_due(facts: &Facts, policy: &Policy) -> Option<Timestamp> {
    deadlines(facts, policy).iter().find(|deadline| deadline.holds).map(|deadline| deadline.due)
}

/// [`next_due`] of those deadlines alone that do not cancel the order.
#[must_use]
pub fn next_expiry(facts: &Facts, policy: &Policy) -> Option<Timestamp> {
    let expiries = deadlines(facts, policy).into_iter().filter(|deadline| !deadline.name.cancels());
    expiries.filter(|deadline| deadline.holds).map(|deadline| deadline.due).min()
}

/// Which deadlines may fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firing {
    /// All that are due.
    All,
    /// None that cancels: something of the order is not understood yet, and may be what it waits for.
    Expiries,
}

/// Fires what is due by `until` and holds: always the smallest, chosen anew after each, because one can disarm the next.
///
/// Ends because a deadline that fired is not armed again until another fact moves its due time. Fires at most
/// [`MAX_FIRED`] at once; what is left is due still.
pub fn fire_due(facts: &mut Facts, policy: &Policy, until: Timestamp, order_id: &OrderId) -> Vec<Fired> {
    fire(facts, policy, (until, Firing::All), order_id)
}

/// [`fire_due`] of those deadlines that may fire.
pub fn fire(
    facts: &mut Facts,
    policy: &Policy,
    (until, firing): (Timestamp, Firing),
    order_id: &OrderId,
) -> Vec<Fired> {
    let mut fired = Vec::new();
    while fired.len() < MAX_FIRED
        && let Some(deadline) = first_due(facts, policy, until, firing)
    {
        let event = deadline.event(order_id);
        if facts.merge(&event) != Merged::Changed {
            // Never, because it was armed; but then never again rather than for ever.
            break;
        }
        fired.push(Fired { deadline, event });
    }
    fired
}

fn first_due(facts: &Facts, policy: &Policy, until: Timestamp, firing: Firing) -> Option<Deadline> {
    let due = deadlines(facts, policy).into_iter().take_while(|deadline| deadline.due <= until);
    let may_fire = |deadline: &Deadline| firing == Firing::All || !deadline.name.cancels();
    due.filter(|deadline| deadline.holds && may_fire(deadline)).min()
}

impl DeadlineName {
    /// Whether it cancels the order when it fires.
    #[must_use]
    pub fn cancels(self) -> bool {
        match self {
            Self::PaymentDue | Self::PaymentRetry | Self::Rejection => true,
            Self::AuthorizationExpiry | Self::ReservationExpiry => false,
        }
    }
}

impl Deadline {
    /// A deadline on a fact that occurred at `at`: due no earlier than that.
    fn new(name: DeadlineName, entity_id: &str, due: Timestamp, at: Timestamp) -> Self {
        Self { due: due.max(at), name, entity_id: entity_id.into(), holds: false }
    }

    /// The id of the internal event.
    fn event_id(&self) -> EventId {
        let Self { due, name, entity_id, holds: _ } = self;
        EventId::from(format!("{INTERNAL_PREFIX}{name}:{entity_id}:{due}"))
    }

    /// The internal event that it records when it fires.
    pub(super) fn event(&self, order_id: &OrderId) -> Event {
        let body = match self.name {
            DeadlineName::AuthorizationExpiry => {
                Body::Payment(Payment::Authorization(Arc::clone(&self.entity_id).into(), AuthorizationFact::Expired))
            }
            DeadlineName::ReservationExpiry => Body::Inventory(Inventory {
                reservation: Arc::clone(&self.entity_id).into(),
                lines: Lines::default(),
                fact: StockFact::ReservationExpired,
            }),
            DeadlineName::PaymentDue => Body::Fired(GivenUp::PaymentDue),
            DeadlineName::PaymentRetry => Body::Fired(GivenUp::PaymentRetry),
            DeadlineName::Rejection => Body::Fired(GivenUp::Rejection),
        };
        Event {
            event_id: self.event_id(),
            order_id: order_id.clone(),
            occurred_at: self.due,
            producer: None,
            correlation_id: None,
            causation_id: None,
            reason: None,
            body,
        }
    }
}

/// Every deadline that hangs on a fact and would change a register if it fired. Conditions are not judged yet.
fn armed(facts: &Facts, policy: &Policy) -> Vec<Deadline> {
    let order = [rejection(facts, policy), payment_due(facts, policy), payment_retry(facts, policy)];
    let mut armed: Vec<Deadline> = order.into_iter().flatten().collect();
    armed.extend(facts.authorizations.iter().filter_map(|(id, authorization)| {
        let value = authorization.authorized()?;
        let due = value.content.expires_at?;
        Some(Deadline::new(DeadlineName::AuthorizationExpiry, id.as_str(), due, value.at))
    }));
    armed.extend(facts.reservations.iter().filter_map(|(id, reservation)| {
        let (value, due) = reservation.expiry()?;
        Some(Deadline::new(DeadlineName::ReservationExpiry, id.as_str(), due, value.at))
    }));
    armed.retain(|deadline| would_change(facts, deadline));
    armed
}

fn rejection(facts: &Facts, policy: &Policy) -> Option<Deadline> {
    let rejecting = [InventoryKind::Rejected, InventoryKind::Shorted];
    let latest = facts.reservations.values().flat_map(|reservation| {
        rejecting.into_iter().filter_map(|kind| reservation.latest(kind).map(|value| value.at))
    });
    let at = latest.max()?;
    Some(Deadline::new(DeadlineName::Rejection, "", policy.rejection_grace.after(at), at))
}

fn payment_due(facts: &Facts, policy: &Policy) -> Option<Deadline> {
    let terms = [&facts.placed, &facts.amended].into_iter().filter_map(Latest::get);
    let agreed = terms.filter(|value| value.content.payment_due_at.is_some()).max();
    let agreed = agreed.and_then(|value| Some((value.content.payment_due_at?, value.at)));
    let (due, at) = agreed.or_else(|| {
        let at = facts.placed.at()?;
        Some((policy.payment_window?.after(at), at))
    })?;
    Some(Deadline::new(DeadlineName::PaymentDue, "", due, at))
}

fn payment_retry(facts: &Facts, policy: &Policy) -> Option<Deadline> {
    let at = facts.authorizations.values().filter_map(Authorization::declined_at).max()?;
    let due = policy.payment_retry_window.after(at);
    Some(Deadline::new(DeadlineName::PaymentRetry, "", due, at))
}

/// Whether the fact that the deadline records would be kept.
fn would_change(facts: &Facts, deadline: &Deadline) -> bool {
    let event_id = deadline.event_id();
    let stamp = Stamp { at: deadline.due, event_id: &event_id };
    let gives_up = |name| facts.given_up.get(&name).is_none_or(|register| register.would_change(&stamp.value(())));
    match deadline.name {
        DeadlineName::AuthorizationExpiry => {
            let id = Arc::clone(&deadline.entity_id).into();
            facts.authorizations.get(&id).is_some_and(|found| found.would_expire(stamp))
        }
        DeadlineName::ReservationExpiry => {
            let id = Arc::clone(&deadline.entity_id).into();
            facts.reservations.get(&id).is_some_and(|found| found.would_expire(stamp))
        }
        DeadlineName::PaymentDue => gives_up(GivenUp::PaymentDue),
        DeadlineName::PaymentRetry => gives_up(GivenUp::PaymentRetry),
        DeadlineName::Rejection => gives_up(GivenUp::Rejection),
    }
}

/// What must still be so when a deadline fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing left.
    NotDispatched,
    /// Nothing else gave the order up.
    NoCancelIntent,
    /// Every line is rejected.
    StockRejected,
    /// The order is no shell.
    TotalKnown,
    /// What is held and taken does not cover the total.
    NotSecured,
    /// The last attempt to pay failed, and nothing is held or taken.
    PaymentDeclined,
    /// The authorization is live, with money left in it.
    MoneyHeld,
    /// The reservation holds something.
    StockHeld,
}

fn holds(deadline: &Deadline, reading: &Reading<'_>) -> bool {
    deadline.name.needs().iter().all(|need| need.is_met(deadline, reading))
}

impl DeadlineName {
    /// The column "fires when still" of DOMAIN section 8: all of it.
    pub(super) fn needs(self) -> &'static [Need] {
        match self {
            Self::Rejection => &[Need::NotDispatched, Need::NoCancelIntent, Need::StockRejected],
            Self::PaymentDue => &[Need::NotDispatched, Need::NoCancelIntent, Need::TotalKnown, Need::NotSecured],
            Self::PaymentRetry => &[Need::NotDispatched, Need::NoCancelIntent, Need::PaymentDeclined],
            Self::AuthorizationExpiry => &[Need::MoneyHeld],
            Self::ReservationExpiry => &[Need::NotDispatched, Need::StockHeld],
        }
    }
}

impl Need {
    /// Whether it is so for this deadline.
    pub fn is_met(self, deadline: &Deadline, reading: &Reading<'_>) -> bool {
        match self {
            Self::NotDispatched => !reading.race.is_dispatched(),
            Self::NoCancelIntent => !reading.is_cancelled(),
            Self::StockRejected => reading.inventory == InventoryState::Rejected,
            Self::TotalKnown => !reading.sums.is_shell(),
            Self::NotSecured => !reading.is_secured(),
            Self::PaymentDeclined => reading.payment == PaymentState::Declined,
            Self::MoneyHeld => {
                let live = &reading.authorizations;
                let found = live.binary_search_by_key(&&*deadline.entity_id, |balance| balance.id.as_str());
                found.is_ok_and(|index| live[index].is_positive())
            }
            Self::StockHeld => {
                let held = &reading.stock.held;
                let found = held.binary_search_by_key(&&*deadline.entity_id, |held| held.reservation.as_str());
                found.is_ok_and(|index| held[index].holds_any(&reading.lines))
            }
        }
    }
}
