//! Environment variables as a source: `ORDERSTREAM__SECTION__KEY`, two underscores between the parts.
//!
//! Only names with both double underscores' prefix are ours: Kubernetes puts `ORDERSTREAM_PORT` and the like into every
//! container beside a service of that name. The variables are an argument, so tests bring their own.

use std::collections::BTreeMap;

use super::problem::{Place, Problem};
use super::resolve::{Given, Key};
use super::value::Raw;

/// What every variable of ours begins with.
pub const PREFIX: &str = "ORDERSTREAM__";

const PROPERTIES: &str = "KAFKA__PROPERTIES__";

/// The variables that are ours, sorted by name.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) {
                continue;
            }
            match value.into_string() {
                Ok(value) => _ = environment.variables.insert(name, value),
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// Everything given, and what could not be read. An empty value is kept: it takes an optional setting back.
    pub(super) fn read(&self) -> (Vec<Given>, Vec<Problem>) {
        let given = self.variables.iter().map(|(name, value)| Given {
            key: key_of(name),
            raw: Raw::Untyped(value.clone()),
            place: Place::Variable(name.clone()),
        });
        let problems = self.unreadable.iter().map(|name| {
            Problem::new(Place::Variable(name.clone()), "its value is not UTF-8: set it again, or unset it")
        });
        (given.collect(), problems.collect())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let ours = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: ours.filter(|(name, _)| name.starts_with(PREFIX)).collect(), unreadable: Vec::new() }
    }
}

/// The variable for a setting.
#[must_use]
pub fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

/// What a variable's name speaks of. `ORDERSTREAM__KAFKA__PROPERTIES__CLIENT_RACK` is the property `client.rack`.
fn key_of(name: &str) -> Key {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    if let Some(property) = rest.strip_prefix(PROPERTIES) {
        return Key::Property(property.to_lowercase().replace('_', "."));
    }
    match rest.split_once("__") {
        Some((section, key)) if rest == rest.to_uppercase() => Key::Setting(section.to_lowercase(), key.to_lowercase()),
        _ => Key::Unknown(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_a_section_and_a_key_in_capitals() {
        assert_eq!(
            key_of("ORDERSTREAM__KAFKA__SESSION_TIMEOUT"),
            Key::Setting("kafka".into(), "session_timeout".into())
        );
        assert_eq!(key_of(&variable("log", "filter")), Key::Setting("log".into(), "filter".into()));
        for strange in ["ORDERSTREAM__KAFKA", "ORDERSTREAM__kafka__brokers", "ORDERSTREAM__"] {
            assert_eq!(key_of(strange), Key::Unknown(strange.to_owned()));
        }
    }

    #[test]
    fn a_property_is_written_with_underscores_for_dots() {
        let key = key_of("ORDERSTREAM__KAFKA__PROPERTIES__SOCKET_KEEPALIVE_ENABLE");
        assert_eq!(key, Key::Property("socket.keepalive.enable".to_owned()));
    }

    #[test]
    fn variables_that_kubernetes_makes_for_a_service_are_not_ours() {
        let environment: Environment = [("ORDERSTREAM_PORT", "tcp://10.0.0.1"), ("PATH", "/bin")].into_iter().collect();
        assert!(environment.read().0.is_empty());
    }
}
