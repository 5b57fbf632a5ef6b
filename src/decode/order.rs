//! The order topic: its record on the wire, and what each kind needs of it (DOMAIN section 5).
//!
//! Between the bytes and [`Ordering`]. Invariant: what `of` writes of an event, `check` makes that event of again.

use crate::ids::Timestamp;
use crate::order::event::ordering::{OrderKind, Ordering, RequestedBy, Terms};
use crate::order::{Body, Event};

use super::check::{self, Origin};
use super::refusal::Refusal;
use super::wire::{Line, Symbol, Text, record};

record! {
    /// An order was placed, changed, held up or asked to be cancelled.
    pub struct OrderEvent of OrderKind {
        /// What the order costs, in minor units.
        total_minor: Option<i64>,
        /// Of what.
        currency: Option<Text>,
        /// What it is made of; none means that the lines are not known.
        lines: Vec<Line>,
        /// Until when it is to be paid, in microseconds.
        payment_due_at: Option<i64>,
        /// The hold on the order.
        hold_id: Option<Text>,
        /// Who asked to cancel.
        requested_by: Option<Text>,
    }
}

impl Symbol for OrderKind {
    fn of_symbol(symbol: &str) -> Option<Self> {
        symbol.parse().ok()
    }

    fn symbol(&self) -> &'static str {
        self.as_str()
    }
}

impl OrderEvent {
    /// Makes the event of it, if it is one that may be applied at `now`.
    ///
    /// # Errors
    /// What is missing or out of bounds.
    pub fn check(self, now: Timestamp) -> Result<Event, Refusal> {
        self.check_from(Origin::Upstream { now })
    }

    pub(super) fn check_from(&self, origin: Origin) -> Result<Event, Refusal> {
        let kind = check::known(&self.kind, "order")?;
        let ordering = self.ordering(kind)?;
        self.envelope().event(origin, Body::Order(ordering))
    }

    fn ordering(&self, kind: OrderKind) -> Result<Ordering, Refusal> {
        let total = check::money("total_minor", self.total_minor, self.currency.as_ref())?;
        let lines = check::named_lines(&self.lines)?;
        let payment_due_at = check::optional_timestamp("payment_due_at", self.payment_due_at)?;
        let hold_id = check::optional_id("hold_id", self.hold_id.as_ref())?;
        let requested_by = check::name("requested_by", self.requested_by.as_ref())?;

        let terms = || {
            let total = check::needed("total_minor", total, &kind)?;
            Ok(Terms { total, lines, payment_due_at })
        };
        let hold = || check::needed("hold_id", hold_id, &kind);
        Ok(match kind {
            OrderKind::Placed => Ordering::Placed(terms()?),
            OrderKind::Amended => Ordering::Amended(terms()?),
            OrderKind::CancelRequested => Ordering::CancelRequested(requested_by.unwrap_or(RequestedBy::Customer)),
            OrderKind::HoldPlaced => Ordering::HoldPlaced(hold()?),
            OrderKind::HoldReleased => Ordering::HoldReleased(hold()?),
        })
    }

    /// The record that says this again.
    pub(super) fn of(event: &Event, ordering: &Ordering) -> Self {
        let record = Self::with_envelope_of(event, ordering.kind());
        match ordering {
            Ordering::Placed(terms) | Ordering::Amended(terms) => Self {
                total_minor: Some(terms.total.amount.0),
                currency: Some(terms.total.currency.as_str().into()),
                lines: Line::all_of(&terms.lines),
                payment_due_at: terms.payment_due_at.map(|at| at.0),
                ..record
            },
            Ordering::CancelRequested(by) => Self { requested_by: Some(by.as_str().into()), ..record },
            Ordering::HoldPlaced(id) | Ordering::HoldReleased(id) => {
                Self { hold_id: Some(id.clone().into()), ..record }
            }
        }
    }
}
