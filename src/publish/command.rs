//! From an obligation to the command that asks somebody to meet it (DOMAIN sections 8, 9).
//!
//! Invariant: the command of an obligation has the same id at every attempt, so whoever meets it twice knows.

use super::encode::{Hyphenated, OrderCommand, Symbol};
use super::names;
use super::status_event::{Fact, cause, pieces};
use crate::ids::{OrderId, Timestamp};
use crate::order::cancel::CancelReason;
use crate::order::obligation::Obligation;

/// The command for an obligation, issued at `issued_at`. `fact` made it owed; none on a later attempt.
#[must_use]
pub fn command<'a>(
    order_id: &'a OrderId,
    (obligation, reason): (&'a Obligation, Option<CancelReason>),
    attempt: u32,
    fact: Option<Fact<'a>>,
    issued_at: Timestamp,
) -> OrderCommand<'a> {
    let money = obligation.money();
    OrderCommand {
        command_id: Hyphenated(names::command_id(order_id.as_str(), obligation.kind().as_str(), obligation.id())),
        order_id: order_id.as_str(),
        kind: Symbol(obligation.kind().as_str()),
        entity_id: obligation.id(),
        amount_minor: money.map(|money| money.amount.0),
        currency: money.map(|money| money.currency.as_str()),
        lines: pieces(obligation),
        reason: reason.map(CancelReason::as_str),
        attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
        issued_at: issued_at.0,
        cause: fact.map(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_has_the_id_of_the_first_and_no_cause() {
        let order_id = OrderId::from("ord-1");
        let obligation = Obligation::CancelShipment("shp-1".into());
        let of = |attempt| command(&order_id, (&obligation, Some(CancelReason::Fraud)), attempt, None, Timestamp(7));
        assert_eq!(of(1).command_id, of(2).command_id);
        assert_eq!((of(2).attempt, of(2).reason, of(2).cause), (2, Some("fraud"), None));
        let other = Obligation::CancelShipment("shp-2".into());
        assert_ne!(of(1).command_id, command(&order_id, (&other, None), 1, None, Timestamp(7)).command_id);
    }
}
