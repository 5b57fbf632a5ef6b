//! The screen as plain text: for `--once`, for a pipe, for a terminal that can do nothing.
//!
//! Pure. Invariant: everything that the terminal shows is here too, one table below the other.

use super::cells::{self, Part};
use super::model::Screen;

/// The whole screen.
pub(super) fn text(screen: &Screen) -> String {
    let mut parts = vec![cells::workers(screen), cells::lanes(screen)];
    parts.extend(cells::others(screen));
    let mut text: String = screen.troubles.iter().map(|trouble| format!("! {trouble}\n")).collect();
    for part in parts.iter().filter(|part| !part.rows.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(part));
    }
    text
}

/// A table under its title: words begin below each other, numbers end so.
fn table(part: &Part) -> String {
    let widths = part.widths();
    let line = |cells: Vec<&str>| {
        let cell = |(column, cell): (usize, &str)| {
            let width = widths[column];
            if part.is_right(column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        };
        let cells: Vec<String> = cells.into_iter().enumerate().map(cell).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned() + "\n"
    };
    let rows = part.rows.iter().map(|row| line(row.cells.iter().map(String::as_str).collect()));
    [format!("{}\n", part.title), line(part.headings.clone())].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::two_workers;
    use super::*;

    #[test]
    fn a_screen_is_read_from_top_to_bottom() {
        let text = text(&two_workers());
        for says in [
            "! w3:3 does not answer: nobody listens\n",
            "! lane 2: without an owner among the workers",
            "\nworkers\n  worker  version  lanes  events/s  cores  memory  to publish\n  w1:1    0.1.0        1       100   0.50  64 MiB           0\n",
            "\nlanes\n  lane  owner      lag    lag time",
            "\n  topic        records/s  applied  duplicate  stale  refused\n  payment             60       40         10     40       10\n",
        ] {
            assert!(text.contains(says), "{says}\nis not in\n{text}");
        }
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    }
}
