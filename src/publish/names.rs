//! The ids of what we publish: computed from what they name, so that a record that is made again has the id it had.
//!
//! UUIDs of version 5 (RFC 9562), which any language computes. The two namespaces are constants of this product and never
//! change; they are themselves the `UUIDv5` of `events.orderstream` and `commands.orderstream` in the DNS namespace.

use uuid::{Uuid, uuid};

/// The namespace of the `event_id` of `OrderStatusChanged`.
pub const EVENTS: Uuid = uuid!("846bb82d-a2f8-5626-a8f9-c1841bedd825");
/// The namespace of the namespaces that a `command_id` is made in.
pub const COMMANDS: Uuid = uuid!("07596505-a703-5a0e-b5c3-2015c6479b52");

/// The `event_id` of an order's version: `UUIDv5` of `<order_id>:<order_version>` in [`EVENTS`]. The version has no colon, so no
/// two orders share a text.
#[must_use]
pub fn event_id(order_id: &str, order_version: i64) -> Uuid {
    Uuid::new_v5(&EVENTS, format!("{order_id}:{order_version}").as_bytes())
}

/// The `command_id` of an obligation: `UUIDv5` of `<kind>:<entity_id>` in a namespace of the order's own, which is the `UUIDv5` of
/// `<order_id>` in [`COMMANDS`]. Both ids may hold colons; one text for all three could mean two commands.
#[must_use]
pub fn command_id(order_id: &str, kind: &str, entity_id: &str) -> Uuid {
    let order = Uuid::new_v5(&COMMANDS, order_id.as_bytes());
    Uuid::new_v5(&order, format!("{kind}:{entity_id}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespaces_are_what_their_text_says() {
        assert_eq!(EVENTS, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"events.orderstream"));
        assert_eq!(COMMANDS, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"commands.orderstream"));
    }

    /// The golden vectors, computed with Python's `uuid.uuid5`.
    #[test]
    fn an_id_is_what_any_other_language_computes() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/golden/ids.json")).expect("vectors are JSON");
        for vector in &vectors {
            let text = |name: &str| vector[name].as_str().unwrap_or_default();
            let (found, expected) = match vector["order_version"].as_i64() {
                Some(version) => (event_id(text("order_id"), version), text("event_id")),
                None => (command_id(text("order_id"), text("kind"), text("entity_id")), text("command_id")),
            };
            assert_eq!(found.to_string(), expected, "{vector}");
        }
    }

    #[test]
    fn colons_in_ids_do_not_make_two_commands_one() {
        let one = command_id("o:VOID_PAYMENT:a", "VOID_PAYMENT", "b");
        let other = command_id("o", "VOID_PAYMENT", "a:VOID_PAYMENT:b");
        assert_ne!(one, other);
    }
}
