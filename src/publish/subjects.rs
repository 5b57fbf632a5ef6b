//! How our schemas stand among the versions that the registry has of their subjects.
//!
//! For `orderstream schema list` and `check`, and `orderstream check`. Invariant: nothing is registered and no rule is set here; what
//! is compared is the text of every version that is there, not the registry's word for it.

use std::panic::AssertUnwindSafe;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use schema_registry_converter::async_impl::schema_registry::{get_all_versions, perform_sr_call};
use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, SrCall};

use super::schemas::{self, SchemaError, TopicSchema};
use crate::decode::avro::WriterSchema;
use crate::decode::registry::{Registry, RegistryError, code, is_not_found};
use crate::ids::SchemaId;
use crate::panics;

/// What the registry has of one of our subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The id of exactly our schema, and its version where the registry says it; none where it is not registered.
    pub ours: Option<(SchemaId, Option<u32>)>,
    /// The versions that are there, the oldest first.
    pub versions: Vec<u32>,
    /// Its compatibility rule; none where it has no rule of its own.
    pub rule: Option<String>,
    /// The versions that ours does not go together with, each with the reason.
    pub apart: Vec<(u32, String)>,
}

/// Who writes with the versions that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Producers do, and we read: every version must be one that we can read.
    Read,
    /// We do, and consumers read: all versions must be able to read each other.
    Written,
}

/// Looks at a subject and compares each of its versions with ours.
///
/// # Errors
/// No answer of the registry, or one that makes no sense.
pub async fn look(registry: &Registry, schema: &TopicSchema, side: Side) -> Result<Subject, RegistryError> {
    let ours = match schemas::find(registry, schema).await {
        Ok(found) => Some(found),
        Err(SchemaError::Registry(error)) => return Err(error),
        Err(SchemaError::NotRegistered { .. } | SchemaError::Refused { .. }) => None,
    };
    let mut versions = match get_all_versions(&registry.settings()?, schema.subject.clone()).await {
        Ok(versions) => versions,
        Err(error) if code(&error).is_some_and(is_not_found) => Vec::new(),
        Err(error) => return Err(registry.failed(&error)),
    };
    versions.sort_unstable();
    let mut apart = Vec::new();
    for version in &versions {
        let call = SrCall::GetBySubjectAndVersion(&schema.subject, *version);
        let there = match perform_sr_call(&registry.settings()?, call).await {
            Ok(there) => there,
            // Deleted since it was listed.
            Err(error) if code(&error).is_some_and(is_not_found) => continue,
            Err(error) => return Err(registry.failed(&error)),
        };
        if let Err(why) = compare(schema.text, &there, side) {
            apart.push((*version, why));
        }
    }
    let rule = registry.compatibility(&schema.subject).await?;
    Ok(Subject { ours, versions, rule, apart })
}

/// Whether a version goes together with ours, or why not.
fn compare(ours: &str, there: &RawRegisteredSchema, side: Side) -> Result<(), String> {
    if there.schema_type.as_deref().is_some_and(|kind| kind != "AVRO") {
        return Err(format!("it is of type {}, not Avro", there.schema_type.as_deref().unwrap_or_default()));
    }
    if there.references.as_ref().is_some_and(|references| !references.is_empty()) {
        return Err("it refers to other schemas, which ours never do".to_owned());
    }
    let text = there.schema.as_deref().unwrap_or_default();
    let compared = panics::contained(AssertUnwindSafe(|| {
        let there = Schema::parse_str(text).map_err(|error| format!("it is no valid Avro: {error}"))?;
        match side {
            Side::Read => WriterSchema::judge(&there, &[]).map(drop),
            Side::Written => {
                let ours = Schema::parse_str(ours).map_err(|error| format!("ours is no valid Avro: {error}"))?;
                SchemaCompatibility::mutual_read(&ours, &there).map(drop).map_err(|error| error.to_string())
            }
        }
    }));
    compared.unwrap_or_else(|_| Err("it is no valid Avro: the library panics on it".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status() -> TopicSchema {
        TopicSchema::of_status("order-status")
    }

    fn version_of(schema: &Value) -> RawRegisteredSchema {
        serde_json::from_value(json!({ "id": 1, "version": 1, "subject": "s", "schema": schema.to_string() }))
            .expect("an answer of a registry")
    }

    #[test]
    fn our_own_schema_goes_together_with_itself() {
        let ours: Value = serde_json::from_str(status().text).expect("a schema file is JSON");
        assert_eq!(compare(status().text, &version_of(&ours), Side::Written), Ok(()));
    }

    #[test]
    fn a_version_with_a_field_that_we_do_not_fill_is_apart() {
        let mut theirs: Value = serde_json::from_str(status().text).expect("a schema file is JSON");
        let fields = theirs["fields"].as_array_mut().expect("a record has fields");
        fields.push(json!({ "name": "warehouse", "type": "string" }));
        let why = compare(status().text, &version_of(&theirs), Side::Written).unwrap_err();
        assert!(why.contains("warehouse"), "{why}");
    }

    #[test]
    fn what_is_no_avro_is_apart_and_ends_nothing() {
        let huge = json!({"type": "fixed", "name": "Huge", "size": u64::MAX});
        for schema in [json!("nonsense"), huge] {
            assert!(compare(status().text, &version_of(&schema), Side::Read).is_err(), "{schema}");
        }
    }
}
