//! The connection to the schema registry: the schema of an id, and the rules of a subject.
//!
//! Wraps `schema_registry_converter`'s calls and nothing of its caches, which keep errors for good; rules are the one thing it has
//! no call for. What is decided here is what an answer means. Invariant: only the registry's own word "no such schema" (its error codes 404xx) is taken for one.
//! A 404 of whatever stands where the registry should be is an outage (it says 404, or no code at all), and an outage never costs a record.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use apache_avro::Schema;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_referenced_schema, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, RegisteredReference, SchemaType};

use super::registry_access::{Access, Client, Clients, described};
use crate::causes::chain;
use crate::ids::SchemaId;
use crate::panics;
use crate::trust::{self, Names};

const NAMES: Names =
    Names { address: "registry.url", authority: "registry.ssl_ca_file", certificate: "registry.username" };

/// How many schemas one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 64;

/// A look-up or a registration that did not come to an answer. Worth another try; at the start not, where it is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema registry at `{url}` {text}")]
pub struct RegistryError {
    /// Where it should have been.
    pub url: String,
    /// What it did instead of answering.
    pub text: String,
    /// Whether it does not let us in, or is not whom we trust.
    pub denied: bool,
}

/// What the registry says about an id.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An Avro schema, and those that it refers to.
    Schema(Box<Schema>, Vec<Schema>),
    /// Something that is no Avro schema, and what it is.
    Unusable(String),
    /// There is no such id.
    Unknown,
}

/// A connection to the registry, shared by all who ask.
#[derive(Clone)]
pub struct Registry {
    url: String,
    /// The URL as errors may show it: without a user and password that somebody put into it.
    shown: String,
    clients: Arc<Clients>,
}

impl Registry {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// Where the URL, the authority's file or the system's TLS cannot be used.
    pub fn new(access: Access) -> Result<Self, RegistryError> {
        let url = access.url.clone();
        let shown = without_credentials(&url);
        let clients = Clients::of(access).map_err(|text| unusable(&shown, &text))?;
        Ok(Self { url, shown, clients: Arc::new(clients) })
    }

    /// Where it is, for people: without credentials.
    #[must_use]
    pub fn shown_url(&self) -> &str {
        &self.shown
    }

    /// How `schema_registry_converter`'s own calls reach it.
    ///
    /// # Errors
    /// The authority's file cannot be read any more.
    pub fn settings(&self) -> Result<SrSettings, RegistryError> {
        Ok(self.client()?.settings.clone())
    }

    fn client(&self) -> Result<Arc<Client>, RegistryError> {
        self.clients.client().map_err(|text| unusable(&self.shown, &text))
    }

    /// Asks for the schema of an id.
    ///
    /// # Errors
    /// No answer, or one that makes no sense: try again.
    pub async fn schema(&self, id: SchemaId) -> Result<Answer, RegistryError> {
        let settings = self.settings()?;
        let registered = match get_schema_by_id(id.0, &settings).await {
            Ok(registered) => registered,
            Err(error) if code(&error).is_some_and(is_not_found) => return Ok(Answer::Unknown),
            Err(error) => return Err(self.failed(&error)),
        };
        if registered.schema_type != SchemaType::Avro {
            return Ok(Answer::Unusable(format!("it is of type {:?}, not Avro", registered.schema_type)));
        }
        let references = match self.referenced(&settings, registered.references).await? {
            Ok(references) => references,
            Err(text) => return Ok(Answer::Unusable(text)),
        };
        // No registry takes an Avro schema that is no JSON, so none gives one out: something else speaks, or half of it is missing.
        for text in references.iter().chain([&registered.schema]) {
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                return Err(self.no_answer(&format!("a schema that is no JSON ({error})")));
            }
        }
        Ok(parsed(&registered.schema, &references))
    }

    /// The texts of the referenced schemas, each once. The inner error is one that no other try would mend.
    async fn referenced(
        &self,
        settings: &SrSettings,
        mut wanted: Vec<RegisteredReference>,
    ) -> Result<Result<Vec<String>, String>, RegistryError> {
        let mut seen: Vec<(String, u32)> = Vec::new();
        let mut texts = Vec::new();
        while let Some(reference) = wanted.pop() {
            let version = (reference.subject.clone(), reference.version);
            if seen.contains(&version) {
                continue;
            }
            if seen.len() == REFERENCES_MAX {
                return Ok(Err(format!("it refers to more than {REFERENCES_MAX} schemas")));
            }
            seen.push(version);
            match get_referenced_schema(settings, &reference).await {
                Ok(registered) => {
                    texts.push(registered.schema);
                    wanted.extend(registered.references);
                }
                Err(error) if code(&error).is_some_and(is_not_found) => {
                    let RegisteredReference { subject, version, .. } = reference;
                    return Ok(Err(format!("it refers to version {version} of `{subject}`, which does not exist")));
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(Ok(texts))
    }

    /// Sets the compatibility rule of a subject. False, where the registry knows no such subject (yet).
    ///
    /// # Errors
    /// No answer, or another one: try again.
    pub async fn set_compatibility(&self, subject: &str, rule: &str) -> Result<bool, RegistryError> {
        let request = self.client()?.put(format!("{}/config/{subject}", self.url));
        let sent = request.json(&serde_json::json!({ "compatibility": rule })).send().await;
        let response = sent.map_err(|error| self.no_answer(&chain(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(true),
            reqwest::StatusCode::NOT_FOUND => Ok(false),
            status => Err(self.no_answer(&format!("status {status} to the compatibility rule of `{subject}`"))),
        }
    }

    /// The compatibility rule of a subject; none where it has no rule of its own.
    ///
    /// # Errors
    /// No answer, or another one: try again.
    pub async fn compatibility(&self, subject: &str) -> Result<Option<String>, RegistryError> {
        let sent = self.client()?.get(format!("{}/config/{subject}", self.url)).send().await;
        let response = sent.map_err(|error| self.no_answer(&chain(&error)))?;
        match response.status() {
            status if status.is_success() => {
                let rule: serde_json::Value = response.json().await.map_err(|error| self.no_answer(&chain(&error)))?;
                let rule = rule["compatibilityLevel"].as_str().or(rule["compatibility"].as_str());
                Ok(rule.map(str::to_owned))
            }
            reqwest::StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.no_answer(&format!("status {status} to the compatibility rule of `{subject}`"))),
        }
    }

    /// The error for a call that failed.
    #[must_use]
    pub fn failed(&self, error: &SRCError) -> RegistryError {
        self.no_answer(&described(error))
    }

    fn no_answer(&self, text: &str) -> RegistryError {
        // What the files hold may have changed: the next call begins with that.
        self.clients.failed();
        let remedy = if text.contains("status 401") {
            Some("correct registry.username and registry.password".to_owned())
        } else if text.contains("status 403") {
            Some("let the user of registry.username do this there".to_owned())
        } else {
            // OpenSSL's errors say where in it they come from.
            text.contains("SSL routines").then(|| trust::remedy(text, NAMES))
        };
        let denied = remedy.is_some();
        let remedy = remedy.map(|remedy| format!(": {remedy}")).unwrap_or_default();
        RegistryError { url: self.shown.clone(), text: format!("gave no useful answer: {text}{remedy}"), denied }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.shown).finish_non_exhaustive()
    }
}

/// The registry's own error code, where it gave one.
#[must_use]
pub fn code(error: &SRCError) -> Option<u32> {
    error.source()?.downcast_ref::<RawError>().map(|raw| raw.error_code)
}

/// Whether a code of the registry means that a subject, a version or a schema does not exist.
#[must_use]
pub fn is_not_found(code: u32) -> bool {
    (40_400..40_500).contains(&code)
}

fn parsed(schema: &str, references: &[String]) -> Answer {
    let parse = || match references {
        [] => Schema::parse_str(schema).map(|schema| (schema, Vec::new())),
        _ => Schema::parse_str_with_list(schema, references),
    };
    // The library panics on some schemas that are none, such as a fixed of 2^64 - 1 bytes; a lane must not end by that.
    match panics::contained(parse) {
        Ok(Ok((schema, references))) => Answer::Schema(Box::new(schema), references),
        Ok(Err(error)) => Answer::Unusable(format!("it is no valid Avro: {error}")),
        Err(_) => Answer::Unusable("it is no valid Avro: the library panics on it".to_owned()),
    }
}

fn without_credentials(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

fn unusable(url: &str, text: &str) -> RegistryError {
    RegistryError { url: url.to_owned(), text: format!("cannot be asked: {text}"), denied: true }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    #[tokio::test]
    async fn credentials_are_shown_nowhere() {
        let url = "http://user:hunter2@127.0.0.1:1/";
        let access = Access::to(url, Duration::from_millis(100)).with_user("user", Some(Secret::new("hunter3")));
        let registry = Registry::new(access).expect("a usable URL");
        let error = registry.schema(SchemaId(1)).await.expect_err("nobody is there");
        let rule = registry.set_compatibility("s", "FULL").await.expect_err("nobody is there");
        let shown = format!("{registry:?} {error} {error:?} {rule} {}", registry.shown_url());
        assert!(!shown.contains("hunter") && shown.contains("127.0.0.1:1"), "{shown}");
    }

    #[test]
    fn a_schema_that_the_library_panics_on_is_unusable() {
        let huge = serde_json::json!({"type": "fixed", "name": "Huge", "size": u64::MAX});
        let field = serde_json::json!({"name": "huge", "type": huge, "default": null});
        let schema = serde_json::json!({"type": "record", "name": "PaymentEvent", "fields": [field]});
        let answer = parsed(&schema.to_string(), &[]);
        assert_eq!(answer, Answer::Unusable("it is no valid Avro: the library panics on it".to_owned()));
    }
}
