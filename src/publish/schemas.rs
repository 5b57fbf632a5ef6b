//! Our schemas in the registry: registering them, and finding the ids that they have there.
//!
//! `orderstream schema register` does the first for every topic, inputs too, so that producers can start from them; a worker
//! does the second before it publishes anything. Invariant: an id comes back only for exactly the text of the file in
//! `schemas/`, so a value is never framed with an id that another schema has.

use schema_registry_converter::async_impl::schema_registry::{perform_sr_call, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};

use crate::decode::avro::{INPUT_SCHEMAS, record_of, shortened};
use crate::decode::registry::{Registry, RegistryError, code, is_not_found};
use crate::ids::SchemaId;
use crate::order::Source;

use super::encode::{COMMAND_SCHEMA, STATUS_SCHEMA};

/// What may change in our subjects: whatever old and new readers and writers can live with in every combination.
pub const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// Why a schema has no id. Only the first is worth another try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No answer that makes sense.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry does not take it.
    #[error(
        "the registry refuses `{record}` for `{subject}` ({text}): compare it with the versions there, or use another topic"
    )]
    Refused {
        /// The subject it was for.
        subject: String,
        /// The record.
        record: &'static str,
        /// What the registry said.
        text: String,
    },
    /// It was never registered.
    #[error("`{subject}` does not have our schema `{record}`: run `orderstream schema register`")]
    NotRegistered {
        /// The subject that was asked.
        subject: String,
        /// The record.
        record: &'static str,
    },
}

/// The schema of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSchema {
    /// Where it is registered: `<topic>-value`.
    pub subject: String,
    /// The name of the record.
    pub record: &'static str,
    /// The schema itself.
    pub text: &'static str,
}

impl TopicSchema {
    /// The schema of an input topic; none for the source that has no topic.
    #[must_use]
    pub fn of_input(source: Source, topic: &str) -> Option<Self> {
        let (_, text) = INPUT_SCHEMAS.into_iter().find(|(of, _)| *of == source)?;
        let record = record_of(source)?;
        Some(Self { subject: subject(topic), record, text })
    }

    /// The schema of the topic that status changes go to.
    #[must_use]
    pub fn of_status(topic: &str) -> Self {
        Self { subject: subject(topic), record: "OrderStatusChanged", text: STATUS_SCHEMA }
    }

    /// The schema of the topic that commands go to.
    #[must_use]
    pub fn of_commands(topic: &str) -> Self {
        Self { subject: subject(topic), record: "OrderCommand", text: COMMAND_SCHEMA }
    }
}

/// Registers a schema and holds its subject to [`COMPATIBILITY`]. Doing it again changes nothing.
///
/// # Errors
/// The registry cannot be reached, or does not take the schema.
pub async fn register(registry: &Registry, schema: &TopicSchema) -> Result<SchemaId, SchemaError> {
    // First, so that not even this schema slips in under looser rules; some registries know no rules for a subject that is
    // not there yet, so once more afterwards.
    let already_strict = registry.set_compatibility(&schema.subject, COMPATIBILITY).await?;
    let id = post(registry, schema).await?;
    if !already_strict && !registry.set_compatibility(&schema.subject, COMPATIBILITY).await? {
        tracing::warn!(subject = %schema.subject, "the registry knows no compatibility rules for a subject");
    }
    Ok(id)
}

async fn post(registry: &Registry, schema: &TopicSchema) -> Result<SchemaId, SchemaError> {
    let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.text.to_owned());
    match post_schema(&registry.settings()?, schema.subject.clone(), supplied).await {
        Ok(registered) => Ok(SchemaId(registered.id)),
        // Workers that start together register together, and Apicurio 2.6 answers all but one of them with a conflict.
        Err(error) => look_up(registry, schema).await.map_err(|_| refused(registry, schema, &error)),
    }
}

/// The id under which exactly our schema is registered.
///
/// # Errors
/// The registry cannot be reached, or does not have it.
pub async fn look_up(registry: &Registry, schema: &TopicSchema) -> Result<SchemaId, SchemaError> {
    find(registry, schema).await.map(|(id, _)| id)
}

/// The same with the number that it has among the versions of its subject, where the registry says it.
///
/// # Errors
/// As [`look_up`].
pub async fn find(registry: &Registry, schema: &TopicSchema) -> Result<(SchemaId, Option<u32>), SchemaError> {
    let body = serde_json::json!({ "schema": schema.text, "schemaType": "AVRO" }).to_string();
    let call = SrCall::PostForVersion(&schema.subject, &body);
    match perform_sr_call(&registry.settings()?, call).await {
        Ok(found) => found.id.map(|id| (SchemaId(id), found.version)).ok_or_else(|| {
            let text = "gave an answer without an id".to_owned();
            SchemaError::Registry(RegistryError { url: registry.shown_url().to_owned(), text, denied: false })
        }),
        Err(error) if code(&error).is_some_and(is_not_found) => {
            Err(SchemaError::NotRegistered { subject: schema.subject.clone(), record: schema.record })
        }
        Err(error) => Err(SchemaError::Registry(registry.failed(&error))),
    }
}

/// The topic name strategy, which is what Confluent's serializers do unless told otherwise.
fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// Incompatible (409) and invalid (422xx) are final, anything else may pass.
fn refused(registry: &Registry, schema: &TopicSchema, error: &SRCError) -> SchemaError {
    match code(error) {
        Some(409 | 40_900..40_999 | 422 | 42_200..42_300) => SchemaError::Refused {
            subject: schema.subject.clone(),
            record: schema.record,
            text: shortened(error.cause.as_deref().unwrap_or_default()).into_owned(),
        },
        _ => SchemaError::Registry(registry.failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use apache_avro::Schema;
    use apache_avro::schema_compatibility::SchemaCompatibility;
    use serde_json::{Value, json};

    use super::*;
    use crate::order::event::inventory::InventoryKind;
    use crate::order::event::ordering::OrderKind;
    use crate::order::event::payment::PaymentKind;
    use crate::order::event::shipping::{ReturnKind, ShipmentKind};
    use crate::order::obligation::ObligationKind;
    use crate::order::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
    use crate::order::status::Status;

    fn all() -> Vec<TopicSchema> {
        let inputs = INPUT_SCHEMAS.into_iter().filter_map(|(source, _)| TopicSchema::of_input(source, "in"));
        inputs.chain([TopicSchema::of_status("out"), TopicSchema::of_commands("out")]).collect()
    }

    fn json_of(schema: &TopicSchema) -> Value {
        serde_json::from_str(schema.text).expect("a schema file is JSON")
    }

    /// Every object of a schema that has a name: records, enums and fields.
    fn named<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
        match value {
            Value::Object(members) => {
                if value["name"].is_string() {
                    found.push(value);
                }
                members.values().for_each(|member| named(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| named(item, found)),
            _ => {}
        }
    }

    fn each_named(mut visit: impl FnMut(&TopicSchema, &Value)) {
        for schema in all() {
            let json = json_of(&schema);
            let mut found = Vec::new();
            named(&json, &mut found);
            for object in found {
                visit(&schema, object);
            }
        }
    }

    #[test]
    fn every_file_holds_the_record_that_it_is_named_after() {
        assert_eq!(all().len(), 6);
        for schema in all() {
            let parsed = Schema::parse_str(schema.text).expect("a valid schema");
            let name = parsed.name().expect("a record has a name");
            assert_eq!(name.fullname(None), format!("orderstream.v1.{}", schema.record));
        }
    }

    #[test]
    fn every_record_enum_and_field_tells_what_it_means() {
        each_named(|schema, object| {
            let doc = object["doc"].as_str().unwrap_or_default();
            assert!(doc.len() > 10 && doc.ends_with('.'), "{} in {}", object["name"], schema.record);
        });
    }

    #[test]
    fn whatever_may_be_null_or_empty_is_so_by_default() {
        each_named(|schema, field| {
            let place = format!("{} in {}", field["name"], schema.record);
            if field["type"][0] == "null" {
                assert_eq!(field.get("default"), Some(&Value::Null), "{place}");
                assert_eq!(field["type"].as_array().map(Vec::len), Some(2), "{place}");
            }
            if field["type"]["type"] == "array" {
                assert_eq!(field["default"], json!([]), "{place}");
            }
        });
    }

    #[test]
    fn an_enum_reads_what_is_newer_than_itself_as_unknown() {
        each_named(|schema, object| {
            if object["type"] == "enum" {
                assert_eq!(object["default"], "UNKNOWN", "{} in {}", object["name"], schema.record);
                assert_eq!(object["symbols"][0], "UNKNOWN", "{} in {}", object["name"], schema.record);
            }
        });
    }

    #[test]
    fn a_type_that_several_files_define_is_the_same_in_each() {
        let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
        each_named(|schema, object| {
            if object["type"] == "enum" || object["type"] == "record" {
                let name = object["name"].to_string();
                let first = definitions.entry(name).or_insert_with(|| object.clone());
                assert_eq!(first, object, "{} in {}", object["name"], schema.record);
            }
        });
        assert!(definitions.contains_key("\"Line\"") && definitions.contains_key("\"Cause\""));
    }

    #[test]
    fn a_field_with_a_default_may_come_and_go_between_versions() {
        for schema in all() {
            let whole = Schema::parse_str(schema.text).expect("a valid schema");
            let json = json_of(&schema);
            let fields = json["fields"].as_array().expect("a record has fields");
            for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.get("default").is_some()) {
                let mut without = json.clone();
                without["fields"].as_array_mut().expect("a record has fields").remove(index);
                // A type that is defined where it is first used goes with that field; only a leaf can go alone.
                let Ok(without) = Schema::parse(&without) else { continue };
                let both = SchemaCompatibility::mutual_read(&whole, &without);
                assert!(both.is_ok(), "{} of {}: {both:?}", field["name"], schema.record);
            }
        }
    }

    /// The symbols of the enum of that name, without UNKNOWN.
    fn symbols(of: &str) -> Vec<String> {
        let mut symbols = Vec::new();
        each_named(|_, object| {
            if object["name"] == of {
                let all = object["symbols"].as_array().expect("an enum has symbols");
                symbols = all.iter().skip(1).map(|symbol| symbol.as_str().unwrap_or_default().to_owned()).collect();
            }
        });
        symbols.sort();
        symbols
    }

    #[test]
    fn every_name_that_the_core_knows_has_a_symbol_and_no_symbol_is_without_one() {
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        let shipping =
            [&ShipmentKind::ALL.map(ShipmentKind::as_str)[..], &ReturnKind::ALL.map(ReturnKind::as_str)].concat();
        for (of, names) in [
            ("PaymentKind", PaymentKind::ALL.map(PaymentKind::as_str).to_vec()),
            ("InventoryKind", InventoryKind::ALL.map(InventoryKind::as_str).to_vec()),
            ("ShippingKind", shipping),
            ("OrderKind", OrderKind::ALL.map(OrderKind::as_str).to_vec()),
            ("OrderStatus", Status::ALL.map(Status::as_str).to_vec()),
            ("PaymentStatus", PaymentState::ALL.map(PaymentState::as_str).to_vec()),
            ("InventoryStatus", InventoryState::ALL.map(InventoryState::as_str).to_vec()),
            ("FulfilmentStatus", FulfilmentState::ALL.map(FulfilmentState::as_str).to_vec()),
            ("ReturnsStatus", ReturnsState::ALL.map(ReturnsState::as_str).to_vec()),
            ("CommandKind", ObligationKind::ALL.map(ObligationKind::as_str).to_vec()),
        ] {
            assert_eq!(symbols(of), sorted(names), "{of}");
        }
    }
}
