//! The program: everything is in the library, so that tests can reach it. Start reading at `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    share_memory_between_threads();
    orderstream::cli::main()
}

/// glibc gives each thread a heap of its own, and what one frees no other can use: with records handed from thread to thread
/// that cost half as much memory again (389 MiB against 266 MiB with the same backlog).
fn share_memory_between_threads() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called once, before there is a second thread; the call only sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
