//! `orderstream config`: the example file, and the check of a configuration without any server.

use super::exit::Exit;
use super::print;
use crate::config::{self, Config};

/// Prints the example file.
pub(super) fn example() -> Exit {
    print(&config::example())
}

/// Says that a configuration is right; one that is not has already been refused.
pub(super) fn check(config: &Config) -> Exit {
    let written = config.shown().filter(|shown| shown.origin != config::Origin::Default).count();
    print(&format!("the configuration is right: {written} settings given, the others are at their defaults\n"))
}
