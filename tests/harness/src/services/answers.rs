//! How a service answers a command, and what it then says. Pure: the same seed answers the same command alike, whenever it comes.
//!
//! Every way in which answers come in life: at once, late, twice, under another event id, never. An answer is idempotent by its command:
//! it names the same entities however often it is given.

use super::Asked;
use crate::event::{FlatEvent, Line, Text};
use crate::topics::Input;
use crate::traffic::Dice;
use orderstream::order::obligation::{ObligationKind, Pieces};

/// When a command is answered, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manner {
    /// As soon as it is heard.
    AtOnce,
    /// Once it was sent so often.
    AtAttempt(u32),
    /// Twice, as a producer does that tries again.
    Twice,
    /// Twice, the second time as if it were news.
    TwiceAsNews,
    /// Never.
    Never,
}

/// How many of a hundred commands are answered in which manner.
const MANNERS: &[(Manner, u32)] = &[
    (Manner::AtOnce, 50),
    (Manner::AtAttempt(2), 16),
    (Manner::AtAttempt(3), 8),
    (Manner::Twice, 10),
    (Manner::TwiceAsNews, 10),
    (Manner::Never, 6),
];

impl Manner {
    /// The manner in which a command is answered, at whatever attempt.
    #[must_use]
    pub fn of(seed: u64, asked: &Asked) -> Self {
        // The first bytes of the command's id are as good as any number of its own.
        let own = asked.command_id.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        Dice::new(seed, own).weighted(MANNERS)
    }

    /// In a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::AtAttempt(_) => "late",
            Self::Twice | Self::TwiceAsNews => "twice",
            Self::Never => "never",
        }
    }

    /// What is answered to this attempt, at that instant.
    #[must_use]
    pub fn answer(self, asked: &Asked, at: i64) -> Vec<FlatEvent> {
        let first = event(asked, at);
        match self {
            Self::AtOnce => vec![first],
            Self::AtAttempt(attempt) if asked.attempt >= attempt => vec![first],
            Self::AtAttempt(_) | Self::Never => Vec::new(),
            Self::Twice => vec![first.clone(), first],
            Self::TwiceAsNews => {
                let mut news = first.clone();
                news.event_id.push_str("-again");
                news.occurred_at += 1;
                vec![first, news]
            }
        }
    }
}

/// The event that says that it was done.
fn event(asked: &Asked, at: i64) -> FlatEvent {
    let said = FlatEvent {
        event_id: format!("done-{}-{}", asked.command_id, asked.attempt),
        order_id: asked.order_id.clone(),
        occurred_at: at,
        correlation_id: Some(asked.command_id.clone()),
        ..FlatEvent::default()
    };
    let entity = Some(asked.entity_id.clone());
    match asked.kind {
        ObligationKind::VoidPayment => FlatEvent {
            topic: Input::Payment,
            kind: Text::Borrowed("VOIDED"),
            producer: Some(Text::Borrowed("payments-gateway")),
            authorization_id: entity,
            ..said
        },
        ObligationKind::RefundPayment => FlatEvent {
            topic: Input::Payment,
            kind: Text::Borrowed("REFUNDED"),
            producer: Some(Text::Borrowed("payments-gateway")),
            refund_id: Some(format!("ref-{}", asked.command_id)),
            capture_id: entity,
            amount_minor: asked.amount_minor,
            currency: asked.currency.clone().map(Text::Owned),
            ..said
        },
        ObligationKind::ReleaseInventory => FlatEvent {
            topic: Input::Inventory,
            kind: Text::Borrowed("RELEASED"),
            producer: Some(Text::Borrowed("warehouse")),
            reservation_id: entity,
            lines: lines(&asked.lines),
            ..said
        },
        ObligationKind::CancelShipment => FlatEvent {
            topic: Input::Shipping,
            kind: Text::Borrowed("CANCELLED"),
            producer: Some(Text::Borrowed("shipping")),
            shipment_id: entity,
            ..said
        },
    }
}

/// The pieces of a command as an event names them; `*` stands for the whole order, which an event says by naming none.
fn lines(pieces: &[Pieces]) -> Vec<Line> {
    let named = pieces.iter().filter(|pieces| pieces.line_id.as_str() != "*");
    let line = |pieces: &Pieces| Line {
        line_id: pieces.line_id.to_string(),
        quantity: i32::try_from(pieces.quantity).unwrap_or(i32::MAX),
        sku: None,
    };
    named.map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn asked(number: u32, kind: ObligationKind, attempt: u32) -> Asked {
        Asked {
            command_id: format!("cmd-{number}"),
            order_id: "ord-1".to_owned(),
            kind,
            entity_id: "entity-1".to_owned(),
            amount_minor: Some(5_000),
            currency: Some("EUR".to_owned()),
            lines: vec![Pieces { line_id: "1".into(), quantity: 2 }],
            reason: None,
            attempt,
            issued_at: 0,
            cause: None,
        }
    }

    #[test]
    fn every_manner_occurs_and_a_command_keeps_its_own() {
        let mut manners: BTreeMap<Manner, u32> = BTreeMap::new();
        for number in 0..2_000 {
            let first = asked(number, ObligationKind::VoidPayment, 1);
            let manner = Manner::of(7, &first);
            assert_eq!(manner, Manner::of(7, &Asked { attempt: 3, ..first }));
            *manners.entry(manner).or_default() += 1;
        }
        assert_eq!(manners.len(), MANNERS.len(), "{manners:?}");
        assert!((900..1_100).contains(&manners[&Manner::AtOnce]), "{manners:?}");
    }

    #[test]
    fn an_answer_comes_when_its_manner_says_and_as_often() {
        let answers =
            |manner: Manner, attempt| manner.answer(&asked(1, ObligationKind::RefundPayment, attempt), 9).len();
        assert_eq!([1, 2, 3].map(|attempt| answers(Manner::AtAttempt(2), attempt)), [0, 1, 1]);
        assert_eq!(
            [Manner::AtOnce, Manner::Twice, Manner::TwiceAsNews, Manner::Never].map(|m| answers(m, 1)),
            [1, 2, 2, 0]
        );
        let ids = |manner: Manner| -> BTreeSet<String> {
            let said = manner.answer(&asked(1, ObligationKind::RefundPayment, 1), 9);
            assert!(said.iter().all(|event| event.refund_id.as_deref() == Some("ref-cmd-1")));
            said.into_iter().map(|event| event.event_id).collect()
        };
        assert_eq!((ids(Manner::Twice).len(), ids(Manner::TwiceAsNews).len()), (1, 2));
    }

    #[test]
    fn each_kind_is_answered_by_the_event_that_ends_it() {
        let said = ObligationKind::ALL.map(|kind| event(&asked(1, kind, 1), 9).kind.into_owned());
        assert_eq!(said, ["CANCELLED", "REFUNDED", "RELEASED", "VOIDED"]);
    }
}
