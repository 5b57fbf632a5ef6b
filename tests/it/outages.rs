//! The world is ill: brokers and databases that go away and come back, and a COMMIT whose answer never comes.
//!
//! Servers that are broken are the test's own, since the local ones belong to everybody. Workers wait, and nobody is started anew.

use orderstream_harness::servers::{Cluster, Plan, Postgres, Settings, Shutdown};
use orderstream_harness::stack::Stack;
use orderstream_harness::worker::Worker;

use crate::holds::Step;
use crate::patience::LONG_PATIENCE;
use crate::robbery::Robbery;
use crate::stage::{GOODBYE, Stage, local_stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_at_rest_and_databases_that_go_under_load_are_waited_for() {
    let directory = std::env::temp_dir().join(format!("it_outages_{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let settings = Settings::default();
    let (kafka, postgres) =
        tokio::join!(Cluster::start(&directory, Plan::single()), Postgres::start_in(&directory, &settings));
    let (mut servers, mut postgres) = (kafka.expect("a broker"), postgres.expect("a database"));
    // The registry is not broken.
    let brokers = servers.bootstrap("CLIENTS").expect("a listener");
    let stack = Stack { brokers, database: postgres.url(), ..local_stack() };
    let stage = Stage::on(&stack, "outages", 4).await.with_short_sessions();
    let flow = stage.flow(51, 400).await;
    let mut workers = [stage.worker("first"), stage.worker("second")];
    let kafka = servers.broker(1).expect("the only one");
    on_from_here(&stage, &mut workers).await;
    flow.end().await;
    asleep_at_rest(&stage, &workers).await;
    kafka.stop().await.expect("it ends");
    workers.iter().for_each(|worker| worker.thaw().expect("it sleeps"));
    kafka.start().await.expect("it comes back");
    let flow = stage.flow(53, 400).await;
    on_from_here(&stage, &mut workers).await;
    postgres.kill().expect("it ran");
    postgres.start().await.expect("it comes back");
    on_from_here(&stage, &mut workers).await;
    flow.end().await;
    asleep_at_rest(&stage, &workers).await;
    kafka.kill().expect("it ran");
    workers.iter().for_each(|worker| worker.thaw().expect("it sleeps"));
    kafka.start().await.expect("it comes back");
    let flow = stage.flow(52, 400).await;
    on_from_here(&stage, &mut workers).await;
    postgres.stop(Shutdown::Fast).await.expect("it ran");
    postgres.start().await.expect("it comes back");
    on_from_here(&stage, &mut workers).await;
    flow.end().await;
    stage.all_published_within(LONG_PATIENCE).await;
    for mut worker in workers {
        worker.must_run().expect("nobody stopped it");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    stage.check().await;
    stage.strike().await;
    drop(postgres);
    drop(servers);
    // After a failure somebody may look.
    std::fs::remove_dir_all(&directory).expect("nobody writes there any more");
}

/// Puts workers to sleep in a moment in which no transaction is under way. Where the only broker goes while it writes the markers of
/// one, Kafka 4.3 skips those that are left (KAFKA-20734): the half of a transaction that is visible then is none that anybody here
/// could have prevented. Where other brokers go on they are killed at any time (`chaos`).
async fn asleep_at_rest(stage: &Stage, workers: &[Worker]) {
    stage
        .until_within(LONG_PATIENCE, "a moment without a transaction", async || {
            stage.all_published_within(LONG_PATIENCE).await;
            workers.iter().try_for_each(Worker::freeze)?;
            let is_at_rest = !stage.has_open_transaction()? && stage.is_published().await?;
            if !is_at_rest {
                workers.iter().try_for_each(Worker::thaw)?;
            }
            Ok(is_at_rest)
        })
        .await;
}

/// Waits until batches are committed again.
async fn on_from_here(stage: &Stage, workers: &mut [Worker]) {
    let rows = stage.journal_rows().await + 10;
    stage.journal_reaches(rows, &mut workers.iter_mut().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_slow_for_the_database_is_tried_in_halves_until_it_is_quick_enough() {
    let mut stage = Stage::new("too_slow", 2).await;
    stage.reconfigure(|config| {
        config.set("database.statement_timeout", "1s").set("database.lock_timeout", "1s");
    });
    stage
        .execute("create function slow() returns trigger as 'begin perform pg_sleep(new.events / 100.0); return new; end' language plpgsql")
        .await;
    stage.execute("create trigger slow before insert on journal for each row execute function slow()").await;
    stage.send(40, 57).await;
    let worker = stage.worker("halving");
    stage.all_published_within(LONG_PATIENCE).await;
    assert!(worker.log().expect("a log").contains("trying half of it"));
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_happened_and_whose_answer_is_lost_is_not_repeated() {
    let mut robbery = Robbery::of("commit_lost", Step::Committing).await;
    robbery.thief.swallow_answers();
    let rows = robbery.stage.journal_rows().await;
    robbery.holds.let_go(Step::Committing).await;
    // Nobody but the robbed writer writes: the commit happened.
    robbery.stage.journal_reaches(rows + 1, &mut [&mut robbery.worker]).await;
    robbery.thief.cut();
    robbery.thief.lose();
    robbery.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_still_under_way_when_the_connection_is_lost_is_waited_for() {
    let mut robbery = Robbery::of("commit_running", Step::Committing).await;
    robbery.thief.cut();
    robbery.wait_for_the_question().await;
    robbery.holds.let_go(Step::Committing).await;
    robbery.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_after_the_connection_is_lost_is_repeated() {
    let mut robbery = Robbery::of("commit_failed", Step::Committing).await;
    robbery.thief.cut();
    robbery.wait_for_the_question().await;
    robbery.have_the_commit_fail().await;
    robbery.holds.let_go(Step::Committing).await;
    robbery.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_arrives_after_the_writer_has_reconnected_is_not_missed() {
    let mut robbery = Robbery::of("commit_late", Step::Written).await;
    robbery.hold_the_commit().await;
    robbery.thief.cut();
    robbery.wait_for_the_question().await;
    robbery.thief.deliver();
    robbery.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrives_is_repeated() {
    let mut robbery = Robbery::of("commit_never", Step::Written).await;
    robbery.hold_the_commit().await;
    robbery.thief.cut();
    robbery.thief.lose();
    robbery.end().await;
}
