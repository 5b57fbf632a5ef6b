//! One deployment under traffic, whose workers end at crash points one after the other, and what is done so that they do.
//!
//! Invariant: whoever is not to end must run: a worker that ends in any other way than the case says is an error, with its log.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::case::{Case, Company, Occasion};
use super::program::{Act, CrashProgram};
use crate::check::{self, Verdict};
use crate::database;
use crate::flow::Flow;
use crate::positions::{self, Lag};
use crate::produce::Producer;
use crate::traffic::{Shape, Traffic};
use crate::wait;
use crate::watch::Place;
use crate::worker::Worker;

/// Records a second.
const RATE: u32 = 150;
/// How long a worker may take to come to its point, and the others to be done with what was there when it ended.
const PATIENCE: u64 = 60;
const GOODBYE: Duration = Duration::from_secs(30);
const SIGKILL: i32 = 9;

/// An old day of the journal without rows, and a dead letter of no topic of ours that was resolved long ago.
const OLD_DAYS: &str = "
    do $$ declare d date := current_date - 40; begin
        execute format('create table if not exists journal_%s partition of journal for values from (%L) to (%L)',
                       to_char(d, 'YYYYMMDD'), d, d + 1);
        execute 'drop table if exists journal_' || to_char(current_date + 7, 'YYYYMMDD');
    end $$;
    insert into dead_letters (topic, partition, record_offset, record_timestamp, reason, explanation, state,
                              first_seen_at, last_seen_at, resolved_at)
    values ('somewhere', 0, 0, now() - interval '1 year', 'bad_avro', 'as it was', 'discarded',
            now() - interval '1 year', now() - interval '1 year', now() - interval '1 year') on conflict do nothing";

/// Cuts the connections of writers that have had the time to say something since they were opened.
const SEVER: &str = "select pg_terminate_backend(pid) from pg_stat_activity
                      where datname = current_database() and application_name like '%/writer-%'
                        and backend_start < clock_timestamp() - interval '250 milliseconds'";

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The case.
    pub case: Case,
    /// How long it took until everything was applied and published that was in Kafka when the worker ended.
    pub recovery: Duration,
}

/// A deployment under traffic.
pub struct Site<'a> {
    place: Place<'a>,
    crashing: &'a CrashProgram,
    connection: PgConnection,
    lag: Lag,
    flow: Flow,
    /// The worker that goes on.
    other: Option<Worker>,
    number: usize,
}

impl<'a> Site<'a> {
    /// Begins the traffic.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn open(place: Place<'a>, crashing: &'a CrashProgram, seed: u64) -> Result<Self> {
        let deployment = place.deployment;
        let producer = Producer::open(&deployment.stack, &deployment.topics).await?;
        let now = jiff::Timestamp::now().as_microsecond();
        // One record in fifty is refused, so that nearly every second batch has a dead letter.
        let shape = Shape { malformed: 0.02, in_flight: 200, ..Shape::usual(u64::MAX, seed, now) };
        let flow = Flow::start(producer, Traffic::new(shape), RATE);
        let connection = database::connect(&deployment.stack.database).await?;
        Ok(Self { place, crashing, connection, lag: Lag::of(deployment)?, flow, other: None, number: 0 })
    }

    /// Lets a worker end as the case says, and waits until others have done its work.
    ///
    /// # Errors
    /// It does not end there, ends otherwise, or the others do not come to an end with what was there.
    pub async fn hit(&mut self, case: &Case) -> Result<Hit> {
        self.number += 1;
        let hit = self.try_to_hit(case).await;
        hit.with_context(|| format!("{} at pass {} ({:?}, {:?})", case.point, case.pass, case.occasion, case.company))
    }

    async fn try_to_hit(&mut self, case: &Case) -> Result<Hit> {
        self.keep(case.company).await?;
        match case.occasion {
            Occasion::Inheritance => self.leave_an_inheritance().await?,
            Occasion::OldDays => _ = self.connection.execute(OLD_DAYS).await?,
            Occasion::Work | Occasion::Request | Occasion::Newcomer | Occasion::Severance => {}
        }
        let name = format!("{}-{}", self.number, case.point);
        let armed = self.crashing.armed(&case.point, case.pass, case.act);
        let mut victim = armed.start(self.place.config, &name, self.place.logs)?;
        let newcomer = self.lead(&mut victim, case).await?;
        let ended = Instant::now();
        let ends = self.lag.ends()?;
        if self.other.is_none() {
            self.other = Some(self.start("again")?);
        }
        self.until_done(&ends).await?;
        let recovery = ended.elapsed();
        if case.act == Act::Freeze {
            victim.thaw()?;
            victim.stop(GOODBYE).await?;
        }
        if let Some(newcomer) = newcomer {
            newcomer.stop(GOODBYE).await?;
        }
        Ok(Hit { case: case.clone(), recovery })
    }

    /// Sees to it that there is another worker with lanes, or that there is none.
    async fn keep(&mut self, company: Company) -> Result<()> {
        match (company, &mut self.other) {
            (Company::Nobody, Some(other)) => {
                other.must_run()?;
                other.kill()?;
                self.other = None;
            }
            (Company::Another, None) => {
                let mut other = self.start("other")?;
                until_it_has_lanes(&mut other).await?;
                self.other = Some(other);
            }
            (Company::Nobody, None) | (Company::Another, Some(_)) => {}
        }
        Ok(())
    }

    fn start(&self, what: &str) -> Result<Worker> {
        self.place.program.start(self.place.config, &format!("{}-{what}", self.number), self.place.logs)
    }

    /// A worker of before leaves committed rows that nobody has published, and a transactional id that nobody has ended.
    async fn leave_an_inheritance(&mut self) -> Result<()> {
        let armed = self.crashing.armed("batch.committed", 3, Act::Kill);
        let mut forerunner = armed.start(self.place.config, &format!("{}-forerunner", self.number), self.place.logs)?;
        is_killed(&mut forerunner).await
    }

    /// Does what brings the victim to its point, until it is there. Returns the newcomer, where there is one.
    async fn lead(&mut self, victim: &mut Worker, case: &Case) -> Result<Option<Worker>> {
        let mut newcomer = None;
        match case.occasion {
            Occasion::Request => {
                until_it_has_lanes(victim).await?;
                victim.terminate()?;
            }
            Occasion::Newcomer => {
                until_it_has_lanes(victim).await?;
                newcomer = Some(self.start("newcomer")?);
            }
            Occasion::Severance => {
                until_it_has_lanes(victim).await?;
                let Self { connection, .. } = self;
                wait::within(PATIENCE, "a writer to connect again", async || {
                    connection.execute(SEVER).await?;
                    is_there(victim, case.act)
                })
                .await?;
            }
            Occasion::Work | Occasion::Inheritance | Occasion::OldDays => {}
        }
        wait::within(PATIENCE, "the worker to come to its point", async || is_there(victim, case.act)).await?;
        if case.act == Act::Kill {
            is_killed(victim).await?;
        }
        if let Some(other) = &mut self.other {
            other.must_run()?;
        }
        Ok(newcomer)
    }

    /// Waits until the group's offsets are past these ends: everything before them is applied and published.
    async fn until_done(&mut self, ends: &positions::Ends) -> Result<()> {
        let Self { lag, other, .. } = self;
        wait::within(PATIENCE, "what was in Kafka to be applied and published", async || {
            other.as_mut().map_or(Ok(()), Worker::must_run)?;
            lag.has_reached(ends)
        })
        .await
    }

    /// Ends the traffic, lets everything come to rest, and has it checked.
    ///
    /// # Errors
    /// It does not come to rest, or the checker cannot read everything.
    pub async fn close(mut self) -> Result<Verdict> {
        self.keep(Company::Another).await?;
        let Self { place, mut connection, lag, flow, other, .. } = self;
        flow.end().await?;
        connection.execute("delete from dead_letters where topic = 'somewhere'").await?;
        wait::within(PATIENCE, "all to be applied and published and nothing to be due", async || {
            let due = sqlx::query_scalar::<_, i64>("select count(*) from orders where next_deadline < now()");
            let due = due.fetch_one(&mut connection).await?;
            let written = sqlx::query_as::<_, (i32, i64)>("select lane, last_seq from lanes where last_seq > 0");
            let written: BTreeMap<i32, i64> = written.fetch_all(&mut connection).await?.into_iter().collect();
            let missing = lag.offsets()?;
            let published = positions::published(place.deployment)?;
            let unpublished = written.iter().filter(|(lane, last)| published.get(lane) < Some(last)).count();
            if (missing, due, unpublished) != (0, 0, 0) {
                bail!("{missing} offsets are missing, {due} deadlines are due, {unpublished} lanes are not published");
            }
            Ok(true)
        })
        .await?;
        other.context("somebody was kept")?.stop(GOODBYE).await?;
        check::check(place.deployment).await
    }
}

/// Whether a worker has come to its point: it is dead, or frozen.
fn is_there(worker: &mut Worker, act: Act) -> Result<bool> {
    match act {
        Act::Kill => Ok(worker.ended()?.is_some()),
        Act::Wait => bail!("a worker that waits is not seen to do so"),
        Act::Freeze => {
            worker.must_run()?;
            worker.is_frozen()
        }
    }
}

/// Waits until a worker has died at its point, which is by SIGKILL.
///
/// # Errors
/// It has not, or ended in another way; says what it logged last.
pub async fn is_killed(worker: &mut Worker) -> Result<()> {
    let status = worker.wait(Duration::from_secs(PATIENCE)).await?;
    let log = worker.log()?;
    let last: Vec<&str> = log.lines().rev().take(5).collect();
    ensure!(status.signal() == Some(SIGKILL), "it ended by itself ({status}): {}", last.join("\n"));
    Ok(())
}

async fn until_it_has_lanes(worker: &mut Worker) -> Result<()> {
    wait::within(PATIENCE, "the worker to have lanes", async || {
        worker.must_run()?;
        let log = worker.log()?;
        Ok(log.lines().any(|line| line.contains("lanes taken over") && !line.contains("lanes=[] ")))
    })
    .await
}
