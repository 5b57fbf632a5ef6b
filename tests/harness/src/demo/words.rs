//! Events in words, as a person would tell them: `80.98 EUR captured`, `parcel left with DHL`.
//!
//! Pure. Only for people; nothing reads these texts back.

use crate::event::{FlatEvent, Line};

/// What an event says.
#[must_use]
pub fn words(event: &FlatEvent) -> String {
    let what = match &*event.kind {
        "PLACED" => format!("placed: {} for {}", articles(&event.lines), total(event)),
        "AMENDED" => format!("amended: {} for {}", articles(&event.lines), total(event)),
        "CANCEL_REQUESTED" => format!("the {} asks to cancel", event.requested_by.as_deref().unwrap_or("customer")),
        "HOLD_PLACED" => "put on hold".to_owned(),
        "HOLD_RELEASED" => "taken off hold".to_owned(),
        "PENDING" => "payment under way".to_owned(),
        "ACTION_REQUIRED" => "the shopper has to confirm the payment".to_owned(),
        "AUTHORIZED" => format!("{} authorized", money(event)),
        "DECLINED" => "payment declined".to_owned(),
        "VOIDED" => "authorization voided".to_owned(),
        "AUTHORIZATION_EXPIRED" => "authorization expired".to_owned(),
        "CAPTURED" => format!("{} captured", money(event)),
        "CAPTURE_FAILED" => "the capture failed".to_owned(),
        "REFUNDED" => format!("{} refunded", money(event)),
        "REFUND_FAILED" => "the refund failed".to_owned(),
        "DISPUTE_OPENED" => format!("{} charged back, disputed", money(event)),
        "DISPUTE_WON" => "the dispute is won".to_owned(),
        "DISPUTE_LOST" => "the dispute is lost".to_owned(),
        "REVIEW_OPENED" => "fraud review begins".to_owned(),
        "REVIEW_APPROVED" => "fraud review: fine".to_owned(),
        "REVIEW_REJECTED" => "fraud review: rejected".to_owned(),
        "RESERVED" => format!("{} reserved", pieces(&event.lines)),
        "BACKORDERED" => format!("{} on back order", pieces(&event.lines)),
        "REJECTED" => format!("{} cannot be supplied", pieces(&event.lines)),
        "SHORTED" => format!("{} missing at picking", pieces(&event.lines)),
        "RESERVATION_EXPIRED" => "the reservation lapsed".to_owned(),
        "RELEASED" => format!("{} released", pieces(&event.lines)),
        "RESTOCKED" => format!("{} back on the shelf", pieces(&event.lines)),
        _ => parcel(event),
    };
    match event.reason.as_deref() {
        Some(reason) => format!("{what} ({reason})"),
        None => what,
    }
}

/// What a shipping event says.
fn parcel(event: &FlatEvent) -> String {
    let carrier = event.carrier.as_deref().unwrap_or("the carrier");
    match &*event.kind {
        "LABEL_CREATED" => format!("label for {}", pieces(&event.lines)),
        "PICKED" => "picked and packed".to_owned(),
        "DISPATCHED" => format!("the parcel left with {carrier}"),
        "IN_TRANSIT" => format!("on its way with {carrier}"),
        "OUT_FOR_DELIVERY" => "out for delivery".to_owned(),
        "READY_FOR_PICKUP" => "ready for pickup".to_owned(),
        "LOST" => format!("lost by {carrier}"),
        "DELIVERED" => "delivered".to_owned(),
        "RETURNED_TO_SENDER" => "back at the sender".to_owned(),
        "CANCELLED" => "the parcel is cancelled".to_owned(),
        "DELIVERY_FAILED" => "delivery failed".to_owned(),
        "DELAYED" => format!("delayed by {carrier}"),
        "RETURN_REQUESTED" => format!("a return is announced: {}", pieces(&event.lines)),
        "RETURN_RECEIVED" => format!("the return is in: {}", pieces(&event.lines)),
        "RETURN_CLOSED" if event.accepted == Some(false) => "the return is refused".to_owned(),
        "RETURN_CLOSED" => "the return is accepted".to_owned(),
        other => other.to_lowercase(),
    }
}

fn money(event: &FlatEvent) -> String {
    amount(event.amount_minor.unwrap_or_default(), event.currency.as_deref().unwrap_or_default())
}

fn total(event: &FlatEvent) -> String {
    amount(event.total_minor.unwrap_or_default(), event.currency.as_deref().unwrap_or_default())
}

/// An amount as people write it.
#[must_use]
pub fn amount(minor: i64, currency: &str) -> String {
    match currency {
        "JPY" => format!("{minor} {currency}"),
        _ => format!("{}.{:02} {currency}", minor / 100, minor % 100),
    }
}

fn articles(lines: &[Line]) -> String {
    let named: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", line.quantity, line.sku.as_deref().unwrap_or(&line.line_id)))
        .collect();
    if named.is_empty() { "the order".to_owned() } else { named.join(", ") }
}

fn pieces(lines: &[Line]) -> String {
    match lines.iter().map(|line| line.quantity).sum::<i32>() {
        0 => "the whole order".to_owned(),
        1 => "1 piece".to_owned(),
        more => format!("{more} pieces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Shape, Traffic};

    #[test]
    fn amounts_are_written_as_people_write_them() {
        assert_eq!(amount(8_098, "EUR"), "80.98 EUR");
        assert_eq!(amount(5, "USD"), "0.05 USD");
        assert_eq!(amount(3_020, "JPY"), "3020 JPY");
    }

    #[test]
    fn every_kind_has_words_of_its_own() {
        for planned in Traffic::new(Shape::undisturbed(5_000, 1, 1_760_000_000_000_000)) {
            let words = words(&planned.event);
            assert!(words == "delivered" || words.contains(' '), "{}: {words}", planned.event.kind);
        }
    }
}
