//! The records of the topics as they stand on the wire: flat, every field that only some kinds need optional.
//!
//! Read from Avro with the writer's schema, read from and written to JSON (scenarios, the journal). Invariant: a record
//! here judges types only; its `check` judges values and makes the event. The macro writes what all records share, so
//! that no topic can forget a field of the envelope.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::event::line::{self, Lines};

/// A text that came from outside. Shared with the event that is made of it.
pub(super) type Text = Arc<str>;

/// Declares one topic's record: the envelope of DOMAIN section 2, then the fields given.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident of $kind:ty {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// Names this event.
            pub event_id: $crate::decode::wire::Text,
            /// The order it belongs to.
            pub order_id: $crate::decode::wire::Text,
            /// What happened.
            #[serde(default)]
            pub kind: $crate::decode::wire::Kind<$kind>,
            /// When it happened at the source, in microseconds.
            pub occurred_at: i64,
            /// The service that reports it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub producer: Option<$crate::decode::wire::Text>,
            /// The business flow it belongs to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub correlation_id: Option<$crate::decode::wire::Text>,
            /// What led to it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub causation_id: Option<$crate::decode::wire::Text>,
            /// Why, in the producer's words.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub reason: Option<$crate::decode::wire::Text>,
            $(
                $(#[$field_doc])*
                #[serde(default, skip_serializing_if = "crate::decode::wire::Field::is_left_out")]
                pub $field: $type,
            )*
        }

        impl $crate::decode::wire::Object for $name {
            const FIELDS: &'static [&'static str] = &[
                "event_id", "order_id", "kind", "occurred_at", "producer", "correlation_id", "causation_id",
                "reason", $(stringify!($field)),*
            ];
            const REQUIRED: &'static [&'static str] = &["event_id", "order_id", "kind", "occurred_at"];
            const NEEDED_BY: &'static str = "every event";

            fn check_type<'de, D: serde::Deserializer<'de>>(
                field: &str,
                value: D,
            ) -> Result<(), $crate::decode::wire::Mistyped<D::Error>> {
                use $crate::decode::wire::{Kind, Text, of_type};
                match field {
                    "event_id" | "order_id" => of_type::<Text, D>(value),
                    "kind" => of_type::<Kind<$kind>, D>(value),
                    "occurred_at" => of_type::<i64, D>(value),
                    "producer" | "correlation_id" | "causation_id" | "reason" => of_type::<Option<Text>, D>(value),
                    $( stringify!($field) => of_type::<$type, D>(value), )*
                    _ => Ok(()),
                }
            }
        }

        impl $name {
            /// The fields that every record has, for the checks that they share.
            fn envelope(&self) -> $crate::decode::check::Envelope<'_> {
                $crate::decode::check::Envelope {
                    event_id: &self.event_id,
                    order_id: &self.order_id,
                    occurred_at: self.occurred_at,
                    producer: self.producer.as_ref(),
                    correlation_id: self.correlation_id.as_ref(),
                    causation_id: self.causation_id.as_ref(),
                    reason: self.reason.as_ref(),
                }
            }

            /// A record with the envelope of the event, and nothing else.
            fn with_envelope_of(event: &$crate::order::Event, kind: $kind) -> Self {
                Self {
                    event_id: event.event_id.clone().into(),
                    order_id: event.order_id.clone().into(),
                    kind: $crate::decode::wire::Kind::Known(kind),
                    occurred_at: event.occurred_at.0,
                    producer: event.producer.clone(),
                    correlation_id: event.correlation_id.clone(),
                    causation_id: event.causation_id.clone(),
                    reason: event.reason.clone(),
                    ..Self::default()
                }
            }
        }
    };
}

pub(super) use record;

/// An object whose fields we know: a record, or an element of `lines`.
pub(super) trait Object: DeserializeOwned {
    /// The names of all fields.
    const FIELDS: &'static [&'static str];
    /// Those that must be there.
    const REQUIRED: &'static [&'static str];
    /// Who needs them, for a person.
    const NEEDED_BY: &'static str;

    /// Checks that a value is of the type of that field.
    ///
    /// # Errors
    /// What it should have been.
    fn check_type<'de, D: Deserializer<'de>>(field: &str, value: D) -> Result<(), Mistyped<D::Error>>;
}

/// A value that is not of its field's type.
pub(super) struct Mistyped<E> {
    /// What the parser says.
    pub error: E,
    /// What the field takes, in words.
    pub wanted: &'static str,
}

/// Checks that a value is of a type.
pub(super) fn of_type<'de, T: Typed + Deserialize<'de>, D: Deserializer<'de>>(
    value: D,
) -> Result<(), Mistyped<D::Error>> {
    T::deserialize(value).map(drop).map_err(|error| Mistyped { error, wanted: T::WANTED })
}

/// A type of a field, in words for who writes it by hand.
pub(super) trait Typed {
    /// What to write.
    const WANTED: &'static str;
}

impl Typed for Text {
    const WANTED: &'static str = "a text in quotes";
}

impl Typed for i64 {
    const WANTED: &'static str = "a whole number of at most 64 bits, without quotes, fraction and exponent";
}

impl Typed for i32 {
    const WANTED: &'static str = "a whole number of at most 32 bits, without quotes, fraction and exponent";
}

impl Typed for bool {
    const WANTED: &'static str = "true or false";
}

impl Typed for Vec<Line> {
    const WANTED: &'static str = "a list of objects";
}

impl<K> Typed for Kind<K> {
    const WANTED: &'static str = "the kind's name in quotes";
}

impl<T: Typed> Typed for Option<T> {
    const WANTED: &'static str = T::WANTED;
}

/// A field that can be left out when a record is written.
pub(super) trait Field {
    fn is_left_out(&self) -> bool;
}

impl<T> Field for Option<T> {
    fn is_left_out(&self) -> bool {
        self.is_none()
    }
}

impl Field for Vec<Line> {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

/// One element of `lines`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which line.
    pub line_id: Text,
    /// The article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Text>,
    /// How many pieces.
    pub quantity: i32,
}

impl Object for Line {
    const FIELDS: &'static [&'static str] = &["line_id", "sku", "quantity"];
    const REQUIRED: &'static [&'static str] = &["line_id", "quantity"];
    const NEEDED_BY: &'static str = "every line";

    fn check_type<'de, D: Deserializer<'de>>(field: &str, value: D) -> Result<(), Mistyped<D::Error>> {
        match field {
            "line_id" => of_type::<Text, D>(value),
            "sku" => of_type::<Option<Text>, D>(value),
            "quantity" => of_type::<i32, D>(value),
            _ => Ok(()),
        }
    }
}

impl Line {
    /// The elements that say these lines again.
    pub(super) fn all_of(lines: &Lines) -> Vec<Self> {
        let element = |line: &line::Line| Self {
            line_id: line.line_id.clone().into(),
            sku: line.sku.clone().map(Text::from),
            quantity: line.quantity.get(),
        };
        lines.as_slice().iter().map(element).collect()
    }
}

/// A kind, or the symbol that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<K> {
    /// One that we know.
    Known(K),
    /// One that we do not know, or `UNKNOWN` where none was given.
    Unknown(Text),
}

/// The name of a kind on the wire.
pub trait Symbol: Sized {
    /// The kind of that name.
    fn of_symbol(symbol: &str) -> Option<Self>;
    /// The name of the kind.
    fn symbol(&self) -> &'static str;
}

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Self::Unknown(Text::from("UNKNOWN"))
    }
}

impl<K: Symbol> Serialize for Kind<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Known(kind) => kind.symbol(),
            Self::Unknown(symbol) => symbol,
        })
    }
}

impl<'de, K: Symbol> Deserialize<'de> for Kind<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // JSON has another form for enums, `{"CAPTURED": null}`, which is none of the contract's.
        if deserializer.is_human_readable() {
            SymbolSeed(PhantomData).deserialize(deserializer)
        } else {
            deserializer.deserialize_enum("Kind", &[], KindVisitor(PhantomData))
        }
    }
}

/// Takes any symbol of an enum, where serde's derive would lose the name of one it does not know.
struct KindVisitor<K>(PhantomData<K>);

impl<'de, K: Symbol> Visitor<'de> for KindVisitor<K> {
    type Value = Kind<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Kind<K>, A::Error> {
        let (kind, variant) = data.variant_seed(SymbolSeed(PhantomData))?;
        variant.unit_variant()?;
        Ok(kind)
    }
}

struct SymbolSeed<K>(PhantomData<K>);

impl<'de, K: Symbol> DeserializeSeed<'de> for SymbolSeed<K> {
    type Value = Kind<K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind<K>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<K: Symbol> Visitor<'_> for SymbolSeed<K> {
    type Value = Kind<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind's name")
    }

    fn visit_str<E: de::Error>(self, symbol: &str) -> Result<Kind<K>, E> {
        Ok(K::of_symbol(symbol).map_or_else(|| Kind::Unknown(symbol.into()), Kind::Known))
    }
}
