//! The stored form of lines, and of the entities that are stored by kind: reservations and shipments.
//!
//! An inventory event of many lines is stored once, with the lines that it still holds, and not once a line; a shipment's
//! LEFT only where none of its other values says the same. Invariant: both are taken apart again into the registers they
//! came from.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::content::{Content, next, write_if_any};
use super::unknown;
use crate::ids::{LineId, Sku, Timestamp};
use crate::order::event::inventory::InventoryKind;
use crate::order::event::line::{Line, Lines, Quantity};
use crate::order::event::shipping::ShipmentKind;
use crate::order::facts::few::Few;
use crate::order::facts::register::{Earliest, Latest, Stamp, Value};
use crate::order::facts::reservation::{Reservation, latest};
use crate::order::facts::shipment::Shipment;

/// The letter of LEFT, where it is stored.
const LEFT_LETTER: char = 'e';

fn letter_of_stock(kind: InventoryKind) -> char {
    match kind {
        InventoryKind::Reserved => 'r',
        InventoryKind::Backordered => 'b',
        InventoryKind::Rejected => 'j',
        InventoryKind::Shorted => 's',
        InventoryKind::ReservationExpired => 'x',
        InventoryKind::Released => 'l',
        InventoryKind::Restocked => 'k',
    }
}

fn letter_of_shipment(kind: ShipmentKind) -> char {
    match kind {
        ShipmentKind::LabelCreated => 'l',
        ShipmentKind::Picked => 'p',
        ShipmentKind::Dispatched => 'd',
        ShipmentKind::InTransit => 't',
        ShipmentKind::OutForDelivery => 'o',
        ShipmentKind::ReadyForPickup => 'u',
        ShipmentKind::Lost => 'x',
        ShipmentKind::Delivered => 'v',
        ShipmentKind::ReturnedToSender => 'b',
        ShipmentKind::Cancelled => 'c',
        ShipmentKind::DeliveryFailed => 'f',
        ShipmentKind::Delayed => 'y',
    }
}

/// What one event still holds of one kind in one reservation.
struct Statement {
    lines: Lines,
    expires_at: Option<Timestamp>,
}

impl Content for Statement {
    fn write<S: SerializeSeq>(&self, array: &mut S) -> Result<(), S::Error> {
        if self.expires_at.is_none() {
            return self.lines.write(array);
        }
        array.serialize_element(&self.lines)?;
        write_if_any(self.expires_at.as_ref(), array)
    }

    fn read<'de, A: SeqAccess<'de>>(array: &mut A) -> Result<Self, A::Error> {
        Ok(Self { lines: Lines::read(array)?, expires_at: array.next_element()? })
    }
}

impl Serialize for Reservation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for kind in InventoryKind::ALL {
            let statements = statements(self, kind);
            if !statements.is_empty() {
                object.serialize_entry(&letter_of_stock(kind), &statements)?;
            }
        }
        object.end()
    }
}

/// The values of a kind, those of one event together again.
fn statements(reservation: &Reservation, kind: InventoryKind) -> Vec<Value<Statement>> {
    let mut by_event: BTreeMap<(Stamp<'_>, Option<Timestamp>), Vec<Line>> = BTreeMap::new();
    for (line_id, said) in reservation.lines() {
        if let Some(value) = latest(said, kind)
            && let Some(quantity) = value.content.quantity
        {
            let line = Line { line_id: line_id.clone(), quantity, sku: value.content.sku.clone() };
            by_event.entry((Stamp::of(value), value.content.expires_at)).or_default().push(line);
        }
    }
    let whole = latest(&reservation.whole, kind).map(|value| {
        let statement = Statement { lines: Lines::default(), expires_at: value.content.expires_at };
        Stamp::of(value).value(statement)
    });
    let named = by_event
        .into_iter()
        .map(|((stamp, expires_at), lines)| stamp.value(Statement { lines: Lines::sorted(lines), expires_at }));
    whole.into_iter().chain(named).collect()
}

impl<'de> Deserialize<'de> for Reservation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReservationVisitor)
    }
}

struct ReservationVisitor;

impl<'de> Visitor<'de> for ReservationVisitor {
    type Value = Reservation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the registers of a reservation")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Reservation, M::Error> {
        let mut reservation = Reservation::default();
        while let Some(letter) = object.next_key()? {
            let kind = InventoryKind::ALL.into_iter().find(|kind| letter_of_stock(*kind) == letter);
            let kind = kind.ok_or_else(|| unknown(letter, "Reservation"))?;
            for Value { at, event_id, content } in object.next_value::<Vec<Value<Statement>>>()? {
                let stamp = Stamp { at, event_id: &event_id };
                let _ = reservation.offer(stamp, kind, &content.lines, content.expires_at);
            }
        }
        Ok(reservation)
    }
}

impl Serialize for Shipment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (kind, register) in &self.said {
            object.serialize_entry(&letter_of_shipment(*kind), register)?;
        }
        if self.left != implied_left(&self.said) {
            object.serialize_entry(&LEFT_LETTER, &self.left)?;
        }
        object.end()
    }
}

/// LEFT as the values that are held would have written it.
fn implied_left(said: &Few<ShipmentKind, Latest<Lines>>) -> Earliest<()> {
    let mut left = Earliest::default();
    let leaving = said.iter().filter(|(kind, _)| kind.has_left());
    for value in leaving.filter_map(|(_, register)| register.get()) {
        let _ = left.offer(Stamp::of(value).value(()));
    }
    left
}

impl<'de> Deserialize<'de> for Shipment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ShipmentVisitor)
    }
}

struct ShipmentVisitor;

impl<'de> Visitor<'de> for ShipmentVisitor {
    type Value = Shipment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the registers of a shipment")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Shipment, M::Error> {
        let mut said = Few::default();
        let mut left = None;
        while let Some(letter) = object.next_key()? {
            if letter == LEFT_LETTER {
                left = Some(object.next_value()?);
                continue;
            }
            let kind = ShipmentKind::ALL.into_iter().find(|kind| letter_of_shipment(*kind) == letter);
            let kind = kind.ok_or_else(|| unknown(letter, "Shipment"))?;
            said.insert(kind, object.next_value()?);
        }
        let left = left.unwrap_or_else(|| implied_left(&said));
        Ok(Shipment { said, left })
    }
}

/// Lines are stored as an object from line to quantity, or to quantity and article.
impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.as_slice().len()))?;
        for line in self.as_slice() {
            match &line.sku {
                None => object.serialize_entry(&line.line_id, &line.quantity.get())?,
                Some(sku) => object.serialize_entry(&line.line_id, &(line.quantity.get(), sku))?,
            }
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LinesVisitor)
    }
}

struct LinesVisitor;

impl<'de> Visitor<'de> for LinesVisitor {
    type Value = Lines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of lines")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Lines, M::Error> {
        let mut lines = Vec::new();
        while let Some((line_id, Amount { quantity, sku })) = object.next_entry::<LineId, Amount>()? {
            lines.push(Line { line_id, quantity, sku });
        }
        Lines::new(lines).map_err(|twice| M::Error::custom(format!("line `{twice}` twice")))
    }
}

/// What stands beside a line's id.
struct Amount {
    quantity: Quantity,
    sku: Option<Sku>,
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl<'de> Visitor<'de> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity, or a quantity and an article")
    }

    fn visit_u64<E: Error>(self, pieces: u64) -> Result<Amount, E> {
        let quantity = i64::try_from(pieces).ok().and_then(Quantity::new);
        let quantity = quantity.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(pieces), &self))?;
        Ok(Amount { quantity, sku: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Amount, A::Error> {
        let amount = self.visit_u64(next(&mut array)?)?;
        Ok(Amount { sku: Some(next(&mut array)?), ..amount })
    }
}
