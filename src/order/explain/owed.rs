//! What is owed in words: why, and which fact would end it.
//!
//! Invariant: exhaustive over the obligations that the view derived; nothing is added to them and nothing left out.

use crate::order::event::payment::PaymentKind;
use crate::order::facts::told::{Entity, Fact};
use crate::order::obligation::Obligation;

use super::Owed;
use super::evidence::{Evidence, is_stock, is_value};

impl Evidence<'_> {
    /// Why something is owed, and until when.
    pub fn of_obligation(&self, obligation: &Obligation) -> Owed {
        let id = obligation.id();
        let of = |entity: Entity| move |fact: &Fact| fact.entity == entity && fact.id == id;
        let (why, until) = match obligation {
            Obligation::CancelShipment(_) => (
                self.say(format!("shipment {id} is being made ready and has not left"), of(Entity::Shipment)),
                format!("CANCELLED of shipment {id}, or the word that it left"),
            ),
            Obligation::RefundPayment(_, money) => {
                let capture = self.reading.facts.captures.get(&id.into());
                let is_taken = |fact: &Fact| is_value(fact, capture.and_then(|capture| capture.captured()));
                let gone = [
                    PaymentKind::Refunded.as_str(),
                    PaymentKind::DisputeOpened.as_str(),
                    PaymentKind::DisputeLost.as_str(),
                ];
                let is_behind = |fact: &Fact| of(Entity::Capture)(fact) && is_taken(fact) || gone.contains(&fact.kind);
                (
                    self.say(format!("{money} of capture {id} were taken and not given back"), is_behind),
                    format!("REFUNDED of {money} that names capture {id}, or CAPTURE_FAILED of it"),
                )
            }
            Obligation::ReleaseInventory(_, lines) => {
                let pieces = self.pieces(lines.iter().map(|pieces| (&pieces.line_id, pieces.quantity)));
                let is_behind = |fact: &Fact| of(Entity::Reservation)(fact) && is_stock(fact);
                (
                    self.say(format!("reservation {id} holds {pieces}"), is_behind),
                    format!("RELEASED of reservation {id} with {pieces}, or RESERVATION_EXPIRED of it"),
                )
            }
            Obligation::VoidPayment(_, money) => (
                self.say(format!("authorization {id} is live and holds {money}"), |fact| {
                    of(Entity::Authorization)(fact) && self.is_money(fact)
                }),
                format!("VOIDED of authorization {id}, or AUTHORIZATION_EXPIRED of it"),
            ),
        };
        Owed { obligation: obligation.clone(), why, until }
    }
}
