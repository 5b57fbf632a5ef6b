//! The lines that an event names: which, how many, and of what article.
//!
//! Shared by inventory, shipping and order events. Invariant: lines are sorted by id and no id is there twice, so two
//! events that say the same lines in another order are equal. No lines at all means the whole order (DOMAIN section 4).

use std::sync::Arc;

use crate::ids::{LineId, Sku};

/// The greatest quantity that one line of an event may say.
pub const MAX_QUANTITY: i32 = 1_000_000;
/// The most lines that one event may name.
pub const MAX_LINES: usize = 1_000;
/// The line of a whole-order register, and the one line of an order whose lines nobody named.
pub const WHOLE: &str = "*";

/// Pieces of one line that one event speaks of: 1 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i32);

impl Quantity {
    /// The quantity, if it is within the bounds.
    #[must_use]
    pub fn new(pieces: i64) -> Option<Self> {
        let pieces = i32::try_from(pieces).ok()?;
        (1..=MAX_QUANTITY).contains(&pieces).then_some(Self(pieces))
    }

    /// The number of pieces as an event says it.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }

    /// The number of pieces, to be summed.
    #[must_use]
    pub fn pieces(self) -> i64 {
        i64::from(self.0)
    }
}

/// One line as an event names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Which line.
    pub line_id: LineId,
    /// How many pieces of it.
    pub quantity: Quantity,
    /// The article, if the event names it.
    pub sku: Option<Sku>,
}

/// The lines of one event, sorted by id, each once. Empty: the whole order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lines(Option<Arc<[Line]>>);

impl Lines {
    /// The lines, sorted.
    ///
    /// # Errors
    /// The id that is there twice.
    pub fn new(mut lines: Vec<Line>) -> Result<Self, LineId> {
        lines.sort_by(|a, b| a.line_id.cmp(&b.line_id));
        let twice = lines.windows(2).find(|pair| pair[0].line_id == pair[1].line_id);
        match twice {
            Some(pair) => Err(pair[0].line_id.clone()),
            None => Ok(Self::sorted(lines)),
        }
    }

    /// The lines of a list that is sorted by id and holds each once.
    pub(in crate::order) fn sorted(lines: Vec<Line>) -> Self {
        debug_assert!(lines.is_sorted_by(|a, b| a.line_id < b.line_id), "lines in order");
        Self((!lines.is_empty()).then(|| lines.into()))
    }

    /// The lines, sorted by id.
    #[must_use]
    pub fn as_slice(&self) -> &[Line] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether no line is named.
    #[must_use]
    pub fn is_whole_order(&self) -> bool {
        self.0.is_none()
    }
}
