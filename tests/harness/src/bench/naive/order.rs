//! What the naive service knows of an order: three words with a rank each, and a status made of them.
//!
//! As the peers have it; a word of a lower rank that comes late changes nothing. Pure.

use serde::{Deserialize, Serialize};

use crate::topics::Input;

/// An event as the service reads it; it passes over the rest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Heard {
    /// Names the event.
    pub event_id: String,
    /// The order.
    pub order_id: String,
    /// What happened.
    pub kind: String,
    /// When, in microseconds.
    pub occurred_at: i64,
    /// Money in minor units.
    #[serde(default)]
    pub amount_minor: Option<i64>,
    /// Its currency.
    #[serde(default)]
    pub currency: Option<String>,
}

/// An order's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    /// The last word of money.
    pub payment: String,
    /// The last word of stock.
    pub inventory: String,
    /// The last word of the carrier.
    pub shipping: String,
    /// What is made of them.
    pub status: String,
    /// The amount last named.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: String,
    /// How many events were applied.
    pub version: i32,
}

/// What it publishes.
#[derive(Debug, Serialize)]
pub struct Changed<'a> {
    /// The order.
    pub order_id: &'a str,
    /// Its status now.
    pub status: &'a str,
    /// Its status before.
    pub previous: &'a str,
    /// Its version.
    pub version: i32,
    /// The event that led to it.
    pub event_id: &'a str,
    /// When that occurred, in microseconds.
    pub occurred_at: i64,
}

impl Row {
    /// Applies an event of a topic.
    pub fn apply(&mut self, input: Input, heard: &Heard) {
        let word = match input {
            Input::Payment => &mut self.payment,
            Input::Inventory => &mut self.inventory,
            Input::Shipping | Input::Order => &mut self.shipping,
        };
        if rank(&heard.kind) > rank(word) {
            word.clone_from(&heard.kind);
        }
        if let (Some(amount), Some(currency)) = (heard.amount_minor, &heard.currency) {
            (self.amount_minor, self.currency) = (amount, currency.clone());
        }
        self.status = self.derive().to_owned();
        self.version += 1;
    }

    fn derive(&self) -> &'static str {
        match &*self.shipping {
            "DELIVERED" => "DELIVERED",
            "OUT_FOR_DELIVERY" => "OUT_FOR_DELIVERY",
            "DISPATCHED" | "IN_TRANSIT" => "SHIPPED",
            _ if self.inventory == "RELEASED" => "CANCELLED",
            _ if self.payment == "CAPTURED" && self.inventory == "RESERVED" => "CONFIRMED",
            _ => "PENDING",
        }
    }
}

fn rank(word: &str) -> u8 {
    match word {
        "AUTHORIZED" | "RESERVED" | "LABEL_CREATED" => 1,
        "CAPTURED" | "RELEASED" | "DISPATCHED" => 2,
        "REFUNDED" | "IN_TRANSIT" => 3,
        "OUT_FOR_DELIVERY" => 4,
        "DELIVERED" => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workload::Workload;

    #[test]
    fn a_story_makes_as_many_status_events_here_as_it_does_in_the_product() {
        let (mut row, mut said) = (Row::default(), Vec::new());
        for event in Workload::local(1).iter() {
            let heard = Heard {
                event_id: event.event_id,
                order_id: event.order_id,
                kind: event.kind.into_owned(),
                occurred_at: event.occurred_at,
                amount_minor: event.amount_minor,
                currency: event.currency.map(|currency| currency.into_owned()),
            };
            let before = row.status.clone();
            row.apply(event.topic, &heard);
            if row.status != before {
                said.push(row.status.clone());
            }
        }
        assert_eq!(said, ["PENDING", "CONFIRMED", "SHIPPED", "OUT_FOR_DELIVERY"]);
        assert_eq!((row.version, row.amount_minor, &*row.currency), (6, 1_000, "EUR"));
    }
}
