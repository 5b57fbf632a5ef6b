//! The program `harness`: everything is in the library, so that tests can reach it.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// As in the product, so that what is compared with it is not slower for another reason than the one that is measured.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    orderstream_harness::cli::main()
}
