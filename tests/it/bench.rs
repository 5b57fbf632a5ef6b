//! The measurements, small: that they measure, not what they come to.

use orderstream_harness::bench::ground::Ground;
use orderstream_harness::bench::report::written;
use orderstream_harness::bench::round::Rounds;
use orderstream_harness::bench::{Options, Part};
use orderstream_harness::worker::Program;

use crate::stage::local_stack;

#[tokio::test(flavor = "multi_thread")]
async fn product_limit_and_baseline_are_measured_and_the_limit_leaves_the_rows_of_the_product() {
    let directory = std::env::temp_dir().join(format!("orderstream-bench-{}", std::process::id()));
    let options = Options {
        parts: vec![Part::Local, Part::Scattered, Part::Limit, Part::Naive],
        quick: true,
        rounds: 1,
        events: Some(3_000),
        partitions: 4,
        sweep_of: Vec::new(),
        directory: directory.clone(),
    };
    let program = Program::at(env!("CARGO_BIN_EXE_orderstream"));
    let mut ground = Ground::prepare(local_stack(), program, &directory).await.expect("nobody else measures");
    let mut rounds = Rounds::default();
    // Output that is not whole, and a limit that leaves other rows than the product, are errors.
    rounds.hold(&mut ground, &options).await.unwrap_or_else(|error| panic!("{error:#}; see {}", directory.display()));
    let Rounds { local, scattered, limit_local, limit_scattered, naive } = rounds;
    for rates in [written(&limit_local), written(&limit_scattered), naive] {
        assert!(matches!(rates[..], [rate] if rate > 0.0), "{rates:?}");
    }
    for measured in [&local, &scattered] {
        let [run] = &measured[..] else { panic!("{measured:?}") };
        assert_eq!((run.events, run.orders, run.status_events), (3_000, 500, 2_000));
        assert!(run.machine_us() > 0.0, "a worker and its servers were at work");
        assert!(
            run.rate > 0.0 && run.wal_bytes() > 0.0 && run.order_bytes() > 0.0 && run.journal_bytes() > 0.0,
            "{run:?}"
        );
    }
    std::fs::remove_dir_all(&directory).expect("the directory is removed");
}
