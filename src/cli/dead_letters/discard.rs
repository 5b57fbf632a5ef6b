//! `orderstream dead-letters discard`: gives letters up, for good and with a reason.
//!
//! The letter stays in the table, as it came, until retention removes it. Its order is looked at again, because a deadline
//! may have waited for the letter. Invariant: never by accident - it takes filters, numbers or `--all`, and `--yes` with
//! a note.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use super::Refusal;
use super::by::ByArgs;
use super::filters::Selection;
use super::plan::{self, Plan};
use super::words::dead_letters;
use crate::cli::ConfigFile;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, progress};
use crate::config::Config;
use crate::persist::letters::{self, Chunk, State};
use crate::persist::{DatabaseClock, PgConnection};

/// How many letters are discarded in one statement.
const CHUNK: i64 = 1_000;

/// Which letters, by whom, and why.
#[derive(Debug, Args)]
pub struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,
    /// All that are not done with, where no filter and no ID is given.
    #[arg(long, conflicts_with_all = ["ids", "reason", "topic", "since", "until", "order"])]
    all: bool,
    /// Does it; without this it only says what would be done. Needs a note.
    #[arg(long, requires = "note")]
    yes: bool,
    /// Why, for the history of each letter.
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    note: Option<String>,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(super) config: ConfigFile,
}

/// Discards them, or says which would be.
pub(super) async fn run(connection: &mut PgConnection, config: &Config, args: &DiscardArgs) -> Result<Exit, Refusal> {
    if args.selection.is_everything() && !args.all {
        return Err(Refusal::usage("discard needs to know which: name dead letters by ID, use a filter, or say --all"));
    }
    let now = DatabaseClock::read(connection).await?.now();
    let filter = args.selection.filter(&State::UNRESOLVED, &config.topics, now)?;
    if !filter.ids.is_empty() {
        plan::check_numbers(connection, &filter.ids, &filter.states, "discarded").await?;
    }
    let plan = Plan::of(connection, &filter).await?;
    if plan.letters() == 0 {
        return Ok(plan::nothing(args.output, "discarded"));
    }
    if !args.yes {
        return Ok(plan.print(args.output, ("discard", "discarded"), now));
    }
    let by = args.by.by(args.note.as_deref());
    let bar = progress("discarding", plan.letters());
    let mut chunk = Chunk { after: 0, last: plan.last(), limit: CHUNK };
    let mut count = 0;
    loop {
        let discarded = letters::discard(connection, &filter, chunk, &by).await?;
        count += discarded.len() as u64;
        bar.inc(discarded.len() as u64);
        match discarded.last() {
            Some(last) if discarded.len() as i64 == CHUNK => chunk.after = *last,
            _ => break,
        }
    }
    bar.finish_and_clear();
    let text = || format!("{} discarded; their orders are looked at again\n", dead_letters(count));
    Ok(args.output.answer(&json!({ "discarded": count }), text))
}
