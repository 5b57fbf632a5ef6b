//! The identifiers and units that every stage speaks: one newtype for each thing that could be swapped with another.
//!
//! Nothing here knows where a value comes from or goes to. `order/` imports these and nothing else of ours.
//! Invariant: a value of a text type was checked where it was made (length, no NUL), so later stages never check again.

use std::fmt;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor).map(Self)
            }
        }

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text)
            }
        }

        impl From<$name> for Arc<str> {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

/// Makes the shared text of an id at once, where serde would go by way of a `String` and a `Box`.
struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(Arc::from(text))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

text_id! {
    /// An order's id: 1-128 bytes of UTF-8 without NUL, equal to the Kafka key of its records (DOMAIN section 2).
    OrderId
}
text_id! {
    /// An event's id: 1-128 bytes of UTF-8, the same again when a producer retries (DOMAIN section 2).
    EventId
}

text_id! {
    /// One attempt to hold money (DOMAIN section 3).
    AuthorizationId
}
text_id! {
    /// One taking of money, whole or part (DOMAIN section 3).
    CaptureId
}
text_id! {
    /// One giving back of money, whole or part (DOMAIN section 3).
    RefundId
}
text_id! {
    /// One chargeback or inquiry (DOMAIN section 3).
    DisputeId
}
text_id! {
    /// One fraud review (DOMAIN section 3).
    ReviewId
}
text_id! {
    /// One hold on stock (DOMAIN section 4).
    ReservationId
}
text_id! {
    /// One parcel, with all that happens to it (DOMAIN section 5).
    ShipmentId
}
text_id! {
    /// One return of goods (DOMAIN section 5).
    ReturnId
}
text_id! {
    /// One hold on the order itself (DOMAIN section 5).
    HoldId
}
text_id! {
    /// One line of the order; the line `*` stands for the whole of an order whose lines nobody named (DOMAIN section 6).
    LineId
}
text_id! {
    /// What a line is of: the article's stock keeping unit. Carried through, never judged.
    Sku
}

number! {
    /// A partition number across all input topics; the unit of ownership and of order (DESIGN section 2).
    Lane(i32)
}
number! {
    /// The next offset to read of a partition. Never the last one read.
    NextOffset(i64)
}
number! {
    /// A schema's id in the registry.
    SchemaId(u32)
}
number! {
    /// A row number in a lane's journal: 1, 2, 3 … without gaps; 0 before the first.
    Seq(i64)
}
number! {
    /// How often a lane was claimed; every claim adds one (DESIGN section 4).
    Epoch(i64)
}
number! {
    /// Money in minor units of its currency.
    AmountMinor(i64)
}
number! {
    /// An instant: microseconds since 1970-01-01 UTC.
    Timestamp(i64)
}

impl Seq {
    /// The number of the row after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Epoch {
    /// The epoch of the next claim.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The random id of one claim of one lane: tells two claims apart even where epochs were restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenureId(pub uuid::Uuid);

impl TenureId {
    /// A fresh random id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

impl fmt::Display for TenureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
