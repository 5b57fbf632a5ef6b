//! The configuration: one TOML file, overridden by environment variables, secrets from files. See `settings.rs` for what
//! can be set, which is also where everything else here takes names, kinds, defaults and texts from.
//!
//! The way of a value: `file` and `environment` say what was written where, `resolve` looks names up and lays the sources
//! over each other, `value` checks one, `rules` the combinations, and `Config` is the typed result.
//! Invariant: all problems are reported at once, and no secret is ever printed.

mod choices;
mod environment;
mod example;
mod file;
mod json_schema;
mod problem;
mod properties;
mod resolve;
mod rules;
mod secret;
mod secret_file;
mod settings;
mod suggest;
mod table;
mod typed;
pub mod units;
mod unknown;
mod value;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

pub use choices::{LogFormat, SaslMechanism, SecurityProtocol, ShellPolicy, SslMode};
pub use environment::{Environment, PREFIX};
pub use example::{example, in_words};
pub use json_schema::json_schema;
pub use problem::{Place, Problem, Problems};
pub use properties::Properties;
pub use resolve::Origin;
pub use secret::{MASK, Secret};
pub use settings::{
    Config, Database, Kafka, Log, Metrics, Policy, Registry, Retention, SECTIONS, Telemetry, Topics, Worker,
};
pub use table::{Kind, Rule, Section, Setting};

use crate::decode::Formats;
use crate::order::Source;
use crate::order::policy::{self as order, Micros, Shell};
use file::File;

/// Reads the configuration from a file, if one is named, and from the environment, which wins.
///
/// # Errors
///
/// Everything that is wrong, the file's absence included.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Config, Problems> {
    let Some(path) = path else { return Config::read(None, environment) };
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Config::read(Some((&name, &text)), environment),
        Err(error) => {
            let text = format!("it cannot be read ({error}): name the configuration file with --config");
            Err(Problems::new(vec![Problem::new(Place::File(name), text)]))
        }
    }
}

impl Config {
    /// Reads a configuration from a file's name and text, if there is one, and from the environment, which wins.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn read(file: Option<(&str, &str)>, environment: &Environment) -> Result<Self, Problems> {
        let (in_file, mut problems) = file.map_or_else(Default::default, |(name, text)| File { name, text }.read());
        let (in_environment, unreadable) = environment.read();
        problems.extend(unreadable);
        let complete = problems.is_empty();
        let (values, wrong) = resolve::resolve(&[in_file, in_environment], complete);
        problems.extend(wrong);
        if complete {
            problems.extend(rules::check(&values));
        }
        if problems.is_empty() { Ok(Self::build(values)) } else { Err(Problems::new(problems)) }
    }

    /// The policy that orders are derived under; what money means for a shell follows the topics unless it is written.
    #[must_use]
    pub fn order_policy(&self) -> order::Policy {
        let suggested = if self.topics.order.is_some() { ShellPolicy::Wait } else { ShellPolicy::Trust };
        order::Policy {
            shell: match self.policy.shell.unwrap_or(suggested) {
                ShellPolicy::Trust => Shell::Trust,
                ShellPolicy::Wait => Shell::Wait,
            },
            payment_window: self.policy.payment_window.map(micros),
            payment_retry_window: micros(self.policy.payment_retry_window),
            rejection_grace: micros(self.policy.rejection_grace),
            command_retry: micros(self.policy.command_retry),
            command_attempts: self.policy.command_attempts,
        }
    }

    /// Every setting that has a value, in the order of the table, with its origin. Secrets are masked.
    pub fn shown(&self) -> impl Iterator<Item = Shown> {
        SECTIONS.iter().flat_map(|section| section.settings).filter_map(|setting| {
            let (value, origin) = self.values().get(setting.section, setting.key)?;
            Some(Shown { setting, value: value.shown(), origin: origin.clone() })
        })
    }

    /// What was set on purpose, for one log line at start: `kafka.brokers=a:1 database.url=********`.
    #[must_use]
    pub fn redacted(&self) -> String {
        let written = self.shown().filter(|shown| shown.origin != Origin::Default);
        written.map(|shown| format!("{}={}", shown.setting.name(), shown.value)).collect::<Vec<_>>().join(" ")
    }
}

impl Topics {
    /// The input topics that are configured, each with its role.
    pub fn inputs(&self) -> impl Iterator<Item = (Source, &str)> {
        let inputs = [
            (Source::Payment, Some(self.payment.as_str())),
            (Source::Inventory, Some(self.inventory.as_str())),
            (Source::Shipping, Some(self.shipping.as_str())),
            (Source::Order, self.order.as_deref()),
        ];
        inputs.into_iter().filter_map(|(source, topic)| Some((source, topic?)))
    }

    /// In which form the input topics' values are.
    #[must_use]
    pub fn formats(&self) -> Formats {
        Formats::default()
            .with(Source::Payment, self.payment_format)
            .with(Source::Inventory, self.inventory_format)
            .with(Source::Shipping, self.shipping_format)
            .with(Source::Order, self.order_format)
    }
}

fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).ok().and_then(Micros::new).expect("the table bounds durations to a year")
}

/// A setting's value for a person.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value as it would be written; a secret is masked.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}
