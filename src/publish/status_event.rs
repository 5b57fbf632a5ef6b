//! From a decision to the status event that tells it.
//!
//! The one place where the core's view meets the wire form of [`super::encode`]. Invariant: the event says the view that the
//! order holds after its cause, and nothing of what the rest of the batch will do to it.

use super::encode::{Cause, OrderLine, OrderStatusChanged, Owed, OwedLine, Symbol};
use super::names;
use crate::ids::{OrderId, Timestamp};
use crate::order::decision::{Change, Order};
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

/// The event that tells a change, decided at `changed_at`.
#[must_use]
pub fn status_event<'a>(
    (order_id, order, view): (&'a OrderId, &'a Order, &'a View),
    change: &Change,
    (event, origin): (&'a Event, Origin<'a>),
    changed_at: Timestamp,
) -> OrderStatusChanged<'a> {
    OrderStatusChanged {
        event_id: names::event_id(order_id.as_str(), order.version),
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
        owed: owed(view),
        cause: Some(Cause {
            event_id: event.event_id.as_str(),
            topic: Some(origin.topic),
            partition: Some(origin.partition),
            offset: Some(origin.offset),
            kind: event.kind(),
        }),
        correlation_id: event.correlation_id.as_deref(),
        occurred_at: event.occurred_at.0,
        changed_at: changed_at.0,
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

fn owed(view: &View) -> Vec<Owed<'_>> {
    let owed = view.owed.iter().map(|obligation| {
        let money = obligation.money();
        Owed {
            kind: Symbol(obligation.kind().as_str()),
            id: obligation.id(),
            amount_minor: money.map(|money| money.amount.0),
            currency: money.map(|money| money.currency.as_str()),
            lines: obligation
                .lines()
                .iter()
                .map(|pieces| OwedLine { line_id: pieces.line_id.as_str(), quantity: pieces.quantity })
                .collect(),
        }
    });
    owed.collect()
}
