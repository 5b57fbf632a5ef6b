//! One event in its flat form: the fields of all four input topics side by side, as `orderstream fold` reads them.
//!
//! What the simulator makes and what a test writes down as JSON. Deliberately not the product's own type: it can say what the
//! product must refuse. `avro` turns it into bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::topics::Input;

/// A text that is often one of a few constants.
pub type Text = Cow<'static, str>;

/// One line of an order as an event names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Which line.
    pub line_id: String,
    /// How many pieces.
    pub quantity: i32,
    /// The article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Text>,
}

macro_rules! flat_event {
    ($( $(#[$doc:meta])* $field:ident: $Type:ty, )+) => {
        /// One event of one of the input topics. Fields that the topic does not know are left out when it is written.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct FlatEvent {
            /// The topic it belongs to.
            pub topic: Input,
            /// The event's id.
            pub event_id: String,
            /// The order's id.
            pub order_id: String,
            /// What happened.
            pub kind: Text,
            /// When, in microseconds.
            pub occurred_at: i64,
            /// The lines it speaks of; none means the whole order.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub lines: Vec<Line>,
            $( $(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$Type>, )+
        }
    };
}

flat_event! {
    /// The service that reports it.
    producer: Text,
    /// The business flow it belongs to.
    correlation_id: String,
    /// What led to it.
    causation_id: String,
    /// The authorization.
    authorization_id: String,
    /// The capture.
    capture_id: String,
    /// The refund.
    refund_id: String,
    /// The dispute.
    dispute_id: String,
    /// The fraud review.
    review_id: String,
    /// Money in minor units.
    amount_minor: i64,
    /// Its currency.
    currency: Text,
    /// When a hold lapses.
    expires_at: i64,
    /// Why, for people.
    reason: Text,
    /// The reservation.
    reservation_id: String,
    /// The state of returned goods.
    condition: Text,
    /// The shipment.
    shipment_id: String,
    /// The return.
    return_id: String,
    /// The carrier.
    carrier: Text,
    /// The carrier's number.
    tracking_number: String,
    /// Whether a return was accepted.
    accepted: bool,
    /// What the order costs.
    total_minor: i64,
    /// Until when it must be paid.
    payment_due_at: i64,
    /// The hold on the order.
    hold_id: String,
    /// Who asked to cancel.
    requested_by: Text,
}

#[cfg(test)]
mod tests {
    use super::FlatEvent;

    #[test]
    fn an_event_of_a_scenario_is_read_and_written_back_as_it_was() {
        let json = serde_json::json!({
            "topic": "inventory", "event_id": "evt-1", "order_id": "ord-1", "kind": "RESERVED", "occurred_at": 5,
            "lines": [{"line_id": "1", "quantity": 2}], "reservation_id": "res-1"
        });
        let event: FlatEvent = serde_json::from_value(json.clone()).expect("flat");
        assert_eq!(serde_json::to_value(&event).expect("JSON"), json);
    }

    #[test]
    fn a_field_that_no_topic_has_is_refused() {
        let json = r#"{"topic":"order","event_id":"e","order_id":"o","kind":"PLACED","occurred_at":1,"totle_minor":3}"#;
        assert!(
            serde_json::from_str::<FlatEvent>(json).expect_err("a misspelt field").to_string().contains("totle_minor")
        );
    }
}
