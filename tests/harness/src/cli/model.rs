//! `harness model`: the model of the protocol, explored and walked through; with a mechanism switched off, the way to its breach.
//!
//! Invariant: the same arguments give the same answer. Exit code 1 where a promise is broken, switched off or not.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::model::bounds::{Bounds, Mechanism, Without};
use crate::model::explore::{Trace, explore};
use crate::model::state::World;
use crate::model::walk::walk;
use crate::model::worlds;

/// What `model` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness model --walks 20000 --steps 400 --seed 7\n  harness model --without captured-generation"
)]
pub(super) struct Arguments {
    /// How many random walks, in a larger world than those that are explored.
    #[arg(long, default_value_t = 2_000)]
    walks: u64,
    /// How many steps a walk takes at most before it heals.
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Decides everything that walks leave to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A mechanism of the protocol to switch off; may be given again. Searches for the shortest way to a broken promise.
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    without: Vec<Mechanism>,
    /// Explores this world in place of those that are chosen, as `processes=2,lanes=1,records=2,batch=1,crashes=1`; other faults
    /// are evictions, cuts, repeats, give-ups, rebalances, expiries, time-outs.
    #[arg(long, value_name = "BOUNDS")]
    world: Option<Bounds>,
}

fn mechanism(name: &str) -> Result<Mechanism, String> {
    Mechanism::ALL.iter().copied().find(|mechanism| mechanism.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        format!("`{name}` is no mechanism of the model: use one of {}", names.join(", "))
    })
}

/// Explores, walks, and tells what it saw. False where a promise is broken.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    tokio::task::spawn_blocking(move || {
        let without = Without::these(&arguments.without);
        let worlds: Vec<Bounds> = match arguments.world {
            Some(world) => vec![world],
            None if arguments.without.is_empty() => worlds::SEEN_WHOLE.to_vec(),
            None => arguments.without.iter().map(|mechanism| worlds::that_needs(*mechanism)).collect(),
        };
        for bounds in worlds {
            let since = Instant::now();
            let explored = explore(World { bounds, without });
            println!(
                "{bounds}: {} states, {} steps between them, the longest way {} steps, {:.1} s",
                explored.states,
                explored.steps,
                explored.depth - 1,
                since.elapsed().as_secs_f64()
            );
            if let Some(trace) = explored.breach {
                return Ok(tell(&trace));
            }
        }
        let since = Instant::now();
        let bounds = arguments.world.unwrap_or(worlds::WALKED);
        let walked = walk(World { bounds, without }, arguments.seed, arguments.walks, arguments.steps);
        let (walks, steps, took) = (walked.walks, walked.steps, since.elapsed().as_secs_f64());
        println!("{bounds}: {walks} walks, {steps} steps, seed {}, {took:.1} s", arguments.seed);
        Ok(walked.breach.is_none_or(|trace| tell(&trace)))
    })
    .await?
}

fn tell(trace: &Trace) -> bool {
    println!("a promise is broken after {} steps:", trace.steps.len());
    trace.lines().iter().for_each(|line| println!("{line}"));
    false
}
