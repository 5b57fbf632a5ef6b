//! `orderstream config`: the example file, its schema, what is set and by whom, and the check of it all without any server.
//!
//! Invariant: a secret is never shown, only where it comes from.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::exit::Exit;
use super::output::{self, Output};
use super::{ConfigFile, complain, print, refused, with_config};
use crate::config::{self, Config, Environment, Origin, Place, Problem, Problems, SECTIONS, load};
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
    #[command(after_help = "Examples:\n  \
        ORDERSTREAM__KAFKA__BROKERS=kafka:9092 orderstream config check --config base.toml\n  \
        orderstream config check -o json | jq -r '.problems[] | \"\\(.place): \\(.text)\"'\n\n\
        With -o json the answer is {ok, given, problems: [{place, text}]}: `given` counts the settings that are not at their \
        defaults and is null where the configuration cannot be read, `place` is null where only a client library found the \
        problem. Exit code 78 means that something is wrong.")]
    Check(CheckArgs),
    /// Lists every setting with its value and where that comes from: the default, a line of the file, a variable, a secret's file.
    #[command(after_help = "Example:\n  orderstream config show --config orderstream.toml --set")]
    Show(ShowArgs),
    /// Prints the JSON Schema of the configuration file, for editors.
    #[command(after_help = "Example:\n  orderstream config schema > orderstream.schema.json")]
    Schema,
}

/// How to answer.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
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
            Self::Check(args) => args.run(),
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

/// What a check of the configuration came to, for a program.
#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    /// How many settings are not at their defaults; none where the configuration cannot be read.
    given: Option<usize>,
    problems: Vec<Wrong>,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
struct Wrong {
    /// A line of the file, a variable or a setting; none where a client library found it.
    place: Option<String>,
    /// What is wrong and what to do.
    text: String,
}

impl Checked {
    fn of(read: &Result<Config, Problems>) -> Self {
        let (given, problems): (_, Vec<Wrong>) = match read {
            Ok(config) => {
                let unusable = unusable(config).into_iter().map(|text| Wrong { place: None, text });
                (Some(given(config)), unusable.collect())
            }
            Err(problems) => {
                let wrong =
                    |problem: &Problem| Wrong { place: Some(problem.place.to_string()), text: problem.text.clone() };
                (None, problems.iter().map(wrong).collect())
            }
        };
        Self { ok: problems.is_empty(), given, problems }
    }
}

impl CheckArgs {
    /// Says that the configuration is right, or all that is wrong with it.
    fn run(&self) -> Exit {
        let read = load(self.file.config.as_deref(), &Environment::of_process());
        let checked = Checked::of(&read);
        match (&read, checked.ok) {
            (Err(problems), _) if self.output.is_text() => return refused(problems),
            (Ok(_), false) if self.output.is_text() => {
                let texts: Vec<&str> = checked.problems.iter().map(|wrong| wrong.text.as_str()).collect();
                complain(texts.join("\n"));
                return Exit::Config;
            }
            _ => {}
        }
        let answered = self.output.answer(&checked, || {
            let given = checked.given.unwrap_or_default();
            format!("the configuration is right: {given} settings given, the others are at their defaults\n")
        });
        if answered == Exit::Ok && !checked.ok { Exit::Config } else { answered }
    }
}

/// How many settings are not at their defaults.
pub(super) fn given(config: &Config) -> usize {
    config.shown().filter(|shown| shown.origin != Origin::Default).count()
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_tells_a_program_each_problem_with_its_place() {
        let read = |text: &str| Config::read(Some(("o.toml", text)), &Environment::default());
        let good = "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://d/d\"\n";
        let told = |text: &str| serde_json::to_value(Checked::of(&read(text))).expect("texts");
        assert_eq!(told(good), json!({"ok": true, "given": 3, "problems": []}));
        let misspelt = told(&good.replace("brokers", "brokrs"));
        assert_eq!((&misspelt["ok"], &misspelt["given"]), (&json!(false), &json!(null)));
        assert_eq!(misspelt["problems"][0]["place"], "o.toml:2", "{misspelt}");
        let unusable = told(&good.replace("\"b:1\"", "\"b:1\"\nproperties = { \"sasl.pasword\" = \"hunter2\" }"));
        assert_eq!((&unusable["ok"], &unusable["given"]), (&json!(false), &json!(4)), "{unusable}");
        let text = unusable["problems"][0]["text"].as_str().expect("a text");
        assert!(text.contains("sasl.pasword") && !text.contains("hunter2"), "{unusable}");
        assert_eq!(unusable["problems"][0]["place"], json!(null));
    }

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
