//! In which form each input topic's values are: Avro in Confluent's framing, or JSON.
//!
//! The configuration says it, the decoder and whoever shows records ask it. Invariant: a topic has one form. A value in the
//! other is refused with the setting's name, never guessed at.

use crate::order::Source;
use crate::order::names::named;

named! {
    /// The form of a topic's values.
    pub enum Format, "form of values" {
        /// Avro, with its schema's id in front or in a header.
        Avro = "avro",
        /// One JSON object, with nothing around it.
        Json = "json",
    }
}

impl Format {
    /// The words for it, as they are written in the configuration.
    pub const WORDS: &'static [&'static str] = &[Self::Avro.as_str(), Self::Json.as_str()];
}

/// The forms of all input topics; Avro wherever nobody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    payment: Format,
    inventory: Format,
    shipping: Format,
    order: Format,
}

impl Default for Formats {
    fn default() -> Self {
        Self::all(Format::Avro)
    }
}

impl Formats {
    /// The same form everywhere.
    #[must_use]
    pub fn all(format: Format) -> Self {
        Self { payment: format, inventory: format, shipping: format, order: format }
    }

    /// These, but for the topic of one source.
    #[must_use]
    pub fn with(self, source: Source, format: Format) -> Self {
        match source {
            Source::Payment => Self { payment: format, ..self },
            Source::Inventory => Self { inventory: format, ..self },
            Source::Shipping => Self { shipping: format, ..self },
            Source::Order => Self { order: format, ..self },
            // It has no topic.
            Source::Deadline => self,
        }
    }

    /// The form of a source's topic.
    #[must_use]
    pub fn of(self, source: Source) -> Format {
        match source {
            Source::Payment => self.payment,
            Source::Inventory => self.inventory,
            Source::Shipping => self.shipping,
            Source::Order => self.order,
            Source::Deadline => Format::Avro,
        }
    }
}

/// The setting that says the form of a source's topic.
#[must_use]
pub(super) fn setting(source: Source) -> String {
    format!("topics.{source}_format")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_the_form_that_was_said_of_it_and_the_others_keep_theirs() {
        for source in [Source::Payment, Source::Inventory, Source::Shipping, Source::Order] {
            let formats = Formats::default().with(source, Format::Json);
            for other in [Source::Payment, Source::Inventory, Source::Shipping, Source::Order] {
                let expected = if other == source { Format::Json } else { Format::Avro };
                assert_eq!(formats.of(other), expected, "{other} beside {source}");
            }
        }
        assert_eq!(Format::WORDS, Format::ALL.map(Format::as_str));
    }
}
