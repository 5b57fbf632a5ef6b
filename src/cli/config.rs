//! `orderstream config`: the example file, its schema, what is set and by whom, and the check of it all without any server.
//!
//! Invariant: a secret is never shown, only where it comes from.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::exit::Exit;
use super::output::{self, Output};
use super::{ConfigFile, complain, print, with_config};
use crate::config::{self, Config, Origin, Place, SECTIONS};
use crate::consume::client;
use crate::decode::{Access, Registry};
use crate::persist;
use crate::telemetry::endpoint::Endpoint;

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
    /// Lists every setting with its value and where that comes from: the default, a line of the file, a variable, a secret's file.
    #[command(after_help = "Example:\n  orderstream config show --config orderstream.toml --set")]
    Show(ShowArgs),
    /// Prints the JSON Schema of the configuration file, for editors.
    #[command(after_help = "Example:\n  orderstream config schema > orderstream.schema.json")]
    Schema,
}

/// What to show.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Only what is not at its default.
    #[arg(long)]
    set: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl ConfigCommand {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        match self {
            Self::Example => print(&config::example()),
            Self::Schema => print(&output::json(&config::json_schema())),
            Self::Check(file) => with_config(&file, |config| check(&config)),
            Self::Show(args) => with_config(&args.file, |config| {
                let shown = shown(&config, args.set);
                let rows = || shown.iter().map(|one| vec![one.setting.clone(), one.text(), one.from.clone()]);
                args.output.answer(&shown, || output::table(&["setting", "value", "from"], rows()))
            }),
        }
    }
}

/// A setting as it is.
#[derive(Debug, Serialize)]
struct Shown {
    setting: String,
    /// As it would be written; a secret is masked. None where there is no value.
    value: Option<String>,
    /// `default`, `file`, `variable` or `secret_file`.
    origin: &'static str,
    /// Where exactly, for a person.
    from: String,
}

impl Shown {
    fn text(&self) -> String {
        self.value.as_ref().map_or_else(|| "-".to_owned(), |value| output::plain(value).into_owned())
    }
}

fn shown(config: &Config, only_set: bool) -> Vec<Shown> {
    let given: Vec<config::Shown> = config.shown().collect();
    let all = SECTIONS.iter().flat_map(|section| section.settings);
    let all = all.map(|setting| {
        let found = given.iter().find(|shown| shown.setting.name() == setting.name());
        let origin = found.map_or(&Origin::Default, |shown| &shown.origin);
        Shown {
            setting: setting.name(),
            value: found.map(|shown| shown.value.clone()),
            origin: match origin {
                Origin::Default => "default",
                Origin::Written(Place::Variable(_)) => "variable",
                Origin::Written(Place::File(_) | Place::Line(..) | Place::Setting(_)) => "file",
                Origin::SecretFile(_) => "secret_file",
            },
            from: origin.to_string(),
        }
    });
    all.filter(|shown| !only_set || shown.origin != "default").collect()
}

/// Says that a configuration is right.
fn check(config: &Config) -> Exit {
    let problems = unusable(config);
    if !problems.is_empty() {
        complain(problems.join("\n"));
        return Exit::Config;
    }
    let written = config.shown().filter(|shown| shown.origin != Origin::Default).count();
    print(&format!("the configuration is right: {written} settings given, the others are at their defaults\n"))
}

/// What is wrong with a configuration that was read. Most of what can be wrong was refused before; this is what only the client
/// libraries know: names and values of their properties, and whether certificates and keys fit together.
pub(super) fn unusable(config: &Config) -> Vec<String> {
    let kafka = client::check(&config.kafka);
    let registry = Registry::new(Access::from(&config.registry)).map(drop).map_err(|error| error.to_string());
    let database = persist::Settings::of(&config.database, "check").map(drop).map_err(|error| error.to_string());
    let telemetry = Endpoint::of(&config.telemetry).map(drop);
    [kafka, registry, database, telemetry].into_iter().filter_map(Result::err).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn every_setting_is_shown_with_where_it_comes_from_and_no_secret_is() {
        let password = std::env::temp_dir().join(format!("orderstream-password-{}", uuid::Uuid::new_v4()));
        std::fs::write(&password, "hunter2\n").unwrap();
        let text = format!(
            "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://u:hunter3@d/d\"\npassword_file = \"{}\"\n",
            password.display()
        );
        let environment: Environment = [("ORDERSTREAM__KAFKA__GROUP", "mine")].into_iter().collect();
        let config = Config::read(Some(("o.toml", &text)), &environment).expect("a configuration");
        std::fs::remove_file(&password).unwrap();
        let all = shown(&config, false);
        assert_eq!(all.len(), SECTIONS.iter().map(|section| section.settings.len()).sum::<usize>());
        let of = |name: &str| {
            let one = all.iter().find(|shown| shown.setting == name).unwrap();
            (one.text(), one.origin, one.from.clone())
        };
        assert_eq!(of("kafka.brokers"), ("b:1".to_owned(), "file", "o.toml:2".to_owned()));
        assert_eq!(of("kafka.group"), ("mine".to_owned(), "variable", "ORDERSTREAM__KAFKA__GROUP".to_owned()));
        assert_eq!(of("kafka.instance"), ("-".to_owned(), "default", "default".to_owned()));
        assert_eq!(
            of("database.password"),
            ("********".to_owned(), "secret_file", format!("file {}", password.display()))
        );
        assert!(!output::json(&all).contains("hunter"));
        assert_eq!(shown(&config, true).len(), 5);
    }
}
