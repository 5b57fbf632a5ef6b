//! The merge rule: a register keeps the latest value offered to it, or the earliest.
//!
//! Everything the product promises about late, repeated and shuffled events rests on this file. Invariant: which value
//! a register ends with depends on the set of values offered, never on their order, because the order of values is
//! total: (occurred_at, event_id, content). The content compares field by field, which is the order of the bytes of an
//! order-preserving encoding of it (DOMAIN section 1).

use std::marker::PhantomData;

use crate::ids::{EventId, Timestamp};

/// A register that keeps the latest value.
pub type Latest<T> = Register<T, KeepLatest>;

/// A register that keeps the earliest value, because it races others.
pub type Earliest<T> = Register<T, KeepEarliest>;

/// What one event wrote into one register. Its order is what "later" and "earlier" mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value<T> {
    /// When it happened.
    pub at: Timestamp,
    /// The event that said it.
    pub event_id: EventId,
    /// What it said beside its kind.
    pub content: T,
}

/// When something was said, and by which event: a value without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp<'a> {
    /// When it happened.
    pub at: Timestamp,
    /// The event that said it.
    pub event_id: &'a EventId,
}

impl<'a> Stamp<'a> {
    /// The stamp of a value held.
    #[must_use]
    pub fn of<T>(value: &'a Value<T>) -> Self {
        Self { at: value.at, event_id: &value.event_id }
    }

    /// A value with this stamp.
    #[must_use]
    pub fn value<T>(self, content: T) -> Value<T> {
        Value { at: self.at, event_id: self.event_id.clone(), content }
    }
}

/// What an offer did. Ordered: of several offers of one event the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub enum Merged {
    /// Nothing: a value that counts more is held.
    Stale,
    /// Nothing: the value of that very event is held.
    Duplicate,
    /// A register holds a new value.
    Changed,
}

/// One place for a fact: empty, or the value that counts among all that were offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<T, R> {
    /// Apart, so that the many registers that nothing was written to weigh next to nothing.
    held: Option<Box<Value<T>>>,
    rule: PhantomData<R>,
}

impl<T: Ord, R: Rule> Register<T, R> {
    /// Keeps the value if it counts more than the one held.
    pub fn offer(&mut self, value: Value<T>) -> Merged {
        match &self.held {
            Some(held) if !R::counts_more(&value, held.as_ref()) => {
                if held.event_id == value.event_id {
                    Merged::Duplicate
                } else {
                    Merged::Stale
                }
            }
            Some(_) | None => {
                self.held = Some(Box::new(value));
                Merged::Changed
            }
        }
    }

    /// Whether an offer of this value would be kept.
    #[must_use]
    pub fn would_change(&self, value: &Value<T>) -> bool {
        self.held.as_deref().is_none_or(|held| R::counts_more(value, held))
    }
}

impl<T, R> Register<T, R> {
    /// The value held.
    #[must_use]
    pub fn get(&self) -> Option<&Value<T>> {
        self.held.as_deref()
    }

    /// When the value held happened.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.get().map(|value| value.at)
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// How many values are held: none or one.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.held.is_some())
    }
}

/// Which of two values a register keeps.
pub trait Rule {
    /// Whether `new` replaces `held`.
    fn counts_more<V: Ord>(new: &V, held: &V) -> bool;
}

/// The rule of nearly every register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepLatest {}

/// The rule of CANCEL_REQUESTED, REVIEW_REJECTED, LEFT and FIRED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepEarliest {}

impl Rule for KeepLatest {
    fn counts_more<V: Ord>(new: &V, held: &V) -> bool {
        new > held
    }
}

impl Rule for KeepEarliest {
    fn counts_more<V: Ord>(new: &V, held: &V) -> bool {
        new < held
    }
}

impl<T, R> Default for Register<T, R> {
    fn default() -> Self {
        Self { held: None, rule: PhantomData }
    }
}

impl<T, R> From<Value<T>> for Register<T, R> {
    fn from(value: Value<T>) -> Self {
        Self { held: Some(Box::new(value)), rule: PhantomData }
    }
}
