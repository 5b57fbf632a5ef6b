//! What a stored value is made of: `[time, event, content…]`.
//!
//! Each content writes what it has and leaves off at the end what is not there, so that most values are short. Invariant:
//! reading checks the bounds that the arithmetic of `order` relies on, and that nothing is left over.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{AmountMinor, CaptureId};
use crate::order::event::line::Lines;
use crate::order::event::money::{MAX_AMOUNT_MINOR, Money};
use crate::order::event::ordering::{RequestedBy, Terms};
use crate::order::event::payment::{Authorized, Lost, Moved};
use crate::order::facts::register::{Register, Value};
use crate::order::facts::shipment::Closed;

/// The rest of a value's array.
pub(super) trait Content: Sized {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error>;
    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error>;
}

impl<T: Content> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        array.serialize_element(&self.at)?;
        array.serialize_element(&self.event_id)?;
        self.content.write(&mut array)?;
        array.end()
    }
}

impl<'de, T: Content> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<T>(PhantomData<T>);

impl<'de, T: Content> Visitor<'de> for ValueVisitor<T> {
    type Value = Value<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of time, event and content")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value<T>, A::Error> {
        let value = Value { at: next(&mut array)?, event_id: next(&mut array)?, content: T::read(&mut array)? };
        match array.next_element::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("an array that is longer than its content")),
        }
    }
}

/// A register is stored as the value it holds. An empty one is not stored.
impl<T: Content, R> Serialize for Register<T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de, T: Content, R> Deserialize<'de> for Register<T, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

impl Content for () {
    fn write<S: SerializeSeq>(&self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }

    fn read<'de, A: SeqAccess<'de>>(_: &mut A) -> Result<Self, A::Error> {
        Ok(())
    }
}

impl Content for Money {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        array.serialize_element(&self.amount)?;
        array.serialize_element(&self.currency)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        let amount = next(array)?;
        money(amount, array)
    }
}

fn money<'de, A: SeqAccess<'de>>(amount: AmountMinor, array: &mut A) -> Result<Money, A::Error> {
    if (0..=MAX_AMOUNT_MINOR).contains(&amount.0) {
        return Ok(Money { amount, currency: next(array)? });
    }
    Err(A::Error::invalid_value(Unexpected::Signed(amount.0), &"an amount within bounds"))
}

impl Content for Authorized {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        self.money.write(array)?;
        write_if_any(self.expires_at.as_ref(), array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(Self { money: Money::read(array)?, expires_at: array.next_element()? })
    }
}

impl<Id: Serialize + for<'de> Deserialize<'de>> Content for Moved<Id> {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        self.money.write(array)?;
        write_if_any(self.of.as_ref(), array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(Self { money: Money::read(array)?, of: array.next_element()? })
    }
}

/// The capture comes first, or null in its place when only the money is there.
impl Content for Lost {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        match self.money {
            Some(money) => {
                array.serialize_element(&self.of)?;
                money.write(array)
            }
            None => write_if_any(self.of.as_ref(), array),
        }
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        let of = array.next_element::<Option<CaptureId>>()?.flatten();
        let amount = array.next_element()?;
        Ok(Self { of, money: amount.map(|amount| money(amount, array)).transpose()? })
    }
}

impl Content for RequestedBy {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        array.serialize_element(self)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        next(array)
    }
}

impl Content for Terms {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        self.total.write(array)?;
        array.serialize_element(&self.lines)?;
        write_if_any(self.payment_due_at.as_ref(), array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(Self { total: Money::read(array)?, lines: next(array)?, payment_due_at: array.next_element()? })
    }
}

impl Content for Lines {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        write_if_any((!self.is_whole_order()).then_some(self), array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(array.next_element()?.unwrap_or_default())
    }
}

impl Content for Closed {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        array.serialize_element(&self.accepted)?;
        self.lines.write(array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(Self { accepted: next(array)?, lines: Lines::read(array)? })
    }
}

/// The next element, which must be there.
pub(super) fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(array: &mut A) -> Result<T, A::Error> {
    array.next_element()?.ok_or_else(|| A::Error::custom("an array that ends too early"))
}

/// Writes the last element, unless it is not there.
pub(super) fn write_if_any<T: Serialize, S: SerializeSeq>(value: Option<&T>, array: &mut S) -> Result<(), S::Error> {
    value.map_or(Ok(()), |value| array.serialize_element(value))
}
