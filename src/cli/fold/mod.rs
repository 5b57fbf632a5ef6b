//! `orderstream fold`: what the events of one order make of it, without any server.
//!
//! Folds events in the order given and prints the view they end in. The same code decides here as in the worker.
//! Invariant: nothing is printed unless every event is good.

mod error;
mod input;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub use error::{FoldError, Place};
use input::Input;

use super::instant;
use crate::ids::{OrderId, Timestamp};
use crate::order::facts::MAX_FACTS;
use crate::order::{Event, Fold, Status, View};

/// Folds the events of one order and prints the derived view as JSON.
#[derive(Clone, Debug, Default, Args)]
pub struct FoldArgs {
    /// Events as a JSON array, as JSON lines, or one case of a scenario file; `-` or nothing reads standard input.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The policy, a JSON object as in a scenario; instead of the case's own.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Fires what is due by then after the events: microseconds since 1970, or RFC 3339; instead of the case's own.
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    pub until: Option<Timestamp>,
    /// Also prints the status of each OrderStatusChanged that a worker would emit.
    #[arg(long)]
    pub emits: bool,
    /// Form of the answer.
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    pub output: Form,
}

/// The form of a view: there is one, and the option only lets a script ask every command in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One JSON document.
    #[default]
    Json,
}

/// Folds what the arguments say and prints the result.
///
/// # Errors
/// What is wrong with the input, or that the result cannot be written.
pub fn run(args: &FoldArgs, stdin: impl Read, mut stdout: impl Write) -> Result<(), FoldError> {
    let input = Input::read(args, stdin)?;
    let result = fold(&input, args.emits)?;
    let Form::Json = args.output;
    let json = serde_json::to_string_pretty(&result).expect("a view of texts and numbers can always be written");
    match writeln!(stdout, "{json}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(FoldError::Output(error)),
        // A reader that has seen enough, such as `head`, is no failure.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is printed.
#[derive(Serialize)]
#[serde(untagged)]
enum Folded {
    View(Box<View>),
    WithEmits { view: Box<View>, emits: Vec<Status> },
}

fn fold(input: &Input, with_emits: bool) -> Result<Folded, FoldError> {
    let mut fold = Fold::new(&input.policy);
    apply(&mut fold, &input.events)?;
    if let Some(until) = input.until {
        let first = input.events.first();
        let order_id = first.map_or_else(|| OrderId::from(""), |(_, event)| event.order_id.clone());
        fold.fire(until, &order_id);
    }
    apply(&mut fold, &input.after)?;
    let view = Box::new(fold.view());
    Ok(if with_emits { Folded::WithEmits { view, emits: fold.emits().to_vec() } } else { Folded::View(view) })
}

fn apply(fold: &mut Fold<'_>, events: &[(Place, Event)]) -> Result<(), FoldError> {
    for (place, event) in events {
        let _ = fold.apply(event);
        if fold.order().facts.len() > MAX_FACTS {
            return Err(FoldError::TooManyFacts { place: *place });
        }
    }
    Ok(())
}
