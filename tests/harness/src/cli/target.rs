//! Which deployment a command is about: a worker's configuration file, or addresses and names one by one.
//!
//! With a file, the environment overrides it as it does for a worker, so both always mean the same deployment.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config_file::ConfigFile;
use crate::deployment::Deployment;
use crate::stack::Stack;
use crate::topics::Topics;

/// A deployment on the command line.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// A worker's configuration file; with it, the other options of this group are not needed.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kafka's brokers.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "localhost:9092")]
    brokers: String,
    /// The registry's base URL.
    #[arg(long, env = "REGISTRY_URL", default_value = "http://localhost:8081")]
    registry: String,
    /// The deployment's database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "postgres://localhost/orderstream")]
    database: String,
    /// The consumer group.
    #[arg(long, default_value = "orderstream")]
    group: String,
    /// What stands in front of the topics' usual names.
    #[arg(long, default_value = "")]
    topics_prefix: String,
}

impl Target {
    /// The deployment.
    pub fn deployment(self) -> Result<Deployment> {
        if let Some(path) = &self.config {
            return Deployment::from_config(path);
        }
        let stack = Stack { brokers: self.brokers, registry: self.registry, database: self.database };
        Deployment::from_file(&ConfigFile::new(&stack, &Topics::with_prefix(&self.topics_prefix), &self.group))
    }
}
