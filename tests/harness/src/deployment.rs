//! One deployment of orderstream as seen from outside: its servers, topics, group, database and policy.
//!
//! Read from a worker's configuration, or made afresh under a name of its own, so that tests and demonstrations never meet.

use std::path::Path;

use anyhow::{Context, Result};
use orderstream::config::{self, Config, Environment};
use orderstream::decode::{Format, Formats};
use orderstream::ids::Timestamp;
use orderstream::order::{Policy, Source};

use crate::config_file::ConfigFile;
use crate::stack::Stack;
use crate::topics::{Input, Topics};

/// A deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its servers; the database is the deployment's own.
    pub stack: Stack,
    /// Its topics.
    pub topics: Topics,
    /// Its consumer group.
    pub group: String,
    /// How its orders are judged.
    pub policy: Policy,
    /// How they were judged before, where that was ever changed.
    pub former_policies: Vec<Policy>,
    /// Since when its command topic is configured, where it was not from the start.
    pub commands_from: Option<Timestamp>,
    /// The largest record that its workers take.
    pub record_max_bytes: usize,
    /// The input topics whose values are JSON.
    pub in_json: Vec<Input>,
}

impl Deployment {
    /// The deployment that a worker's configuration file and the environment describe.
    ///
    /// # Errors
    /// All that is wrong with the configuration.
    pub fn from_config(path: &Path) -> Result<Self> {
        let config = config::load(Some(path), &Environment::of_process()).context("configuration cannot be used")?;
        Ok(Self::of(&config))
    }

    /// A deployment of its own on these servers: topics and group are named after it, the database is `database`.
    ///
    /// # Errors
    /// The name or the addresses make no valid configuration.
    pub fn fresh(stack: &Stack, name: &str, database: &str) -> Result<Self> {
        let stack = Stack { database: database.to_owned(), ..stack.clone() };
        let topics = Topics::with_prefix(&format!("{name}-"));
        Self::from_file(&ConfigFile::new(&stack, &topics, name))
    }

    /// The deployment that a file describes by itself.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub fn from_file(file: &ConfigFile) -> Result<Self> {
        let config = Config::read(Some(("the deployment's file", &file.text())), &Environment::default())?;
        Ok(Self::of(&config))
    }

    /// The policies that it has had, the present one first.
    #[must_use]
    pub fn policies(&self) -> Vec<Policy> {
        [&self.policy].into_iter().chain(&self.former_policies).cloned().collect()
    }

    /// From when on commands are sent; none for never.
    #[must_use]
    pub fn commands_since(&self) -> Option<Timestamp> {
        self.topics.command.as_ref().map(|_| self.commands_from.unwrap_or(Timestamp(i64::MIN)))
    }

    /// The deployment as it is now, with what is known of how it was before.
    #[must_use]
    pub fn after(mut self, before: Self, now: Timestamp) -> Self {
        let was_asking = before.topics.command.is_some();
        self.commands_from = if was_asking { before.commands_from } else { Some(now) };
        self.former_policies = before.former_policies;
        if self.policy != before.policy {
            self.former_policies.push(before.policy);
        }
        self
    }

    fn of(config: &Config) -> Self {
        let topics = &config.topics;
        Self {
            stack: Stack {
                brokers: config.kafka.brokers.clone(),
                registry: config.registry.url.clone(),
                database: config.database.url.expose().to_owned(),
            },
            topics: Topics {
                payment: topics.payment.clone(),
                inventory: topics.inventory.clone(),
                shipping: topics.shipping.clone(),
                order: topics.order.clone(),
                status: topics.status.clone(),
                command: topics.command.clone(),
                dead_letter: topics.dead_letter.clone(),
            },
            group: config.kafka.group.clone(),
            policy: config.order_policy(),
            former_policies: Vec::new(),
            commands_from: None,
            record_max_bytes: config.worker.record_max_bytes,
            in_json: inputs_in_json(topics.formats()),
        }
    }
}

fn inputs_in_json(formats: Formats) -> Vec<Input> {
    let sources = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order];
    let inputs = Input::ALL.into_iter().zip(sources);
    inputs.filter(|(_, source)| formats.of(*source) == Format::Json).map(|(input, _)| input).collect()
}
