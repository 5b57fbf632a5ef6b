//! Decode, fold and encode under criterion: distributions, and how they differ from the last run.
//!
//! `cargo bench --package orderstream-harness`. The same functions over the same events, judged in the same way, as in `make bench`, which
//! puts criterion's estimates into its report (`bench::core`). Needs no server.

use criterion::Criterion;
use orderstream_harness::bench::core::Core;
use orderstream_harness::bench::core::estimates::{ORDERS, judge};
use orderstream_harness::bench::workload::Workload;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("the system gives a process its threads");
    let core = runtime.block_on(Core::prepare(Workload::local(ORDERS))).expect("the workload's events are sound");
    let mut criterion = Criterion::default().configure_from_args();
    judge(&mut criterion, &core);
    criterion.final_summary();
}
