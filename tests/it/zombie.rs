//! A process that everybody takes for dead and that wakes up: it writes nothing, publishes nothing, and takes part again.
//!
//! SIGSTOP keeps its connections, its transactions and its locks; its heartbeats end. What it holds is taken from it.

use std::time::{Duration, Instant};

use orderstream_harness::worker::Worker;
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::holds::{Holds, Step};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::{lanes_of, metric};

const LANES: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_past_its_session_writes_nothing_publishes_nothing_and_takes_part_again() {
    let stage = Stage::new("zombie", LANES).await.with_short_sessions();
    let flow = stage.flow(31, 1_000).await;
    let mut zombie = stage.worker("zombie");
    stage.journal_reaches(20, &mut [&mut zombie]).await;
    zombie.freeze().expect("it runs");
    let mut other = stage.worker("other");
    stage.until("the other worker to have all lanes", async || Ok(lanes_of(&other).await == LANES)).await;
    stage.journal_reaches(stage.journal_rows().await + 20, &mut [&mut other]).await;

    zombie.thaw().expect("it is frozen");
    they_share_again(&stage, &zombie, &other).await;
    flow.end().await;
    stage.all_published().await;
    no_row_of_an_older_epoch_follows_a_newer_one(&stage).await;
    all_is_well(stage, [zombie, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_that_holds_a_lanes_lock_is_relieved_of_it_within_seconds() {
    let mut stage = Stage::new("zombie_lock", LANES).await.with_short_sessions();
    // So that it is not the session's own limit that frees the lock.
    stage.config.set("database.idle_in_transaction_timeout", "5m").set("worker.writers", 1);
    stage.configure();
    let mut holds = Holds::in_database(&stage.database).await;
    holds.hold(Step::Checkpointed).await;
    stage.send(60, 32).await;
    let mut zombie = stage.worker("zombie");
    stage.until("the writer to be in mid-transaction", async || Ok(holds.waiting(Step::Checkpointed).await > 0)).await;
    zombie.must_run().expect("it is held");
    zombie.freeze().expect("it runs");
    holds.let_go(Step::Checkpointed).await;
    stage.until("its session to be idle in its transaction", async || Ok(idle_in_transaction(&stage).await == 1)).await;

    let mut other = stage.worker("other");
    stage.until("the lanes to be insisted on", async || Ok(other.log()?.contains("locked by another session"))).await;
    let since = Instant::now();
    stage.until("the lanes to be taken over", async || Ok(lanes_of(&other).await == LANES)).await;
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?} more", since.elapsed());
    stage.all_published().await;
    other.must_run().expect("nobody stopped it");

    zombie.thaw().expect("it is frozen");
    they_share_again(&stage, &zombie, &other).await;
    stage.send(60, 33).await;
    stage.all_published().await;
    no_row_of_an_older_epoch_follows_a_newer_one(&stage).await;
    all_is_well(stage, [zombie, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_application_is_waited_for_and_its_session_left_alone() {
    let stage = Stage::new("zombie_foreign", LANES).await.with_short_sessions();
    stage.send(60, 34).await;
    let first = stage.worker("first");
    stage.all_published().await;
    first.stop(GOODBYE).await.expect("exit code 0");

    let mut foreign: PgConnection = stage.database.connect().await.expect("postgres answers");
    foreign.execute("set application_name = 'reporting/writer-0'").await.expect("a name");
    foreign.execute("begin").await.expect("a transaction");
    foreign.execute("select from lanes for update").await.expect("the locks");
    stage.send(60, 35).await;
    let mut second = stage.worker("second");
    stage
        .until("the worker to have insisted twice", async || {
            Ok(second.log()?.matches("locked by another session").count() >= 2)
        })
        .await;
    second.must_run().expect("it waits");
    assert_eq!(lanes_of(&second).await, 0);
    foreign.execute("commit").await.expect("the session was left alone");
    stage.all_published().await;
    stage.finish([second]).await;
}

async fn they_share_again(stage: &Stage, zombie: &Worker, other: &Worker) {
    stage
        .until("both workers to share the lanes", async || {
            let ended = metric(zombie, "orderstream_tenures_ended_total").await > 0.0;
            Ok(ended && lanes_of(zombie).await == LANES / 2 && lanes_of(other).await == LANES / 2)
        })
        .await;
}

async fn idle_in_transaction(stage: &Stage) -> i64 {
    stage
        .number(
            "select count(*) from pg_stat_activity
              where datname = current_database() and application_name like '%/writer-%' and state = 'idle in transaction'",
        )
        .await
}

/// The journal says under which claim each row was written: a claim that was superseded writes no more.
async fn no_row_of_an_older_epoch_follows_a_newer_one(stage: &Stage) {
    let late = stage
        .number(
            "select count(*) from (select epoch < lag(epoch) over (partition by lane order by seq) as late from journal) j
              where late",
        )
        .await;
    assert_eq!(late, 0, "rows were written under an epoch that was over");
}

async fn all_is_well(stage: Stage, workers: [Worker; 2]) {
    for mut worker in workers {
        worker.must_run().expect("nobody stopped it");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    stage.check().await;
    stage.strike().await;
}
