//! The facts of one order: every register, and the merge that writes them.
//!
//! The only thing of an order that is stored as truth; the view and the deadlines are functions of it. Invariant:
//! [`Facts::merge`] is commutative, associative and idempotent, because each register is (see [`register`]).
//! `stored` gives the JSON form.

pub mod few;
pub mod payment;
pub mod register;
pub mod reservation;
pub mod shipment;
mod stored;
pub mod told;

use std::collections::BTreeMap;

use crate::ids::{
    AuthorizationId, CaptureId, DisputeId, HoldId, LineId, RefundId, ReservationId, ReturnId, ReviewId, ShipmentId,
    Sku, Timestamp,
};
use crate::order::event::ordering::{RequestedBy, Terms};
use crate::order::event::shipping::ShippingFact;
use crate::order::event::{Body, Event, GivenUp, Ordering, Payment, Shipping};

use few::Few;
use payment::{Authorization, Capture, Dispute, Refund, Review};
use register::{Earliest, Latest, Merged, Stamp, Value};
use reservation::Reservation;
use shipment::{Return, Shipment};

/// The most facts that an order may hold, as [`Facts::len`] counts them. The caller of merge keeps it.
pub const MAX_FACTS: usize = 10_000;

/// The registers of one order, by entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub(in crate::order) authorizations: Few<AuthorizationId, Authorization>,
    pub(in crate::order) captures: Few<CaptureId, Capture>,
    pub(in crate::order) refunds: Few<RefundId, Refund>,
    pub(in crate::order) disputes: Few<DisputeId, Dispute>,
    pub(in crate::order) reviews: Few<ReviewId, Review>,
    pub(in crate::order) reservations: Few<ReservationId, Reservation>,
    pub(in crate::order) shipments: Few<ShipmentId, Shipment>,
    pub(in crate::order) returns: Few<ReturnId, Return>,
    pub(in crate::order) holds: Few<HoldId, Hold>,
    pub(in crate::order) placed: Latest<Terms>,
    pub(in crate::order) amended: Latest<Terms>,
    pub(in crate::order) cancel_requested: Earliest<RequestedBy>,
    pub(in crate::order) given_up: Few<GivenUp, Earliest<()>>,
}

/// One hold on the order itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    pub(super) placed: Latest<()>,
    pub(super) released: Latest<()>,
}

impl Hold {
    /// Whether it was placed, and not released at or after that.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.placed.at() > self.released.at()
    }
}

impl Facts {
    /// Offers every fact of the event to its register and says what became of it.
    pub fn merge(&mut self, event: &Event) -> Merged {
        let stamp = Stamp { at: event.occurred_at, event_id: &event.event_id };
        match &event.body {
            Body::Payment(payment) => self.merge_payment(stamp, payment),
            Body::Inventory(inventory) => {
                let reservation = self.reservations.entry(&inventory.reservation);
                reservation.offer(stamp, inventory.kind(), &inventory.lines, inventory.expires_at())
            }
            Body::Shipping(shipping) => self.merge_shipping(stamp, shipping),
            Body::Order(ordering) => self.merge_ordering(stamp, ordering),
            Body::Fired(deadline) => self.given_up.entry(deadline).offer(stamp.value(())),
        }
    }

    fn merge_payment(&mut self, stamp: Stamp<'_>, payment: &Payment) -> Merged {
        match payment {
            Payment::Authorization(id, fact) => self.authorizations.entry(id).offer(stamp, fact),
            Payment::Capture(id, fact) => self.captures.entry(id).offer(stamp, fact),
            Payment::Refund(id, fact) => self.refunds.entry(id).offer(stamp, fact),
            Payment::Dispute(id, fact) => self.disputes.entry(id).offer(stamp, fact),
            Payment::Review(id, fact) => self.reviews.entry(id).offer(stamp, *fact),
        }
    }

    fn merge_shipping(&mut self, stamp: Stamp<'_>, shipping: &Shipping) -> Merged {
        match &shipping.fact {
            ShippingFact::Shipment(id, kind) => self.shipments.entry(id).offer(stamp, *kind, &shipping.lines),
            ShippingFact::Return(id, fact) => self.returns.entry(id).offer(stamp, *fact, &shipping.lines),
        }
    }

    fn merge_ordering(&mut self, stamp: Stamp<'_>, ordering: &Ordering) -> Merged {
        match ordering {
            Ordering::Placed(terms) => self.placed.offer(stamp.value(terms.clone())),
            Ordering::Amended(terms) => self.amended.offer(stamp.value(terms.clone())),
            Ordering::CancelRequested(by) => self.cancel_requested.offer(stamp.value(*by)),
            Ordering::HoldPlaced(id) => self.holds.entry(id).placed.offer(stamp.value(())),
            Ordering::HoldReleased(id) => self.holds.entry(id).released.offer(stamp.value(())),
        }
    }

    /// The total, the currency and the lines that hold: the later of PLACED and AMENDED. None makes the order a shell.
    #[must_use]
    pub fn terms(&self) -> Option<&Value<Terms>> {
        self.placed.get().max(self.amended.get())
    }

    /// When the order was dispatched: the first word of any shipment having left.
    #[must_use]
    pub fn dispatched_at(&self) -> Option<Timestamp> {
        self.shipments.values().filter_map(Shipment::left_at).min()
    }

    /// The article of each line, as last named.
    #[must_use]
    pub fn skus(&self) -> BTreeMap<&LineId, &Sku> {
        let terms = [&self.placed, &self.amended].into_iter().filter_map(Latest::get);
        let terms = terms.map(|value| (Stamp::of(value), &value.content.lines));
        let naming = terms
            .chain(self.shipments.values().flat_map(Shipment::naming))
            .chain(self.returns.values().flat_map(Return::naming));
        let lines = naming.flat_map(|(stamp, lines)| {
            let named = lines.as_slice().iter();
            named.filter_map(move |line| Some((&line.line_id, stamp, line.sku.as_ref()?)))
        });
        let claims = self.reservations.values().flat_map(Reservation::skus);

        let mut latest: BTreeMap<&LineId, (Stamp<'_>, &Sku)> = BTreeMap::new();
        for (line, stamp, sku) in lines.chain(claims) {
            let named = latest.entry(line).or_insert((stamp, sku));
            *named = (*named).max((stamp, sku));
        }
        latest.into_iter().map(|(line, (_, sku))| (line, sku)).collect()
    }

    /// How many facts are held. A value that names lines counts once for each, so that this bounds the stored size.
    #[must_use]
    pub fn len(&self) -> usize {
        let terms = [&self.placed, &self.amended].into_iter().filter_map(Latest::get);
        self.authorizations.values().map(Authorization::len).sum::<usize>()
            + self.captures.values().map(Capture::len).sum::<usize>()
            + self.refunds.values().map(Refund::len).sum::<usize>()
            + self.disputes.values().map(Dispute::len).sum::<usize>()
            + self.reviews.values().map(Review::len).sum::<usize>()
            + self.reservations.values().map(Reservation::len).sum::<usize>()
            + self.shipments.values().map(Shipment::len).sum::<usize>()
            + self.returns.values().map(Return::len).sum::<usize>()
            + self.holds.values().map(|hold| hold.placed.len() + hold.released.len()).sum::<usize>()
            + terms.map(|value| shipment::weight(&value.content.lines)).sum::<usize>()
            + self.cancel_requested.len()
            + self.given_up.len()
    }

    /// Whether nothing was said of this order yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
