//! The program: everything is in the library, so that tests can reach it. Start reading at `lib.rs`.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Records are made by one thread and dropped by another. With the same backlog and settings jemalloc took 9.9 µs of processor an event
/// and 238 MiB, mimalloc 11.1 µs and 298 MiB. Not for C as well: under `libfaketime` (`make chaos`) that ends in a deadlock at the start.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Few arenas, no huge pages, and what is not used goes back at once: a backlog's memory is not kept for ever.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 56] = b"narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0,thp:never\0";

fn main() -> ExitCode {
    share_memory_between_threads();
    orderstream::cli::main()
}

/// The C libraries' memory is glibc's, which gives each thread a heap of its own, and what one frees no other can use.
fn share_memory_between_threads() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called once, before there is a second thread; the call only sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
