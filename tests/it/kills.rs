//! SIGKILL at any instant: between any two steps of a batch, and at many moments under load.
//!
//! The events of what was cut off come again from Kafka, from the checkpoints, and what was committed and not published comes from
//! the journal. Nothing may be lost or doubled.

use orderstream_harness::traffic::Dice;
use orderstream_harness::worker::Worker;

use crate::holds::{Holds, Step};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_between_any_two_steps_of_a_batch_loses_and_doubles_nothing() {
    let stage = Stage::new("kill_steps", 4).await.with_short_sessions();
    let mut holds = Holds::in_database(&stage.database).await;
    for (number, step) in (1..).zip(Step::ALL) {
        holds.hold(step).await;
        stage.send_flawed(60, number).await;
        let mut worker = stage.worker("killed");
        stage.until(&format!("a writer to come to {step:?}"), async || Ok(holds.waiting(step).await > 0)).await;
        worker.must_run().expect("it is held, not ended");
        worker.kill().expect("it runs");
        // The server does not know yet that the client is gone, and goes on: at the last step to the end.
        holds.let_go(step).await;
    }
    let worker = stage.worker("last");
    stage.all_published().await;
    worker.stop(std::time::Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_that_is_killed_at_eight_moments_under_load_loses_and_doubles_nothing() {
    killed_again_and_again("kill_one", 1, 8, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_that_are_killed_in_turn_under_load_lose_and_double_nothing() {
    killed_again_and_again("kill_two", 2, 8, 12).await;
}

/// Kills one of the workers at moments that a seed decides, and starts it again.
async fn killed_again_and_again(test: &str, count: usize, kills: u64, seed: u64) {
    let mut stage = Stage::new(test, 4).await.with_short_sessions();
    // Small batches make many moments.
    stage.config.set("worker.batch_max_records", 40);
    stage.configure();
    let mut dice = Dice::new(seed, 0);
    let mut workers: Vec<Worker> = (0..count).map(|number| stage.worker(&format!("worker-{number}"))).collect();
    for kill in 0..kills {
        let load = stage.load(120, seed * 100 + kill, u32::MAX).await;
        let rows = stage.journal_rows().await + dice.between(1, 16);
        stage.journal_reaches(rows, &mut workers.iter_mut().collect::<Vec<_>>()).await;
        let victim = dice.index(count);
        workers[victim].kill().expect("it runs");
        workers[victim] = stage.worker(&format!("worker-{victim}"));
        load.await.expect("nobody panics");
    }
    stage.all_published().await;
    for worker in workers {
        worker.stop(std::time::Duration::from_secs(20)).await.expect("exit code 0");
    }
    let verdict = stage.check().await;
    assert!(verdict.totals.orders >= 120 * kills, "{}", verdict.text());
    stage.strike().await;
}
