//! The merchant's choices: the few numbers of DOMAIN that are a setting and not a law.
//!
//! An argument of every derivation, never stored with the order. Read from configuration, or from a scenario's `policy`
//! object, where what is not said keeps its default.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::ids::Timestamp;
use crate::order::names::named;

/// The settings that a derivation depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether the money of a shell counts as payment.
    pub shell: Shell,
    /// How long after PLACED an order without a payment_due_at is to be paid; none: for ever.
    pub payment_window: Option<Micros>,
    /// How long after a decline another attempt may come.
    pub payment_retry_window: Micros,
    /// How long after a rejection stock may still turn up.
    pub rejection_grace: Micros,
    /// How long a command may stay unanswered before it is sent again.
    pub command_retry: Micros,
    /// How many attempts a command has before a person should look.
    pub command_attempts: u32,
}

named! {
    /// What to think of an order whose total nobody told us.
    pub enum Shell, "shell policy" {
        /// Money that is authorized or captured pays for it. The default without an order topic.
        Trust = "trust",
        /// It is never secured or settled. The default with an order topic.
        Wait = "wait",
    }
}

/// A length of time: 0 or more microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Micros(i64);

impl Micros {
    /// So many microseconds; none for a negative number.
    #[must_use]
    pub const fn new(micros: i64) -> Option<Self> {
        if micros < 0 { None } else { Some(Self(micros)) }
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as i64 * 1_000_000)
    }

    /// The number of microseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The instant this long after another one; the end of time if that is nearer.
    #[must_use]
    pub fn after(self, instant: Timestamp) -> Timestamp {
        Timestamp(instant.0.saturating_add(self.0))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            shell: Shell::Trust,
            payment_window: None,
            payment_retry_window: Micros::from_seconds(24 * 60 * 60),
            rejection_grace: Micros::default(),
            command_retry: Micros::from_seconds(15 * 60),
            command_attempts: 5,
        }
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = i64::deserialize(deserializer)?;
        Self::new(micros).ok_or_else(|| {
            let problem = format!("`{micros}` is not a length of time: use 0 or more microseconds");
            de::Error::custom(problem)
        })
    }
}
