//! The schema registry through its Confluent API: schemas of the simulator go in, schemas of what was written come out.
//!
//! A client of its own, so that nothing here depends on how the product talks to a registry.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use apache_avro::Schema;
use serde_json::{Value as Json, json};

use crate::avro_reader::Readers;
use crate::schemas;
use crate::topics::Input;

/// A registry.
#[derive(Clone, Debug)]
pub struct Registry {
    url: String,
    http: reqwest::Client,
}

/// The ids of an input topic's schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSchemas {
    /// The schema of this release.
    pub current: u32,
    /// A schema with one kind more, as a later release might write with.
    pub newer: u32,
    /// A schema with one field more, which a [`crate::registry_front::Front`] can keep back for a while.
    pub later: u32,
}

impl Registry {
    /// The registry at this base URL.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn at(url: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http })
    }

    /// Registers a schema and returns its id, the same again for the same schema.
    ///
    /// # Errors
    /// The registry does not answer, or refuses the schema.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32> {
        let url = format!("{}/subjects/{subject}/versions", self.url);
        let request = self.http.post(&url).json(&json!({"schemaType": "AVRO", "schema": schema}));
        let answer = request.send().await.with_context(|| format!("registry at `{}` does not answer", self.url))?;
        let status = answer.status();
        let body: Json = answer.json().await.context("registry answers no JSON")?;
        match body["id"].as_u64().and_then(|id| u32::try_from(id).ok()) {
            Some(id) if status.is_success() => Ok(id),
            _ => bail!("registry refuses the schema of `{subject}` with {status}: {body}"),
        }
    }

    /// Registers the schemas of an input topic: the current one under its subject, the others under subjects of their own,
    /// since the rules of the topic's subject may refuse them.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn register_input(&self, input: Input, topic: &str) -> Result<InputSchemas> {
        Ok(InputSchemas {
            current: self.register(&format!("{topic}-value"), schemas::of(input)).await?,
            newer: self.register(&format!("{topic}-next-value"), &schemas::newer(input)).await?,
            later: self.register(&format!("{topic}-later-value"), &schemas::later(input)).await?,
        })
    }

    /// The schema of an id; none where the registry does not know it.
    ///
    /// # Errors
    /// The registry does not answer, or its answer is no Avro schema.
    pub async fn schema(&self, id: u32) -> Result<Option<Schema>> {
        // Registries number schemas in 32 bits with a sign, and have no common answer to more.
        if i32::try_from(id).is_err() {
            return Ok(None);
        }
        let answer = self.http.get(format!("{}/schemas/ids/{id}", self.url)).send().await;
        let answer = answer.with_context(|| format!("registry at `{}` does not answer", self.url))?;
        match answer.status().as_u16() {
            404 => Ok(None),
            200 => {
                let body: Json = answer.json().await.context("registry answers no JSON")?;
                let text = body["schema"].as_str().with_context(|| format!("schema {id} has no text"))?;
                Ok(Some(Schema::parse_str(text).with_context(|| format!("schema {id} is no Avro schema"))?))
            }
            other => bail!("registry answers {other} to the question for schema {id}"),
        }
    }

    /// Removes all subjects whose name begins so, for good.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn forget(&self, prefix: &str) -> Result<()> {
        let subjects: Vec<String> = self.http.get(format!("{}/subjects", self.url)).send().await?.json().await?;
        for subject in subjects.iter().filter(|subject| subject.starts_with(prefix)) {
            // First softly, then for good, as the API wants it.
            for query in ["", "?permanent=true"] {
                self.http.delete(format!("{}/subjects/{subject}{query}", self.url)).send().await?;
            }
        }
        Ok(())
    }
}

/// The schemas of a registry, asked for once each.
#[derive(Debug)]
pub struct SchemaCache {
    registry: Registry,
    known: HashMap<u32, Option<Schema>>,
}

impl SchemaCache {
    /// An empty cache in front of a registry.
    #[must_use]
    pub fn before(registry: Registry) -> Self {
        Self { registry, known: HashMap::new() }
    }

    /// Asks for these ids, unless they were asked for before.
    ///
    /// # Errors
    /// As [`Registry::schema`].
    pub async fn learn(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        for id in ids {
            if !self.known.contains_key(&id) {
                self.known.insert(id, self.registry.schema(id).await?);
            }
        }
        Ok(())
    }

    /// Readers for all schemas that were asked for and that the registry knows.
    #[must_use]
    pub fn readers(&self) -> Readers<'_> {
        Readers::of(self.known.iter().filter_map(|(id, schema)| Some((*id, schema.as_ref()?))))
    }
}
