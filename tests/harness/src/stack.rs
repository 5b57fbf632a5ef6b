//! Where the servers are: Kafka, the schema registry and Postgres, as `make up` tells them in `target/stack/env`.
//!
//! Everything that talks to a server begins here. Invariant: no address is written anywhere else in the harness.

use anyhow::{Context, Result};
use rdkafka::ClientConfig;

/// The addresses of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Kafka's brokers to start from.
    pub brokers: String,
    /// The registry's base URL.
    pub registry: String,
    /// The database that may make databases.
    pub database: String,
}

impl Stack {
    /// The addresses in `KAFKA_BROKERS`, `REGISTRY_URL` and `DATABASE_URL`.
    ///
    /// # Errors
    /// One of them is not set.
    pub fn from_env() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name)
                .with_context(|| format!("`{name}` is not set: run `make up`, then `. target/stack/env`"))
        };
        Ok(Self {
            brokers: variable("KAFKA_BROKERS")?,
            registry: variable("REGISTRY_URL")?,
            database: variable("DATABASE_URL")?,
        })
    }
}

/// A client configuration with what every client of the harness has in common.
#[must_use]
pub fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("client.id", "orderstream-harness");
    // A topic that was just made is looked for again quickly.
    config.set("topic.metadata.refresh.fast.interval.ms", "50");
    config
}
