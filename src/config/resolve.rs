//! From what the sources give to one value a setting: names looked up, layers laid over each other, secrets read.
//!
//! The environment lies over the file, the file over the defaults. A secret and the file that holds it are one thing: an
//! upper layer replaces both, one layer may give only one. Invariant: every value in `Values` passed its rule, and each
//! name that is missing there although somebody gave it has a problem in the list.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Place, Problem};
use super::properties::{self, Properties};
use super::secret_file;
use super::settings::SECTIONS;
use super::table::{Kind, Setting};
use super::typed::FromValue;
use super::unknown;
use super::value::{self, Raw, Value};

/// What a source speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A section's header.
    Section(String),
    /// A key in a section.
    Setting(String, String),
    /// A property for librdkafka.
    Property(String),
    /// A key of the file outside of any section.
    Loose(String),
    /// A variable that has our prefix and not our form.
    Unknown(String),
}

/// One thing that a source gives.
pub struct Given {
    /// What it speaks of.
    pub key: Key,
    /// What it says.
    pub raw: Raw,
    /// Where it was written.
    pub place: Place,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said; it is the default.
    Default,
    /// It was written here.
    Written(Place),
    /// It was read from a secret's file.
    SecretFile(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Written(place) => write!(f, "{place}"),
            Self::SecretFile(path) => write!(f, "file {path}"),
        }
    }
}

type Name = (&'static str, &'static str);

/// The values of all settings that have one. Its `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Values {
    known: BTreeMap<Name, (Value, Origin)>,
    ill: BTreeSet<Name>,
}

impl Values {
    /// A setting's value and where it comes from, if it has one.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<(&Value, &Origin)> {
        let setting = find(section, key);
        debug_assert!(setting.is_some(), "no setting {section}.{key}");
        self.known.get(&name(setting?)).map(|(value, origin)| (value, origin))
    }

    /// A setting's value in the type of its field.
    ///
    /// # Panics
    ///
    /// When the setting is missing or of another type: a bug, since values are only asked for after all were checked.
    #[must_use]
    pub(super) fn typed<T: FromValue>(&self, section: &str, key: &str) -> T {
        T::from_value(self.get(section, key).map(|(value, _)| value))
            .expect("a setting's kind fits its field, and all were checked before the configuration is built")
    }

    /// Whether nobody gave the setting and it has no default. A value that was refused counts as given.
    #[must_use]
    pub(super) fn is_absent(&self, section: &str, key: &str) -> bool {
        self.get(section, key).is_none() && find(section, key).is_none_or(|setting| !self.ill.contains(&name(setting)))
    }
}

/// Lays the sources over the defaults. `complete` says that every source could be read, so what is missing is missing.
pub(super) fn resolve(layers: &[Vec<Given>], complete: bool) -> (Values, Vec<Problem>) {
    let mut values = Values { known: defaults(), ill: BTreeSet::new() };
    let mut problems = Vec::new();
    for layer in layers {
        apply(layer, &mut values, &mut problems);
    }
    if complete {
        problems.extend(missing(&values));
    }
    (values, problems)
}

fn apply(layer: &[Given], values: &mut Values, problems: &mut Vec<Problem>) {
    let mut given_by: BTreeMap<Name, &Given> = BTreeMap::new();
    for given in layer {
        if let Key::Property(property) = &given.key {
            apply_property(property, given, values).unwrap_or_else(|problem| problems.push(problem));
            continue;
        }
        let (setting, is_file) = match lookup(given) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(text) => {
                problems.push(Problem::new(given.place.clone(), text));
                continue;
            }
        };
        if takes_back(given) && given_by.contains_key(&name(setting)) {
            continue;
        }
        if let Some(other) = given_by.insert(name(setting), given)
            && !takes_back(other)
        {
            problems.push(given_twice(setting, given, other));
            continue;
        }
        match evaluate(setting, is_file, given) {
            Ok(Some((value, origin))) => _ = values.known.insert(name(setting), (value, origin)),
            Ok(None) => _ = values.known.remove(&name(setting)),
            Err(text) => {
                values.known.remove(&name(setting));
                values.ill.insert(name(setting));
                problems.push(Problem::new(given.place.clone(), text));
            }
        }
    }
}

/// Finds the setting that a key speaks of, and whether it names the file of a secret. Nothing for a good header and for
/// a key below a bad one, which was already reported.
fn lookup(given: &Given) -> Result<Option<(&'static Setting, bool)>, String> {
    match &given.key {
        Key::Section(section) if section_exists(section) => Ok(None),
        Key::Setting(section, key) => match (find_with_file(section, key), &given.place) {
            (Some(found), _) => Ok(Some(found)),
            (None, Place::Variable(variable)) => Err(unknown::variable(variable)),
            (None, _) => unknown::setting(section, key).map_or(Ok(None), Err),
        },
        Key::Section(section) => Err(unknown::section(section)),
        Key::Loose(key) => Err(unknown::loose(key)),
        Key::Unknown(variable) => Err(unknown::variable(variable)),
        Key::Property(_) => Ok(None),
    }
}

type Evaluated = Option<(Value, Origin)>;

fn evaluate(setting: &'static Setting, is_file: bool, given: &Given) -> Result<Evaluated, String> {
    if takes_back(given) && !setting.rule.required && setting.rule.default.is_none() {
        return Ok(None);
    }
    if is_file {
        let path = match &given.raw {
            Raw::Text(path) | Raw::Untyped(path) => path,
            other => return Err(format!("{}_file = {}: write a path in quotes", setting.name(), other.quoted())),
        };
        let text = secret_file::read(path).map_err(|text| format!("{}_file = `{path}`: {text}", setting.name()))?;
        let value = value::parse(&setting.rule, &Raw::Untyped(text))
            .map_err(|remedy| format!("{}_file = `{path}`: its content is not right: {remedy}", setting.name()))?
            .of_file(path);
        return Ok(Some((value, Origin::SecretFile(path.clone()))));
    }
    let quoted = given.raw.quoted();
    // A URL with a user in it may hold a password too.
    let hidden = setting.rule.secret || (matches!(setting.rule.kind, Kind::Url(_)) && quoted.contains('@'));
    let shown = if hidden { super::secret::MASK.to_owned() } else { quoted };
    value::parse(&setting.rule, &given.raw)
        .map(|value| Some((value, Origin::Written(given.place.clone()))))
        .map_err(|remedy| format!("{} = {shown}: {remedy}", setting.name()))
}

/// An empty variable takes an optional setting back, as compose files write it: `KEY: ${KEY:-}`.
fn takes_back(given: &Given) -> bool {
    matches!(&given.raw, Raw::Untyped(text) if text.is_empty())
}

fn apply_property(property: &str, given: &Given, values: &mut Values) -> Result<(), Problem> {
    let problem = |text: String| Problem::new(given.place.clone(), format!("kafka.properties.{property}: {text}"));
    if let Some(why) = properties::refusal(property) {
        return Err(problem(format!("it cannot be set: {why}")));
    }
    let text = match &given.raw {
        Raw::Untyped(text) | Raw::Text(text) | Raw::Integer(text) => text.clone(),
        Raw::Flag(flag) => flag.to_string(),
        Raw::Other(what) => return Err(problem(format!("it is {what}: write text, a whole number, true or false"))),
    };
    if text.contains('\0') {
        return Err(problem("it contains NUL: write text without it".to_owned()));
    }
    let entry = values
        .known
        .entry(("kafka", "properties"))
        .or_insert_with(|| (Value::Properties(Properties::default()), Origin::Default));
    if let Value::Properties(properties) = &mut entry.0 {
        properties.insert(property.to_owned(), text);
        entry.1 = Origin::Written(given.place.clone());
    }
    Ok(())
}

fn given_twice(setting: &Setting, given: &Given, other: &Given) -> Problem {
    let name = setting.name();
    Problem::new(given.place.clone(), format!("{name} and {name}_file ({}) are both given: keep one", other.place))
}

fn missing(values: &Values) -> Vec<Problem> {
    all()
        .filter(|setting| setting.rule.required && values.is_absent(setting.section, setting.key))
        .map(|setting| {
            let text = format!("must be given: write it in [{}] or set {}", setting.section, setting.variable());
            Problem::new(Place::Setting(setting.name()), text)
        })
        .collect()
}

fn defaults() -> BTreeMap<Name, (Value, Origin)> {
    all()
        .filter_map(|setting| {
            let text = setting.rule.default?;
            let value = value::parse(&setting.rule, &Raw::Untyped(text.to_owned()));
            Some((name(setting), (value.expect("a test parses every default"), Origin::Default)))
        })
        .collect()
}

/// Every setting, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

fn find(section: &str, key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.section == section && setting.key == key)
}

fn find_with_file(section: &str, key: &str) -> Option<(&'static Setting, bool)> {
    let by_file = || all().find(|setting| setting.section == section && setting.file_key().as_deref() == Some(key));
    find(section, key).map(|setting| (setting, false)).or_else(|| by_file().map(|setting| (setting, true)))
}

fn section_exists(section: &str) -> bool {
    SECTIONS.iter().any(|known| known.name == section)
}

fn name(setting: &Setting) -> Name {
    (setting.section, setting.key)
}
