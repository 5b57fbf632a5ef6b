//! What orderstream says about itself: one table of metrics, typed handles to them, and the only port.
//!
//! `table.rs` is the catalogue; a call site writes `metrics::BATCHES.increment(1, &[])`. Metrics are counted by the
//! exporter crate's recorder and served by our own few lines of hyper, since the crate's listener answers every path.
//! Invariant: each metric of the table is in every scrape from the first on, be it without a series.

mod catalogue;
mod handle;
mod process;
mod server;
mod table;

use std::fmt::Write;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use catalogue::{Listed, catalogue, page, series_at_most};
pub use handle::{Counter, Gauge, Histogram, Kind, Label, Metric, Row};
pub use process::{PROCESS_METRICS, ProcessMetric};
pub use server::serve;
pub use table::*;

/// Installs the recorder of this process and makes every metric appear. Calling it again returns the same handle.
pub fn install() -> PrometheusHandle {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            let recorder = recorder();
            let handle = recorder.handle();
            if ::metrics::set_global_recorder(recorder).is_err() {
                tracing::error!("another recorder was installed before ours: /metrics stays empty");
            }
            for metric in TABLE {
                metric.describe();
                metric.start();
            }
            BUILD_INFO.set(1.0, &[env!("CARGO_PKG_VERSION")]);
            handle
        })
        .clone()
}

fn recorder() -> PrometheusRecorder {
    let histograms = TABLE.iter().map(|metric| metric.row()).filter(|row| row.kind == Kind::Histogram);
    histograms
        .fold(PrometheusBuilder::new(), |builder, row| {
            builder
                .set_buckets_for_metric(Matcher::Full(row.name.to_owned()), row.buckets)
                .expect("a test shows that every histogram of the table has buckets")
        })
        .build_recorder()
}

/// Everything, in Prometheus' text format, sorted by name: what was counted, what has no series yet, the process.
#[must_use]
pub fn render(handle: &PrometheusHandle) -> String {
    let counted = handle.render();
    let mut blocks: Vec<String> =
        counted.split("\n\n").map(without_retired).filter(|block| !block.is_empty()).collect();
    let mut names: Vec<&str> =
        counted.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    names.sort_unstable();
    let silent = TABLE.iter().map(|metric| metric.row()).filter(|row| names.binary_search(&row.name).is_err());
    blocks.extend(silent.map(head));
    blocks.sort_unstable();
    let mut text = blocks.join("\n");
    text.push('\n');
    process::render(&mut text);
    text
}

/// A block less the series that were retired, which are those without a number.
fn without_retired(block: &str) -> String {
    let mut kept = String::with_capacity(block.len());
    for line in block.lines().filter(|line| !line.is_empty() && !line.ends_with(" NaN")) {
        // Writing to a String cannot fail.
        _ = writeln!(kept, "{line}");
    }
    kept
}

/// The head of a metric that has no series yet, so that whoever looks knows it exists.
fn head(row: &Row) -> String {
    format!("# HELP {} {}\n# TYPE {} {}\n", row.name, row.help, row.name, row.kind.as_str())
}

#[cfg(test)]
mod tests;
