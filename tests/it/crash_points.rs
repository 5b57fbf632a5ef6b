//! Every crash point once: workers die by SIGKILL at each place of the table, and nothing is lost or doubled.
//!
//! The same as `make crash-points`, short: four deployments at once, half of the workers with company.

use std::path::Path;

use orderstream_harness::crash::{self, case, program::Act, program::CrashProgram, site};
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::watch::Place;
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::stage::Stage;
use crate::under_load::metric;

/// How many deployments share the points.
const AT_ONCE: usize = 4;

fn ordinary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orderstream"))
}

fn crashing() -> CrashProgram {
    block_in_place(|| CrashProgram::build_beside(ordinary())).expect("it compiles")
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_at_every_crash_point_lose_and_double_nothing() {
    let crashing = crashing();
    let mut stages = Vec::new();
    for number in 0..AT_ONCE {
        stages.push(Stage::with(&format!("crash_{number}"), 4, crash::configure).await);
    }
    let files: Vec<_> = stages.iter().map(|stage| (stage.config_path(), stage.logs())).collect();
    let mut places = Vec::new();
    for (stage, (config, logs)) in stages.iter().zip(&files) {
        let Stage { deployment, program, .. } = stage;
        places.push(Place { deployment, program, config, logs });
    }
    let shares = case::share(&crashing.points, 1, Act::Kill, AT_ONCE);
    let never = watch::Sender::new(false);
    let report = block_in_place(|| crash::run(&places, &crashing, &shares, &never.subscribe()));
    let report = report.expect("every worker comes to its point, and what it left is worked off");
    println!("{}", report.text());
    assert!(report.is_good(), "{}", report.text());
    for stage in stages {
        stage.strike().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ordinary_program_has_no_crash_points() {
    let points = crashing().points;
    let program = std::fs::read(ordinary()).expect("the program under test");
    let has = |text: &str| memchr::memmem::find(&program, text.as_bytes()).is_some();
    assert!(has("lanes taken over"), "texts of the program can be found in it");
    let found: Vec<&String> = points.iter().filter(|point| has(point)).collect();
    assert!(found.is_empty() && !has("ORDERSTREAM_CRASH_AT"), "{found:?} are in the ordinary program");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_whose_call_took_long_is_not_used_again() {
    let stage = Stage::new("slow_call", 2).await.with_short_sessions();
    let slow = crashing().armed("relay.offsets_sent", 2, Act::Wait);
    let mut worker = slow.start(&stage.config_path(), "slow", &stage.logs()).expect("a worker starts");
    stage.send(60, 81).await;
    stage.all_published().await;
    worker.must_run().expect("it only waited");
    assert_eq!(metric(&worker, "orderstream_producer_recycles_total{cause=\"slow\"}").await, 1.0);
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_offsets_are_sent_kafka_has_the_records() {
    let stage = Stage::new("drained", 2).await.with_short_sessions();
    stage.send(60, 82).await;
    let drained = crashing().armed("relay.drained", 1, Act::Kill);
    let mut worker = drained.start(&stage.config_path(), "drained", &stage.logs()).expect("a worker starts");
    site::is_killed(&mut worker).await.expect("it dies there");
    let reader = LogReader::on(&stage.deployment.stack.brokers).expect("kafka answers");
    let partitions = reader.partitions(&stage.deployment.topics.status).expect("kafka answers");
    let has_records = |partition| reader.has_open_transaction(partition).expect("kafka answers");
    assert!(partitions.iter().any(has_records), "nothing of the transaction had arrived");
    let next = stage.worker("next");
    stage.all_published().await;
    stage.finish([next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_committed_and_not_noted_is_not_published_again() {
    let stage = Stage::new("unnoted", 2).await.with_short_sessions();
    stage.send(60, 83).await;
    let unnoted = crashing().armed("relay.committed", 1, Act::Kill);
    let mut worker = unnoted.start(&stage.config_path(), "unnoted", &stage.logs()).expect("a worker starts");
    site::is_killed(&mut worker).await.expect("it dies there");
    let next = stage.worker("next");
    stage.all_published().await;
    stage.finish([next]).await;
}
