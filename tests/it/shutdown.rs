//! SIGTERM: what is under way ends well, nothing is lost, and whatever hangs, the process ends in time.

use std::time::{Duration, Instant};

use orderstream_harness::proxy::Link;
use orderstream_harness::worker::Worker;

use super::events::captured;
use super::patience;
use super::stage::{GOODBYE, Stage};

/// How long one may take that does not wait for anything.
const AT_ONCE: Duration = Duration::from_secs(3);
/// 128 and the number of SIGTERM.
const ENDED_BY_THE_SECOND: i32 = 143;

const OWNED: &str = "select count(*) from lanes where owner_transactional_id is not null";

/// Waits until a worker has said something.
async fn says(worker: &Worker, word: &str) {
    let what = format!("the worker to say `{word}`");
    let said = patience::until(&what, async || Ok(worker.log()?.contains(word))).await;
    said.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log().unwrap_or_default()));
}

/// A stage whose workers reach the database by a link that can be cut, with one worker that has applied something.
async fn stage_with_link(test: &str) -> (Stage, Link, Worker) {
    let mut stage = Stage::new(test, 2).await;
    let (database, url) = Link::in_place_of(stage.database.url()).expect("a link");
    // The limits are the product's own, only shorter.
    stage.config.set("database.url", url).set("worker.shutdown_timeout", "6s").set("worker.drain_timeout", "2s");
    stage.configure();
    let worker = stage.worker("w1");
    stage.send(20, 1).await;
    stage.all_published().await;
    (stage, database, worker)
}

#[tokio::test]
async fn a_worker_whose_log_has_no_room_works_on_and_stops_in_good_order() {
    let stage = Stage::new("full_log", 2).await;
    std::os::unix::fs::symlink("/dev/full", stage.logs().join("w1.log")).expect("a link");
    let worker = stage.worker("w1");
    stage.send(20, 1).await;
    stage.all_published().await;
    stage.finish([worker]).await;
}

#[tokio::test]
async fn sigterm_under_load_drains_and_the_next_worker_goes_on_from_there() {
    let stage = Stage::new("sigterm", 4).await;
    let worker = stage.worker("w1");
    let load = stage.load(1_500, 11, 1_500).await;
    stage
        .until("all lanes to be at work", async || {
            let lanes = "select count(*) from lanes where owner_transactional_id is not null and last_seq > 0";
            Ok(stage.number(lanes).await == 4)
        })
        .await;
    worker.stop(GOODBYE).await.expect("exit code 0 within 20 s");
    assert!(!load.is_finished(), "the load was on while the worker stopped");
    assert_eq!(stage.number(OWNED).await, 0, "nobody has to end this worker's transactions");
    let next = stage.worker("w2");
    load.await.expect("nobody panics");
    stage.all_published().await;
    stage.check().await;
    next.stop(GOODBYE).await.expect("a good end");
    assert_eq!(stage.number(OWNED).await, 0);
    stage.strike().await;
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() {
    let (stage, database, mut worker) = stage_with_link("second_sigterm").await;
    database.hold_up();
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("an event");
    producer.flush().expect("kafka has it");
    worker.terminate().expect("it runs");
    says(&worker, "SIGTERM received").await;
    let began = Instant::now();
    // Signals close together are one, so it is said until it is heard as a second one.
    patience::until("the worker to end", async || {
        _ = worker.terminate();
        Ok(worker.ended()?.is_some())
    })
    .await
    .expect("ended");
    let status = worker.ended().expect("the system says").expect("it has ended");
    assert_eq!(status.code(), Some(ENDED_BY_THE_SECOND));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    database.mend();
    the_next_worker_goes_on(stage).await;
}

#[tokio::test]
async fn sigterm_while_the_database_is_cut_off_ends_in_time_and_loses_nothing() {
    sigterm_without_database("database_cut", Link::cut).await;
}

#[tokio::test]
async fn sigterm_while_the_database_says_nothing_ends_in_time_and_loses_nothing() {
    sigterm_without_database("database_silent", Link::hold_up).await;
}

async fn sigterm_without_database(test: &str, lose: fn(&Link)) {
    let (stage, database, mut worker) = stage_with_link(test).await;
    lose(&database);
    let mut producer = stage.producer().await;
    for order in 0..20 {
        producer.send_json(&captured(&format!("ord-{order}"), "cap-1")).expect("an event");
    }
    producer.flush().expect("kafka has it");
    let began = Instant::now();
    worker.terminate().expect("it runs");
    let status =
        worker.wait(GOODBYE).await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log().unwrap_or_default()));
    assert!(matches!(status.code(), Some(0 | 75)), "{status}\n{}", worker.log().unwrap_or_default());
    // Its own limit, and what it takes to notice.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    database.mend();
    the_next_worker_goes_on(stage).await;
}

#[tokio::test]
async fn sigterm_while_a_server_is_waited_for_at_the_start_ends_at_once() {
    let mut stage = Stage::new("sigterm_at_start", 1).await;
    let (registry, url) = Link::in_place_of(&stage.deployment.stack.registry).expect("a link");
    stage.config.set("registry.url", url);
    stage.configure();
    registry.cut();
    let worker = stage.worker("w");
    says(&worker, "cause=\"registry\"").await;
    let began = Instant::now();
    worker.stop(GOODBYE).await.expect("exit code 0");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    stage.strike().await;
}

/// Nothing was lost by the way in which the worker before ended.
async fn the_next_worker_goes_on(stage: Stage) {
    let next = stage.worker("w2");
    stage.all_published().await;
    stage.check().await;
    next.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
