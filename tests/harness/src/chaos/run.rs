//! One run: the world is made, traffic goes in, faults come and go, everything heals, and then it is judged.
//!
//! | step | file |
//! |---|---|
//! | what happens when | [`super::schedule`], [`super::drive`] |
//! | who looks on | [`super::watcher`] |
//! | what is expected after the last healing | `ending` |
//!
//! Invariant: nothing that was started outlives the run, however it ends.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnection;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::drive::{self, Breakable, Living, Roll, drive};
use super::ending;
use super::eye::Eye;
use super::fault::Fault;
use super::feed::{self, Feed};
use super::inject::{self, Effect, Injected};
use super::report::Outcome;
use super::schedule::{Plan, Schedule};
use super::watcher::Watcher;
use super::world::{self, CANARY, World};
use crate::background::Background;
use crate::config_file::ConfigFile;
use crate::database;
use crate::services::{self, From, Services, Tally};
use crate::wait;
use crate::worker::Program;

/// Lanes: more than the largest crew has workers, so that each worker has some.
const LANES: i32 = 8;
/// How long workers may take to share the lanes at first.
const SHARE_SECONDS: u64 = 120;
/// How long traffic and services go on at most after the schedule's end, should nobody end them.
const SPARE: Duration = Duration::from_mins(5);

/// What a run is about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed, length, kinds of faults, and how many workers.
    pub plan: Plan,
    /// Records a second.
    pub rate: u64,
    /// Within which time after the last healing everything that went in must be published.
    pub catch_up: Duration,
    /// The program under test.
    pub program: Program,
    /// Where everything goes; emptied first.
    pub directory: PathBuf,
}

/// Goes through a whole run.
///
/// # Errors
/// The world cannot be made or healed, or the harness itself fails: the run says nothing about the product then.
pub async fn run(options: &Options) -> Result<Outcome> {
    let Options { plan, rate, program, directory, .. } = options;
    let schedule = Schedule::of(plan);
    eprintln!("making the world in `{}`: three brokers, Postgres, a registry, workers", directory.display());
    let mut world = World::make(world::Plan {
        directory,
        program,
        workers: plan.workers,
        partitions: LANES,
        configure: &configure,
    })
    .await
    .context("the world cannot be made")?;
    all_lanes_are_taken(&mut world).await?;

    let roll = Roll::default();
    drive::call(&world, &roll);
    let deployment = world.deployment().clone();
    let began = Instant::now();
    let watcher = Watcher::begin(Eye::on(&deployment)?, roll.clone(), began);
    let at_most = plan.lasts + SPARE;
    let feed = Feed::begin(&deployment, feed::Options { seed: plan.seed, rate: *rate, at_most }).await?;
    let answering = Answering::begin(&world, plan.seed, at_most).await?;
    let faults = drive(&mut world, &schedule, began, &roll).await?;
    let went_in = ending::keep(&mut world, &roll, feed.end()).await??;
    world.probe.flush().context("the records that make workers ask the registry")?;
    ending::judge(ending::Ending { options, schedule, world, roll, watcher, began, faults, went_in, answering }).await
}

impl Breakable for World {
    async fn inject(&mut self, fault: &Fault) -> Result<Injected> {
        inject::inject(self, fault).await
    }

    async fn heal(&mut self, fault: &Fault) -> Result<Effect> {
        inject::heal(self, fault).await
    }

    fn tend(&mut self) -> Result<()> {
        Self::tend(self)
    }

    fn workers(&self) -> Vec<Living> {
        let living = self.crew.members().iter();
        let living = living
            .map(|member| Some(Living { name: member.name.clone(), pid: member.pid()?, metrics: member.metrics() }));
        living.flatten().collect()
    }
}

/// Short windows, so that deadlines and commands come up all the time, and everything else as it is shipped.
fn configure(file: &mut ConfigFile) {
    file.send_commands();
    file.set("policy.payment_window", "6s").set("policy.payment_retry_window", "5s");
    file.set("policy.rejection_grace", "1s").set("policy.command_retry", "2s").set("policy.command_attempts", 3);
    // A record with an id that no registry knows holds up its lane for so long; the default would show little else.
    file.set("registry.unknown_id_grace", "1s");
    // Small, so that a record that is too large is quickly made.
    file.set("worker.record_max_bytes", "64KiB");
    file.set("registry.username", "chaos").set("registry.password", CANARY);
}

async fn all_lanes_are_taken(world: &mut World) -> Result<()> {
    let url = world.deployment().stack.database.clone();
    let mut connection: PgConnection = database::connect(&url).await?;
    wait::within(SHARE_SECONDS, "the workers to take all lanes", async || {
        world.tend()?;
        let owned = "select count(*) from lanes where owner_transactional_id is not null";
        Ok(sqlx::query_scalar::<_, i64>(owned).fetch_one(&mut connection).await? == i64::from(LANES))
    })
    .await?;
    ensure!(world.findings().is_empty(), "before any fault: {}", world.findings().join("; "));
    Ok(())
}

/// The services that answer commands meanwhile; told to end when this is dropped.
pub(super) struct Answering(Background<Result<Tally>>);

impl Answering {
    async fn begin(world: &World, seed: u64, at_most: Duration) -> Result<Self> {
        let options = services::Options { seed, from: From::Beginning, idle: at_most, at_most };
        let services = Services::open(world.deployment(), options).await?;
        // They wait for brokers in a way that would hold up everybody on a shared thread.
        let handle = Handle::current();
        Ok(Self(Background::begin(move |end| handle.block_on(services.run(end)))))
    }

    pub(super) async fn end(self) -> Result<Tally> {
        self.0.end().await?.context("the services that answer commands")
    }
}
