//! After the last healing: everything is published within a minute, comes to rest, and is compared; then the finale, and the logs.
//!
//! Invariant: whatever does not come about is a finding that says what was waited for; only the harness's own failures are errors.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use orderstream::ids::Timestamp;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

use super::account::{self, Sent};
use super::commits;
use super::drive::{self, Roll};
use super::fault::{Between, Target};
use super::finale;
use super::report::Outcome;
use super::run::{Answering, Options};
use super::schedule::Schedule;
use super::timeline::{Happened, Timeline};
use super::verdict::{self, Finding, Sort};
use super::watcher::Watcher;
use super::world::{CANARY, PROBE, World};
use crate::check;
use crate::check::deadlines::Unreplicated;
use crate::database;
use crate::simulate::WentIn;

/// For how long at most a broker that does not keep up is waited for (`replica.lag.time.max.ms` of our brokers, and as much again).
const LAG: Duration = Duration::from_secs(10);
/// The pause between two looks at a condition, and at the world that is kept going meanwhile.
const LOOK: Duration = Duration::from_millis(250);
/// How long the world may take to be whole after the last healing, before the product is asked for anything.
const WHOLE: Duration = Duration::from_secs(60);
/// How long time may take to come to rest: a command's attempts, and whatever an answer leads to.
const REST: Duration = Duration::from_secs(120);
/// Orders for which time has had something to do for longer than it needs where nothing is broken.
const OVERDUE: &str = "select count(*) from orders where next_deadline < now() - interval '5 seconds'";
/// What keeps a deployment from rest: orders for which time has something to do within the next minute, letters to be replayed, marks.
const NOT_AT_REST: &str = "select (select count(*) from orders where next_deadline < now() + interval '1 minute')
    + (select count(*) from dead_letters where state = 'replay') + (select count(*) from marks)";

/// What a run has come to when its schedule is through.
pub(super) struct Ending<'a> {
    pub options: &'a Options,
    pub schedule: Schedule,
    pub world: World,
    pub roll: Roll,
    pub watcher: Watcher,
    pub began: Instant,
    pub faults: Vec<Happened>,
    pub went_in: WentIn,
    pub answering: Answering,
}

/// Waits for what must come about, and judges.
pub(super) async fn judge(ending: Ending<'_>) -> Result<Outcome> {
    let Ending { options, schedule, mut world, roll, watcher, began, mut faults, went_in, answering } = ending;
    let mut findings = Vec::new();
    let healed = faults.iter().map(|happened| happened.healed).max().unwrap_or_else(|| began.elapsed());
    if !until(&mut world, &roll, WHOLE, async |world| Ok(world.missing().await.is_empty())).await? {
        anyhow::bail!("the world does not heal: {}", world.missing().await.join("; "));
    }
    let asked = began.elapsed();
    let is_published = |since: Duration| {
        watcher.published_since(since).is_some_and(|lanes| lanes.values().all(|lane| lane.committed >= lane.end))
    };
    let within = options.catch_up.saturating_sub(asked.saturating_sub(healed));
    let mut database = database::connect(&world.deployment().stack.database).await?;
    let mut overdue = 0;
    let caught_up = until(&mut world, &roll, within, async |_| {
        overdue = sqlx::query_scalar::<_, i64>(OVERDUE).fetch_one(&mut database).await?;
        Ok(overdue == 0 && is_published(asked))
    });
    let caught_up = caught_up.await?.then(|| began.elapsed().saturating_sub(healed));
    if caught_up.is_none() {
        findings.extend(verdict::of_standing(&watcher.timeline(), overdue, options.catch_up));
    }
    if caught_up.is_some() {
        findings.extend(verdict::of_probes(&refused_probes(&mut database).await?));
        at_rest(options, &mut world, &roll, &mut findings).await?;
    }
    let tally = keep(&mut world, &roll, answering.end()).await??;
    let (mut checked, unreplicated) = (None, unreplicated(&faults, began));
    if caught_up.is_some() {
        let asked = began.elapsed();
        if until(&mut world, &roll, options.catch_up, async |_| Ok(is_published(asked))).await? {
            world.dismiss().await?;
            drive::call(&world, &roll);
            let verdict = check::check_as_of(world.deployment(), check::now(), &unreplicated);
            let verdict = verdict.await.context("the checker")?;
            findings.extend(verdict::of_checker(&verdict));
            let sent = Sent { traffic: went_in.records, services: tally.answers, probes: world.probe.records() };
            findings.extend(account::judge(sent, verdict.totals.input_records));
            findings.extend(commits::judge(world.deployment()).await.context("the log of committed offsets")?);
            checked = Some(verdict);
        } else {
            findings.extend(verdict::of_standing(&watcher.timeline(), 0, options.catch_up));
        }
    }
    if let (Some(fault), true) = (&schedule.finale, checked.is_some()) {
        faults.push(finale::hold(&mut world, &roll, (fault, options), (began, &unreplicated), &mut findings).await?);
    }
    findings.extend(world.findings().into_iter().map(|words| Finding::new(Sort::Exit, words)));
    let notes = watcher.notes();
    drop(watcher);
    findings.extend(verdict::of_falls(&notes.falls));
    for (worker, metrics) in &notes.metrics {
        std::fs::write(world.directory().join(format!("{worker}.metrics")), metrics)?;
        findings.extend(verdict::of_text(&format!("metrics of {worker}"), metrics, &[CANARY]));
    }
    findings.extend(of_logs(&world)?);
    let timeline = Timeline { samples: notes.samples, faults };
    findings.extend(verdict::of_memory(&timeline));
    findings.extend(verdict::of_faults(&schedule, &timeline, options.plan.lasts));
    Ok(Outcome {
        plan: options.plan.clone(),
        schedule,
        timeline,
        healed,
        caught_up,
        went_in,
        services: tally,
        ended: ended(&world),
        stale_answers: notes.stale_answers,
        verdict: checked,
        findings,
    })
}

/// Looks after the world until something else is done.
pub(super) async fn keep<T>(world: &mut World, roll: &Roll, work: impl Future<Output = T>) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(LOOK) => {
                world.tend()?;
                drive::call(world, roll);
            }
        }
    }
}

/// Looks after the world until a condition holds; false where it does not come to hold in that time.
pub(super) async fn until(
    world: &mut World,
    roll: &Roll,
    at_most: Duration,
    mut condition: impl AsyncFnMut(&mut World) -> Result<bool>,
) -> Result<bool> {
    let deadline = Instant::now() + at_most;
    loop {
        world.tend()?;
        drive::call(world, roll);
        if condition(world).await? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// When brokers were kept from replicating: from each fault of theirs until those that did not keep up are no longer waited for.
fn unreplicated(faults: &[Happened], began: Instant) -> Vec<Unreplicated> {
    let now = jiff::Timestamp::now().as_microsecond();
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let at = |since: Duration| Timestamp(now - micros(began.elapsed().saturating_sub(since)));
    let of_brokers = faults
        .iter()
        .filter(|happened| matches!(happened.fault.target, Target::Broker(_) | Target::Link(Between::BrokerBroker)));
    of_brokers.map(|happened| at(happened.injected)..=at(happened.healed + LAG)).collect()
}

/// Why each probe that is a dead letter is one.
async fn refused_probes(database: &mut PgConnection) -> Result<Vec<String>> {
    let refused = "select reason || ': ' || explanation from dead_letters where order_id like $1 order by id";
    Ok(sqlx::query_scalar(refused).bind(format!("{PROBE}%")).fetch_all(database).await?)
}

/// What nobody will ever understand is given up, so that what waits for it may go on; then time has to come to rest.
pub(super) async fn at_rest(
    options: &Options,
    world: &mut World,
    roll: &Roll,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let config = world.directory().join("orderstream.toml");
    let discard = ["dead-letters", "discard", "--all", "--yes", "--note", "malformed for good"];
    options.program.run(&config, &discard).context("dead letters cannot be discarded")?;
    let mut connection = database::connect(&world.deployment().stack.database).await?;
    let mut left = 0;
    let rested = until(world, roll, REST, async |_| {
        left = sqlx::query_scalar::<_, i64>(NOT_AT_REST).fetch_one(&mut connection).await?;
        Ok(left == 0)
    });
    if !rested.await? {
        let words = format!("time does not come to rest: {left} orders and marks are left after {} s", REST.as_secs());
        findings.push(Finding::new(Sort::Stall, words));
    }
    Ok(())
}

/// How workers ended that no fault had ended.
fn ended(world: &World) -> BTreeMap<String, usize> {
    let mut ended = BTreeMap::new();
    for exit in world.crew.exits().iter().filter(|exit| exit.is_its_own()) {
        *ended.entry(exit.to_string()).or_default() += 1;
    }
    ended
}

/// Panics and secrets in whatever the workers logged. Their logs are kept in the run's directory: the disks they lie on go with the
/// world.
fn of_logs(world: &World) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in world.crew.members() {
        let Ok(log) = std::fs::read(member.log()) else { continue };
        let name = format!("{}.log", member.name);
        std::fs::write(world.directory().join(&name), &log)?;
        findings.extend(verdict::of_text(&name, &String::from_utf8_lossy(&log), &[CANARY]));
    }
    Ok(findings)
}
