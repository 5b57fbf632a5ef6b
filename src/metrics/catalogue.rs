//! The table of metrics as people and programs read it: a list, the page `deploy/metrics.md`, and how many series there can be.
//!
//! Invariant: everything here is made from the table and from the list of the process's metrics; nothing is said of a metric in a
//! second place.

use std::fmt::Write;

use serde::Serialize;

use super::handle::{Kind, Row, unit_of};
use super::process::PROCESS_METRICS;
use super::table::TABLE;

/// What a scrape shows of a histogram beside its buckets: the last bucket, the sum and the count.
const BESIDE_BUCKETS: usize = 3;

/// A label, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedLabel {
    /// Its name.
    pub name: &'static str,
    /// Its values; empty for a lane's number.
    pub values: &'static [&'static str],
}

/// A metric, as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// The name; a histogram's series are `_bucket`, `_sum` and `_count` of it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// `seconds`, `bytes`, or `count` for a number of things.
    pub unit: &'static str,
    /// Its labels in their order.
    pub labels: Vec<ListedLabel>,
    /// Upper bounds of a histogram's buckets.
    pub buckets: &'static [f64],
    /// What it says.
    pub help: &'static str,
}

/// Every metric of a worker: ours in the order of the table, then the process's.
#[must_use]
pub fn catalogue() -> Vec<Listed> {
    let ours = TABLE.iter().map(|metric| metric.row()).map(|row| Listed {
        name: row.name,
        kind: row.kind.as_str(),
        unit: row.unit().as_str(),
        labels: row.labels.iter().map(|label| ListedLabel { name: label.name, values: label.values }).collect(),
        buckets: row.buckets,
        help: row.help,
    });
    let process = PROCESS_METRICS.iter().map(|metric| Listed {
        name: metric.name,
        kind: metric.kind,
        unit: unit_of(metric.name).as_str(),
        labels: Vec::new(),
        buckets: &[],
        help: metric.help,
    });
    ours.chain(process).collect()
}

/// How many series a worker can show at most in a deployment of so many lanes.
#[must_use]
pub fn series_at_most(lanes: usize) -> usize {
    let ours: usize = TABLE.iter().map(|metric| series_of(metric.row(), lanes)).sum();
    ours + PROCESS_METRICS.len()
}

fn series_of(row: &Row, lanes: usize) -> usize {
    let values = |values: &[&str]| if values.is_empty() { lanes } else { values.len() };
    let combinations: usize = row.labels.iter().map(|label| values(label.values)).product();
    combinations * if row.kind == Kind::Histogram { row.buckets.len() + BESIDE_BUCKETS } else { 1 }
}

/// The page `deploy/metrics.md`.
#[must_use]
pub fn page() -> String {
    let mut page = "\
# The metrics of a worker

Made by `orderstream metrics list --page` from the table in `src/metrics/table.rs`; a test compares. `GET /metrics` on the port of
`metrics.listen` shows them, each from the first scrape on. Gauges of a lane are shown by the worker that owns it. What is said of the
whole database is the same in every worker: take `max by`, not `sum by`.

"
    .to_owned();
    let (fixed, a_lane) = (series_at_most(0), series_at_most(1) - series_at_most(0));
    // Writing to a String cannot fail.
    _ = writeln!(page, "A worker shows at most {fixed} series, and {a_lane} more for each lane of the deployment.\n");
    _ = writeln!(page, "| metric | kind | unit | labels | it says |\n|---|---|---|---|---|");
    for Listed { name, kind, unit, labels, help, .. } in catalogue() {
        let labels: Vec<String> = labels.iter().map(label_text).collect();
        _ = writeln!(page, "| `{name}` | {kind} | {unit} | {} | {help} |", labels.join("<br>"));
    }
    _ = writeln!(page, "\nBuckets of the histograms, by their upper bounds:\n\n| metric | bounds |\n|---|---|");
    for Listed { name, buckets, .. } in catalogue().into_iter().filter(|metric| !metric.buckets.is_empty()) {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        _ = writeln!(page, "| `{name}` | {} |", bounds.join(" "));
    }
    page
}

/// A label with its values, in Markdown.
fn label_text(label: &ListedLabel) -> String {
    let values: Vec<String> = label.values.iter().map(|value| format!("`{value}`")).collect();
    let values = if values.is_empty() { "a number".to_owned() } else { values.join(", ") };
    format!("`{}`: {values}", label.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_deploy_is_the_one_made_from_the_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/metrics.md");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        assert!(there == page(), "{file} is old: write it anew with `orderstream metrics list --page`");
    }

    #[test]
    fn the_list_has_every_metric_once_and_a_bar_in_no_text() {
        let names: std::collections::BTreeSet<&str> = catalogue().iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), TABLE.len() + PROCESS_METRICS.len());
        assert!(catalogue().iter().all(|metric| !metric.help.contains('|')), "it would end a cell of the page");
    }

    #[test]
    fn series_are_bounded_by_lanes() {
        let (none, one, many) = (series_at_most(0), series_at_most(1), series_at_most(64));
        assert_eq!(many - none, 64 * (one - none));
        assert!(one - none < 20 && none < 600, "{none} and {} a lane", one - none);
    }
}
