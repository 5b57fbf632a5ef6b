//! Why a fold has no result, where in the input, and how the process ends.
//!
//! Invariant: a text names the file, the place and the event, so that the line can be found and mended without a second look.

use std::fmt;
use std::io;

use crate::cli::exit::Exit;
use crate::decode::Refusal;
use crate::ids::OrderId;

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A file that cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("`{path}` is not {what}: {problem}")]
    Malformed {
        /// Which.
        path: String,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An event that is refused.
    #[error("{place}, event {event_id}: {refusal}")]
    BadEvent {
        /// Where it stands.
        place: Place,
        /// Its id as the input has it.
        event_id: serde_json::Value,
        /// Which field, and what is wrong with it.
        refusal: Refusal,
    },
    /// Events of two orders.
    #[error("{place} is of order `{other}`, but the first event is of order `{order}`: fold one order at a time")]
    TwoOrders {
        /// Where the second order begins.
        place: Place,
        /// The first order.
        order: OrderId,
        /// The second.
        other: OrderId,
    },
    /// An order that no worker would keep.
    #[error("with {place} the order has too many facts: a worker refuses such an event as too_large")]
    TooManyFacts {
        /// The event that was one too many.
        place: Place,
    },
    /// The result cannot be written.
    #[error("the result cannot be written: {0}")]
    Output(io::Error),
}

impl FoldError {
    /// How the process ends.
    #[must_use]
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Unreadable { .. } => Exit::NoInput,
            Self::Malformed { .. } | Self::BadEvent { .. } | Self::TwoOrders { .. } | Self::TooManyFacts { .. } => {
                Exit::DataErr
            }
            Self::Output(_) => Exit::TempFail,
        }
    }
}

/// Where an event stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a list: its name, and the index from 0.
    List(&'static str, usize),
    /// In JSON lines: the line from 1.
    Line(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(list, index) => write!(f, "{list}[{index}]"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}
