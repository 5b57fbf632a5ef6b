//! The show: two workers share the lanes, traffic pours in, one worker is killed, started again, and all is caught up with;
//! then some orders more at a gentle pace, for the latency.
//!
//! Everything waits for what the database and Kafka say, under a deadline that tells why it was missed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnection;

use super::Options;
use super::stage::Stage;
use crate::positions::Lag;
use crate::produce::Producer;
use crate::progress::Progress;
use crate::simulate::{self, WentIn};
use crate::traffic::{Shape, Traffic};
use crate::wait;
use crate::worker::{Program, Worker};

/// Records a second of the gentle part.
const GENTLE_RATE: u64 = 1_000;
/// At most so many orders are kept for the gentle part, and one in so many.
const GENTLE_MOST: u64 = 400;
const GENTLE_ONE_IN: u64 = 20;
/// How long two workers may take to share the lanes.
const SHARE_SECONDS: u64 = 60;
/// How long a worker may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// How long the catching up may take, beside what this many records a second take.
const SPARE: Duration = Duration::from_secs(90);
const SLOWEST_RATE: u64 = 2_000;

/// What happened, and when.
#[derive(Clone, Debug)]
pub struct Showing {
    /// The traffic of the busy part.
    pub shape: Shape,
    /// What went in, both parts together.
    pub went_in: WentIn,
    /// When the first record was sent, in milliseconds since 1970.
    pub began_millis: i64,
    /// Records of the busy part.
    pub busy_records: u64,
    /// How many of them were sent a second.
    pub busy_rate: f64,
    /// The kill.
    pub kill: Kill,
    /// When the gentle part began.
    pub gentle_from_millis: i64,
    /// Records a second of the gentle part.
    pub gentle_rate: u64,
    /// How often lanes were claimed in all.
    pub claims: i64,
}

/// The kill.
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

/// Runs the show.
///
/// # Errors
/// A worker ends by itself, something takes too long, or a server does not answer.
pub async fn run(stage: &Stage, program: &Program, options: &Options) -> Result<Showing> {
    let mut watch = Watch { stage, connection: stage.connect().await?, workers: Vec::new() };
    for name in ["worker-1", "worker-2"] {
        watch.workers.push(program.start(&stage.config, name, &stage.logs)?);
    }
    watch.until_lanes_are_shared().await?;

    let gentle_orders = (options.orders / GENTLE_ONE_IN).min(GENTLE_MOST);
    let now = jiff::Timestamp::now().as_microsecond();
    let shape = Shape {
        record_max_bytes: stage.deployment.record_max_bytes,
        ..Shape::usual(options.orders - gentle_orders, options.seed, now)
    };
    let mut producer = Producer::open(&stage.deployment.stack, &stage.deployment.topics).await?;
    let busy = Traffic::new(shape.clone());
    let busy_records = Traffic::new(shape.clone()).count() as u64;
    let began_millis = millis();
    let feed = tokio::task::spawn_blocking(move || {
        let went_in = simulate::send(busy, &mut producer, None, |_| {});
        went_in.map(|went_in| (went_in, producer))
    });

    let mut progress = Progress::towards(busy_records, "records applied");
    watch.until_applied(busy_records / 2, busy_records, &mut progress).await?;
    let kill = watch.kill_one(program).await?;
    progress.say(&format!("killed {} after {} records; started again", kill.worker, kill.applied));
    let (mut went_in, mut producer) = feed.await??;
    let busy_rate = went_in.rate();
    watch.until_applied(busy_records, busy_records, &mut progress).await?;
    watch.until_published(busy_records).await?;
    progress.end();

    let gentle_from_millis = millis();
    let gentle =
        Shape { orders: gentle_orders, first_order: shape.orders, in_flight: 50, malformed: 0.0, ..shape.clone() };
    let traffic = Traffic::new(gentle);
    let more = tokio::task::spawn_blocking(move || simulate::run(traffic, &mut producer, Some(GENTLE_RATE)));
    went_in.add(&more.await??);
    watch.until_published(went_in.records).await?;
    let claims = sqlx::query_scalar("select sum(epoch)::bigint from lanes").fetch_one(&mut watch.connection).await?;
    watch.stop_all().await?;
    let gentle_rate = GENTLE_RATE;
    Ok(Showing { shape, went_in, began_millis, busy_records, busy_rate, kill, gentle_from_millis, gentle_rate, claims })
}

/// The workers, and the eye on them.
struct Watch<'a> {
    stage: &'a Stage,
    connection: PgConnection,
    workers: Vec<Worker>,
}

impl Watch<'_> {
    async fn until_lanes_are_shared(&mut self) -> Result<()> {
        let Self { connection, workers, .. } = self;
        wait::within(SHARE_SECONDS, "the two workers to share the lanes", async || {
            must_all_run(workers)?;
            Ok(owners(connection).await?.iter().filter(|(_, lanes)| !lanes.is_empty()).count() == 2)
        })
        .await
    }

    /// Waits until so many records are applied, and shows how far that is.
    async fn until_applied(&mut self, records: u64, of: u64, progress: &mut Progress) -> Result<()> {
        let deadline = deadline(of);
        let Self { connection, workers, .. } = self;
        wait::until(deadline, &format!("{records} records to be applied"), async || {
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
    async fn until_published(&mut self, records: u64) -> Result<()> {
        let Self { stage, workers, .. } = self;
        let lag = Lag::of(&stage.deployment)?;
        let waited = wait::until(deadline(records), "everything to be published", async || {
            must_all_run(workers)?;
            match lag.offsets()? {
                0 => Ok(true),
                lag => bail!("{lag} offsets are missing"),
            }
        });
        waited.await.with_context(|| format!("see the workers' logs in `{}`", stage.logs.display()))
    }

    /// Kills the worker that has the most lanes, and starts it again at once.
    async fn kill_one(&mut self, program: &Program) -> Result<Kill> {
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
        let at_millis = millis();
        let name = worker.name().to_owned();
        *worker = program.start(&self.stage.config, &name, &self.stage.logs)?;
        let applied = applied(&mut self.connection).await?;
        Ok(Kill { worker: name, at_millis, applied, lanes })
    }

    async fn stop_all(&mut self) -> Result<()> {
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
async fn applied(connection: &mut PgConnection) -> Result<u64> {
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

fn millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
