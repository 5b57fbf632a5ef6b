//! The JSON Schema of the configuration file, made from the table of settings, for editors and for checks in a repository.
//!
//! It says what one value may be, with its documentation; combinations and what only a server knows are said by `config check`.
//! Nothing is required in it: whatever must be given may come from the environment. Invariant: it takes every file that is right.

use serde_json::{Map, Value, json};

use super::example::in_words;
use super::settings::SECTIONS;
use super::table::{Kind, Section, Setting};

/// The schema, of the 2020-12 draft.
#[must_use]
pub fn json_schema() -> Value {
    let sections = SECTIONS.iter().map(|section| (section.name.to_owned(), of_section(section)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of orderstream",
        "description": "Made by `orderstream config schema`. A setting that is left out can come from the environment.",
        "type": "object",
        "additionalProperties": false,
        "properties": sections.collect::<Map<_, _>>(),
    })
}

fn of_section(section: &Section) -> Value {
    let mut properties = Map::new();
    for setting in section.settings {
        properties.insert(setting.key.to_owned(), of_setting(setting));
        if let Some(file_key) = setting.file_key() {
            let description = format!("A file that holds nothing but {}.", setting.name());
            properties.insert(file_key, json!({ "type": "string", "minLength": 1, "description": description }));
        }
    }
    json!({
        "description": sentence(section.doc),
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of_setting(setting: &Setting) -> Value {
    let mut schema = of_kind(setting.rule.kind);
    schema["description"] = format!("{} {}.", sentence(setting.doc), in_words(setting)).into();
    if let Some(default) = setting.rule.default {
        schema["default"] = match setting.rule.kind {
            Kind::Flag => (default == "true").into(),
            Kind::Count(..) => default.parse::<u64>().map_or_else(|_| default.into(), Value::from),
            _ => default.into(),
        };
    }
    if setting.rule.secret {
        schema["writeOnly"] = true.into();
    }
    schema
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Count(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        // Bounds of a number only: those of a text would take the reading of units.
        Kind::Bytes(min, max) => json!({
            "type": ["integer", "string"], "minimum": min, "maximum": max,
            "pattern": "^ *[0-9]+ *(B|kB|MB|GB|KiB|MiB|GiB)? *$",
        }),
        Kind::Duration(..) => json!({ "type": "string", "pattern": "^ *([0-9]+(us|ms|s|m|h|d) *)+$" }),
        Kind::Word(max) => json!({ "type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{max}}}$") }),
        Kind::Topic => json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,249}$" }),
        Kind::Brokers => json!({ "type": "string", "pattern": "^[^,]+:[0-9]+ *(,[^,]+:[0-9]+ *)*$" }),
        Kind::Url(schemes) => json!({ "type": "string", "pattern": format!("^({})://.", schemes.join("|")) }),
        Kind::Text | Kind::Address | Kind::Path | Kind::Filter => json!({ "type": "string", "minLength": 1 }),
        Kind::Properties => {
            // A name without quotes is a table to TOML, as in `client.rack`.
            json!({ "type": "object", "additionalProperties": { "type": ["string", "integer", "boolean", "object"] } })
        }
    }
}

fn sentence(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::config::{Config, Environment, example};

    /// What a value breaks of a schema that uses no other keywords than ours do.
    fn broken(schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let mut broken = Vec::new();
        for (keyword, rule) in schema.as_object().expect("a schema is an object") {
            let holds = match keyword.as_str() {
                "$schema" | "title" | "description" | "default" | "writeOnly" => true,
                "type" => rule.as_array().map_or_else(|| vec![rule], |all| all.iter().collect()).iter().any(|one| {
                    match one.as_str() {
                        Some("object") => value.is_object(),
                        Some("string") => value.is_string(),
                        Some("integer") => value.is_i64() || value.is_u64(),
                        Some("boolean") => value.is_boolean(),
                        other => panic!("no such type: {other:?}"),
                    }
                }),
                "enum" => rule.as_array().expect("a list").contains(value),
                "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().expect("a number")),
                "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().expect("a number")),
                "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().expect("a number")),
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().expect("a text")).expect("a pattern");
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "properties" | "additionalProperties" => true,
                other => panic!("the schema uses `{other}`, which this test does not know"),
            };
            if !holds {
                broken.push(format!("{place}: {keyword}"));
            }
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => broken.extend(self::broken(schema, inner, &place)),
                // Nothing is said about what is deeper.
                (None, Value::Null) => {}
                (None, Value::Object(_)) => broken.extend(self::broken(&schema["additionalProperties"], inner, &place)),
                (None, _) => broken.push(format!("{place}: additionalProperties")),
            }
        }
        broken
    }

    fn of_text(text: &str) -> Vec<String> {
        let value: toml::Value = toml::from_str(text).expect("TOML");
        broken(&json_schema(), &serde_json::to_value(value).expect("JSON"), "")
    }

    /// The example with this line, and those that stand there without a hash.
    fn with_line(line: &str, section: &str) -> String {
        format!("[{section}]\n{line}\n")
    }

    #[test]
    fn the_example_and_each_of_its_lines_is_taken() {
        assert_eq!(of_text(&example()), Vec::<String>::new());
        let mut section = String::new();
        for line in example().lines() {
            if let Some(name) = line.strip_prefix('[').or(line.strip_prefix("#[")) {
                section = name.trim_end_matches(']').to_owned();
            }
            let setting = line.strip_prefix('#').filter(|rest| rest.contains(" = ") && !rest.starts_with(' '));
            if let Some(setting) = setting {
                assert_eq!(of_text(&with_line(setting, &section)), Vec::<String>::new(), "{setting}");
            }
        }
    }

    #[test]
    fn what_is_no_value_or_no_setting_is_refused_here_as_the_program_refuses_it() {
        for (section, line) in [
            ("kafka", "broker = \"b:1\""),
            ("kafka", "brokers = \"nobody\""),
            ("kafka", "session_timeout = 8"),
            ("kafka", "security_protocol = \"tls\""),
            ("worker", "writers = 65"),
            ("worker", "batch_max_bytes = \"8 megabytes\""),
            ("topics", "payment = \"pay ments\""),
            ("registry", "url = \"ftp://r\""),
            ("registry", "register_on_start = \"yes\""),
            ("orders", "a = 1"),
        ] {
            let text = with_line(line, section);
            assert!(!of_text(&text).is_empty(), "the schema takes {line}");
            assert!(Config::read(Some(("o.toml", &text)), &Environment::default()).is_err(), "{line}");
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_own_schema() {
        let schema = json_schema();
        for setting in SECTIONS.iter().flat_map(|section| section.settings) {
            let of = &schema["properties"][setting.section]["properties"][setting.key];
            if let Some(default) = of.get("default") {
                assert_eq!(broken(of, default, &setting.name()), Vec::<String>::new());
            }
        }
    }
}
