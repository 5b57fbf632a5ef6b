//! From a decision to the status event that tells it.
//!
//! The one place where the core's view meets the wire form of [`super::encode`]. Invariant: the event says the view that the
//! order holds after its cause, and nothing of what the rest of the batch will do to it.

use super::encode::{Cause, Hyphenated, OrderLine, OrderStatusChanged, Owed, OwedLine, Symbol};
use super::names;
use crate::ids::{OrderId, Timestamp};
use crate::order::decision::{Change, Order};
use crate::order::obligation::Obligation;
use crate::order::{Event, View};

/// Where the cause of a change was read from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The input topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

/// The fact that led to something, and where it was read; no place for the fact of a deadline.
pub type Fact<'a> = (&'a Event, Option<Origin<'a>>);

/// The event that tells a change, decided at `changed_at`; `fact` is none where no fact caused it.
#[must_use]
pub fn status_event<'a>(
    (order_id, order, view): (&'a OrderId, &'a Order, &'a View),
    change: &Change,
    fact: Option<Fact<'a>>,
    changed_at: Timestamp,
) -> OrderStatusChanged<'a> {
    let event = fact.map(|(event, _)| event);
    OrderStatusChanged {
        event_id: Hyphenated(names::event_id(order_id.as_str(), order.version)),
        order_id: order_id.as_str(),
        order_version: order.version,
        status: Symbol(view.status.as_str()),
        previous_status: change.previous_status().map(|status| Symbol(status.as_str())),
        payment: Symbol(view.payment.as_str()),
        inventory: Symbol(view.inventory.as_str()),
        fulfilment: Symbol(view.fulfilment.as_str()),
        returns: Symbol(view.returns.as_str()),
        flags: view.flags.iter().map(|flag| flag.as_str()).collect(),
        attention: view.attention.iter().map(|reason| reason.as_str()).collect(),
        cancel_reason: view.cancel_reason.map(|reason| reason.as_str()),
        currency: view.currency.as_ref().map(|currency| currency.as_str()),
        total_minor: view.total_minor.map(|amount| amount.0),
        authorized_minor: view.authorized_minor.0,
        captured_minor: view.captured_minor.0,
        refunded_minor: view.refunded_minor.0,
        charged_back_minor: view.charged_back_minor.0,
        lines: lines(order, view),
        owed: view.owed.iter().map(owed).collect(),
        cause: fact.map(cause),
        correlation_id: event.and_then(|event| event.correlation_id.as_deref()),
        occurred_at: event.map_or(changed_at, |event| event.occurred_at).0,
        changed_at: changed_at.0,
    }
}

/// A fact as what it led to names it.
pub(super) fn cause((event, origin): Fact<'_>) -> Cause<'_> {
    Cause {
        event_id: event.event_id.as_str(),
        topic: origin.map(|origin| origin.topic),
        partition: origin.map(|origin| origin.partition),
        offset: origin.map(|origin| origin.offset),
        kind: event.kind(),
    }
}

fn lines<'a>(order: &'a Order, view: &'a View) -> Vec<OrderLine<'a>> {
    let skus = order.facts.skus();
    let lines = view.lines.iter().map(|line| OrderLine {
        line_id: line.line_id.as_str(),
        sku: skus.get(&line.line_id).map(|sku| sku.as_str()),
        ordered: line.ordered,
        reserved: line.reserved,
        shipped: line.shipped,
        delivered: line.delivered,
        returned: line.returned,
    });
    lines.collect()
}

fn owed(obligation: &Obligation) -> Owed<'_> {
    let money = obligation.money();
    Owed {
        kind: Symbol(obligation.kind().as_str()),
        id: obligation.id(),
        amount_minor: money.map(|money| money.amount.0),
        currency: money.map(|money| money.currency.as_str()),
        lines: pieces(obligation),
    }
}

/// The lines of what is owed.
pub(super) fn pieces(obligation: &Obligation) -> Vec<OwedLine<'_>> {
    let pieces = obligation.lines().iter();
    pieces.map(|pieces| OwedLine { line_id: pieces.line_id.as_str(), quantity: pieces.quantity }).collect()
}
