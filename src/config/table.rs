//! The shape of the table of settings: what is known about one setting, and the macro that turns the declarations of
//! `settings.rs` into both the typed structs and the rows.
//!
//! Rows drive everything else: parsing, environment variables, suggestions, the example file, `config show`.
//! Invariant: a setting exists once, in one line of `settings.rs`; no other place repeats its name, kind or default.

use std::time::Duration;

/// One section of the file with its settings.
#[derive(Debug)]
pub struct Section {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is about, one string a line.
    pub doc: &'static [&'static str],
    /// Its settings in the order of the example file.
    pub settings: &'static [Setting],
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The section it is in.
    pub section: &'static str,
    /// Its name within the section.
    pub key: &'static str,
    /// What it is for, one string a line.
    pub doc: &'static [&'static str],
    /// What values it takes.
    pub rule: Rule,
}

impl Setting {
    /// Its name with the section, as in `kafka.brokers`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The environment variable that overrides it.
    #[must_use]
    pub fn variable(&self) -> String {
        super::environment::variable(self.section, self.key)
    }

    /// The key that names a file with its value; secrets only.
    #[must_use]
    pub fn file_key(&self) -> Option<String> {
        self.rule.secret.then(|| format!("{}_file", self.key))
    }
}

/// What values a setting takes, and what it is when nobody says.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The kind of value.
    pub kind: Kind,
    /// The value when nobody says, as it would be written in the environment.
    pub default: Option<&'static str>,
    /// A value for the example file where there is no default.
    pub example: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it must never be shown.
    pub secret: bool,
}

/// The kinds of values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One line of text, not empty.
    Text,
    /// A short word of letters, digits, `.`, `_` and `-`, at most so long.
    Word(usize),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within bounds.
    Count(u64, u64),
    /// A size in bytes within bounds.
    Bytes(u64, u64),
    /// A duration within bounds.
    Duration(Duration, Duration),
    /// `host:port`, several of them separated by commas.
    Brokers,
    /// `ip:port` to listen on.
    Address,
    /// A legal Kafka topic name.
    Topic,
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// A file's path.
    Path,
    /// A `tracing` filter such as `info,orderstream::publish=debug`.
    Filter,
    /// A table of names and values for librdkafka.
    Properties,
}

impl Rule {
    /// A rule for an optional setting of this kind.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self { kind, default: None, example: None, required: false, secret: false }
    }

    /// With this value when nobody says.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// With this value in the example file.
    #[must_use]
    pub const fn example(mut self, text: &'static str) -> Self {
        self.example = Some(text);
        self
    }

    /// That must be given; the example file shows this value.
    #[must_use]
    pub const fn required(mut self, example: &'static str) -> Self {
        self.required = true;
        self.example(example)
    }

    /// That is never shown and may come from a file of its own.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// Declares sections: for each a struct with its fields and a row for each setting, and `Config` with all of them.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $Type:ty = $rule:expr, )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $Type, )+
            }

            impl $Section {
                fn build(values: &Values) -> Self {
                    Self { $( $key: values.typed(stringify!($section), stringify!($key)), )+ }
                }
            }
        )+

        /// All settings, section by section.
        pub const SECTIONS: &[Section] = &[$(
            Section {
                name: stringify!($section),
                doc: &[$($about),+],
                settings: &[$(
                    Setting {
                        section: stringify!($section),
                        key: stringify!($key),
                        doc: &[$($doc),+],
                        rule: $rule,
                    },
                )+],
            },
        )+];

        /// A complete, checked configuration. Its `Debug` shows no secret.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $about])+ pub $section: $Section, )+
            values: Values,
        }

        impl Config {
            /// Builds the typed form of values that were all checked.
            pub(super) fn build(values: Values) -> Self {
                Self { $( $section: $Section::build(&values), )+ values }
            }

            /// The values as they were given, with their origins.
            pub(super) fn values(&self) -> &Values {
                &self.values
            }
        }
    };
}

pub(super) use sections;
