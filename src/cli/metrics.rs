//! `orderstream metrics`: what a worker says about itself, listed without a worker, a server or a configuration.

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::output::{Output, table};
use super::print;
use crate::metrics::{Listed, catalogue, page};

/// What can be asked about metrics.
#[derive(Debug, Subcommand)]
pub(super) enum MetricsCommand {
    /// Lists every metric of a worker: name, kind, unit, labels with their values, and what it says.
    #[command(after_help = "Examples:\n  orderstream metrics list\n  orderstream metrics list lag\n  \
        orderstream metrics list -o json | jq -r '.[] | select(.kind == \"counter\") | .name'")]
    List(ListArgs),
}

/// Which metrics, and in which form.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those with this in their names.
    #[arg(value_name = "PART")]
    part: Option<String>,
    /// All of them, as the page deploy/metrics.md.
    #[arg(long, conflicts_with_all = ["part", "output"])]
    page: bool,
    #[command(flatten)]
    output: Output,
}

impl MetricsCommand {
    /// Prints what was asked for.
    pub(super) fn run(self) -> Exit {
        let Self::List(asked) = self;
        if asked.page {
            return print(&page());
        }
        let part = asked.part.unwrap_or_default();
        let wanted: Vec<Listed> = catalogue().into_iter().filter(|metric| metric.name.contains(&part)).collect();
        asked.output.answer(&wanted, || text(&wanted))
    }
}

/// The list for a person.
fn text(metrics: &[Listed]) -> String {
    let rows = metrics.iter().map(|metric| {
        let labels = metric.labels.iter().map(|label| match label.values {
            [] => format!("{} (a number)", label.name),
            values => format!("{} ({})", label.name, values.join(" ")),
        });
        let labels: Vec<String> = labels.collect();
        vec![metric.name.to_owned(), metric.kind.to_owned(), labels.join("; "), metric.help.to_owned()]
    });
    table(&["metric", "kind", "labels", "it says"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_listed_with_its_labels_and_their_values() {
        let text = text(&catalogue());
        let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).expect(name).to_owned();
        assert!(line("orderstream_rebalances_total").contains("counter"));
        assert!(line("orderstream_rebalances_total").contains("kind (assign revoke lost)"));
        assert!(line("orderstream_lag_seconds").contains("lane (a number)"));
        assert!(line("process_open_fds").contains("gauge"));
    }
}
