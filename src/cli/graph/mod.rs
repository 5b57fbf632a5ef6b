//! `orderstream graph`: the statuses and the ways between them, drawn from what the core does.
//!
//! The ways come from `order::ways`, which tries them; here they are only written, as Mermaid, as DOT or as JSON. Invariant:
//! the text is the same from run to run, so the drawing in the README can be compared with it.

mod dot;
mod mermaid;
#[cfg(test)]
mod tests;

use clap::{Args, ValueEnum};

use crate::cli::output::json;
use crate::order::ways::{Cause, Way, explore};

/// Draws the statuses of an order and the ways between them.
#[derive(Clone, Debug, Default, Args)]
pub struct GraphArgs {
    /// The form of the drawing.
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Form,
    /// Also draws, dashed, the ways that only facts take which come late or out of turn.
    #[arg(long)]
    pub late: bool,
}

/// What a drawing is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A flowchart for a Markdown page.
    #[default]
    Mermaid,
    /// A graph for Graphviz.
    Dot,
    /// All ways, each with everything that takes it and with an example, as an array.
    Json,
}

/// The drawing, with a newline at its end.
#[must_use]
pub fn drawn(args: &GraphArgs) -> String {
    written(&explore(args.late), args.output)
}

fn written(ways: &[Way], form: Form) -> String {
    match form {
        Form::Mermaid => mermaid::drawn(ways),
        Form::Dot => dot::drawn(ways),
        Form::Json => json(&ways),
    }
}

/// The most causes that stand at a line that is drawn through.
const SHOWN: usize = 3;
/// The most causes that stand at a dashed line, of which there are many.
const SHOWN_LATE: usize = 1;

/// What stands at the line of a way: the causes with the shortest stories, and how many others there are.
fn label(way: &Way) -> Vec<String> {
    let (causes, most) = if way.is_ordinary() { (&way.causes, SHOWN) } else { (&way.late_causes, SHOWN_LATE) };
    // Where one more would be the last, it takes no more room than the count.
    let shown = if causes.len() == most + 1 { causes.len() } else { causes.len().min(most) };
    let mut label: Vec<String> = causes[..shown].iter().map(Cause::to_string).collect();
    if causes.len() > shown {
        label.push(format!("and {} more", causes.len() - shown));
    }
    label
}
