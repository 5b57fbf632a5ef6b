//! `harness trial`: deadlines, commands and replays with two workers, one of them killed twice, checked from outside.
//!
//! Invariant: an interrupt ends the trial through the same door as an error, so its workers end with it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::registry_front::Front;
use crate::stack::Stack;
use crate::stage::Stage;
use crate::topics::Time;
use crate::trial::{self, Options};
use crate::worker::Program;

/// What `trial` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness trial --orders 2000 --seed 7")]
pub(super) struct Arguments {
    /// How many orders.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(100..))]
    orders: u64,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where logs go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/trial")]
    directory: PathBuf,
}

/// Holds it; an interrupt ends it with its workers.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        outcome = hold(arguments) => outcome,
        _ = interrupt.recv() => bail!("interrupted; the workers are stopped, the next run removes what is left"),
        _ = terminate.recv() => bail!("terminated; the workers are stopped, the next run removes what is left"),
    }
}

async fn hold(arguments: Arguments) -> Result<bool> {
    let (stack, program) = (Stack::from_env()?, Program::beside_this()?);
    let front = Front::before(&stack.registry)?;
    let configure = |file: &mut _| trial::configure(file, &front);
    let stage = Stage::set((&stack, &program), "trial", &arguments.directory, Time::OfAppend, configure).await?;
    let options = Options { orders: arguments.orders, seed: arguments.seed };
    let outcome = trial::run(stage.place(&program), &front, options).await?;
    print!("{}", outcome.text());
    if outcome.verdict.is_good() {
        stage.clear().await?;
    } else {
        println!("left for a look: {}", stage.whereabouts());
    }
    Ok(outcome.verdict.is_good())
}
