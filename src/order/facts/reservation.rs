//! The registers of one reservation, and how much of a line it reserved, backordered and rejected.
//!
//! Written by [`super::Facts::merge`], read by `stock`. Invariant: a fact of the whole order and a fact of a line have
//! registers of their own; which of the two counts for a line is decided when the line is read, because the ordered
//! lines may not be known yet (DOMAIN section 4).

use super::few::Few;
use super::register::{Latest, Merged, Stamp, Value};
use crate::ids::{LineId, Sku, Timestamp};
use crate::order::event::inventory::InventoryKind;
use crate::order::event::line::{Lines, Quantity};

/// One hold on stock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    pub(super) whole: Said,
    pub(super) lines: Few<LineId, Said>,
}

/// What was said of one line, or of the whole.
pub type Said = Few<InventoryKind, Latest<Claim>>;

/// What a register holds of one line, or of the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// How many pieces; none means all of them.
    pub quantity: Option<Quantity>,
    /// The article, if the event named it.
    pub sku: Option<Sku>,
    /// When the hold lapses, if this is a RESERVED that says so.
    pub expires_at: Option<Timestamp>,
}

/// Pieces of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantities {
    /// Held for the order.
    pub reserved: i64,
    /// Promised.
    pub backordered: i64,
    /// Not to be had.
    pub rejected: i64,
}

impl Reservation {
    /// Offers one fact of a kind to the registers of the lines that it speaks of.
    pub(super) fn offer(
        &mut self,
        stamp: Stamp<'_>,
        kind: InventoryKind,
        lines: &Lines,
        expires_at: Option<Timestamp>,
    ) -> Merged {
        if lines.is_whole_order() {
            let claim = Claim { quantity: None, sku: None, expires_at };
            return self.whole.entry(&kind).offer(stamp.value(claim));
        }
        let offers = lines.as_slice().iter().map(|line| {
            let claim = Claim { quantity: Some(line.quantity), sku: line.sku.clone(), expires_at };
            let said = self.lines.entry(&line.line_id);
            said.entry(&kind).offer(stamp.value(claim))
        });
        offers.fold(Merged::Stale, Merged::max)
    }

    /// The lines that any fact of this reservation names, with what was said of each.
    pub fn lines(&self) -> impl Iterator<Item = (&LineId, &Said)> {
        self.lines.iter()
    }

    /// How much it holds of a line that it names and of which `ordered` pieces are ordered.
    #[must_use]
    pub fn of_named(&self, said: &Said, ordered: i64) -> Quantities {
        quantities(|kind| latest(said, kind).max(latest(&self.whole, kind)), ordered)
    }

    /// How much it holds of an ordered line that it does not name, in multiples of what is ordered.
    #[must_use]
    pub fn of_others(&self) -> Quantities {
        quantities(|kind| latest(&self.whole, kind), 1)
    }

    /// The latest value of a kind, of any line or of the whole.
    #[must_use]
    pub fn latest(&self, kind: InventoryKind) -> Option<&Value<Claim>> {
        self.each(kind).max()
    }

    /// The latest RESERVED that says when it lapses, and when that is.
    #[must_use]
    pub fn expiry(&self) -> Option<(&Value<Claim>, Timestamp)> {
        let reserved = self.each(InventoryKind::Reserved);
        let lapses = reserved.filter_map(|value| Some((value, value.content.expires_at?)));
        lapses.max_by_key(|(value, _)| *value)
    }

    /// Whether a RESERVATION_EXPIRED of the whole with this stamp would be kept.
    #[must_use]
    pub fn would_expire(&self, stamp: Stamp<'_>) -> bool {
        let value = stamp.value(Claim { quantity: None, sku: None, expires_at: None });
        let register = self.whole.get(&InventoryKind::ReservationExpired);
        register.is_none_or(|register| register.would_change(&value))
    }

    /// The articles it names, each with the line and when.
    pub(super) fn skus(&self) -> impl Iterator<Item = (&LineId, Stamp<'_>, &Sku)> {
        let said = self.lines.iter().flat_map(|(line, said)| said.values().map(move |value| (line, value)));
        said.filter_map(|(line, register)| {
            let value = register.get()?;
            Some((line, Stamp::of(value), value.content.sku.as_ref()?))
        })
    }

    fn each(&self, kind: InventoryKind) -> impl Iterator<Item = &Value<Claim>> {
        let said = std::iter::once(&self.whole).chain(self.lines.values());
        said.filter_map(move |said| latest(said, kind))
    }

    pub(super) fn len(&self) -> usize {
        self.whole.len() + self.lines.values().map(Few::len).sum::<usize>()
    }
}

/// What the facts of one line that name it say was ordered of it: the part of section 6 that inventory has.
#[must_use]
pub fn named_quantity(said: &Said) -> i64 {
    let line = |kind| latest(said, kind);
    let reserved = line(InventoryKind::Reserved);
    let still = |value: &&Value<Claim>| !occurred_later(reserved, value);
    let facts = [reserved, line(InventoryKind::Backordered).filter(still), line(InventoryKind::Rejected).filter(still)];
    facts.into_iter().flatten().map(|value| pieces(value, 0)).sum()
}

/// The arithmetic of section 4 for one line, over the latest value of each kind.
fn quantities<'a>(latest: impl Fn(InventoryKind) -> Option<&'a Value<Claim>>, ordered: i64) -> Quantities {
    let reservation = latest(InventoryKind::Reserved);
    let since = |kind| {
        let taker: Option<&Value<Claim>> = latest(kind);
        taker.filter(|taker| reservation.is_some_and(|reserved| taker.at >= reserved.at))
    };
    let still = |kind| latest(kind).filter(|value| !occurred_later(reservation, value));

    let mut reserved = reservation.map_or(0, |value| pieces(value, ordered));
    let mut take = |taker: Option<&Value<Claim>>| {
        let taken = taker.map_or(0, |value| pieces(value, reserved).min(reserved));
        reserved -= taken;
        taken
    };
    let shorted = take(since(InventoryKind::Shorted));
    take(since(InventoryKind::Released));
    if since(InventoryKind::ReservationExpired).is_some() {
        reserved = 0;
    }
    Quantities {
        reserved,
        backordered: still(InventoryKind::Backordered).map_or(0, |value| pieces(value, ordered)),
        rejected: still(InventoryKind::Rejected).map_or(0, |value| pieces(value, ordered)) + shorted,
    }
}

/// The value of a kind among what was said of one line, or of the whole.
pub(super) fn latest(said: &Said, kind: InventoryKind) -> Option<&Value<Claim>> {
    said.get(&kind)?.get()
}

fn occurred_later(reserved: Option<&Value<Claim>>, than: &Value<Claim>) -> bool {
    reserved.is_some_and(|reserved| reserved.at > than.at)
}

fn pieces(value: &Value<Claim>, whole: i64) -> i64 {
    value.content.quantity.map_or(whole, Quantity::pieces)
}
