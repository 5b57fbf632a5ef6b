//! What differs: counted by kind, the first ten of each kind by name, and the orders concerned.
//!
//! Filled by the comparisons, read by the report. One fault often shows from several sides, and is counted as each kind that
//! it shows as. Invariant: a kind belongs to one class; no difference at all is the only good result.

use std::collections::{BTreeMap, BTreeSet};

use orderstream::ids::OrderId;

/// How many of a kind are named.
const NAMED: usize = 10;

/// What a difference means for the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Something that went in, or was to come out, is not there.
    Lost,
    /// Something is there more than once.
    Doubled,
    /// An order is not what its events make of it.
    Mismatched,
    /// Something else is not as it should be.
    Other,
}

macro_rules! kinds {
    ($( $class:ident $kind:ident $words:literal, )+) => {
        /// A kind of difference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $( #[doc = $words] $kind, )+
        }

        impl Kind {
            /// What it says, in a few words.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $( Self::$kind => $words, )+ }
            }

            /// What it means.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $( Self::$kind => Class::$class, )+ }
            }
        }
    };
}

kinds! {
    Lost InputLost "input record that the journal does not know",
    Doubled InputDoubled "input record that the journal applied more than once",
    Other InputInvented "journal entry for a record that its topic does not hold",
    Mismatched EventChanged "journal entry whose event is not the record's",
    Mismatched WrongOutcome "input record with another outcome than it must have",
    Lost JournalGap "journal row that is missing",
    Other JournalUnreadable "journal row that cannot be read",
    Mismatched WrongProgress "journal entry with another version or status than its events lead to",
    Lost ChangeUntold "change of an order that the journal does not publish",
    Mismatched ChangeInvented "published change that no event of its row causes",
    Mismatched ChangeMistold "published change that is not what its event does to the order",
    Mismatched EntryInvented "journal entry without a record that nothing led to",
    Mismatched DeadlineInvented "deadline that fired and was not due, or does not record what it must",
    Mismatched DeadlineHasty "deadline that fired before all was applied that came in before it was due",
    Lost DeadlineLost "deadline that is long due and did not fire",
    Lost CommandLost "obligation for which no command was sent",
    Lost ReminderLost "command that is long unanswered and was neither sent again nor given up",
    Mismatched CommandInvented "command that nothing led to, or that was sent before its time",
    Mismatched CommandMistold "command that is not what is owed",
    Mismatched CommandDisordered "order whose commands stand on the topic in another order than they were sent",
    Lost OutputLost "record that the journal publishes and the topic does not hold",
    Doubled OutputDoubled "record that the topic holds more than once",
    Other OutputForeign "record on an output topic that the journal did not publish",
    Other OutputUnreadable "record on an output topic that a consumer cannot read",
    Lost VersionMissing "gap in the versions of an order on the status topic",
    Doubled VersionDoubled "version of an order that the status topic holds more than once",
    Mismatched VersionDisordered "version of an order that comes after a later one",
    Mismatched OutputMistold "status event whose id or previous status is wrong",
    Lost OrderMissing "order with events and without a row",
    Doubled OrderDoubled "order that is archived and not archived",
    Other OrderInvented "order with a row and without events",
    Mismatched OrderDiffers "order whose row is not the fold of its events",
    Mismatched LastWordDiffers "order whose last status event is not its row",
    Lost DeadLetterLost "refused record that is not kept as a dead letter",
    Doubled DeadLetterDoubled "dead letter that is there more than once",
    Other DeadLetterInvented "dead letter of a record that was not refused",
    Other DeadLetterChanged "dead letter that is not the record as it came",
    Other DeadLetterMistold "dead letter whose state, attempts or actions are not what became of it",
    Other CheckpointAside "checkpoint that is not at the end of its partition",
    Other OffsetAside "committed offset that is not the checkpoint",
    Other PositionAside "position that is not the lane's last journal row",
    Other LaneBroken "lane whose numbers contradict each other",
}

/// Everything that differs.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kinds: BTreeMap<Kind, Found>,
    mismatched_orders: BTreeSet<OrderId>,
}

/// The differences of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub count: u64,
    /// The first of them by name.
    pub first: Vec<String>,
}

impl Findings {
    /// Notes a difference.
    pub fn add(&mut self, kind: Kind, name: impl FnOnce() -> String) {
        let found = self.kinds.entry(kind).or_default();
        found.count += 1;
        if found.first.len() < NAMED {
            found.first.push(name());
        }
    }

    /// Notes a difference of an order.
    pub fn add_of(&mut self, kind: Kind, order: &OrderId, what: impl FnOnce() -> String) {
        if kind.class() == Class::Mismatched {
            self.mismatched_orders.insert(order.clone());
        }
        self.add(kind, || format!("order `{order}`: {}", what()));
    }

    /// The differences by kind.
    pub fn by_kind(&self) -> impl Iterator<Item = (Kind, &Found)> {
        self.kinds.iter().map(|(kind, found)| (*kind, found))
    }

    /// How many of a class.
    #[must_use]
    pub fn count(&self, class: Class) -> u64 {
        self.kinds.iter().filter(|(kind, _)| kind.class() == class).map(|(_, found)| found.count).sum()
    }

    /// How many of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).map_or(0, |found| found.count)
    }

    /// How many orders are not what their events make of them.
    #[must_use]
    pub fn mismatched_orders(&self) -> usize {
        self.mismatched_orders.len()
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.kinds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_ten_are_named() {
        let mut findings = Findings::default();
        for number in 0..25 {
            findings.add(Kind::InputLost, || format!("payments 0@{number}"));
        }
        let found = findings.by_kind().next().expect("one kind").1;
        assert_eq!((found.count, found.first.len()), (25, 10));
        assert_eq!((findings.count(Class::Lost), findings.count(Class::Doubled)), (25, 0));
        assert!(!findings.is_clean());
    }

    #[test]
    fn an_order_that_differs_twice_is_one_mismatched_order() {
        let mut findings = Findings::default();
        for _ in 0..2 {
            findings.add_of(Kind::OrderDiffers, &OrderId::from("ord-1"), || "status".to_owned());
        }
        findings.add_of(Kind::VersionMissing, &OrderId::from("ord-2"), || "2".to_owned());
        assert_eq!((findings.mismatched_orders(), findings.count(Class::Mismatched)), (1, 2));
    }
}
