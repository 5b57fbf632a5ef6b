//! Decode, fold and encode under criterion: distributions, and how they differ from the last run.
//!
//! `cargo bench --package orderstream-harness`. The same functions over the same events as in `make bench`, which tells one number each
//! (`bench::core`). Needs no server.

use criterion::{Criterion, Throughput};
use orderstream_harness::bench::core::Core;
use orderstream_harness::bench::workload::Workload;

const ORDERS: u64 = 2_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("the system gives a process its threads");
    let core = runtime.block_on(Core::prepare(Workload::local(ORDERS))).expect("the workload's events are sound");
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(core.events() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| core.decode()));
    group.bench_function("fold", |bencher| bencher.iter(|| core.fold()));
    group.throughput(Throughput::Elements(core.status_events() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| core.encode()));
    group.finish();
    criterion.final_summary();
}
