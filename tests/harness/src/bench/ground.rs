//! The ground of the measurements: the servers, the program, and one stage after the other with new topics and a new database.
//!
//! Invariant: one who measures at a time on a stack, kept by the lock that demonstrations take, and one stage at a time; so nothing of
//! an earlier measurement is at work beside a later one, and whatever bears our prefix may go.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use toml::Value;

use super::workload::Workload;
use crate::background::Background;
use crate::config_file::ConfigFile;
use crate::positions::Lag;
use crate::produce::Producer;
use crate::stack::Stack;
use crate::stage::{self, Stage};
use crate::topics::Layout;
use crate::traffic::Planned;
use crate::wait;
use crate::worker::{Program, Worker};

/// What the names of all that is made here begin with.
const KIND: &str = "bench";
/// How long a worker may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// The pause between two looks at the group's offsets: each costs the machine that is being measured a request a partition.
const LOOK: Duration = Duration::from_millis(500);
/// How long catching up may take, beside what this many records a second take.
const SPARE: Duration = Duration::from_secs(90);
const SLOWEST_RATE: u64 = 1_000;

/// A setting of the product that a measurement changes, as in `("worker.writers", 2.into())`.
pub type Setting<'a> = (&'a str, Value);

/// Where measurements are made.
pub struct Ground {
    /// The servers.
    pub stack: Stack,
    /// The program that is measured.
    pub program: Program,
    directory: PathBuf,
    id: String,
    stages: usize,
    /// Holds the lock for as long as it lives.
    _lock: PgConnection,
}

impl Ground {
    /// Takes the lock, clears what earlier measurements left, and empties the directory.
    ///
    /// # Errors
    /// A server does not answer, or somebody else demonstrates, tries or measures on this stack.
    pub async fn prepare(stack: Stack, program: Program, directory: &Path) -> Result<Self> {
        let lock = stage::lock(&stack).await?;
        stage::empty(directory)?;
        stage::clear_leftovers(&stack, KIND).await?;
        let (directory, id) = (directory.to_owned(), stage::new_id()?);
        Ok(Self { stack, program, directory, id, stages: 0, _lock: lock })
    }

    /// A deployment with new topics of so many partitions and a new database, three input topics, and everything as it is shipped but
    /// for these settings. Its files go into a directory that has `what` in its name.
    ///
    /// # Errors
    /// A server does not answer, a setting is wrong, or a command of the program fails.
    pub async fn stage(&mut self, what: &str, partitions: i32, settings: &[Setting<'_>]) -> Result<Stage> {
        self.stages += 1;
        let id = format!("{}_{}", self.id, self.stages);
        let directory = self.directory.join(format!("{:02}-{what}", self.stages));
        stage::empty(&directory)?;
        let layout = Layout { partitions, ..Layout::default() };
        let configure = |file: &mut ConfigFile| {
            // As shipped, and as the peers have it: nobody placed these orders.
            file.unset("topics.order");
            for (name, value) in settings {
                file.set(name, value.clone());
            }
        };
        let made = Stage::make((&self.stack, &self.program), (KIND, &id), &directory, layout, configure);
        made.await.with_context(|| format!("the stage for `{what}`"))
    }

    /// Sends a workload as fast as Kafka takes it. Returns how many records that were, once all are acknowledged.
    ///
    /// # Errors
    /// A server does not answer, or a record was not delivered.
    pub async fn load(&self, stage: &Stage, workload: Workload) -> Result<u64> {
        let mut producer = Producer::open(&stage.deployment.stack, &stage.deployment.topics).await?;
        let loading = Background::begin(move |end| -> Result<u64> {
            for event in workload.iter() {
                if end.load(Ordering::Relaxed) {
                    bail!("told to end while records were sent");
                }
                let topic = event.topic;
                ensure!(producer.send(&Planned::sound(event))?, "there is no {topic} topic in this deployment");
            }
            producer.flush()?;
            Ok(producer.sent())
        });
        loading.all().await?
    }

    /// Lets Postgres write down what it put off, so that the next measurement does not pay for the one before. Where we may not ask
    /// for that, nothing happens.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn settle(&self, connection: &mut PgConnection) -> Result<()> {
        match connection.execute("checkpoint").await {
            Err(sqlx::Error::Database(refused)) if refused.code().as_deref() == Some("42501") => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Starts a worker of a stage.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, stage: &Stage, name: &str) -> Result<Worker> {
        self.program.start(&stage.config, name, &stage.logs)
    }

    /// Waits until the group has committed all that stands in the input topics: then all of it is published, too.
    ///
    /// # Errors
    /// It takes longer than so many records may, or a worker ends; says what is missing and where the logs are.
    pub async fn until_published(&self, stage: &Stage, workers: &mut [Worker], records: u64) -> Result<()> {
        let lag = Lag::of(&stage.deployment)?;
        let deadline = Instant::now() + SPARE + Duration::from_secs(records / SLOWEST_RATE);
        let waited = wait::until(deadline, "everything to be published", async || {
            workers.iter_mut().try_for_each(Worker::must_run)?;
            match lag.offsets()? {
                0 => Ok(true),
                lag => {
                    tokio::time::sleep(LOOK).await;
                    bail!("{lag} offsets are missing")
                }
            }
        });
        waited.await.with_context(|| format!("see the logs in `{}`", stage.logs.display()))
    }

    /// Stops workers.
    ///
    /// # Errors
    /// One does not end well.
    pub async fn stop(&self, workers: Vec<Worker>) -> Result<()> {
        for worker in workers {
            worker.stop(STOP).await?;
        }
        Ok(())
    }

    /// Removes everything that a stage made in the servers, once its workers are stopped. The logs stay.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn strike(&self, stage: Stage) -> Result<()> {
        stage.clear().await
    }
}
