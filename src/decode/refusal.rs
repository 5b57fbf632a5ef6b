//! Why a record cannot be applied: a reason that a program branches on, and a text for the person who reads the dead letter.
//!
//! Made wherever a record is read, kept with the dead letter. Invariant: the same record is refused with the same reason
//! and text every time, so a replay that fails again says the same (DOMAIN section 9).

use std::borrow::Cow;
use std::fmt;

use crate::ids::SchemaId;
use crate::order::names::named;

named! {
    /// The reason codes of dead letters.
    pub enum Reason, "reason code" {
        /// The record has no key.
        NoKey = "no_key",
        /// The key is not the event's order id.
        KeyMismatch = "key_mismatch",
        /// Not in the form that the topic is set to: the registry's wire format, or one JSON object.
        BadFraming = "bad_framing",
        /// The registry does not know the schema.
        UnknownSchema = "unknown_schema",
        /// The body does not follow its schema, or the schema is not one of an event.
        BadAvro = "bad_avro",
        /// A kind that this version does not know.
        UnknownKind = "unknown_kind",
        /// The kind needs a field that is not there.
        MissingField = "missing_field",
        /// A field's value is out of bounds.
        BadValue = "bad_value",
        /// It happened more than 24 hours from now.
        OccurredInFuture = "occurred_in_future",
        /// The record, or what would come of it, is larger than we may write.
        TooLarge = "too_large",
        /// The database refuses what would come of it.
        ApplyFailed = "apply_failed",
    }
}

/// A record that is ill for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, for a program.
    pub reason: Reason,
    /// The field that is wrong, if it is one.
    pub field: Option<Cow<'static, str>>,
    /// What is wrong and what to do, for a person.
    pub text: String,
}

impl Refusal {
    /// A refusal that is not about one field.
    #[must_use]
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, field: None, text: text.into() }
    }

    /// A schema id that the registry does not know.
    #[must_use]
    pub fn unknown_schema(id: SchemaId) -> Self {
        let text = format!("the registry knows no schema {id}: check which registry the producer uses");
        Self::new(Reason::UnknownSchema, text)
    }

    /// A field that `needed_by` cannot do without.
    #[must_use]
    pub fn missing(field: impl Into<Cow<'static, str>>, needed_by: impl fmt::Display) -> Self {
        let field = field.into();
        let text = format!("`{field}` is missing: {needed_by} needs it");
        Self { reason: Reason::MissingField, field: Some(field), text }
    }

    /// A field whose value breaks a rule.
    #[must_use]
    pub fn bad_value(field: impl Into<Cow<'static, str>>, value: impl fmt::Display, rule: impl fmt::Display) -> Self {
        let field = field.into();
        let text = format!("`{field}` is `{}`: {rule}", Quoted(&value.to_string()));
        Self { reason: Reason::BadValue, field: Some(field), text }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

/// The most characters of a foreign value that a text repeats.
const QUOTED_CHARS: usize = 64;

/// A foreign value as a text may show it: on one line, nothing invisible, not too long.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shown in self.0.chars().take(QUOTED_CHARS) {
            write!(f, "{}", shown.escape_debug())?;
        }
        if self.0.chars().nth(QUOTED_CHARS).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}
