//! `orderstream schema register`: puts the schema of every configured topic into the registry and prints the ids. Safe to
//! repeat: what is registered already keeps its id.
//!
//! Inputs too, so that a producer finds the contract where its serializer looks for it.

use super::exit::Exit;
use super::print;
use crate::config::{Config, Topics};
use crate::decode::{Access, Registry};
use crate::ids::SchemaId;
use crate::publish::schemas::{self, COMPATIBILITY, SchemaError, TopicSchema};

/// Registers the schemas of all topics and prints a table of them.
///
/// # Errors
/// The registry is away, or takes one of them not; those before it stay registered.
pub async fn register(config: &Config) -> Result<(), SchemaError> {
    let registry = Registry::new(Access::from(&config.registry))?;
    let mut registered = Vec::new();
    for schema in of_topics(&config.topics) {
        let id = schemas::register(&registry, &schema).await?;
        registered.push((schema, id));
    }
    print(&table(&registered));
    Ok(())
}

/// How a registration that failed ends the process.
#[must_use]
pub fn exit(error: &SchemaError) -> Exit {
    match error {
        SchemaError::Registry(error) if error.denied => Exit::Config,
        SchemaError::Registry(_) => Exit::Unavailable,
        SchemaError::Refused { .. } | SchemaError::NotRegistered { .. } => Exit::Config,
    }
}

fn of_topics(topics: &Topics) -> Vec<TopicSchema> {
    let inputs = topics.inputs().filter_map(|(source, topic)| TopicSchema::of_input(source, topic));
    let outputs =
        [Some(TopicSchema::of_status(&topics.status)), topics.command.as_deref().map(TopicSchema::of_commands)];
    inputs.chain(outputs.into_iter().flatten()).collect()
}

fn table(registered: &[(TopicSchema, SchemaId)]) -> String {
    let width = registered.iter().map(|(schema, _)| schema.subject.len()).max().unwrap_or(0);
    let rows = registered.iter().map(|(TopicSchema { subject, record, .. }, id)| {
        format!("{subject:width$}  {record:18}  id {id:<5}  {COMPATIBILITY}\n")
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(order: Option<&str>, command: Option<&str>) -> Topics {
        Topics {
            payment: "payments".to_owned(),
            inventory: "inventory".to_owned(),
            shipping: "shipping".to_owned(),
            order: order.map(str::to_owned),
            status: "order-status".to_owned(),
            command: command.map(str::to_owned),
            dead_letter: Some("order-dead-letters".to_owned()),
            cloud_events_source: None,
        }
    }

    #[test]
    fn every_topic_that_is_configured_gets_the_schema_of_its_records() {
        let of = |topics: &Topics| -> Vec<String> {
            of_topics(topics).iter().map(|schema| format!("{} {}", schema.subject, schema.record)).collect()
        };
        let least = ["payments-value PaymentEvent", "inventory-value InventoryEvent", "shipping-value ShippingEvent"];
        assert_eq!(of(&topics(None, None)), [&least[..], &["order-status-value OrderStatusChanged"]].concat());
        let all = of(&topics(Some("orders"), Some("commands")));
        assert_eq!(
            all[3..],
            ["orders-value OrderEvent", "order-status-value OrderStatusChanged", "commands-value OrderCommand"]
        );
    }

    #[test]
    fn the_table_lines_up() {
        let topics = topics(None, None);
        let registered: Vec<(TopicSchema, SchemaId)> =
            of_topics(&topics).into_iter().zip([7, 12, 3, 12_345].map(SchemaId)).collect();
        assert_eq!(
            table(&registered),
            "payments-value      PaymentEvent        id 7      FULL_TRANSITIVE\n\
             inventory-value     InventoryEvent      id 12     FULL_TRANSITIVE\n\
             shipping-value      ShippingEvent       id 3      FULL_TRANSITIVE\n\
             order-status-value  OrderStatusChanged  id 12345  FULL_TRANSITIVE\n"
        );
    }
}
