//! The trial, small: deadlines, commands, services and replays with two workers, of which one is killed twice.

use std::time::Duration;

use orderstream_harness::registry_front::Front;
use orderstream_harness::trial::{self, Options};
use orderstream_harness::watch::Place;

use crate::stage::{Stage, local_stack};

/// How long it may take in all.
const AT_MOST: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_time_debts_and_dead_letters_do_every_order_is_the_fold_of_its_events_though_workers_are_killed() {
    let front = Front::before(&local_stack().registry).expect("a port");
    let stage = Stage::with("trial", 4, |config| trial::configure(config, &front)).await;
    let (config, logs) = (stage.config_path(), stage.logs());
    let place = Place { deployment: &stage.deployment, program: &stage.program, config: &config, logs: &logs };
    let held = tokio::time::timeout(AT_MOST, trial::run(place, &front, Options { orders: 300, seed: 11 })).await;
    let outcome = held.expect("it comes to an end").expect("everything happens that a trial is about");
    assert!(outcome.verdict.is_good(), "{}", outcome.text());
    stage.strike().await;
}
