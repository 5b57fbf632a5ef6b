//! `harness model`: the model of the protocol, explored and walked through; with a mechanism switched off, the way to its breach.
//!
//! Invariant: the same arguments give the same answer. Exit code 1 where a promise is broken, switched off or not.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::model::bounds::{Bounds, Mechanism, Without};
use crate::model::explore::{Explored, Trace, explore};
use crate::model::state::World;
use crate::model::walk::walk;
use crate::model::worlds;

/// Walks, where nobody says how many: some seconds.
const DEFAULT_WALKS: u64 = 2_000;

/// What `model` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness model --walks 20000 --steps 400 --seed 7\n  harness model --without captured-generation"
)]
pub(super) struct Arguments {
    /// Only walks by chance, so many times, through a world larger than those that can be seen whole.
    #[arg(long)]
    walks: Option<u64>,
    /// How many steps a walk takes at most before it heals.
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Decides everything that walks leave to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A mechanism of the protocol to switch off; may be given again. Searches for the shortest way to a broken promise.
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    without: Vec<Mechanism>,
    /// This world in place of those that are chosen, as `processes=2,lanes=1,records=2,batch=1,crashes=1`; other faults
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
        let is_whole = match arguments.walks {
            None => explore_all(&arguments, without),
            Some(_) => true,
        };
        let is_walked = arguments.walks.is_some() || (arguments.without.is_empty() && arguments.world.is_none());
        Ok(is_whole && (!is_walked || walk_through(&arguments, without)))
    })
    .await?
}

fn explore_all(arguments: &Arguments, without: Without) -> bool {
    let worlds: Vec<Bounds> = match arguments.world {
        Some(world) => vec![world],
        None if arguments.without.is_empty() => [worlds::SEEN_WHOLE, worlds::SEEN_WHOLE_IN_MINUTES].concat(),
        None => arguments.without.iter().map(|mechanism| worlds::that_needs(*mechanism)).collect(),
    };
    worlds.into_iter().all(|bounds| {
        let since = Instant::now();
        let Explored { states, steps, depth, breach } = explore(World { bounds, without });
        let took = since.elapsed().as_secs_f64();
        println!("{bounds}: {states} states, {steps} steps between them, the longest way {depth}, {took:.1} s");
        breach.is_none_or(|trace| tell(&trace))
    })
}

fn walk_through(arguments: &Arguments, without: Without) -> bool {
    let since = Instant::now();
    let bounds = arguments.world.unwrap_or(worlds::WALKED);
    let walks = arguments.walks.unwrap_or(DEFAULT_WALKS);
    let walked = walk(World { bounds, without }, arguments.seed, walks, arguments.steps);
    let (walks, steps, took) = (walked.walks, walked.steps, since.elapsed().as_secs_f64());
    println!("{bounds}: {walks} walks, {steps} steps, seed {}, {took:.1} s", arguments.seed);
    walked.breach.is_none_or(|trace| tell(&trace))
}

fn tell(trace: &Trace) -> bool {
    println!("a promise is broken after {} steps:", trace.steps.len());
    trace.lines().iter().for_each(|line| println!("{line}"));
    false
}
