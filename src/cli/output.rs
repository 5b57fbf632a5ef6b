//! How commands answer: text for a person or JSON for a program, tables, progress bars.
//!
//! Invariant: what is asked for goes to standard output and is the same on a terminal and in a pipe but for colour; progress
//! goes to standard error, and only to a terminal.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::exit::Exit;
use super::print;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The option `-o` of every command that reads.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Output {
    /// Form of the answer.
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    pub output: Format,
}

impl Output {
    /// Prints an answer in the form that was asked for.
    #[must_use]
    pub fn answer(self, answer: &impl Serialize, text: impl FnOnce() -> String) -> Exit {
        match self.output {
            Format::Text => print(&text()),
            Format::Json => print(&json(answer)),
        }
    }
}

/// A value as an indented JSON document with a line's end.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    text.expect("answers are made of texts, numbers and lists, which can always be written") + "\n"
}

/// A table with these headings and no frame: wide text wraps on a terminal and stays on one line in a pipe.
#[must_use]
pub fn table<Cell: Display>(headings: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings.to_vec());
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row.into_iter().map(|cell| cell.to_string()));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    lines.concat()
}

/// A bar on standard error that counts up to `length`; draws nothing where that is no terminal.
#[must_use]
pub fn progress(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    bar.set_style(style.expect("the template is a constant and well formed"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_a_pipe_keeps_each_row_on_its_line() {
        let rows = vec![vec!["a".to_owned(), "x".repeat(300)], vec!["bb".to_owned(), String::new()]];
        let text = table(&["id", "text"], rows);
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    }
}
