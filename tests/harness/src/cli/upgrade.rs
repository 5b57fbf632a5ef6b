//! `harness upgrade`: three workers rolled from the previous release to this one and back under load, and all of it checked.
//!
//! Invariant: an interrupt ends it through the same door as an error, so its workers end with it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::signals::or_interrupted;
use crate::rolling::crew::Release;
use crate::rolling::upgrade::{self, Options, Side};
use crate::stack::Stack;
use crate::stage::Stage;
use crate::topics::Time;
use crate::worker::Program;

/// What the names of all that is made here begin with.
const KIND: &str = "upgrade";

/// What `upgrade` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  deploy/local/previous.sh release && . target/stack/env && harness upgrade --rate 2000"
)]
pub(super) struct Arguments {
    /// Records a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
    /// How many records go in at least between two replacements.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    between: u64,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program of the release before; that of `deploy/local/previous_release` when left out.
    #[arg(long, value_name = "PROGRAM")]
    previous: Option<PathBuf>,
    /// Where logs and `report.json` go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/upgrade")]
    directory: PathBuf,
}

/// Rolls there and back; an interrupt ends it with all its processes.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    or_interrupted(hold(arguments)).await
}

async fn hold(arguments: Arguments) -> Result<bool> {
    let Arguments { rate, between, seed, previous, directory } = arguments;
    let (name, previous) = match previous {
        Some(path) => (path.display().to_string(), Program::at(path)),
        None => upgrade::built_aside(Path::new("."), "release")?,
    };
    let directory = std::path::absolute(directory)?;
    let (stack, program) = (Stack::from_env()?, Program::beside_this()?);
    // A file that both understand; migrated and registered by the older one.
    let stage = Stage::set((&stack, &previous), KIND, &directory, Time::OfAppend, upgrade::configure).await?;
    let release = |program: Program| Release { program, config: stage.config.clone(), fixed: false };
    let (older, newer) = (release(previous), release(program));
    let side = Side { deployment: &stage.deployment, older: &older, newer: &newer, logs: &stage.logs };
    let outcome = upgrade::run(side, Options { seed, rate, between }).await?;
    let path = directory.join("report.json");
    let json = serde_json::to_string_pretty(&outcome.json(&name))? + "\n";
    std::fs::write(&path, json).with_context(|| format!("`{}` cannot be written", path.display()))?;
    print!("{}", outcome.text(&name));
    println!("report: {}", path.display());
    if outcome.verdict.is_good() {
        stage.clear().await?;
    } else {
        println!("left for a look: {}", stage.whereabouts());
    }
    Ok(outcome.verdict.is_good())
}
