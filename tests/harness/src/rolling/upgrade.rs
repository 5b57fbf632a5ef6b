//! A rolling upgrade and the way back: workers of two releases side by side in one group, on one database and the same topics, under
//! load.
//!
//! The order is that of `deploy/upgrades.md`: the newer release migrates and registers first, while all workers are older ones; then
//! workers are replaced one after the other, and in the end back again. Of each three one is killed, so that either release ends what
//! the other left open and publishes its journal. Invariant: after each replacement all that had gone in by then is published before
//! the next one, so every mixture of the two has worked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use super::crew::{Crew, Goodbye, Release, Restart, WORKERS};
use crate::chaos::feed::{self, Feed};
use crate::check::{self, Verdict};
use crate::config_file::ConfigFile;
use crate::deployment::Deployment;
use crate::positions::Lag;
use crate::services::{self, From, Services, Tally};
use crate::simulate::WentIn;
use crate::wait;
use crate::worker::Program;

/// Traffic and services go on at most for so long, should nobody end them.
const AT_MOST: Duration = Duration::from_mins(10);
/// How long what went in may take to be published.
const PUBLISH_SECONDS: u64 = 60;
/// How each of the three goes on the way there, and on the way back: either release is killed once.
const THERE: [Goodbye; WORKERS] = [Goodbye::Asked, Goodbye::Killed, Goodbye::Asked];
const BACK: [Goodbye; WORKERS] = [Goodbye::Killed, Goodbye::Asked, Goodbye::Asked];

/// The two releases and where they work.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The deployment; topics made, database empty.
    pub deployment: &'a Deployment,
    /// The older release, with a file that it understands.
    pub older: &'a Release,
    /// The newer one.
    pub newer: &'a Release,
    /// Where the workers log to.
    pub logs: &'a Path,
}

/// What the traffic is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Records a second.
    pub rate: u64,
    /// How many records go in at least between two replacements.
    pub between: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the newer release's `migrate` said to the older one's database.
    pub migrated: String,
    /// The replacements there and back, in their order.
    pub restarts: Vec<Restart>,
    /// What was sent, the services' answers left out.
    pub went_in: WentIn,
    /// What the services did.
    pub services: Tally,
    /// The checker's word.
    pub verdict: Verdict,
}

/// Sets what both releases need: commands, windows of seconds, small records.
pub fn configure(file: &mut ConfigFile) {
    file.send_commands();
    file.set("policy.payment_window", "6s").set("policy.payment_retry_window", "5s");
    file.set("policy.rejection_grace", "1s").set("policy.command_retry", "2s").set("policy.command_attempts", 3);
    file.set("registry.unknown_id_grace", "1s").set("worker.record_max_bytes", "64KiB");
}

/// The program of another release that was built aside, by `deploy/local/previous.sh`.
///
/// # Errors
/// It is not there; says how it is made.
pub fn built_aside(repository: &Path, profile: &str) -> Result<(String, Program)> {
    let named = repository.join("deploy/local/previous_release");
    let text = std::fs::read_to_string(&named).with_context(|| format!("`{}` cannot be read", named.display()))?;
    let commit = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let commit = commit.with_context(|| format!("`{}` names no commit", named.display()))?.to_owned();
    let path: PathBuf = repository.join("target/previous").join(&commit).join(profile).join("orderstream");
    let remedy = "run `deploy/local/previous.sh`, with `release` behind it for `make upgrade`";
    ensure!(path.exists(), "release {commit} is not there as `{}`: {remedy}", path.display());
    Ok((commit, Program::at(path)))
}

/// Rolls there and back, and checks.
///
/// # Errors
/// A server does not answer, a command of either release fails, a worker does not end or come to work as it should, or something takes
/// too long; differences that the checker finds are no errors.
pub async fn run(side: Side<'_>, options: Options) -> Result<Outcome> {
    let Side { deployment, older, newer, logs } = side;
    older.run(&["migrate"])?;
    older.run(&["schema", "register"])?;
    let mut crew = Crew::start(deployment, older, logs).await?;
    let end = Arc::new(AtomicBool::new(false));
    let listening = services::Options { seed: options.seed, from: From::Beginning, idle: AT_MOST, at_most: AT_MOST };
    let services = tokio::spawn(Services::open(deployment, listening).await?.run(end.clone()));
    let feed = feed::Options { seed: options.seed, rate: options.rate, at_most: AT_MOST };
    let feed = Feed::begin(deployment, feed).await?;
    let lag = Lag::of(deployment)?;
    settle(&feed, &lag, options.between).await?;

    // The database first, under workers that know nothing of it.
    let migrated = newer.run(&["migrate"])?;
    newer.run(&["schema", "register"])?;
    newer.run(&["check"])?;
    let mut restarts = Vec::with_capacity(2 * WORKERS);
    for (goodbyes, successor) in [(THERE, newer), (BACK, older)] {
        for (place, by) in goodbyes.into_iter().enumerate() {
            restarts.push(crew.replace(place, by, successor).await?);
            settle(&feed, &lag, options.between).await?;
        }
    }
    let went_in = feed.end().await?;
    crew.until_at_rest().await?;
    end.store(true, Ordering::Relaxed);
    let services = services.await??;
    crew.until_published(deployment).await?;
    crew.stop().await?;
    let verdict = check::check(deployment).await?;
    // By their own word, too: each folds what the other has written.
    older.run(&["verify"])?;
    newer.run(&["verify"])?;
    Ok(Outcome { migrated, restarts, went_in, services, verdict })
}

impl Release {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        self.program.run(&self.config, arguments)
    }
}

/// Waits until so many records more have gone in, and all that stands in the topics then is published.
async fn settle(feed: &Feed, lag: &Lag, more: u64) -> Result<()> {
    let enough = feed.sent() + more;
    let what = format!("{more} more records to go in");
    wait::until(Instant::now() + AT_MOST, &what, async || Ok(feed.sent() >= enough)).await?;
    let ends = lag.ends()?;
    wait::within(PUBLISH_SECONDS, "what went in to be published", async || lag.has_reached(&ends)).await
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn text(&self, older: &str) -> String {
        let Self { migrated, restarts, went_in, services, verdict } = self;
        let mut text = format!("from {older} to this release and back; migrate: {}\n", migrated.trim());
        for (number, restart) in restarts.iter().enumerate() {
            let to = if number < WORKERS { "newer" } else { "older" };
            let Restart { worker, by, drain_ms, back_in_work_ms, .. } = restart;
            text += &format!(
                "  {worker} {by}, gone after {drain_ms:.0} ms; its {to} successor in work after {back_in_work_ms:.0} ms\n"
            );
        }
        text += &format!("  {} records of {} orders went in", went_in.records, went_in.orders);
        text += &format!(", services gave {} answers\n{}", services.answers, verdict.text());
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self, older: &str) -> Json {
        let mut json = self.verdict.json();
        json["previous_release"] = older.into();
        json["migrated"] = self.migrated.trim().into();
        json["restarts"] = json!(self.restarts);
        json["records_sent"] = self.went_in.records.into();
        json["services"] = json!(self.services);
        json
    }
}
