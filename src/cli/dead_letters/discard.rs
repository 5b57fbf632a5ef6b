//! `orderstream dead-letters discard`: gives letters up, for good and with a reason.
//!
//! The letter stays in the table, as it came, until retention removes it. Its order is looked at again, because a deadline
//! may have waited for the letter. What somebody holds locked is tried again for a while, and said where it stays so.
//! Invariant: never by accident - it takes filters, numbers or `--all`, and `--yes` with a note.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Refusal;
use super::filters::Selection;
use super::plan::{self, Plan};
use super::words::dead_letters;
use crate::cli::change::ByArgs;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, counted, progress};
use crate::cli::{ConfigFile, complain};
use crate::config::Config;
use crate::persist::letters::{self, By, Chunk, Filter, State};
use crate::persist::{DatabaseClock, PgConnection};

/// How many letters are discarded in one statement.
const CHUNK: i64 = 1_000;
/// How long letters that others hold locked are tried again: a worker's transaction takes far less, and the server ends that of
/// a frozen one after 5 s.
const LOCKED_AT_MOST: Duration = Duration::from_secs(10);
/// How often they are tried.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

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
    let done = discard(connection, &filter, plan, &args.by.by()).await?;
    let text = || format!("{} discarded; their orders are looked at again\n", dead_letters(done.discarded));
    let exit = args.output.answer(&done, text);
    if done.passed_over == 0 {
        return Ok(exit);
    }
    complain(format_args!(
        "{} passed over: another session, of a worker as a rule, has held {} locked for {} s; run the same command again",
        counted(done.passed_over, "dead letter was", "dead letters were"),
        if done.passed_over == 1 { "it" } else { "them" },
        LOCKED_AT_MOST.as_secs()
    ));
    Ok(Exit::TempFail)
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Done {
    discarded: u64,
    /// Those that somebody else held locked all the time.
    passed_over: u64,
}

/// Discards them chunk by chunk, and again what was locked by others then: without a wait for a lock, in which workers would
/// have to wait for what is locked here.
async fn discard(connection: &mut PgConnection, filter: &Filter, plan: Plan, by: &By) -> Result<Done, Refusal> {
    let bar = progress("discarding", plan.letters());
    let (mut done, since) = (Done::default(), Instant::now());
    loop {
        let mut chunk = Chunk { after: 0, last: plan.last(), limit: CHUNK };
        loop {
            let discarded = letters::discard(connection, filter, chunk, by).await?;
            done.discarded += discarded.len() as u64;
            bar.inc(discarded.len() as u64);
            match discarded.last() {
                Some(last) if discarded.len() as i64 == CHUNK => chunk.after = *last,
                _ => break,
            }
        }
        done.passed_over = letters::unresolved(connection, filter, plan.last()).await?;
        if done.passed_over == 0 || since.elapsed() > LOCKED_AT_MOST {
            break;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    bar.finish_and_clear();
    Ok(done)
}
