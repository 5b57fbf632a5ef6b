//! A rolling restart, measured: three workers at a steady load, each in turn stopped, waited for and started again.
//!
//! Load is an open loop: events come at their appointed times whatever the workers do. A consumer of the status topic notes when each
//! status event became visible to it. Invariant: a round of which anything was lost, doubled or mismatched is an error, and so is one in
//! which a lane told nothing.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use toml::Value;

use super::crew::{Crew, Goodbye, Release, Restart, WORKERS, micros};
use super::pauses::{self, Pause};
use crate::bench::arrivals::{self, Arrivals};
use crate::bench::pace::{Pace, Paced};
use crate::bench::workload::Workload;
use crate::check::{self, Verdict};
use crate::config_file::ConfigFile;
use crate::stack::Stack;
use crate::stage::{self, Stage};
use crate::topics::Layout;
use crate::watch::Place;
use crate::worker::Program;

/// What the names of all that is made here begin with.
const KIND: &str = "rolling";
/// More orders than there is time for.
const ORDERS: u64 = 10_000_000;
/// How many orders are open at a time.
const IN_FLIGHT: usize = 1_000;

/// One round: how workers go, and whether their names stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// How each worker is made to go.
    pub by: Goodbye,
    /// Whether each has a `kafka.instance` that stays.
    pub fixed: bool,
}

impl Round {
    /// Its name in reports and directories.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.by, self.fixed) {
            (Goodbye::Asked, false) => "fresh-names",
            (Goodbye::Asked, true) => "fixed-names",
            (Goodbye::Killed, false) => "killed-fresh-names",
            (Goodbye::Killed, true) => "killed-fixed-names",
        }
    }
}

/// What a measurement is about.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Events a second.
    pub rate: u32,
    /// How long the load goes on before the first restart, between two, and after the last.
    pub rest: Duration,
    /// Partitions of the topics, that is lanes.
    pub partitions: i32,
}

/// What came of a round.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The round.
    pub round: Round,
    /// What was sent.
    pub paced: Paced,
    /// The restarts, in their order.
    pub restarts: Vec<Restarted>,
    /// The longest pause of each lane from the first goodbye to the end of the load.
    pub longest: Vec<Pause>,
    /// The longest pause of each lane in the time before the first goodbye: what the machine makes by itself.
    pub undisturbed: Vec<Pause>,
    /// The checker's word.
    pub verdict: Verdict,
}

/// A restart, and what it did to the lanes.
#[derive(Clone, Debug)]
pub struct Restarted {
    /// The restart.
    pub restart: Restart,
    /// How many events were under way when the worker was told to go.
    pub in_flight: usize,
    /// How many were at most until the rest after it was over.
    pub most_in_flight: usize,
    /// The longest pause of each lane meanwhile.
    pub longest: Vec<Pause>,
}

/// Where a measurement is made, and the settings of the product that differ from what is shipped.
#[derive(Clone, Debug)]
pub struct Site {
    /// The servers.
    pub stack: Stack,
    /// The program.
    pub program: Program,
    /// As in `("kafka.heartbeat_interval", "1s")`.
    pub settings: Vec<(String, Value)>,
    /// Where logs go, a directory a round; an absolute path, emptied first.
    pub directory: PathBuf,
}

/// Measures rounds, each on a stage of its own.
///
/// # Errors
/// A server does not answer, somebody else measures on this stack, a worker does not end or come back as it should, a lane tells
/// nothing, or the checker finds a difference.
pub async fn measure(site: &Site, rounds: &[Round], options: Options) -> Result<Vec<Outcome>> {
    let _lock = stage::lock(&site.stack).await?;
    stage::empty(&site.directory)?;
    stage::clear_leftovers(&site.stack, KIND).await?;
    let mut outcomes = Vec::with_capacity(rounds.len());
    for round in rounds {
        let outcome = hold(site, *round, options).await;
        outcomes.push(outcome.with_context(|| format!("the round `{}`", round.name()))?);
    }
    Ok(outcomes)
}

async fn hold(site: &Site, round: Round, options: Options) -> Result<Outcome> {
    let Site { stack, program, settings, directory } = site;
    let directory = directory.join(round.name());
    stage::empty(&directory)?;
    let layout = Layout { partitions: options.partitions, ..Layout::default() };
    let configure = |file: &mut ConfigFile| {
        configure(file, &directory);
        settings.iter().for_each(|(name, value)| _ = file.set(name, value.clone()));
    };
    let id = stage::new_id()?;
    let stage = Stage::make((stack, program), (KIND, &id), &directory, layout, configure).await?;
    let outcome = restart_all(stage.place(program), round, options).await?;
    let verdict = &outcome.verdict;
    ensure!(verdict.is_good(), "something differs:\n{}\nleft for a look: {}", verdict.text(), stage.whereabouts());
    stage.clear().await?;
    Ok(outcome)
}

/// Sets what a measurement needs.
pub fn configure(file: &mut ConfigFile, directory: &Path) {
    // Nobody placed these orders.
    file.unset("topics.order");
    // What killed workers leave goes with the rest.
    file.set("worker.heartbeat_directory", directory.to_string_lossy().as_ref());
}

/// Holds one round: starts three workers, restarts each, and stops them.
///
/// # Errors
/// As [`measure`]; differences that the checker finds are no errors here.
pub async fn restart_all(place: Place<'_>, round: Round, options: Options) -> Result<Outcome> {
    let deployment = place.deployment;
    let release = Release { program: place.program.clone(), config: place.config.to_owned(), fixed: round.fixed };
    let mut crew = Crew::start(deployment, &release, place.logs).await?;
    let arrivals = Arrivals::begin(deployment)?;
    let workload = Workload { in_flight: IN_FLIGHT, ..Workload::local(ORDERS) };
    let pace = Pace::start(deployment, workload, options.rate).await?;
    let began = micros();
    pace.until(options.rest).await;
    let mut restarts = Vec::with_capacity(WORKERS);
    for place in 0..WORKERS {
        let restart = crew.replace(place, round.by, &release).await?;
        // As much rest after each: what a restart leaves to be done is part of it.
        let rested = restart.back_at - began + i64::try_from(options.rest.as_micros())?;
        pace.until(Duration::from_micros(rested.unsigned_abs())).await;
        restarts.push((restart, micros()));
    }
    let ended = micros();
    let paced = pace.end().await?;
    crew.until_published(deployment).await?;
    let ways = arrivals::ways(deployment, &arrivals.end().await?).await?;
    crew.stop().await?;
    let verdict = check::check(deployment).await?;

    let longest = |within: &Range<i64>| -> Result<Vec<Pause>> {
        let longest = pauses::longest(&ways, within);
        let lanes = usize::try_from(options.partitions)?;
        ensure!(longest.len() == lanes, "only {} of {lanes} lanes told anything: use a higher rate", longest.len());
        Ok(longest)
    };
    let first = restarts.first().map_or(ended, |(restart, _)| restart.told_at);
    let restarted = restarts.iter().map(|(restart, rested)| {
        let within = restart.told_at..*rested;
        Ok(Restarted {
            restart: restart.clone(),
            in_flight: pauses::in_flight(&ways, restart.told_at),
            most_in_flight: pauses::most_in_flight(&ways, &within),
            longest: longest(&within)?,
        })
    });
    Ok(Outcome {
        round,
        paced,
        restarts: restarted.collect::<Result<_>>()?,
        longest: longest(&(first..ended))?,
        // From the middle of the rest on: the first records find cold caches.
        undisturbed: longest(&(began + (first - began) / 2..first))?,
        verdict,
    })
}
