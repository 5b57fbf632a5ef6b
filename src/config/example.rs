//! The commented example file, made from the table; `deploy/orderstream.example.toml` is this text, and a test compares.
//!
//! What must be given stands there with an example value; everything else is commented out and shows its default.
//! Invariant: the file passes `orderstream config check` as it is, and so does each line that is commented in.

use super::settings::SECTIONS;
use super::table::{Kind, Section, Setting};
use super::units::{bytes_text, duration_text};

const HEADER: &str = "\
# The configuration of orderstream. Made by `orderstream config example`: every setting, with its default.
#
# A setting can also come from the environment, which wins over this file: ORDERSTREAM__SECTION__KEY, for example
# ORDERSTREAM__KAFKA__BROKERS. A secret can also come from a file that holds nothing else: password_file = \"…\" here, or
# ORDERSTREAM__DATABASE__PASSWORD_FILE. With all that must be given in the environment, no file is needed.
#
# `orderstream config check --config FILE` says what is wrong with a file, all of it at once, without any server.
";

/// The example file's text.
#[must_use]
pub fn example() -> String {
    let sections = SECTIONS.iter().map(section_text);
    std::iter::once(HEADER.to_owned()).chain(sections).collect::<Vec<_>>().join("\n")
}

fn section_text(section: &Section) -> String {
    let mut text = comment(section.doc);
    text.push_str(&format!("[{}]\n", section.name));
    for setting in section.settings {
        text.push('\n');
        text.push_str(&comment(setting.doc));
        text.push_str(&format!("# {}.\n", in_words(setting)));
        text.push_str(&line(setting));
    }
    text
}

fn comment(doc: &[&str]) -> String {
    doc.iter().map(|line| format!("#{line}\n")).collect()
}

/// The setting as it would be written: commented out, unless it must be given.
fn line(setting: &Setting) -> String {
    let value = setting.rule.default.or(setting.rule.example);
    let hash = if setting.rule.required { "" } else { "#" };
    if let Kind::Properties = setting.rule.kind {
        return format!("#[{}]\n#{}\n", setting.name(), value.unwrap_or_default());
    }
    let written = match (setting.rule.kind, value) {
        (Kind::Flag | Kind::Count(..), Some(value)) => value.to_owned(),
        (_, Some(value)) => format!("\"{value}\""),
        (_, None) => "\"…\"".to_owned(),
    };
    let mut text = format!("{hash}{} = {written}\n", setting.key);
    if let Some(file_key) = setting.file_key() {
        text.push_str(&format!("#{file_key} = \"/run/secrets/{}_{}\"\n", setting.section, setting.key));
    }
    text
}

/// What a setting takes, in words: kind and bounds, whether it is needed, whether it is secret.
#[must_use]
pub fn in_words(setting: &Setting) -> String {
    let kind = match setting.rule.kind {
        Kind::Text => "Text".to_owned(),
        Kind::Word(max) => format!("Up to {max} letters, digits, `.`, `_`, `-`"),
        Kind::Flag => "true or false".to_owned(),
        Kind::Choice(words) => format!("One of {}", words.join(", ")),
        Kind::Count(min, max) => format!("A whole number, {min} to {max}"),
        Kind::Bytes(min, max) => format!("A size, {} to {}", bytes_text(min), bytes_text(max)),
        Kind::Duration(min, max) => format!("A duration, {} to {}", duration_text(min), duration_text(max)),
        Kind::Brokers => "host:port, separated by commas".to_owned(),
        Kind::Address => "An IP address and a port".to_owned(),
        Kind::Topic => "A topic".to_owned(),
        Kind::Url(schemes) => format!("A URL ({})", schemes.join(", ")),
        Kind::Path => "A path".to_owned(),
        Kind::Filter => "A filter".to_owned(),
        Kind::Properties => "A table of names and values".to_owned(),
    };
    let need = match (setting.rule.required, setting.rule.default) {
        (true, _) => "; must be given",
        (false, Some(_)) => "",
        (false, None) => "; optional",
    };
    let secret = if setting.rule.secret { "; secret" } else { "" };
    format!("{kind}{need}{secret}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, Origin};

    #[test]
    fn the_example_file_in_deploy_is_the_one_made_from_the_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/orderstream.example.toml");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(there == example(), "{file} is old: write it anew with `orderstream config example`");
    }

    #[test]
    fn the_example_passes_and_leaves_everything_else_at_its_default() {
        let config = Config::read(Some(("example", &example())), &Environment::default()).unwrap();
        let written: Vec<String> =
            config.shown().filter(|shown| shown.origin != Origin::Default).map(|shown| shown.setting.name()).collect();
        assert_eq!(written, ["kafka.brokers", "registry.url", "database.url"]);
    }

    #[test]
    fn every_line_of_the_example_passes_when_it_is_commented_in() {
        for (number, line) in example().lines().enumerate() {
            let commented = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '[']) && !rest.is_empty());
            let Some(setting) = commented.filter(|rest| !rest.contains("/run/secrets/")) else { continue };
            let text: Vec<String> = example()
                .lines()
                .enumerate()
                .map(|(at, line)| if at == number { setting.to_owned() } else { line.to_owned() })
                .map(|line| line.replace("#[kafka.properties]", "[kafka.properties]"))
                .collect();
            let read = Config::read(Some(("example", &text.join("\n"))), &Environment::default());
            let Err(problems) = read else { continue };
            let combination = |text: &str| {
                [" has no effect ", " needs ", " counts from ", " cannot be read "]
                    .iter()
                    .any(|part| text.contains(part))
            };
            assert!(problems.iter().all(|problem| combination(&problem.text)), "{setting}: {problems}");
        }
    }

    #[test]
    fn no_line_is_wider_than_a_screen_takes() {
        for line in example().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
