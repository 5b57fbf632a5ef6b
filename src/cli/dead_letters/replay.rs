//! `orderstream dead-letters replay`: has the workers try open letters again, and tells what became of each.
//!
//! Marks them, chunk by chunk, and waits (`wait.rs`); a worker does the rest. Harmless to repeat: facts are idempotent, and
//! what is refused again is open as before. Invariant: without `--yes` nothing is written.

use clap::Args;

use super::Refusal;
use super::filters::Selection;
use super::plan::{self, Plan};
use super::wait::{Ended, Replay};
use crate::cli::change::ChangeArgs;
use crate::cli::exit::Exit;
use crate::cli::output::progress;
use crate::cli::{complain, database};
use crate::config::Config;
use crate::persist::letters::{self, Filter, State};
use crate::persist::{DatabaseClock, PgConnection};

/// Which letters, by whom, how fast.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    selection: Selection,
    /// How many letters a second are handed to the workers, at most; 0 for as fast as they go.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    rate: u32,
    /// Returns once all are marked, without waiting for what becomes of them.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// Replays them, or says which would be.
pub(super) async fn run(connection: &mut PgConnection, config: &Config, args: &ReplayArgs) -> Result<Exit, Refusal> {
    let now = DatabaseClock::read(connection).await?.now();
    let filter = args.selection.filter(&[State::Open], &config.topics, now)?;
    if !filter.ids.is_empty() {
        plan::check_numbers(connection, &filter.ids, &filter.states, "replayed").await?;
    }
    let plan = Plan::of(connection, &filter).await?;
    plan.only_of_inputs(&config.topics)?;
    mention_marked(connection, &filter).await?;
    if plan.letters() == 0 {
        return Ok(plan::nothing(args.change.output, "replayed"));
    }
    if !args.change.yes {
        return Ok(plan.print(args.change.output, ("replay", "replayed"), now));
    }
    let by = args.change.by.by();
    let bar = progress("replaying", plan.letters());
    let mut replay = Replay::new(connection, &filter, &by, args.rate, plan.last(), bar.clone());
    if args.no_wait {
        replay = replay.without_waiting();
    }
    let ended = replay.run().await;
    bar.finish_and_clear();
    let report = replay.into_report();
    let exit = args.change.output.answer(&report.json(), || report.text());
    if report.waiting > 0 || !matches!(ended, Ended::Done) {
        complain(report.what_stays());
    }
    Ok(match ended {
        Ended::Done if exit == Exit::Ok => report.exit(),
        Ended::Done => exit,
        Ended::Interrupted => Exit::Interrupted,
        Ended::Failed(error) => database::failed(&error),
    })
}

/// Letters that an earlier command marked are no news, but whoever repeats that command wants to know of them.
async fn mention_marked(connection: &mut PgConnection, filter: &Filter) -> Result<(), Refusal> {
    if filter.ids.is_empty() {
        let marked = Filter { states: vec![State::Replay], ..filter.clone() };
        let marked = letters::groups(connection, &marked).await?.iter().map(|group| group.letters).sum();
        if marked > 0 {
            complain(plan::marked_already(marked));
        }
    }
    Ok(())
}
