//! A fault as a bar: its colour, its label, and the row where it covers no other.
//!
//! Pure. Invariant: no two bars of a row touch, their labels included.

use super::super::fault::{Kind, Target};
use super::super::timeline::Happened;
use crate::svg::LETTER;

/// Who is struck, for the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Worker,
    Broker,
    Link,
    Database,
    Registry,
    Inputs,
}

impl Group {
    pub(super) const ALL: [Self; 6] =
        [Self::Worker, Self::Broker, Self::Link, Self::Database, Self::Registry, Self::Inputs];

    pub(super) fn of(kind: Kind) -> Self {
        match kind.targets()[0] {
            Target::Worker(_) | Target::Workers => Self::Worker,
            Target::Broker(_) => Self::Broker,
            Target::Link(_) => Self::Link,
            Target::Postgres => Self::Database,
            Target::Registry => Self::Registry,
            Target::Inputs => Self::Inputs,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Broker => "broker",
            Self::Link => "network",
            Self::Database => "database",
            Self::Registry => "registry",
            Self::Inputs => "inputs",
        }
    }

    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Worker => "#7c3aed",
            Self::Broker => "#dc2626",
            Self::Link => "#0284c7",
            Self::Database => "#d97706",
            Self::Registry => "#0d9488",
            Self::Inputs => "#6b7280",
        }
    }
}

/// What stands beside a bar; of one thing that there is only once, its name is said by the kind.
pub(super) fn label(happened: &Happened) -> String {
    let fault = &happened.fault;
    match fault.target {
        Target::Postgres | Target::Registry | Target::Inputs | Target::Workers => fault.kind.to_string(),
        Target::Worker(_) | Target::Broker(_) | Target::Link(_) => format!("{} {}", fault.kind, fault.target),
    }
}

/// How wide a label is, with a little air.
pub(super) fn width(happened: &Happened) -> f64 {
    label(happened).chars().count() as f64 * LETTER + 14.0
}

/// The first row for each in which it covers nobody.
pub(super) fn rows(faults: &[Happened], span: impl Fn(&Happened) -> (f64, f64)) -> Vec<usize> {
    let mut ends: Vec<f64> = Vec::new();
    let row = |happened: &Happened| {
        let (from, until) = span(happened);
        let free = ends.iter().position(|end| *end <= from).unwrap_or(ends.len());
        if free == ends.len() {
            ends.push(until);
        } else {
            ends[free] = until;
        }
        free
    };
    faults.iter().map(row).collect()
}
