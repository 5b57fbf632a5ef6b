//! Three workers that are replaced one after the other, as a rolling restart or a rolling upgrade does it.
//!
//! A worker is replaced once the one before is back in work: it has lanes by its own word, and every lane has an owner. Invariant: who
//! was asked to stop has ended with exit code 0 before another process takes its place, and nobody else has ended meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use sqlx::postgres::PgConnection;

use crate::database;
use crate::deployment::Deployment;
use crate::positions::Lag;
use crate::wait;
use crate::watch::{NOT_AT_REST, REST_SECONDS};
use crate::worker::{Program, Worker};

/// How many they are.
pub const WORKERS: usize = 3;
/// How long workers may take to share the lanes, and one to be back in work.
const SHARE_SECONDS: u64 = 90;
/// How long a worker may take to stop; the default of `worker.shutdown_timeout` and some more.
const STOP: Duration = Duration::from_secs(30);
/// How long what is left may take to be published.
const PUBLISH_SECONDS: u64 = 120;
/// How many lanes a worker has, by its own word.
const LANES_OWNED: &str = "orderstream_lanes_owned ";
const UNOWNED: &str = "select count(*) from lanes where owner_transactional_id is null";

/// How a worker is made to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goodbye {
    /// SIGTERM: it drains, leaves the group, and ends with 0.
    Asked,
    /// SIGKILL.
    Killed,
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Asked => "SIGTERM",
            Self::Killed => "SIGKILL",
        })
    }
}

/// What a worker is started as.
#[derive(Clone, Debug)]
pub struct Release {
    /// The program.
    pub program: Program,
    /// Its configuration file.
    pub config: PathBuf,
    /// Whether each place of the crew has a `kafka.instance` that stays, as a StatefulSet gives it.
    pub fixed: bool,
}

/// One worker replaced by another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Restart {
    /// The place in the crew.
    pub worker: String,
    /// How the former one was made to go.
    pub by: Goodbye,
    /// When it was told, in microseconds since 1970.
    pub told_at: i64,
    /// How long it ran on; for one that was killed, next to nothing.
    pub drain_ms: f64,
    /// How long its successor took from its start until it had lanes and every lane had an owner.
    pub back_in_work_ms: f64,
    /// When that was, in microseconds since 1970.
    pub back_at: i64,
}

/// The workers.
pub struct Crew {
    workers: Vec<Worker>,
    logs: PathBuf,
    connection: PgConnection,
    http: reqwest::Client,
}

impl Crew {
    /// Starts them, and waits until each has lanes and every lane an owner.
    ///
    /// # Errors
    /// One does not start or ends, or they do not come to share.
    pub async fn start(deployment: &Deployment, release: &Release, logs: &Path) -> Result<Self> {
        let connection = database::connect(&deployment.stack.database).await?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let mut crew = Self { workers: Vec::with_capacity(WORKERS), logs: logs.to_owned(), connection, http };
        for place in 1..=WORKERS {
            let worker = crew.begin(release, &format!("worker-{place}"))?;
            crew.workers.push(worker);
        }
        for place in 0..WORKERS {
            crew.until_in_work(place).await?;
        }
        Ok(crew)
    }

    fn begin(&self, release: &Release, name: &str) -> Result<Worker> {
        let Release { program, config, fixed } = release;
        let program = if *fixed { program.with("ORDERSTREAM__KAFKA__INSTANCE", name) } else { program.clone() };
        program.start(config, name, &self.logs)
    }

    /// Replaces the worker of this place, counted from 0.
    ///
    /// # Errors
    /// It does not end as it was told to, its successor does not come to work, or another one ends.
    pub async fn replace(&mut self, place: usize, by: Goodbye, successor: &Release) -> Result<Restart> {
        let worker = self.workers.get_mut(place).with_context(|| format!("there is no worker {}", place + 1))?;
        let name = worker.name().to_owned();
        let (told, told_at) = (Instant::now(), micros());
        match by {
            Goodbye::Killed => worker.kill()?,
            Goodbye::Asked => {
                worker.terminate()?;
                let status = worker.wait(STOP).await?;
                let code = status.code();
                ensure!(code == Some(0), "`{name}` answered SIGTERM with {status}; see `{}`", self.logs.display());
            }
        }
        let drain_ms = millis(told.elapsed());
        let started = Instant::now();
        self.workers[place] = self.begin(successor, &name)?;
        self.until_in_work(place).await?;
        let (back_in_work_ms, back_at) = (millis(started.elapsed()), micros());
        Ok(Restart { worker: name, by, told_at, drain_ms, back_in_work_ms, back_at })
    }

    async fn until_in_work(&mut self, place: usize) -> Result<()> {
        let Self { workers, connection, http, .. } = self;
        let url = format!("http://{}/metrics", workers[place].metrics());
        let what = format!("`{}` to have lanes, and every lane an owner", workers[place].name());
        wait::within(SHARE_SECONDS, &what, async || {
            workers.iter_mut().try_for_each(Worker::must_run)?;
            let metrics = http.get(&url).send().await?.error_for_status()?.text().await?;
            let owned = metrics.lines().find_map(|line| line.strip_prefix(LANES_OWNED)).context("no lanes_owned")?;
            match sqlx::query_scalar::<_, i64>(UNOWNED).fetch_one(&mut *connection).await? {
                0 => Ok(owned.trim().parse::<f64>()? > 0.0),
                unowned => bail!("{unowned} lanes have no owner"),
            }
        })
        .await
        .with_context(|| format!("see the logs in `{}`", self.logs.display()))
    }

    /// Waits until time has nothing to do within the next minute.
    ///
    /// # Errors
    /// As [`Self::until_published`].
    pub async fn until_at_rest(&mut self) -> Result<()> {
        let Self { workers, connection, .. } = self;
        let waited = wait::within(REST_SECONDS, "deadlines and commands to come to rest", async || {
            workers.iter_mut().try_for_each(Worker::must_run)?;
            match sqlx::query_scalar::<_, i64>(NOT_AT_REST).fetch_one(&mut *connection).await? {
                0 => Ok(true),
                left => bail!("{left} orders have a deadline"),
            }
        });
        waited.await.with_context(|| format!("see the logs in `{}`", self.logs.display()))
    }

    /// Waits until all that went in is applied and published.
    ///
    /// # Errors
    /// It takes too long, or a worker ends.
    pub async fn until_published(&mut self, deployment: &Deployment) -> Result<()> {
        let lag = Lag::of(deployment)?;
        let workers = &mut self.workers;
        let waited = wait::within(PUBLISH_SECONDS, "everything to be published", async || {
            workers.iter_mut().try_for_each(Worker::must_run)?;
            match lag.offsets()? {
                0 => Ok(true),
                lag => bail!("{lag} offsets are missing"),
            }
        });
        waited.await.with_context(|| format!("see the logs in `{}`", self.logs.display()))
    }

    /// Stops them all.
    ///
    /// # Errors
    /// One does not end with exit code 0.
    pub async fn stop(self) -> Result<()> {
        for worker in self.workers {
            worker.stop(STOP).await?;
        }
        Ok(())
    }
}

/// The clock of all measurements, in microseconds since 1970.
pub(super) fn micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
