//! The trial: everything at once that time, debts and dead letters can do to orders, with two workers of which one is killed twice.
//!
//! Windows of seconds, so that deadlines fire all the time; services that answer commands at once, late, twice or never; records that
//! are malformed for good, and records that only come too early. In the end the early ones have become good and are replayed,
//! the others are given up, what waited for them fires, and every order must be the fold of all its events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use orderstream::ids::Timestamp;

use crate::check::{self, Verdict};
use crate::config_file::ConfigFile;
use crate::produce::Producer;
use crate::progress::Progress;
use crate::registry_front::Front;
use crate::services::{self, From, Services, Tally};
use crate::simulate::{self, WentIn};
use crate::traffic::{Answers, Shape, Traffic};
use crate::wait;
use crate::watch::{Kill, Place, Watch};

/// Records a second.
const RATE: u64 = 400;
/// What a trial is about.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many orders.
    pub orders: u64,
    /// Decides everything that is left to chance.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was sent, the services' answers left out.
    pub went_in: WentIn,
    /// What the services did.
    pub services: Tally,
    /// The kills.
    pub kills: Vec<Kill>,
    /// Dead letters before anything was replayed, by reason.
    pub letters: BTreeMap<String, i64>,
    /// The checker's word.
    pub verdict: Verdict,
}

/// Sets what a trial needs: commands, windows of seconds, small batches, a registry that can be kept in the dark.
pub fn configure(file: &mut ConfigFile, front: &Front) {
    file.send_commands();
    file.set("registry.url", front.url()).set("registry.unknown_id_grace", "1s");
    file.set("policy.payment_window", "6s")
        .set("policy.payment_retry_window", "5s")
        .set("policy.rejection_grace", "1s");
    file.set("policy.command_retry", "2s").set("policy.command_attempts", 3);
    file.set("worker.record_max_bytes", "64KiB").set("worker.batch_max_records", 200);
    file.set("kafka.session_timeout", "6s").set("kafka.heartbeat_interval", "1s");
}

/// Holds it.
///
/// # Errors
/// A server does not answer, a worker ends, something takes too long, or nothing happened of what a trial is about.
pub async fn run(place: Place<'_>, front: &Front, options: Options) -> Result<Outcome> {
    let deployment = place.deployment;
    let mut watch = Watch::over_two(place).await?;
    let end = Arc::new(AtomicBool::new(false));
    let services = Services::open(deployment, services_options(options.seed)).await?;
    let services = tokio::spawn(services.run(end.clone()));
    let mut producer = Producer::open(&deployment.stack, &deployment.topics).await?;
    front.keep_back(producer.later_schemas());
    let shape = shape(deployment.record_max_bytes, options);
    let good_by = shape.now + shape.ahead;
    let traffic = Traffic::new(shape.clone());
    let records = Traffic::new(shape).count() as u64;
    let feed = tokio::task::spawn_blocking(move || simulate::send(traffic, &mut producer, Some(RATE), |_| {}));

    let mut progress = Progress::towards(records, "records applied");
    let mut kills = Vec::new();
    for part in [records / 3, 2 * records / 3] {
        watch.until_applied(part, records, &mut progress).await?;
        let kill = watch.kill_one().await?;
        progress.say(&format!("killed {} after {} records; started again", kill.worker, kill.applied));
        kills.push(kill);
    }
    let went_in = feed.await??;
    watch.until_applied(records, records, &mut progress).await?;
    progress.end();
    let letters = letters(&mut watch).await?;

    // What came too early has become good: the schemas are registered, and the clock has gone on.
    front.release();
    let when = "the clock to reach what was ahead of it";
    wait::within(60, when, async || Ok(jiff::Timestamp::now().as_microsecond() > good_by)).await?;
    place.command(&["dead-letters", "replay", "--yes", "--note", "registered, and its time has come"])?;
    watch.until_at_rest().await?;
    // Nobody will ever understand the others. What waited for them may go on.
    place.command(&["dead-letters", "discard", "--all", "--yes", "--note", "malformed for good"])?;
    watch.until_at_rest().await?;
    end.store(true, Ordering::Relaxed);
    let services = services.await??;
    watch.until_published(records).await?;
    watch.stop_all().await?;
    let verdict = check::check_as_of(deployment, now(), &[]).await?;
    let outcome = Outcome { went_in, services, kills, letters, verdict };
    outcome.says_something()?;
    Ok(outcome)
}

/// Half of the orders live in the present; one record in fifty is malformed, and half of those only come too early.
fn shape(record_max_bytes: usize, options: Options) -> Shape {
    Shape {
        malformed: 0.01,
        repairable: 0.01,
        ahead: 12_000_000,
        pressing: 0.5,
        answers: Answers::Left,
        in_flight: 60,
        record_max_bytes,
        ..Shape::usual(options.orders, options.seed, now().0)
    }
}

fn services_options(seed: u64) -> services::Options {
    services::Options { seed, from: From::Beginning, idle: Duration::from_secs(600), at_most: Duration::from_secs(600) }
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

async fn letters(watch: &mut Watch<'_>) -> Result<BTreeMap<String, i64>> {
    let query = "select reason::text, count(*) from dead_letters group by 1";
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&mut watch.connection).await?;
    Ok(rows.into_iter().collect())
}

impl Outcome {
    /// A trial in which nothing came to pass proves nothing.
    fn says_something(&self) -> Result<()> {
        let (time, outcomes) = (&self.verdict.totals.time, &self.verdict.totals.outcomes);
        for (what, count) in [
            ("deadlines fired", time.all_fired()),
            ("commands", self.verdict.totals.commands),
            ("commands sent again", time.reminded),
            ("commands given up", time.given_up),
            ("replays", time.replayed),
            ("records repaired", outcomes.repaired),
            ("records refused for good", outcomes.refused()),
        ] {
            ensure!(count > 0, "there were no {what}: hold the trial with more orders");
        }
        let names = ["payment_due", "payment_retry", "rejection", "authorization_expiry", "reservation_expiry"];
        let silent = names.iter().find(|name| !time.fired.contains_key(**name));
        silent.map_or(Ok(()), |name| bail!("no deadline `{name}` fired: hold the trial with more orders"))
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { went_in, services, kills, letters, verdict } = self;
        let counted = |counts: &BTreeMap<String, u64>| {
            let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
            counted.join(", ")
        };
        let manners = services.manners.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let refused = letters.iter().map(|(name, count)| (name.clone(), count.unsigned_abs())).collect();
        let killed: Vec<String> = kills.iter().map(|kill| format!("{} after {}", kill.worker, kill.applied)).collect();
        format!(
            "{} orders, {} records sent, {} of them malformed and {} too early\n\
             killed: {}\nrefused at first: {}\ndeadlines: {}\n\
             services heard {} commands {} times and gave {} answers: {}\n{}",
            went_in.orders,
            went_in.records,
            went_in.malformed_records(),
            went_in.early_records(),
            killed.join(", "),
            counted(&refused),
            counted(&verdict.totals.time.fired),
            services.commands,
            services.heard,
            services.answers,
            counted(&manners),
            verdict.text()
        )
    }
}
