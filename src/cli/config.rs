//! `orderstream config`: the example file, and the check of a configuration without any server.

use super::exit::Exit;
use super::{complain, print};
use crate::config::{self, Config};
use crate::consume::client;
use crate::decode::{Access, Registry};
use crate::persist;

/// Prints the example file.
pub(super) fn example() -> Exit {
    print(&config::example())
}

/// Says that a configuration is right; one that is not has already been refused, but for what only the client libraries know: names
/// and values of their properties, and whether certificates and keys fit together.
pub(super) fn check(config: &Config) -> Exit {
    let kafka = client::check(&config.kafka);
    let registry = Registry::new(Access::from(&config.registry)).map(drop).map_err(|error| error.to_string());
    let database = persist::Settings::of(&config.database, "check").map(drop).map_err(|error| error.to_string());
    let problems: Vec<String> = [kafka, registry, database].into_iter().filter_map(Result::err).collect();
    if !problems.is_empty() {
        complain(problems.join("\n"));
        return Exit::Config;
    }
    let written = config.shown().filter(|shown| shown.origin != config::Origin::Default).count();
    print(&format!("the configuration is right: {written} settings given, the others are at their defaults\n"))
}
