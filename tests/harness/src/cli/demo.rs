//! `harness demo`: two workers at work, one killed, everything checked and reported.
//!
//! Invariant: an interrupt ends the demonstration through the same door as an error, so its workers end with it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{self, Options};

/// What `demo` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness demo --orders 20000 --seed 1")]
pub(super) struct Arguments {
    /// How many orders.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..))]
    orders: u64,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where logs and the report go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/demo")]
    directory: PathBuf,
}

/// Runs it; an interrupt ends it with its workers.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let options = Options {
        orders: arguments.orders,
        seed: arguments.seed,
        keep: std::env::var("KEEP").is_ok_and(|keep| keep == "1"),
        directory: arguments.directory,
    };
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        outcome = demo::run(&options) => outcome,
        _ = interrupt.recv() => bail!("interrupted; the workers are stopped, the next run removes what is left"),
        _ = terminate.recv() => bail!("terminated; the workers are stopped, the next run removes what is left"),
    }
}
