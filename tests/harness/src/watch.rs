//! Two workers at work, and the eye on them: waits for what the database and Kafka say, kills one, starts it again.
//!
//! Used by the demonstration and by the trial. Invariant: every wait has a deadline that tells why it was missed, and fails at once
//! when a worker ends that nobody stopped.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnection;

use crate::database;
use crate::deployment::Deployment;
use crate::positions::Lag;
use crate::progress::Progress;
use crate::wait;
use crate::worker::{Program, Worker};

/// How long workers may take to share the lanes.
const SHARE_SECONDS: u64 = 60;
/// How long a worker may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// How long the catching up may take, beside what this many records a second take.
const SPARE: Duration = Duration::from_secs(90);
const SLOWEST_RATE: u64 = 2_000;
/// How long time may take to come to rest: a command's attempts, and whatever an answer leads to.
pub(crate) const REST_SECONDS: u64 = 90;
/// Orders for which time has something to do within the next minute.
pub(crate) const NOT_AT_REST: &str = "select count(*) from orders where next_deadline < now() + interval '1 minute'";
/// Dead letters that are to be replayed, and orders that are to be looked at.
const MARKED: &str = "select (select count(*) from dead_letters where state = 'replay') + (select count(*) from marks)";
/// The exit code of a replay after which some letters are still no good.
const REFUSED_AGAIN: i32 = 65;

/// What workers of a deployment need to start.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// The program.
    pub program: &'a Program,
    /// Its configuration file.
    pub config: &'a Path,
    /// Where the workers log to.
    pub logs: &'a Path,
}

impl Place<'_> {
    /// Runs a command that may find that some dead letters are still no good. Returns what it printed.
    ///
    /// # Errors
    /// It ends in any other way.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = self.program.output(self.config, arguments)?;
        match output.status.code() {
            Some(0 | REFUSED_AGAIN) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            _ => bail!("`orderstream {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
}

/// A kill.
#[derive(Clone, Debug)]
pub struct Kill {
    /// Whom it hit.
    pub worker: String,
    /// When, in milliseconds since 1970.
    pub at_millis: i64,
    /// How many records were applied by then.
    pub applied: u64,
    /// The lanes that the worker had.
    pub lanes: Vec<i32>,
}

/// The workers, and the eye on them.
pub struct Watch<'a> {
    place: Place<'a>,
    /// A connection to the deployment's database.
    pub connection: PgConnection,
    workers: Vec<Worker>,
}

impl<'a> Watch<'a> {
    /// Starts two workers and waits until they share the lanes.
    ///
    /// # Errors
    /// A worker does not start or ends, or they do not come to share.
    pub async fn over_two(place: Place<'a>) -> Result<Self> {
        let mut workers = Vec::new();
        for name in ["worker-1", "worker-2"] {
            workers.push(place.program.start(place.config, name, place.logs)?);
        }
        let connection = database::connect(&place.deployment.stack.database).await?;
        let mut watch = Self { place, connection, workers };
        let Self { connection, workers, .. } = &mut watch;
        wait::within(SHARE_SECONDS, "the two workers to share the lanes", async || {
            must_all_run(workers)?;
            Ok(owners(connection).await?.iter().filter(|(_, lanes)| !lanes.is_empty()).count() == 2)
        })
        .await?;
        Ok(watch)
    }

    /// Waits until so many records are applied, and shows how far that is.
    ///
    /// # Errors
    /// It takes too long, or a worker ends.
    pub async fn until_applied(&mut self, records: u64, of: u64, progress: &mut Progress) -> Result<()> {
        let Self { connection, workers, .. } = self;
        wait::until(deadline(of), &format!("{records} records to be applied"), async || {
            must_all_run(workers)?;
            let applied = applied(connection).await?;
            progress.show(applied.min(of), "");
            if applied < records {
                bail!("{applied} are");
            }
            Ok(true)
        })
        .await
    }

    /// Waits until the group's offsets are at the ends of all input partitions: then all is published, too.
    ///
    /// # Errors
    /// As [`Self::until_applied`].
    pub async fn until_published(&mut self, records: u64) -> Result<()> {
        let Self { place, workers, .. } = self;
        let lag = Lag::of(place.deployment)?;
        let waited = wait::until(deadline(records), "everything to be published", async || {
            must_all_run(workers)?;
            match lag.offsets()? {
                0 => Ok(true),
                lag => bail!("{lag} offsets are missing"),
            }
        });
        waited.await.with_context(|| format!("see the workers' logs in `{}`", place.logs.display()))
    }

    /// Waits until all that was marked is done, and time has nothing to do within the next minute.
    ///
    /// # Errors
    /// As [`Self::until_applied`].
    pub async fn until_at_rest(&mut self) -> Result<()> {
        self.until_none("marked letters and orders to be worked off", MARKED).await?;
        self.until_none("deadlines and commands to come to rest", NOT_AT_REST).await
    }

    async fn until_none(&mut self, what: &str, query: &'static str) -> Result<()> {
        let Self { connection, workers, place, .. } = self;
        let waited = wait::within(REST_SECONDS, what, async || {
            must_all_run(workers)?;
            match sqlx::query_scalar::<_, i64>(query).fetch_one(&mut *connection).await? {
                0 => Ok(true),
                left => bail!("{left} are left"),
            }
        });
        waited.await.with_context(|| format!("see the workers' logs in `{}`", place.logs.display()))
    }

    /// Kills the worker that has the most lanes, and starts it again at once.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn kill_one(&mut self) -> Result<Kill> {
        let Place { program, config, logs, .. } = self.place;
        let (index, kill) = self.strike().await?;
        self.workers[index] = program.start(config, &kill.worker, logs)?;
        Ok(kill)
    }

    /// Kills the worker that has the most lanes, and leaves them to the other.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn kill_for_good(&mut self) -> Result<Kill> {
        let (index, kill) = self.strike().await?;
        self.workers.remove(index);
        Ok(kill)
    }

    /// Kills the worker that has the most lanes, and says which it was.
    async fn strike(&mut self) -> Result<(usize, Kill)> {
        let owners = owners(&mut self.connection).await?;
        let mut victim = (0, Vec::new());
        for (index, worker) in self.workers.iter().enumerate() {
            // Each process logs the id under which it owns lanes.
            let log = worker.log()?;
            let lanes = owners.iter().find(|(owner, _)| log.contains(owner.as_str())).map(|(_, lanes)| lanes.clone());
            if let Some(lanes) = lanes.filter(|lanes| lanes.len() > victim.1.len()) {
                victim = (index, lanes);
            }
        }
        let (index, lanes) = victim;
        let worker = &mut self.workers[index];
        worker.kill()?;
        let at_millis = jiff::Timestamp::now().as_millisecond();
        let name = worker.name().to_owned();
        let applied = applied(&mut self.connection).await?;
        Ok((index, Kill { worker: name, at_millis, applied, lanes }))
    }

    /// How often lanes were claimed in all.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn claims(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("select sum(epoch)::bigint from lanes").fetch_one(&mut self.connection).await?)
    }

    /// Stops all workers.
    ///
    /// # Errors
    /// One does not end well.
    pub async fn stop_all(&mut self) -> Result<()> {
        for worker in self.workers.drain(..) {
            worker.stop(STOP).await?;
        }
        Ok(())
    }
}

fn must_all_run(workers: &mut [Worker]) -> Result<()> {
    workers.iter_mut().try_for_each(Worker::must_run)
}

/// How many records the database has applied.
///
/// # Errors
/// Postgres does not answer.
pub async fn applied(connection: &mut PgConnection) -> Result<u64> {
    let offsets = "select coalesce(sum(next_offset), 0)::bigint from checkpoints";
    let applied: i64 = sqlx::query_scalar(offsets).fetch_one(connection).await?;
    Ok(u64::try_from(applied)?)
}

/// The transactional ids that own lanes, with their lanes.
async fn owners(connection: &mut PgConnection) -> Result<Vec<(String, Vec<i32>)>> {
    let owners = "select owner_transactional_id, array_agg(lane order by lane) from lanes
                   where owner_transactional_id is not null group by 1 order by 1";
    Ok(sqlx::query_as(owners).fetch_all(connection).await?)
}

fn deadline(records: u64) -> Instant {
    Instant::now() + SPARE + Duration::from_secs(records / SLOWEST_RATE)
}
