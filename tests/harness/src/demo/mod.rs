//! The demonstration: two workers at work on simulated traffic, one of them killed in the middle, everything checked.
//!
//! | step | file |
//! |---|---|
//! | topics, database and configuration of its own | [`crate::stage`] |
//! | the workers, the kill, the waiting | [`show`] |
//! | deadlines, commands and their answers, a replay | [`pressing`] |
//! | what the times say | [`measure`] |
//! | orders told event by event | [`story`], [`telling`], [`words`] |
//! | the report | [`report`] |
//!
//! Invariant: no worker outlives the run, and what a run made is removed at its end or by the next run.

pub mod measure;
pub mod pressing;
pub mod report;
pub mod show;
pub mod story;
pub mod telling;
pub mod words;

use std::path::PathBuf;

use anyhow::{Context, Result};

use orderstream::ids::Timestamp;

use crate::check;
use crate::config_file::ConfigFile;
use crate::registry_front::Front;
use crate::stack::Stack;
use crate::stage::Stage;
use crate::topics::Time;
use crate::worker::Program;
use report::Report;
use story::Stories;

/// The largest record that the demonstration's workers take: small, so that one that is too large is quickly made.
const RECORD_MAX: &str = "128KiB";

/// What a demonstration is about.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many orders.
    pub orders: u64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Leaves topics and database for a look at them.
    pub keep: bool,
    /// Where logs and the report go.
    pub directory: PathBuf,
}

fn configure(file: &mut ConfigFile, front: &Front) {
    // Orders that nobody placed are to be shown as paid, and malformed records are to cost seconds and megabytes less.
    file.set("policy.shell", "trust").set("worker.record_max_bytes", RECORD_MAX).set("registry.unknown_id_grace", "1s");
    // What is owed is asked for, and nobody waits a quarter of an hour for the next attempt.
    file.send_commands().set("policy.command_retry", "1s").set("policy.command_attempts", 3);
    file.set("registry.url", front.url());
}

/// Runs the demonstration, prints its report, and says whether all is well.
///
/// # Errors
/// A server does not answer, or a worker does not do its work.
pub async fn run(options: &Options) -> Result<bool> {
    let program = Program::beside_this()?;
    let stack = Stack::from_env()?;
    let directory = &options.directory;
    let front = Front::before(&stack.registry)?;
    let configure = |file: &mut _| configure(file, &front);
    let mut stage = Stage::set((&stack, &program), "demo", directory, Time::OfProducer, configure).await?;
    let showing = show::run(&stage, &program, &front, options).await?;
    let ended = Timestamp(jiff::Timestamp::now().as_microsecond());
    // Whoever looks at what is kept asks the registry itself.
    stage.reconfigure(|file| _ = file.set("registry.url", stack.registry.as_str()))?;
    let verdict = check::check_as_of(&stage.deployment, ended, &[]).await?;
    let stories = Stories::of(&stage, &showing).await?;
    let report = Report { options, showing: &showing, verdict: &verdict, stories: &stories };
    println!("{}", report.text());
    let path = directory.join("report.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report.json())? + "\n")
        .with_context(|| format!("`{}` cannot be written", path.display()))?;

    if options.keep {
        println!("kept: {}", stage.whereabouts());
    } else if verdict.is_good() {
        stage.clear().await?;
    } else {
        println!("left for a look: {}", stage.whereabouts());
    }
    Ok(verdict.is_good())
}
