//! The figures of a benchmark as plots: SVG for the README, one file a question.
//!
//! | plot | says |
//! |---|---|
//! | [`throughput`] | events a second of those that were measured side by side, each round as a dot |
//! | [`latency`] | percentiles at each rate, with those without a database beside them |
//! | [`sweep`] | how throughput changes when one thing is changed |
//!
//! Pure: what is drawn is given. Invariant: within a plot, the same length means the same everywhere, and no two texts touch.

pub mod latency;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod throughput;

use indicatif::HumanCount;

use super::round::median;

/// The colour of orderstream.
const OURS: &str = "#2563eb";
/// The colour of what it is measured against.
const LIMIT: &str = "#059669";
const OTHERS: &str = "#d97706";
/// Where the first panel begins, below title and subtitle.
const TOP: f64 = 84.0;

/// A number of events a second as people say it: `83.4k`, `2,140`.
fn rate(events_a_second: f64) -> String {
    match events_a_second.round() as u64 {
        10_000.. => format!("{:.1}k", events_a_second / 1_000.0),
        few => HumanCount(few).to_string(),
    }
}

/// The rate in the middle of several rounds; 0 of none.
fn middle(rounds: &[f64]) -> f64 {
    median(rounds.iter().copied()).unwrap_or_default()
}
