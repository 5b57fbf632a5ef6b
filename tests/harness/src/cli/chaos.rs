//! `harness chaos`: everything around real workers is broken on schedule, healed and judged; report and picture are left behind.
//!
//! Needs no running stack: it starts servers of its own. Invariant: an interrupt ends it through the same door as an error, so all
//! that it started ends with it.

use std::ops::RangeInclusive;
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
use crate::chaos::series::Series;
use crate::chaos::verdict::CATCH_UP;
use crate::worker::Program;

/// How many seeds a range may hold.
const MOST_SEEDS: u64 = 1_000;

/// What `chaos` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness chaos --minutes 2 --seed 7 --faults worker-kill,broker-freeze,link-tear")]
pub(super) struct Arguments {
    /// For how long faults are injected; making the world before and judging after take two minutes more.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Decides which faults come when: the same seed is the same schedule. Several, as `1,2,7-12`, are run one after the other.
    #[arg(long, default_value = "1", value_delimiter = ',', value_parser = seeds, value_name = "SEEDS")]
    seed: Vec<RangeInclusive<u64>>,
    /// The kinds of faults that may come, separated by commas; all when left out.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    faults: Vec<Kind>,
    /// How many workers; 2 to 4, by the seed, when left out.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=4))]
    workers: Option<u8>,
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
    let minutes = arguments.minutes;
    ensure!((0.1..=600.0).contains(&minutes), "--minutes is `{minutes}`: give 0.1 to 600");
    let seeds: Vec<u64> = arguments.seed.iter().cloned().flatten().collect();
    if let [seed] = seeds[..] {
        return Ok(hold_one(&arguments, seed, arguments.directory.clone()).await?.is_good());
    }
    let mut series = Series::default();
    for seed in seeds {
        let outcome = hold_one(&arguments, seed, arguments.directory.join(format!("seed-{seed}"))).await;
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        if let Err(why) = &outcome {
            eprintln!("no run with seed {seed}: {why}");
        }
        series.add(seed, outcome);
    }
    let report = arguments.directory.join("report.json");
    write(&report, &(serde_json::to_string_pretty(&series.json())? + "\n"))?;
    print!("{}", series.text());
    println!("report: {}", report.display());
    Ok(series.is_good())
}

/// One run, which is told when it is through.
async fn hold_one(arguments: &Arguments, seed: u64, directory: PathBuf) -> Result<Outcome> {
    let Arguments { minutes, faults, workers, rate, .. } = arguments;
    let kinds = if faults.is_empty() { Kind::ALL.to_vec() } else { faults.clone() };
    let by_seed = 2 + u8::try_from(seed % 3).expect("it is below 3");
    let plan =
        Plan { seed, lasts: Duration::from_secs_f64(minutes * 60.0), kinds, workers: workers.unwrap_or(by_seed) };
    let options = Options { plan, rate: *rate, catch_up: CATCH_UP, program: Program::beside_this()?, directory };
    let outcome = run::run(&options).await?;
    let [report, picture] = leave(&outcome, &options.directory)?;
    print!("{}", outcome.text());
    println!("report: {}, timeline: {}", report.display(), picture.display());
    Ok(outcome)
}

/// A seed, or a range of them as `7-12`.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number =
        |text: &str| text.parse().map_err(|_| format!("`{text}` is no number: give one as 7, or a range as 7-12"));
    let seeds: RangeInclusive<u64> = number(first)?..=number(last)?;
    if seeds.is_empty() || seeds.end() - seeds.start() >= MOST_SEEDS {
        return Err(format!("`{text}` holds none, or more than {MOST_SEEDS}: give a range as 7-12"));
    }
    Ok(seeds)
}

/// Writes the report and the picture.
fn leave(outcome: &Outcome, directory: &Path) -> Result<[PathBuf; 2]> {
    let report = directory.join("report.json");
    let json = serde_json::to_string_pretty(&outcome.json())? + "\n";
    write(&report, &json)?;
    let picture = directory.join("timeline.svg");
    let svg = picture::draw(&outcome.timeline, &outcome.title(), &outcome.summary(), outcome.healed);
    write(&picture, &svg)?;
    Ok([report, picture])
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_and_ranges() {
        assert_eq!(seeds("7"), Ok(7..=7));
        assert_eq!(seeds("7-12"), Ok(7..=12));
        assert!(seeds("12-7").is_err() && seeds("0-5000").is_err());
        assert!(seeds("x").is_err_and(|why| why.starts_with("`x` is no number")));
    }
}
