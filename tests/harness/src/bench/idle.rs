//! What a worker costs that has nothing to do, with few lanes and with many: of its own, of Postgres and of the broker.
//!
//! Every lane was at work before: some orders went through, and all of them are published. Then nobody sends anything. Transactions are
//! those that Postgres counts in the stage's database, whoever made them, its own autovacuum among them. A session reports them up to
//! ten seconds late, so the look waits for longer than that first; after it, what is late at the beginning and at the end is
//! alike. Processor time comes in steps of the system's clock, 10 ms as a rule: over 30 s that is a third of a millisecond a second.
//! Invariant: who measures is connected to another database meanwhile, and asks Postgres and the worker nothing between the looks.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};
use sqlx::postgres::PgConnection;

use super::ground::Ground;
use super::neighbours::Neighbours;
use super::workload::Workload;
use super::{Extra, Options};
use crate::database;
use crate::stage::Stage;
use crate::usage::{self, Usage};
use crate::wait;
use crate::worker::Worker;

/// Lanes of the stages.
const LANES: [i32; 2] = [8, 64];
/// Orders that go through first: enough that every lane has some.
const ORDERS: u64 = 2_000;
/// How long a worker may take to have all lanes.
const OPEN_SECONDS: u64 = 60;
/// From the last event to the first look: what a session has counted by then, it has reported (`PGSTAT_IDLE_INTERVAL` is 10 s).
const SETTLE: Duration = Duration::from_secs(12);
/// Between the two looks.
const LOOKED_AT: Duration = Duration::from_secs(30);
const LOOKED_AT_QUICK: Duration = Duration::from_secs(10);

/// The lanes that the worker itself says it has, in its metrics.
const LANES_OWNED: &str = "orderstream_lanes_owned ";
/// What the statistics have of a database.
const TRANSACTIONS: &str = "select xact_commit + xact_rollback from pg_stat_database where datname = $1";

/// What had been spent at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    transactions: i64,
    worker: Duration,
    postgres: Option<Duration>,
    broker: Option<Duration>,
}

/// What a second of doing nothing costs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Idle {
    lanes: i32,
    worker_ms: f64,
    postgres_ms: Option<f64>,
    broker_ms: Option<f64>,
    transactions: f64,
    rss_mib: f64,
}

/// Looks at an idle worker, with few lanes and then with many.
///
/// # Errors
/// A server does not answer, the worker ends by itself or does not come to have all lanes, or Postgres counts no transactions.
pub async fn measure(ground: &mut Ground, options: &Options) -> Result<Extra> {
    let mut all = Vec::new();
    for lanes in LANES {
        all.push(of_lanes(ground, options, lanes).await?);
    }
    Ok(told(&all))
}

async fn of_lanes(ground: &mut Ground, options: &Options, lanes: i32) -> Result<Idle> {
    let stage = ground.stage("idle", lanes, &[]).await?;
    let records = ground.load(&stage, Workload::local(ORDERS)).await?;
    let mut workers = vec![ground.start(&stage, "worker")?];
    until_open(&mut workers[0], lanes).await.with_context(|| format!("see the log in `{}`", stage.logs.display()))?;
    ground.until_published(&stage, &mut workers, records).await?;
    // Not to the stage's database: what is asked here must not count there.
    let mut connection = database::connect(&ground.stack.database).await?;
    let neighbours = Neighbours::find(&mut connection, &ground.stack).await?;
    tokio::time::sleep(SETTLE).await;
    let before = look(&mut connection, &stage, &workers[0], &neighbours).await?;
    tokio::time::sleep(if options.quick { LOOKED_AT_QUICK } else { LOOKED_AT }).await;
    workers[0].must_run()?;
    let after = look(&mut connection, &stage, &workers[0], &neighbours).await?;
    let resident = usage::resident(workers[0].pid()).context("the worker is gone")?;
    // It had all lanes at the end as well, or something else was measured.
    until_open(&mut workers[0], lanes).await?;
    ground.stop(workers).await?;
    ground.strike(stage).await?;
    Ok(Idle::between(lanes, &before, &after, resident))
}

async fn until_open(worker: &mut Worker, lanes: i32) -> Result<()> {
    let (http, url) = (reqwest::Client::new(), format!("http://{}/metrics", worker.metrics()));
    wait::within(OPEN_SECONDS, &format!("the worker to have {lanes} lanes"), async || {
        worker.must_run()?;
        match owned(&http.get(&url).send().await?.error_for_status()?.text().await?)? {
            all if all == f64::from(lanes) => Ok(true),
            some => bail!("it has {some}"),
        }
    })
    .await
}

fn owned(metrics: &str) -> Result<f64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(LANES_OWNED));
    Ok(value.with_context(|| format!("the metrics do not tell of `{}`", LANES_OWNED.trim()))?.trim().parse()?)
}

async fn look(connection: &mut PgConnection, stage: &Stage, worker: &Worker, near: &Neighbours) -> Result<Look> {
    let name = stage.database_name();
    let transactions = sqlx::query_scalar(TRANSACTIONS).bind(name).fetch_one(connection).await;
    Ok(Look {
        transactions: transactions.with_context(|| format!("postgres has no statistics of database `{name}`"))?,
        at: Instant::now(),
        worker: Usage::of(worker.pid())?.processor,
        postgres: near.postgres()?,
        broker: near.broker()?,
    })
}

impl Idle {
    fn between(lanes: i32, before: &Look, after: &Look, resident_bytes: u64) -> Self {
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        let ms = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e3 / seconds;
        Self {
            lanes,
            worker_ms: ms(before.worker, after.worker),
            postgres_ms: before.postgres.zip(after.postgres).map(|(before, after)| ms(before, after)),
            broker_ms: before.broker.zip(after.broker).map(|(before, after)| ms(before, after)),
            transactions: (after.transactions - before.transactions) as f64 / seconds,
            rss_mib: resident_bytes as f64 / f64::from(1 << 20),
        }
    }

    fn line(&self) -> String {
        let Self { lanes, worker_ms, transactions, rss_mib, .. } = self;
        let server = |name, ms: Option<f64>| ms.map(|ms| format!(", {name} {ms:.1} ms/s")).unwrap_or_default();
        let servers = server("postgres", self.postgres_ms) + &server("broker", self.broker_ms);
        format!(
            "idle, {lanes} lanes: worker {worker_ms:.1} ms/s{servers}; {transactions:.1} transactions a second; {rss_mib:.0} MiB"
        )
    }

    fn json(&self) -> Json {
        let mut json = json!({
            "lanes": self.lanes,
            "worker_ms_per_second": self.worker_ms,
            "transactions_per_second": self.transactions,
            "rss_mib": self.rss_mib,
        });
        for (name, ms) in [("postgres_ms_per_second", self.postgres_ms), ("broker_ms_per_second", self.broker_ms)] {
            if let Some(ms) = ms {
                json[name] = ms.into();
            }
        }
        json
    }
}

fn told(all: &[Idle]) -> Extra {
    let mut extra = Extra::default();
    extra.number("idle", all.iter().map(Idle::json).collect::<Vec<_>>());
    all.iter().for_each(|idle| extra.line(idle.line()));
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: Instant, [transactions, worker, postgres, broker]: [u32; 4]) -> Look {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let (postgres, broker) = (Some(ms(postgres)), Some(ms(broker)));
        Look { at, transactions: transactions.into(), worker: ms(worker), postgres, broker }
    }

    fn idle() -> Idle {
        let began = Instant::now();
        let (before, after) = (look(began, [100, 500, 900, 40]), look(began, [160, 593, 912, 670]));
        let after = Look { at: began + Duration::from_secs(30), ..after };
        Idle::between(64, &before, &after, 41 << 20)
    }

    #[test]
    fn a_second_of_doing_nothing_costs_what_was_added_between_two_looks() {
        let line =
            "idle, 64 lanes: worker 3.1 ms/s, postgres 0.4 ms/s, broker 21.0 ms/s; 2.0 transactions a second; 41 MiB";
        let told = told(&[idle()]);
        assert_eq!(told.lines, [line]);
        let all = json!([{
            "lanes": 64,
            "worker_ms_per_second": 3.1,
            "postgres_ms_per_second": 0.4,
            "broker_ms_per_second": 21.0,
            "transactions_per_second": 2.0,
            "rss_mib": 41.0,
        }]);
        assert_eq!(told.numbers["idle"], all);
    }

    #[test]
    fn a_server_that_is_not_on_this_machine_is_left_out() {
        let far = Idle { postgres_ms: None, broker_ms: None, ..idle() };
        assert_eq!(far.line(), "idle, 64 lanes: worker 3.1 ms/s; 2.0 transactions a second; 41 MiB");
        assert_eq!(far.json().as_object().expect("an object").len(), 4);
    }

    #[test]
    fn the_lanes_of_a_worker_are_what_its_metrics_say() {
        let metrics = "# TYPE orderstream_lanes_owned gauge\norderstream_lanes_owned 64\norderstream_lanes 65\n";
        assert_eq!(owned(metrics).expect("it tells"), 64.0);
        let text = owned("orderstream_lanes 65\n").expect_err("it does not tell").to_string();
        assert!(text.contains("`orderstream_lanes_owned`"), "{text}");
    }
}
