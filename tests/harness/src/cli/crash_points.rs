//! `harness crash-points`: workers end at every crash point, others go on, and everything is checked from outside.
//!
//! Builds the program with crash points beside the ordinary one. Invariant: an interrupt ends it through the same door as an
//! error, so its workers end with it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::crash::{self, case, program::Act, program::CrashProgram};
use crate::stack::Stack;
use crate::stage::Stage;
use crate::topics::Time;
use crate::worker::Program;

/// How many deployments share the points.
const AT_ONCE: usize = 4;

/// What `crash-points` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness crash-points --times 3 --points batch.committed")]
pub(super) struct Arguments {
    /// How often each point is hit, at another pass each time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// Only these points; all when left out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    points: Vec<String>,
    /// What happens at a point: the worker dies, or is frozen until others have its lanes, and must then end well.
    #[arg(long, value_enum, default_value_t = Act::Kill)]
    act: Act,
    /// Where logs and the report go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/crash-points")]
    directory: PathBuf,
}

/// Goes through them; an interrupt ends it with its workers.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let end = watch::Sender::new(false);
    let ended = end.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        end.send_replace(true);
    });
    go_through(arguments, &ended).await
}

async fn go_through(arguments: Arguments, end: &watch::Receiver<bool>) -> Result<bool> {
    ensure!(arguments.act != Act::Wait, "a worker that only waits shows nothing here: say `kill` or `freeze`");
    let (stack, program) = (Stack::from_env()?, Program::beside_this()?);
    let mut crashing = block_in_place(|| CrashProgram::build_beside(program.path()))?;
    if let Some(unknown) = arguments.points.iter().find(|point| !crashing.points.contains(point)) {
        bail!("`{unknown}` is no crash point: `orderstream-crash points` lists them");
    }
    crashing.points.retain(|point| arguments.points.is_empty() || arguments.points.contains(point));
    let set = Stage::set((&stack, &program), "crash", &arguments.directory, Time::OfAppend, crash::configure);
    let mut stages = vec![set.await?];
    while stages.len() < AT_ONCE.min(crashing.points.len()) {
        stages.push(stages[0].another(&program, stages.len(), Time::OfAppend, crash::configure).await?);
    }
    let shares = case::share(&crashing.points, arguments.times, arguments.act, stages.len());
    let places: Vec<_> = stages.iter().map(|stage| stage.place(&program)).collect();
    let report = block_in_place(|| crash::run(&places, &crashing, &shares, end))?;
    print!("{}", report.text());
    let path = arguments.directory.join("report.json");
    let json = serde_json::to_string_pretty(&report.json())?;
    std::fs::write(&path, json + "\n").with_context(|| format!("`{}` cannot be written", path.display()))?;
    if report.is_good() {
        // All of them have the prefix of the first.
        stages.swap_remove(0).clear().await?;
    } else {
        stages.iter().for_each(|stage| println!("left for a look: {}", stage.whereabouts()));
    }
    Ok(report.is_good())
}
