//! Enums whose values have a name in the outside world: one declaration gives the name, its parsing and its serde form.
//!
//! Used by every kind, status, region, flag and reason. Invariant: `ALL` holds every value in the order of declaration,
//! so a test can ask for each of them.

use std::fmt;

/// Declares a plain enum with the text of each value, `ALL`, `as_str`, `Display`, `FromStr` and serde as that text.
macro_rules! named {
    (
        $(#[$doc:meta])*
        pub enum $name:ident, $what:literal {
            $( $(#[$value_doc:meta])* $value:ident = $text:literal, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $( $(#[$value_doc])* #[serde(rename = $text)] $value, )+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$value),+];

            /// The name in the outside world.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::order::names::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.into_iter().find(|value| value.as_str() == text);
                known.ok_or_else(|| $crate::order::names::UnknownName {
                    what: $what,
                    value: text.to_owned(),
                    known: Self::ALL.map(Self::as_str).join(", "),
                })
            }
        }
    };
}

pub(crate) use named;

/// A text that is no name of the enum it was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was to be read, for example `status`.
    pub what: &'static str,
    /// The text as it came.
    pub value: String,
    /// The names that would have been understood, separated by commas.
    pub known: String,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a {}: use one of {}", self.value, self.what, self.known)
    }
}

impl std::error::Error for UnknownName {}
