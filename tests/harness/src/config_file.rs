//! A worker's configuration file, as a test or a demonstration needs it.
//!
//! Begins with where everything is; a test sets what it is about. Invariant: what is not set stays at the product's default,
//! so tests run what users run.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::deployment::Deployment;
use crate::stack::Stack;
use crate::topics::Topics;

/// A configuration file in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigFile(Table);

impl ConfigFile {
    /// The file of a deployment, with nothing but its servers, topics and group.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        Self::new(&deployment.stack, &deployment.topics, &deployment.group)
    }

    /// The file of a deployment on these servers, with these topics and this group.
    #[must_use]
    pub fn new(stack: &Stack, topics: &Topics, group: &str) -> Self {
        let mut file = Self(Table::new());
        file.set("kafka.brokers", stack.brokers.as_str());
        file.set("kafka.group", group);
        for (input, topic) in topics.inputs() {
            file.set(&format!("topics.{input}"), topic);
        }
        file.set("topics.status", topics.status.as_str());
        for (role, topic) in [("command", &topics.command), ("dead_letter", &topics.dead_letter)] {
            if let Some(topic) = topic {
                file.set(&format!("topics.{role}"), topic.as_str());
            }
        }
        file.set("registry.url", stack.registry.as_str());
        file.set("database.url", stack.database.as_str());
        file
    }

    /// Gives the deployment a command topic, named like its status topic.
    pub fn send_commands(&mut self) -> &mut Self {
        let status = self.0.get("topics").and_then(|topics| topics.get("status")).and_then(Value::as_str);
        let commands = status.unwrap_or_default().replace("order-status", "order-commands");
        self.set("topics.command", commands)
    }

    /// Sets one setting, named with its section as in `worker.writers`.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        let (section, key) = name.split_once('.').unwrap_or(("", name));
        let section = self.0.entry(section).or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().expect("every section is a table").insert(key.to_owned(), value.into());
        self
    }

    /// Leaves one setting to its default again.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        let (section, key) = name.split_once('.').unwrap_or(("", name));
        if let Some(section) = self.0.get_mut(section).and_then(Value::as_table_mut) {
            section.remove(key);
        }
        self
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text()).with_context(|| format!("`{}` cannot be written", path.display()))
    }
}
