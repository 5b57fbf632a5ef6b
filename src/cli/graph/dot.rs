//! The drawing as a DOT graph, for Graphviz.

use std::fmt::Write;

use crate::order::Status;
use crate::order::ways::Way;

use super::label;

pub fn drawn(ways: &[Way]) -> String {
    let mut text = String::from(
        "digraph orderstream {\n    rankdir=TB; nodesep=0.5; ranksep=0.7;\n    \
         node [shape=box style=rounded fontname=Helvetica fontsize=12];\n    \
         edge [fontname=Helvetica fontsize=9 color=gray30];\n    begin [shape=point width=0.15];\n    begin -> PENDING;\n",
    );
    for status in Status::ALL.into_iter().rev() {
        if status.is_terminal() {
            line(&mut text, format_args!("{status} [peripheries=2];"));
        } else {
            line(&mut text, format_args!("{status};"));
        }
    }
    for way in ways.iter().rev() {
        let style = if way.is_ordinary() { "" } else { " style=dashed color=gray60 constraint=false" };
        line(&mut text, format_args!("{} -> {} [label=\"{}\"{style}];", way.from, way.to, label(way).join("\\n")));
    }
    text + "}\n"
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "    {line}").expect("a text takes any line");
}
