//! Everything that can be said of one small order: of 50.00 EUR and two pieces of one line.
//!
//! The alphabet of the exploration: every kind of every topic is in it, but what only a deadline of ours says. One entity of
//! each kind is enough, except parcels and returns, which come whole or in two halves. Invariant: the order of the bodies is
//! fixed; of two causes with equally short stories the earlier one here is named first.

use crate::ids::{AmountMinor, LineId, Timestamp};
use crate::order::event::Body;
use crate::order::event::inventory::{Inventory, StockFact};
use crate::order::event::line::{Line, Lines, Quantity};
use crate::order::event::money::Money;
use crate::order::event::ordering::{Ordering, RequestedBy, Terms};
use crate::order::event::payment::{
    AuthorizationFact, Authorized, CaptureFact, DisputeFact, Lost, Moved, Payment, RefundFact, ReviewFact,
};
use crate::order::event::shipping::{ReturnFact, ShipmentKind, Shipping, ShippingFact};
use crate::order::policy::Micros;

const TOTAL_MINOR: i64 = 5_000;
/// The pieces of the order's one line.
const PIECES: i64 = 2;
/// How long a hold on money or stock lasts.
const HOLD: Micros = Micros::from_seconds(7 * 24 * 60 * 60);

/// The parcel or return of everything.
const WHOLE: &str = "whole";
/// The parcel or return of the first half.
pub const ONE_HALF: &str = "one half";
/// The parcel or return of the other half.
pub const OTHER_HALF: &str = "other half";

/// Everything that can be said at this instant, whether it makes sense or not.
pub fn everything(now: Timestamp) -> Vec<Body> {
    let ends = HOLD.after(now);
    let payment = payment(ends).into_iter().map(Body::Payment);
    let inventory = inventory(ends).into_iter().map(Body::Inventory);
    let shipping = shipping().into_iter().map(Body::Shipping);
    ordering().map(Body::Order).into_iter().chain(payment).chain(inventory).chain(shipping).collect()
}

fn payment(ends: Timestamp) -> Vec<Payment> {
    let money = eur(TOTAL_MINOR);
    let of_capture = || Moved { money, of: Some("cap".into()) };
    let authorization = [
        AuthorizationFact::Pending,
        AuthorizationFact::ActionRequired,
        AuthorizationFact::Authorized(Authorized { money, expires_at: Some(ends) }),
        AuthorizationFact::Declined,
        AuthorizationFact::Voided,
        AuthorizationFact::Expired,
    ];
    let capture = [CaptureFact::Captured(Moved { money, of: Some("auth".into()) }), CaptureFact::Failed];
    let refund = [RefundFact::Refunded(of_capture()), RefundFact::Failed];
    let lost = Lost { money: Some(money), of: Some("cap".into()) };
    let dispute = [DisputeFact::Opened(of_capture()), DisputeFact::Won, DisputeFact::Lost(lost)];
    let review = [ReviewFact::Opened, ReviewFact::Approved, ReviewFact::Rejected];
    let mut payment = Vec::new();
    payment.extend(authorization.map(|fact| Payment::Authorization("auth".into(), fact)));
    payment.extend(capture.map(|fact| Payment::Capture("cap".into(), fact)));
    payment.extend(refund.map(|fact| Payment::Refund("refund".into(), fact)));
    payment.extend(dispute.map(|fact| Payment::Dispute("dispute".into(), fact)));
    payment.extend(review.map(|fact| Payment::Review("review".into(), fact)));
    payment
}

fn inventory(ends: Timestamp) -> [Inventory; 7] {
    let facts = [
        (StockFact::Reserved { expires_at: Some(ends) }, PIECES),
        (StockFact::Backordered, PIECES),
        (StockFact::Rejected, PIECES),
        (StockFact::Shorted, 1),
        (StockFact::ReservationExpired, PIECES),
        (StockFact::Released, PIECES),
        (StockFact::Restocked { condition: None }, PIECES),
    ];
    facts.map(|(fact, count)| Inventory { reservation: "res".into(), lines: pieces(count), fact })
}

fn shipping() -> Vec<Shipping> {
    let parts = [(WHOLE, PIECES), (ONE_HALF, 1), (OTHER_HALF, PIECES - 1)];
    let said = |fact, count| Shipping { lines: pieces(count), carrier: None, tracking_number: None, fact };
    let back = [
        ReturnFact::Requested,
        ReturnFact::Received,
        ReturnFact::Closed { accepted: true },
        ReturnFact::Closed { accepted: false },
    ];
    let parcels = parts
        .into_iter()
        .flat_map(|(id, count)| ShipmentKind::ALL.map(|kind| said(ShippingFact::Shipment(id.into(), kind), count)));
    let returns =
        parts.into_iter().flat_map(|(id, count)| back.map(|fact| said(ShippingFact::Return(id.into(), fact), count)));
    parcels.chain(returns).collect()
}

fn ordering() -> [Ordering; 5] {
    let terms = |total| Terms { total: eur(total), lines: pieces(PIECES), payment_due_at: None };
    [
        Ordering::Placed(terms(TOTAL_MINOR)),
        Ordering::Amended(terms(2 * TOTAL_MINOR)),
        Ordering::CancelRequested(RequestedBy::Customer),
        Ordering::HoldPlaced("hold".into()),
        Ordering::HoldReleased("hold".into()),
    ]
}

fn eur(amount: i64) -> Money {
    Money { amount: AmountMinor(amount), currency: "EUR".parse().expect("three capitals") }
}

fn pieces(count: i64) -> Lines {
    let quantity = Quantity::new(count).expect("one or two pieces");
    Lines::sorted(vec![Line { line_id: LineId::from("1"), quantity, sku: None }])
}
