//! The flags and the reasons for attention in words.
//!
//! Invariant: exhaustive, so a new one must say what it means. Which of them are up is the view's to say.

use crate::order::attention::{Attention, Flag};
use crate::order::event::GivenUp;
use crate::order::event::inventory::InventoryKind;
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::ShipmentKind;
use crate::order::facts::Hold;
use crate::order::facts::payment::{DisputeState, Review};
use crate::order::facts::shipment::Shipment;
use crate::order::facts::told::{Entity, Fact};
use crate::order::sums;

use super::Sentence;
use super::clauses::is_asking;
use super::evidence::{Evidence, is_of, is_stock};

impl Evidence<'_> {
    /// Why a flag is up.
    pub fn of_flag(&self, flag: Flag) -> Sentence {
        let facts = self.reading.facts;
        match flag {
            Flag::DeliveryException => {
                self.say("a parcel had trouble on its way, and nothing put that right yet", |fact| {
                    let kinds = [
                        ShipmentKind::Lost,
                        ShipmentKind::ReturnedToSender,
                        ShipmentKind::DeliveryFailed,
                        ShipmentKind::Delayed,
                    ];
                    let shipment = facts.shipments.get(&fact.id.as_str().into());
                    fact.entity == Entity::Shipment
                        && shipment.is_some_and(Shipment::has_exception)
                        && kinds.iter().any(|kind| kind.as_str() == fact.kind)
                })
            }
            Flag::Disputed => self.say("a dispute is open: it was neither won nor lost", |fact| {
                let state = facts.disputes.get(&fact.id.as_str().into()).and_then(|dispute| dispute.state());
                fact.entity == Entity::Dispute && matches!(state, Some(DisputeState::Open(_)))
            }),
            Flag::InReview => self.say("a fraud review is open: it was neither approved nor rejected", |fact| {
                let review = facts.reviews.get(&fact.id.as_str().into());
                fact.entity == Entity::Review && review.is_some_and(Review::is_open)
            }),
            Flag::OnHold => self.say("a hold was placed and not released since", |fact| {
                fact.entity == Entity::Hold && facts.holds.get(&fact.id.as_str().into()).is_some_and(Hold::is_on)
            }),
        }
    }

    /// Why a person should look.
    pub fn of_attention(&self, reason: Attention) -> Sentence {
        let reading = self.reading;
        let sums = &reading.sums;
        let kind = |kinds: &[&str], fact: &Fact| kinds.contains(&fact.kind);
        match reason {
            Attention::AuthorizationExpired => {
                self.say("the last hold on money lapsed, and nothing is held or taken", |fact| self.is_money(fact))
            }
            Attention::CancelAfterDispatch => self.say(
                "it was asked to cancel, but only at or after the dispatch: the parcel cannot be called back",
                |fact| is_asking(fact) || self.is_dispatch(fact),
            ),
            Attention::CommandUnanswered => self.say("a command had all its attempts and no answer", |_| false),
            Attention::CurrencyMismatch => {
                let ours = sums.currency.map(|currency| currency.to_string()).unwrap_or_default();
                let others: Vec<_> = sums::in_other_currencies(reading.facts, sums.currency).collect();
                self.say(format!("money in another currency than the order's {ours} is not in its sums"), |fact| {
                    others.iter().any(|stamp| is_of(fact, *stamp))
                })
            }
            Attention::DispatchedAfterCancel => self
                .say("the order was to be cancelled in time, and a parcel left all the same", |fact| {
                    is_asking(fact) || self.is_dispatch(fact)
                }),
            Attention::Overpaid => {
                let (net, total) = (self.money(sums.net()), self.money(sums.total()));
                self.say(format!("we have {net}, and the order costs {total}"), |fact| self.is_money(fact))
            }
            Attention::PaidBeforeDeadline => {
                let text = "the order was given up for want of payment, and yet money had come before that deadline";
                let paid = [PaymentKind::Authorized.as_str(), PaymentKind::Captured.as_str()];
                let is_deadline =
                    |fact: &Fact| fact.entity == Entity::Deadline && fact.id != GivenUp::Rejection.as_str();
                self.say(text, |fact| kind(&paid, fact) || is_deadline(fact))
            }
            Attention::PartiallyRejected => {
                let rejected = reading.lines.iter().map(|(row, line)| (&line.id, reading.stock.lines[row].rejected));
                let rejecting = [InventoryKind::Rejected.as_str(), InventoryKind::Shorted.as_str()];
                let text = format!("some of it cannot be supplied: {}", self.pieces(rejected));
                self.say(text, |fact| kind(&rejecting, fact))
            }
            Attention::RefundFailed => {
                let refunds = [PaymentKind::Refunded.as_str(), PaymentKind::RefundFailed.as_str()];
                self.say("the latest word of any refund is that it failed", |fact| kind(&refunds, fact))
            }
            Attention::RefundedBeforeDispatch => {
                let text = "all that was taken was given back before anything left, and nobody cancelled";
                self.say(text, |fact| self.is_money(fact))
            }
            Attention::ReservationExpiredWhilePaid => {
                let text = "the hold on the stock lapsed although the order is secured";
                self.say(text, |fact| is_stock(fact) || self.is_money(fact))
            }
            Attention::ReturnedToSender => {
                self.say("a parcel is back undelivered", |fact| kind(&[ShipmentKind::ReturnedToSender.as_str()], fact))
            }
            Attention::ShipmentLost => {
                self.say("a parcel is lost, damaged or destroyed", |fact| kind(&[ShipmentKind::Lost.as_str()], fact))
            }
        }
    }
}
