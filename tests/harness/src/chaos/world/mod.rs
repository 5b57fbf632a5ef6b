//! The world of a run of chaos: three brokers, Postgres, a registry and workers, and a link between any two of them.
//!
//! | part | what it is |
//! |---|---|
//! | [`Servers`] | the brokers, Postgres, the registry, kept running unless a fault says otherwise |
//! | [`Links`] | what stands between two parties |
//! | [`Crew`] | the workers, started again as an orchestrator would |
//! | [`Mouth`] | what the registry says to workers |
//! | [`Disk`], [`Clock`] | a worker's or Postgres's disk, a worker's time |
//!
//! Who produces, checks and watches goes around the links: [`World::deployment`] names the servers themselves. Invariant: whoever
//! drives a run calls [`World::tend`] several times a second; nothing is started or noticed otherwise.

mod clock;
mod crew;
mod disk;
mod exits;
mod leaders;
mod links;
mod mouth;
mod probe;
mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, Executor};

pub use self::clock::Clock;
pub use self::crew::{Crew, Duty, Member};
pub use self::disk::Disk;
pub use self::exits::Exit;
pub use self::leaders::Leaders;
pub use self::links::Links;
pub use self::mouth::{Manner, Mouth};
pub use self::probe::{PROBE, Probe};
pub use self::servers::{Server, Servers};
use super::inject::{Open, stops_workers};
use crate::config_file::ConfigFile;
use crate::database::{self, Database};
use crate::deployment::Deployment;
use crate::positions;
use crate::proxy::Link;
use crate::stack::Stack;
use crate::topic_log::LogReader;
use crate::topics::{self, Layout, Time};
use crate::worker::Program;

/// The role of the workers: owner of their database and nothing more, so that limits of the server hold for them and not for us.
pub const ROLE: &str = "worker";
/// The workers' password, which nothing else contains: it must not stand in any log, nor among metrics.
pub const CANARY: &str = "canary-4f1b7c2e9d";
/// Workers that only some faults call in: one more, and one that comes and goes.
pub const SPARES: u8 = 2;
/// The listener for whoever goes around the links.
const DIRECT: &str = "DIRECT";
const DATABASE: &str = "chaos";
const PATIENCE: Duration = Duration::from_secs(5);

/// What a world is made from.
pub struct Plan<'a> {
    /// Where everything is kept; emptied first. The user `postgres` must be able to enter it.
    pub directory: &'a Path,
    /// The program under test.
    pub program: &'a Program,
    /// How many workers: 2 to 4.
    pub workers: u8,
    /// How many lanes.
    pub partitions: i32,
    /// Changes the workers' configuration, also in which topics there are.
    pub configure: &'a dyn Fn(&mut ConfigFile),
}

/// Servers, links and workers.
pub struct World {
    /// The workers. Before the servers, so that they end first.
    pub crew: Crew,
    /// What stands between any two.
    pub links: Links,
    /// What the registry says.
    pub mouth: Mouth,
    /// The servers.
    pub servers: Servers,
    /// Records that make workers ask the registry.
    pub probe: Probe,
    /// What is broken at the moment.
    pub(super) open: Vec<Open>,
    /// Until when workers may end with 78 although that fault is healed.
    pub(super) may_stop_until: Option<Instant>,
    deployment: Deployment,
    /// Of the topics, around all links.
    log: LogReader,
    directory: PathBuf,
}

impl World {
    /// Makes the world: servers up, topics made, database migrated, schemas registered, all workers started.
    ///
    /// # Errors
    /// A server does not come up, a command of the program fails, or the plan makes no sense.
    pub async fn make(plan: Plan<'_>) -> Result<Self> {
        ensure!((2..=4).contains(&plan.workers), "a world has 2 to 4 workers, not {}", plan.workers);
        let directory = disk::emptied(plan.directory)?;
        let parties = usize::from(plan.workers + SPARES);
        let (servers, mut links) = Servers::start(&directory, parties).await?;
        let direct = Stack {
            brokers: servers.bootstrap(DIRECT)?,
            registry: servers.registry_url(),
            database: servers.database_url(),
        };
        let database = Database::create(&direct, DATABASE).await?;
        let url_of_workers = give_to_workers(&database).await?;
        let bare = Deployment::fresh(&direct, "chaos", database.url())?;
        let mut file = ConfigFile::of(&bare);
        (plan.configure)(&mut file);
        let deployment = Deployment::from_file(&file)?;
        let layout = Layout { partitions: plan.partitions, replication: 3, time: Time::OfAppend };
        topics::create(&direct.brokers, &deployment.topics, layout).await?;
        let common = directory.join("orderstream.toml");
        file.set("database.url", url_of_workers.as_str());
        file.write(&common)?;
        plan.program.run(&common, &["migrate"])?;
        plan.program.run(&common, &["schema", "register"])?;

        let mouth = Mouth::before(&direct.registry)?;
        let mut crew = Crew::new(plan.program, &directory);
        for party in 0..parties {
            let (registry, registry_url) = Link::in_place_of(mouth.url())?;
            let (postgres, database_url) = Link::in_place_of(&url_of_workers)?;
            links.add_worker(party, Arc::new(postgres), Arc::new(registry));
            let mut own = file.clone();
            own.set("kafka.brokers", servers.advertised(&listener_of(party))?);
            own.set("registry.url", registry_url).set("database.url", database_url);
            let duty = if party < usize::from(plan.workers) { Duty::Works } else { Duty::Rests };
            crew.hire(&format!("worker-{}", party + 1), own, duty)?;
        }
        let probe = Probe::open(&deployment).await?;
        let log = LogReader::on(&direct.brokers)?;
        let (open, may_stop_until) = (Vec::new(), None);
        let mut world = Self { crew, links, mouth, servers, probe, open, may_stop_until, deployment, log, directory };
        world.tend()?;
        Ok(world)
    }

    /// The deployment by way of the servers themselves: for the simulator, the checker and whoever watches.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Where everything is kept: logs, data, configurations.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts what ended and should run, and notes how it ended. Short: waits for nothing.
    ///
    /// # Errors
    /// A process cannot be started, or the system does not say how one is.
    pub fn tend(&mut self) -> Result<()> {
        let may_stop = self.open.iter().any(|open| stops_workers(open.fault.kind))
            || self.may_stop_until.is_some_and(|until| Instant::now() < until);
        self.servers.tend()?;
        self.crew.tend(may_stop)
    }

    /// What nobody asked for and no fault explains, in words: crashes, panics, exits that call for a person.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        self.crew.findings().iter().chain(self.servers.findings()).cloned().collect()
    }

    /// What keeps the world from being whole again: servers that do not answer, workers that do not run, a transaction on an input
    /// topic behind which nobody can read. Empty when all is well.
    pub async fn missing(&mut self) -> Vec<String> {
        let mut missing = self.servers.missing().await;
        missing.extend(self.crew.missing());
        missing.extend(self.open.iter().map(|open| format!("{} is not healed", open.fault)));
        if missing.is_empty() {
            missing.extend(self.open_transaction().err().map(|error| format!("{error:#}")));
        }
        missing
    }

    /// Fails where a transaction is open on an input topic.
    fn open_transaction(&self) -> Result<()> {
        for partition in positions::input_partitions(&self.log, &self.deployment)? {
            let is_open = self.log.has_open_transaction(&partition)?;
            ensure!(!is_open, "a transaction is open on `{}` partition {}", partition.topic, partition.number);
        }
        Ok(())
    }

    /// Who leads what, asked of the brokers themselves.
    ///
    /// # Errors
    /// No broker answers in time.
    pub async fn leaders(&self) -> Result<Leaders> {
        Leaders::of(&self.deployment).await
    }

    /// Stops all workers in good order, and says of each that did not end well.
    ///
    /// # Errors
    /// One does not end within its time.
    pub async fn dismiss(&mut self) -> Result<()> {
        self.crew.dismiss().await
    }
}

/// The listener of a worker.
fn listener_of(party: usize) -> String {
    format!("WORKER_{}", party + 1)
}

/// Makes the workers' role the owner of their database, and says how they reach it.
async fn give_to_workers(database: &Database) -> Result<String> {
    let mut connection = database.connect().await?;
    let statements = format!(
        "do $$ begin create role {ROLE} login password '{CANARY}'; exception when duplicate_object then null; end $$;
         alter database {DATABASE} owner to {ROLE}"
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statements))).await.context("the workers' role")?;
    connection.close().await?;
    let (scheme, rest) = database.url().split_once("://").context("the URL has no `://`")?;
    let (_, server) = rest.rsplit_once('@').context("the URL names a user")?;
    Ok(format!("{scheme}://{ROLE}:{CANARY}@{server}"))
}

/// A session of ours beside the workers', around all links.
///
/// # Errors
/// Postgres does not answer.
pub async fn session(world: &World) -> Result<sqlx::PgConnection> {
    let connecting = database::connect(&world.deployment.stack.database);
    tokio::time::timeout(PATIENCE, connecting).await.context("postgres does not answer")?
}
