//! `orderstream config`: the example file, and the check of a configuration without any server.

use clap::Subcommand;

use super::exit::Exit;
use super::{ConfigFile, complain, print, with_config};
use crate::config::{self, Config};
use crate::consume::client;
use crate::decode::{Access, Registry};
use crate::persist;

/// What can be asked about the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Prints a configuration file with every setting, what it is for and its default.
    #[command(after_help = "Example:\n  orderstream config example > orderstream.toml")]
    Example,
    /// Says everything that is wrong with the configuration, without any server.
    #[command(
        after_help = "Example:\n  ORDERSTREAM__KAFKA__BROKERS=kafka:9092 orderstream config check --config base.toml"
    )]
    Check(ConfigFile),
}

impl ConfigCommand {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        match self {
            Self::Example => print(&config::example()),
            Self::Check(file) => with_config(&file, |config| check(&config)),
        }
    }
}

/// Says that a configuration is right.
fn check(config: &Config) -> Exit {
    let problems = unusable(config);
    if !problems.is_empty() {
        complain(problems.join("\n"));
        return Exit::Config;
    }
    let written = config.shown().filter(|shown| shown.origin != config::Origin::Default).count();
    print(&format!("the configuration is right: {written} settings given, the others are at their defaults\n"))
}

/// What is wrong with a configuration that was read. Most of what can be wrong was refused before; this is what only the client
/// libraries know: names and values of their properties, and whether certificates and keys fit together.
pub(super) fn unusable(config: &Config) -> Vec<String> {
    let kafka = client::check(&config.kafka);
    let registry = Registry::new(Access::from(&config.registry)).map(drop).map_err(|error| error.to_string());
    let database = persist::Settings::of(&config.database, "check").map(drop).map_err(|error| error.to_string());
    [kafka, registry, database].into_iter().filter_map(Result::err).collect()
}
