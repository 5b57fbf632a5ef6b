//! `harness bench`: how fast the product is, beside what the database alone could do and beside a plain service.
//!
//! Invariant: an interrupt ends it through the same door as an error, so its workers end with it.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::signals::or_interrupted;
use crate::bench::sweep::NAMES;
use crate::bench::{Options, Part, run};
use crate::topics::Layout;

/// How many rounds there are where nobody says.
const ROUNDS: usize = 3;

/// What `bench` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness bench --only local,scattered,limit --rounds 1")]
pub(super) struct Arguments {
    /// Only these, separated by commas; all when left out.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Few events and one round: whether it works, and about how fast.
    #[arg(long)]
    quick: bool,
    /// How many rounds of product, limit and baseline, in turn; 3, or 1 with --quick, when left out.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: Option<u8>,
    /// About how many events each workload has; 1,800,000 and 600,000, or 300,000 with --quick, when left out.
    #[arg(long, value_parser = clap::value_parser!(u64).range(6_000..))]
    events: Option<u64>,
    /// Partitions of the topics, that is lanes.
    #[arg(long, default_value_t = Layout::default().partitions, value_parser = clap::value_parser!(i32).range(1..=256))]
    partitions: i32,
    /// What the sweep changes, separated by commas; everything when left out.
    #[arg(long, value_delimiter = ',', value_name = "THINGS", value_parser = PossibleValuesParser::new(NAMES))]
    sweep_of: Vec<String>,
    /// Where logs and `report.json` go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench")]
    directory: PathBuf,
}

/// Measures; an interrupt ends it with all its processes.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    or_interrupted(hold(arguments)).await
}

async fn hold(arguments: Arguments) -> Result<bool> {
    let Arguments { only, quick, rounds, events, partitions, sweep_of, directory } = arguments;
    let mut parts = if only.is_empty() { Part::value_variants().to_vec() } else { only };
    parts.sort_unstable();
    parts.dedup();
    let rounds = rounds.map_or(if quick { 1 } else { ROUNDS }, usize::from);
    let options = Options { parts, quick, rounds, events, partitions, sweep_of, directory };
    let (report, path) = run::run(options).await?;
    print!("{}", report.text());
    println!("report: {}", path.display());
    Ok(true)
}
