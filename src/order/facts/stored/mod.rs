//! The stored form of an order's facts: short JSON, rewritten with every event of the order.
//!
//! An object by kind of entity, then by id, then by kind of fact; every key but ids and lines is one letter. A value is the
//! array of its time, its event and its content. Invariant: what is written is read back equal, in whatever order the keys
//! come; anything else is an error, never a panic and never a guess.
//!
//! ```json
//! {"v":1,"a":{"auth-1":{"a":[1760000060000000,"evt-2",5000,"EUR"]}},"i":{"res-1":{"r":[[1760000120000000,"evt-3",{"1":2}]]}}}
//! ```

mod content;
mod goods;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::payment::{Authorization, Capture, Dispute, Refund, Review};
use super::shipment::Return;
use super::{Facts, Hold};

/// The version of this form. A change of meaning adds one, and reads the old one too.
const VERSION: u8 = 1;
/// The letter of the version.
const VERSION_LETTER: char = 'v';

/// A struct that is stored as an object of letters.
trait Lettered: Default {
    /// Writes the fields that hold anything.
    fn write<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error>;
    /// Reads the field of a letter.
    fn read<'de, M: MapAccess<'de>>(&mut self, letter: char, object: &mut M) -> Result<(), M::Error>;
}

/// Gives each field of a struct its letter.
macro_rules! letters {
    ($entity:ident { $($field:ident: $letter:literal),+ $(,)? }) => {
        impl Lettered for $entity {
            fn write<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
                $(if !self.$field.is_empty() {
                    object.serialize_entry(&$letter, &self.$field)?;
                })+
                Ok(())
            }

            fn read<'de, M: MapAccess<'de>>(&mut self, letter: char, object: &mut M) -> Result<(), M::Error> {
                match letter {
                    $($letter => self.$field = object.next_value()?,)+
                    _ => return Err(unknown(letter, stringify!($entity))),
                }
                Ok(())
            }
        }
    };
}

letters!(Facts {
    authorizations: 'a',
    captures: 'c',
    refunds: 'r',
    disputes: 'd',
    reviews: 'w',
    reservations: 'i',
    shipments: 's',
    returns: 'b',
    holds: 'h',
    placed: 'p',
    amended: 'm',
    cancel_requested: 'x',
    given_up: 'f',
});
letters!(Authorization {
    pending: 'p',
    action_required: 'q',
    authorized: 'a',
    declined: 'd',
    voided: 'v',
    expired: 'x',
});
letters!(Capture { captured: 'c', failed: 'f' });
letters!(Refund { refunded: 'r', failed: 'f' });
letters!(Dispute { opened: 'o', won: 'w', lost: 'l' });
letters!(Review { opened: 'o', approved: 'a', rejected: 'r' });
letters!(Return { requested: 'q', received: 'r', closed: 'c' });
letters!(Hold { placed: 'p', released: 'r' });

/// Stores entities as objects of their letters.
macro_rules! objects {
    ($($entity:ident),+) => {$(
        impl Serialize for $entity {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_map(None)?;
                self.write(&mut object)?;
                object.end()
            }
        }

        impl<'de> Deserialize<'de> for $entity {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(EntityVisitor(PhantomData))
            }
        }
    )+};
}

objects!(Authorization, Capture, Refund, Dispute, Review, Return, Hold);

struct EntityVisitor<E>(PhantomData<E>);

impl<'de, E: Lettered> Visitor<'de> for EntityVisitor<E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the registers of an entity")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<E, M::Error> {
        let mut entity = E::default();
        while let Some(letter) = object.next_key()? {
            entity.read(letter, &mut object)?;
        }
        Ok(entity)
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry(&VERSION_LETTER, &VERSION)?;
        self.write(&mut object)?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FactsVisitor)
    }
}

struct FactsVisitor;

impl<'de> Visitor<'de> for FactsVisitor {
    type Value = Facts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the facts of an order")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Facts, M::Error> {
        let mut facts = Facts::default();
        let mut version = None;
        while let Some(letter) = object.next_key()? {
            match letter {
                VERSION_LETTER => version = Some(object.next_value::<u64>()?),
                _ => facts.read(letter, &mut object)?,
            }
        }
        match version {
            Some(version) if version == u64::from(VERSION) => Ok(facts),
            Some(version) => Err(M::Error::custom(format!(
                "facts of version {version}, but this program reads version {VERSION}: run the newer one"
            ))),
            None => Err(M::Error::missing_field("v")),
        }
    }
}

/// The error for a letter that means nothing where it stands.
fn unknown<E: Error>(letter: char, place: &str) -> E {
    E::custom(format!("`{letter}` means nothing in {place}"))
}
