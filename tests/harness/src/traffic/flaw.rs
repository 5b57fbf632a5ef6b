//! Malformed records: one way for each reason code of DOMAIN section 9 that can be provoked from outside.
//!
//! Each is an extra record beside the order's real events, so the order comes out as its story says although the record is
//! refused. All but the one without a key carry a real order's key. `apply_failed` has no flaw: nothing from outside causes it.
//! What is only too early is repaired by time or by the registry, without a change of the record.

use super::dice::Dice;
use crate::event::{FlatEvent, Line, Text};
use crate::topics::Input;

/// The year 2100: in the future for as long as this is run.
const FAR_AHEAD: i64 = 4_102_444_800_000_000;

macro_rules! flaws {
    (
        stay { $( $(#[$doc:meta])* $flaw:ident = $reason:literal, )+ }
        pass { $( $(#[$early_doc:meta])* $early:ident = $early_reason:literal, )+ }
    ) => {
        /// What is wrong with a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Flaw {
            $( $(#[$doc])* $flaw, )+
            $( $(#[$early_doc])* $early, )+
        }

        impl Flaw {
            /// Every flaw that stays.
            pub const ALL: &[Self] = &[$( Self::$flaw ),+];
            /// Every flaw that passes.
            pub const EARLY: &[Self] = &[$( Self::$early ),+];

            /// The reason code that the record is refused with.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $( Self::$flaw => $reason, )+ $( Self::$early => $early_reason, )+ }
            }
        }
    };
}

flaws! {
    stay {
        /// There is no key.
        NoKey = "no_key",
        /// The key is another order's.
        KeyMismatch = "key_mismatch",
        /// The first byte is not the magic one.
        WrongMagic = "bad_framing",
        /// There is no value.
        Tombstone = "bad_framing",
        /// The body ends too early.
        Truncated = "bad_avro",
        /// Bytes follow the body.
        Trailing = "bad_avro",
        /// The kind's symbol is one that its schema does not have.
        KindOutOfRange = "bad_avro",
        /// The kind is one of a newer schema.
        NewerKind = "unknown_kind",
        /// The entity's id is not there.
        MissingField = "missing_field",
        /// A value is out of bounds.
        BadValue = "bad_value",
        /// It occurs in the future.
        InTheFuture = "occurred_in_future",
        /// The schema id is one that the registry does not know.
        UnknownSchema = "unknown_schema",
        /// It is larger than a worker takes.
        TooLarge = "too_large",
    }
    pass {
        /// Its schema is not registered yet.
        EarlySchema = "unknown_schema",
        /// It occurs more than a day from now, but not much.
        EarlyClock = "occurred_in_future",
    }
}

impl Flaw {
    /// Whether it costs a worker time or room: a simulation has a handful of these at most.
    #[must_use]
    pub fn is_costly(self) -> bool {
        matches!(self, Self::UnknownSchema | Self::TooLarge)
    }

    /// Whether time or the registry repairs it.
    #[must_use]
    pub fn passes(self) -> bool {
        Self::EARLY.contains(&self)
    }
}

/// A symbol that no schema of this release has.
pub const NEWER_KIND: &str = "TELEPORTED";

/// A whole event of the order, with those flaws in it that an event can have; the others are put into its bytes.
pub(super) fn event(
    flaw: Flaw,
    number: u64,
    order_id: &str,
    at: i64,
    record_max_bytes: usize,
    dice: &mut Dice,
) -> FlatEvent {
    let topic = *dice.pick(&[Input::Payment, Input::Inventory, Input::Shipping]);
    let mut event = whole(topic, format!("evt-bad-{number}"), order_id, at);
    match flaw {
        Flaw::KeyMismatch => event.order_id = format!("{order_id}-of-somebody-else"),
        Flaw::NewerKind => event.kind = Text::Borrowed(NEWER_KIND),
        Flaw::InTheFuture => event.occurred_at = FAR_AHEAD,
        Flaw::TooLarge => event.reason = Some(Text::Owned("x".repeat(record_max_bytes))),
        Flaw::BadValue => spoil(&mut event, dice),
        Flaw::MissingField => {
            for id in [&mut event.capture_id, &mut event.reservation_id, &mut event.shipment_id] {
                *id = None;
            }
        }
        Flaw::NoKey | Flaw::WrongMagic | Flaw::Tombstone | Flaw::Truncated | Flaw::Trailing => {}
        Flaw::KindOutOfRange | Flaw::UnknownSchema | Flaw::EarlySchema | Flaw::EarlyClock => {}
    }
    event
}

/// News from the future: goods that will be on the shelf again. Information only, so it does the order no harm when it is heard.
pub(super) fn ahead(number: u64, order_id: &str, at: i64) -> FlatEvent {
    FlatEvent {
        topic: Input::Inventory,
        event_id: format!("evt-early-{number}"),
        order_id: order_id.to_owned(),
        occurred_at: at,
        kind: Text::Borrowed("RESTOCKED"),
        reservation_id: Some(format!("shelf-{number}")),
        condition: Some(Text::Borrowed("SELLABLE")),
        ..FlatEvent::default()
    }
}

/// An event of that topic in which nothing is wrong.
fn whole(topic: Input, event_id: String, order_id: &str, at: i64) -> FlatEvent {
    let event = FlatEvent { topic, event_id, order_id: order_id.to_owned(), occurred_at: at, ..FlatEvent::default() };
    let line = Line { line_id: "1".to_owned(), quantity: 1, sku: None };
    match topic {
        Input::Payment | Input::Order => FlatEvent {
            topic: Input::Payment,
            kind: Text::Borrowed("CAPTURED"),
            capture_id: Some("cap-bad".to_owned()),
            amount_minor: Some(1_00),
            currency: Some(Text::Borrowed("EUR")),
            ..event
        },
        Input::Inventory => FlatEvent {
            kind: Text::Borrowed("RESERVED"),
            reservation_id: Some("res-bad".to_owned()),
            lines: vec![line],
            ..event
        },
        Input::Shipping => FlatEvent {
            kind: Text::Borrowed("DISPATCHED"),
            shipment_id: Some("shp-bad".to_owned()),
            lines: vec![line],
            ..event
        },
    }
}

/// Puts one value out of bounds.
fn spoil(event: &mut FlatEvent, dice: &mut Dice) {
    match (event.topic, dice.below(3)) {
        (Input::Payment, 0) => event.amount_minor = Some(-1),
        (Input::Payment, 1) => event.amount_minor = Some(1_000_000_000_000_001),
        (Input::Payment, _) => event.currency = Some(Text::Borrowed("eur")),
        (_, 0) => event.lines[0].quantity = 0,
        (_, 1) => event.lines[0].quantity = 1_000_001,
        (_, _) => event.lines.push(event.lines[0].clone()),
    }
}
