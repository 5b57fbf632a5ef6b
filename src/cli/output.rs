//! How commands answer: text for a person or JSON for a program, tables, progress bars.
//!
//! Invariant: what is asked for goes to standard output and is the same on a terminal and in a pipe but for colour; progress
//! goes to standard error, and only to a terminal.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
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
    /// Whether a person asked.
    #[must_use]
    pub fn is_text(self) -> bool {
        self.output == Format::Text
    }

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
pub fn table<C: Into<Cell>>(headings: &[&str], rows: impl IntoIterator<Item = Vec<C>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings.to_vec());
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    lines.concat()
}

/// Lines of a label and its value, the values below each other. Only a value that holds something has a line.
#[must_use]
pub fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<(&str, String)> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = fields.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    fields.iter().map(|(label, value)| format!("{label:width$}  {value}\n")).collect()
}

/// Whether an answer may be coloured: only on a terminal, and only where colours are welcome.
#[must_use]
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && are_colours_welcome()
}

/// Whether nobody asked for the opposite: `NO_COLOR` is not set, or empty.
#[must_use]
pub fn are_colours_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|asked| asked.is_empty())
}

/// The first word of an answer: on a terminal it stands out.
#[must_use]
pub fn large(word: &str) -> String {
    if colours() { format!("\x1b[1;7m {word} \x1b[0m") } else { word.to_owned() }
}

/// A text from outside as it may be shown: what would steer the terminal is escaped.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// How many there are of something: `1 entry`, `2 entries`, `12,345 entries`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {}", HumanCount(count), if count == 1 { one } else { many })
}

/// A bar on standard error that counts up to `length`; draws nothing where that is no terminal.
#[must_use]
pub fn progress(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {rate} {eta}");
    let style = style.expect("the template is a constant and well formed");
    bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
        // The bar draws nothing rather than fail.
        _ = write!(out, "{:.0}/s", state.per_sec());
    }));
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

    #[test]
    fn what_would_steer_a_terminal_is_escaped() {
        assert_eq!(plain("ord-1 ü"), "ord-1 ü");
        assert_eq!(plain("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }

    #[test]
    fn labels_line_up_and_nothing_is_said_of_what_is_empty() {
        let some = [("a", "1".to_owned()), ("long", String::new()), ("bb", "2".to_owned())];
        assert_eq!(fields(some), "a   1\nbb  2\n");
    }
}
