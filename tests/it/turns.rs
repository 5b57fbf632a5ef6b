//! Writers that have little to do go into one transaction; what fails in it is tried again by each for itself.
//!
//! Four lanes and four writers, so each writer has one lane. Rows of one transaction have the same time.

use orderstream_harness::worker::Worker;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::patience::LONG_PATIENCE;
use crate::stage::Stage;
use crate::under_load::metric;

/// What a worker says when a batch of several writers fails, and what it says of any that fails.
pub const SEVERAL: &str = "a batch of several writers failed";
const TRIED_AGAIN: &str = "the database failed, trying again";

#[tokio::test(flavor = "multi_thread")]
async fn what_little_several_writers_have_goes_into_one_transaction() {
    let stage = Stage::new("turns", 4).await;
    let flow = stage.flow(61, 400).await;
    let worker = stage.worker("little");
    let shared = "select count(*) from (select from journal group by written_at having count(distinct lane) > 2) as transactions";
    stage.until("transactions with lanes of several writers", async || Ok(stage.number(shared).await > 20)).await;
    flow.end().await;
    stage.all_published().await;
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_somebody_holds_stop_the_lanes_of_one_writer_and_those_that_went_with_it_go_on() {
    let mut stage = Stage::new("turns_apart", 4).await;
    stage.reconfigure(|config| {
        config.set("database.lock_timeout", "1s");
    });
    let flow = stage.flow(62, 400).await;
    let mut worker = stage.worker("apart");
    stage.journal_reaches(40, &mut [&mut worker]).await;
    let held = hold_until_several_fail(&stage, &worker).await;
    // Its writer had the turn, and has let go of it: the others go on together.
    let together = "select count(*) from (select from journal group by written_at having count(distinct lane) = 3 and min(lane) = 1) as transactions";
    let transactions = stage.number(together).await;
    stage
        .until("the lanes of the other writers to go on", async || Ok(stage.number(together).await > transactions + 5))
        .await;
    held.close().await.expect("what was held is free");
    flow.end().await;
    stage.all_published_within(LONG_PATIENCE).await;
    let log = worker.log().expect("a log");
    let failed = log.matches(SEVERAL).count() + log.matches(TRIED_AGAIN).count();
    let counted = metric(&worker, "orderstream_retries_total{cause=\"lock_timeout\"}").await;
    assert_eq!(counted, failed as f64, "{log}");
    stage.finish([worker]).await;
}

/// Holds the orders of lane 0 until a batch of its writer with other lanes in it fails for that. Lane 0 may be alone in the one that
/// meets them, or lent.
async fn hold_until_several_fail(stage: &Stage, worker: &Worker) -> PgConnection {
    let is_its = |line: &str| line.contains(SEVERAL) && line.contains("writer-0");
    loop {
        let mut connection = stage.database.connect().await.expect("postgres answers");
        connection.execute("begin; select from orders where home_lane = 0 for update").await.expect("they are held");
        let log = || worker.log().expect("a log");
        let failed = || log().matches(SEVERAL).count() + log().matches(TRIED_AGAIN).count();
        let before = failed();
        stage.until("a batch to fail", async || Ok(failed() > before)).await;
        if log().lines().any(is_its) {
            return connection;
        }
        connection.close().await.expect("what was held is free");
        let row = last_row(stage, 0).await;
        stage.until("lane 0 to go on", async || Ok(last_row(stage, 0).await > row + 5)).await;
    }
}

async fn last_row(stage: &Stage, lane: usize) -> i64 {
    let rows: Vec<(i64,)> = stage.rows("select last_seq from lanes order by lane").await;
    rows[lane].0
}
