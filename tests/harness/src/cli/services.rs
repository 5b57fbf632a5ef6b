//! `harness services`: the payment, stock and carrier services that answer commands, until there are none for a while.
//!
//! Only with a command topic. What is answered in which manner follows from the seed and the command.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::target::Target;
use crate::services::{From, Options, Services};

/// What `services` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness services --config orderstream.toml --idle 30")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Decides in which manner each command is answered.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leaves the commands that were sent before unanswered.
    #[arg(long)]
    from_now: bool,
    /// Ends after so many seconds without a command.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    idle: u64,
    /// Ends after so many seconds in any case.
    #[arg(long, default_value_t = 3_600, value_name = "SECONDS")]
    at_most: u64,
}

/// Answers, and says what was answered.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let options = Options {
        seed: arguments.seed,
        from: if arguments.from_now { From::Now } else { From::Beginning },
        idle: Duration::from_secs(arguments.idle),
        at_most: Duration::from_secs(arguments.at_most),
    };
    let services = Services::open(&arguments.target.deployment()?, options).await?;
    let tally = services.run(Arc::new(AtomicBool::new(false))).await?;
    println!("{} commands heard {} times, {} answers; {:?}", tally.commands, tally.heard, tally.answers, tally.manners);
    Ok(true)
}
