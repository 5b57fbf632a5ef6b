//! Lanes that change hands under load: workers join, leave in good order, and vanish.

use crate::holds::{Holds, Step};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::lanes_of;

const LANES: i32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn workers_join_leave_and_vanish_under_load_and_nothing_is_lost_or_doubled() {
    let stage = Stage::new("rebalance", LANES).await.with_short_sessions();
    let flow = stage.flow(21, 1_000).await;
    let mut first = stage.worker("first");
    let mut second = stage.worker("second");
    stage
        .until("two workers to share the lanes", async || {
            Ok(lanes_of(&first).await == LANES / 2 && lanes_of(&second).await == LANES / 2)
        })
        .await;
    stage.journal_reaches(stage.journal_rows().await + 20, &mut [&mut first, &mut second]).await;

    let mut third = stage.worker("third");
    stage
        .until("the third worker to get its share", async || {
            Ok(lanes_of(&first).await == 2 && lanes_of(&second).await == 2 && lanes_of(&third).await == 2)
        })
        .await;
    stage.journal_reaches(stage.journal_rows().await + 20, &mut [&mut first, &mut second, &mut third]).await;

    first.stop(GOODBYE).await.expect("exit code 0");
    stage
        .until("the others to take over", async || {
            Ok(lanes_of(&second).await == LANES / 2 && lanes_of(&third).await == LANES / 2)
        })
        .await;
    stage.journal_reaches(stage.journal_rows().await + 20, &mut [&mut second, &mut third]).await;

    second.kill().expect("it runs");
    stage.until("the last worker to have all lanes", async || Ok(lanes_of(&third).await == LANES)).await;

    flow.end().await;
    stage.all_published().await;
    third.must_run().expect("nobody stopped it");
    stage.finish([third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_not_drained_in_time_are_given_back_all_the_same_and_nobody_works_on_them() {
    let mut stage = Stage::new("undrained", LANES).await.with_short_sessions();
    stage.config.set("worker.drain_timeout", "1s").set("worker.writers", 1);
    stage.configure();
    let mut holds = Holds::in_database(&stage.database).await;
    holds.hold(Step::Decided).await;
    stage.send(60, 22).await;
    let first = stage.worker("first");
    stage.until("a batch to be under way", async || Ok(holds.waiting(Step::Decided).await > 0)).await;
    let second = stage.worker("second");
    stage.until("the drain to end", async || Ok(first.log()?.contains("lanes not drained in time"))).await;
    stage
        .until("both workers to share the lanes", async || {
            Ok(lanes_of(&first).await == LANES / 2 && lanes_of(&second).await == LANES / 2)
        })
        .await;
    holds.let_go(Step::Decided).await;
    stage.all_published().await;
    // Had a tenure lived on, its batch would have asked the database what became of it, and would have been refused.
    assert!(!first.log().expect("a log").contains("another process claimed lanes of ours"));
    for mut worker in [first, second] {
        worker.must_run().expect("nobody stopped it");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    stage.check().await;
    stage.strike().await;
}
