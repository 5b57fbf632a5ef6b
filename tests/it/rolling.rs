//! Workers replaced one after the other under load, small: a rolling restart that is measured, and two releases side by side.
//!
//! `make rolling-restart` and `make upgrade` are the large ones. Nothing here judges how long anything took.

use std::path::Path;
use std::time::Duration;

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::rolling::crew::{Goodbye, Release, WORKERS};
use orderstream_harness::rolling::restart::{self, Options, Round};
use orderstream_harness::rolling::{report, upgrade};
use orderstream_harness::topics::{self, Layout, Time};
use orderstream_harness::watch::Place;

use crate::stage::Stage;

const LANES: i32 = 6;

/// How long one of these may take in all.
const AT_MOST: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_restarted_in_turn_lose_and_double_nothing_and_each_lanes_pause_is_measured() {
    let stage = Stage::with("rolling", LANES, |config| {
        config.unset("topics.order");
    })
    .await;
    let (config, logs) = (stage.config_path(), stage.logs());
    let place = Place { deployment: &stage.deployment, program: &stage.program, config: &config, logs: &logs };
    let round = Round { by: Goodbye::Asked, fixed: false };
    let options = Options { rate: 400, rest: Duration::from_secs(1), partitions: LANES };
    // A worker that does not drain and end with 0 is an error.
    let held = tokio::time::timeout(AT_MOST, restart::restart_all(place, round, options)).await;
    let outcome = held.expect("it comes to an end").expect("every worker drains, ends with 0 and is replaced");
    assert!(outcome.verdict.is_good(), "{}", outcome.verdict.text());
    assert_eq!(outcome.restarts.len(), WORKERS);
    for restarted in &outcome.restarts {
        assert_eq!(restarted.longest.len(), LANES.unsigned_abs() as usize, "{restarted:?}");
        assert!(restarted.restart.drain_ms > 0.0 && restarted.restart.back_in_work_ms > 0.0, "{restarted:?}");
        // Lanes move at every restart, and while one moves it tells nothing.
        assert!(report::worst(&restarted.longest) > 0.0, "{restarted:?}");
    }
    let json = report::json(options, &[outcome]);
    assert_eq!([&json["lost"], &json["doubled"], &json["mismatched"]], [0, 0, 0], "{json}");
    assert_eq!(json["longest_pause_ms_by_lane"].as_object().map(serde_json::Map::len), Some(6), "{json}");
    assert!(json["events"].as_u64() > Some(400), "{json}");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_releases_side_by_side_lose_and_double_nothing_on_the_way_there_and_back() {
    let (commit, previous) = upgrade::built_aside(Path::new(env!("CARGO_MANIFEST_DIR")), "debug").expect("it is built");
    let mut stage = Stage::bare("upgrade").await;
    let setting = |config: &mut ConfigFile| {
        upgrade::configure(config);
        // The release before does not know it.
        config.unset("worker.heartbeat_directory");
    };
    stage.reconfigure(setting);
    let layout = Layout { partitions: LANES, replication: 1, time: Time::OfAppend };
    topics::create(&stage.deployment.stack.brokers, &stage.deployment.topics, layout).await.expect("topics");
    let release = |program| Release { program, config: stage.config_path(), fixed: false };
    let (older, newer, logs) = (release(previous), release(stage.program.clone()), stage.logs());
    let side = upgrade::Side { deployment: &stage.deployment, older: &older, newer: &newer, logs: &logs };
    let options = upgrade::Options { seed: 5, rate: 300, between: 300 };
    let held = tokio::time::timeout(AT_MOST, upgrade::run(side, options)).await;
    let outcome = held.expect("it comes to an end").unwrap_or_else(|error| panic!("{commit}: {error:#}"));
    assert!(outcome.verdict.is_good(), "{}", outcome.text(&commit));
    assert_eq!(outcome.restarts.len(), 2 * WORKERS);
    let totals = &outcome.verdict.totals;
    for (what, count) in [
        ("dead letters", totals.outcomes.refused()),
        ("commands", totals.commands),
        ("deadlines", totals.time.all_fired()),
    ] {
        assert!(count > 0, "there were no {what}: use more records");
    }
    stage.strike().await;
}
