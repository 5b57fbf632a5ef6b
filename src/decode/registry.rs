//! The connection to the schema registry: the schema of an id, and the rules of a subject.
//!
//! Wraps `schema_registry_converter`'s calls and nothing of its caches, which keep errors for good; rules are the one thing it has
//! no call for. What is decided here is what an answer means. Invariant: only the registry's own word "no such schema" (its error codes 404xx) is taken for one.
//! A 404 of whatever stands where the registry should be is an outage (it says 404, or no code at all), and an outage never costs a record.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use apache_avro::Schema;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_referenced_schema, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, RegisteredReference, SchemaType};

use crate::ids::SchemaId;

/// How many schemas one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 64;

/// A look-up or a registration that did not come to an answer. Always worth another try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema registry at `{url}` {text}")]
pub struct RegistryError {
    /// Where it should have been.
    pub url: String,
    /// What it did instead of answering.
    pub text: String,
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
    settings: SrSettings,
    client: reqwest::Client,
    credentials: Option<(String, Option<String>)>,
}

impl Registry {
    /// Prepares the connection; nothing is sent yet. `timeout` bounds each call as a whole.
    ///
    /// # Errors
    /// Where the URL or the system's TLS cannot be used.
    pub fn new(
        url: &str,
        username: Option<&str>,
        password: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, RegistryError> {
        let url = url.trim_end_matches('/').to_owned();
        let shown = without_credentials(&url);
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(timeout);
        if let Some(username) = username {
            builder.set_basic_authorization(username, password);
        }
        let settings = builder.build().map_err(|error| unusable(&shown, &described(&error)))?;
        let client =
            reqwest::Client::builder().timeout(timeout).build().map_err(|error| unusable(&shown, &chain(&error)))?;
        let credentials = username.map(|username| (username.to_owned(), password.map(str::to_owned)));
        Ok(Self { url, shown, settings, client, credentials })
    }

    /// Where it is, for people: without credentials.
    #[must_use]
    pub fn shown_url(&self) -> &str {
        &self.shown
    }

    /// How `schema_registry_converter`'s own calls reach it.
    #[must_use]
    pub fn settings(&self) -> &SrSettings {
        &self.settings
    }

    /// Asks for the schema of an id.
    ///
    /// # Errors
    /// No answer, or one that makes no sense: try again.
    pub async fn schema(&self, id: SchemaId) -> Result<Answer, RegistryError> {
        let registered = match get_schema_by_id(id.0, &self.settings).await {
            Ok(registered) => registered,
            Err(error) if code(&error).is_some_and(is_not_found) => return Ok(Answer::Unknown),
            Err(error) => return Err(self.failed(&error)),
        };
        if registered.schema_type != SchemaType::Avro {
            return Ok(Answer::Unusable(format!("it is of type {:?}, not Avro", registered.schema_type)));
        }
        let references = match self.referenced(registered.references).await? {
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
            match get_referenced_schema(&self.settings, &reference).await {
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
        let mut request = self.client.put(format!("{}/config/{subject}", self.url));
        if let Some((username, password)) = &self.credentials {
            request = request.basic_auth(username, password.as_ref());
        }
        let sent = request.json(&serde_json::json!({ "compatibility": rule })).send().await;
        let response = sent.map_err(|error| self.no_answer(&chain(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(true),
            reqwest::StatusCode::NOT_FOUND => Ok(false),
            status => Err(self.no_answer(&format!("status {status} to the compatibility rule of `{subject}`"))),
        }
    }

    /// The error for a call that failed.
    #[must_use]
    pub fn failed(&self, error: &SRCError) -> RegistryError {
        self.no_answer(&described(error))
    }

    fn no_answer(&self, text: &str) -> RegistryError {
        RegistryError { url: self.shown.clone(), text: format!("gave no useful answer: {text}") }
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
    match std::panic::catch_unwind(parse) {
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
    RegistryError { url: url.to_owned(), text: format!("cannot be asked: {text}") }
}

/// `schema_registry_converter`'s own words and the causes; its `Display` adds what its caches make of it.
fn described(error: &SRCError) -> String {
    match error.source() {
        Some(cause) => format!("{}: {}", error.error, chain(cause)),
        None => error.error.clone(),
    }
}

/// An error with all its causes: reqwest tells the reason only at the end of the chain.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_are_shown_nowhere() {
        let url = "http://user:hunter2@127.0.0.1:1/";
        let registry =
            Registry::new(url, Some("user"), Some("hunter3"), Duration::from_millis(100)).expect("a usable URL");
        let error = registry.schema(SchemaId(1)).await.expect_err("nobody is there");
        let rule = registry.set_compatibility("s", "FULL").await.expect_err("nobody is there");
        let shown = format!("{registry:?} {error} {error:?} {rule} {}", registry.shown_url());
        assert!(!shown.contains("hunter") && shown.contains("127.0.0.1:1"), "{shown}");
    }
}
