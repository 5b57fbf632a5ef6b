//! Chaos, small: two minutes of faults from a fixed seed, on servers of its own.

use std::path::Path;
use std::time::Duration;

use orderstream_harness::chaos::fault::Kind;
use orderstream_harness::chaos::run::{self, Options};
use orderstream_harness::chaos::schedule::Plan;
use orderstream_harness::worker::Program;

/// How long the whole may take.
const AT_MOST: Duration = Duration::from_mins(15);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_around_workers_for_two_minutes_nothing_is_lost_doubled_or_left_standing() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/chaos/test");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).expect("what an earlier run left goes");
    }
    let plan = Plan { seed: 1, lasts: Duration::from_mins(2), kinds: Kind::ALL.to_vec(), workers: 2 };
    let options = Options {
        plan,
        rate: 150,
        catch_up: Duration::from_mins(1),
        program: Program::at(env!("CARGO_BIN_EXE_orderstream")),
        directory: directory.clone(),
    };
    let held = tokio::time::timeout(AT_MOST, run::run(&options)).await;
    let outcome = held.expect("it comes to an end").expect("the world can be made, broken and healed");
    assert!(outcome.is_good(), "{}\nlogs are in {}", outcome.text(), directory.display());
    std::fs::remove_dir_all(&directory).expect("the directory is removed");
}
