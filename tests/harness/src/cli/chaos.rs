//! `harness chaos`: everything around real workers is broken on schedule, healed and judged; report and picture are left behind.
//!
//! Needs no running stack: it starts servers of its own. Invariant: an interrupt ends it through the same door as an error, so all
//! that it started ends with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::signals::or_interrupted;
use crate::chaos::fault::Kind;
use crate::chaos::picture;
use crate::chaos::report::Outcome;
use crate::chaos::run::{self, Options};
use crate::chaos::schedule::Plan;
use crate::chaos::verdict::CATCH_UP;
use crate::worker::Program;

/// What `chaos` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness chaos --minutes 2 --seed 7 --faults worker-kill,broker-freeze,link-tear")]
pub(super) struct Arguments {
    /// For how long faults are injected; making the world before and judging after take two minutes more.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Decides which faults come when: the same seed is the same schedule.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The kinds of faults that may come, separated by commas; all when left out.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    faults: Vec<Kind>,
    /// How many workers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=4))]
    workers: u8,
    /// How many records a second go in.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
    /// Where logs, data, `report.json` and `timeline.svg` go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/chaos")]
    directory: PathBuf,
}

/// Goes through a run; an interrupt ends it with all its processes.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    or_interrupted(hold(arguments)).await
}

async fn hold(arguments: Arguments) -> Result<bool> {
    let Arguments { minutes, seed, faults, workers, rate, directory } = arguments;
    ensure!((0.1..=600.0).contains(&minutes), "--minutes is `{minutes}`: give 0.1 to 600");
    let kinds = if faults.is_empty() { Kind::ALL.to_vec() } else { faults };
    let plan = Plan { seed, lasts: Duration::from_secs_f64(minutes * 60.0), kinds, workers };
    let options = Options { plan, rate, catch_up: CATCH_UP, program: Program::beside_this()?, directory };
    let outcome = run::run(&options).await?;
    let [report, picture] = leave(&outcome, &options.directory)?;
    print!("{}", outcome.text());
    println!("report: {}, timeline: {}", report.display(), picture.display());
    Ok(outcome.is_good())
}

/// Writes the report and the picture.
fn leave(outcome: &Outcome, directory: &Path) -> Result<[PathBuf; 2]> {
    let report = directory.join("report.json");
    let json = serde_json::to_string_pretty(&outcome.json())? + "\n";
    std::fs::write(&report, json).with_context(|| format!("`{}` cannot be written", report.display()))?;
    let picture = directory.join("timeline.svg");
    let svg = picture::draw(&outcome.timeline, &outcome.title(), &outcome.summary(), outcome.healed);
    std::fs::write(&picture, svg).with_context(|| format!("`{}` cannot be written", picture.display()))?;
    Ok([report, picture])
}
