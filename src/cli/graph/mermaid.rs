//! The drawing as a Mermaid flowchart, which GitHub and others render in a Markdown page.
//!
//! A flowchart and not a state diagram, because only that draws dashed lines. Terminal statuses have a double border; where
//! an order begins is a dot.

use std::fmt::Write;

use crate::order::Status;
use crate::order::ways::Way;

use super::label;

pub fn drawn(ways: &[Way]) -> String {
    let mut text = String::from("flowchart TB\n    begin(( )) --> PENDING\n");
    for status in Status::ALL.into_iter().rev() {
        let (left, right) = if status.is_terminal() { ("[[", "]]") } else { ("(", ")") };
        line(&mut text, format_args!("{status}{left}{status}{right}"));
    }
    for way in ways.iter().rev() {
        let arrow = if way.is_ordinary() { "-->" } else { "-.->" };
        line(&mut text, format_args!("{} {arrow}|{}| {}", way.from, label(way).join("<br>"), way.to));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "    {line}").expect("a text takes any line");
}
