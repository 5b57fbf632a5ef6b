//! Panics of libraries that are caught on purpose, told apart from those that are bugs of ours.
//!
//! A panic hook runs before anybody catches the panic, so whoever means to catch one says so beforehand, for its thread. Invariant:
//! only a panic inside of [`contained`] is nobody's bug; any other stops the process (`cli/run.rs`).

use std::cell::Cell;
use std::panic::{UnwindSafe, catch_unwind};
use std::thread;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Calls into a library that may panic on what it is given.
///
/// # Errors
/// What it panicked with.
pub fn contained<T>(call: impl FnOnce() -> T + UnwindSafe) -> thread::Result<T> {
    let outer = CONTAINED.replace(true);
    let called = catch_unwind(call);
    CONTAINED.set(outer);
    called
}

/// Whether a panic of this thread would be caught by [`contained`]: a hook has nothing to do about it.
#[must_use]
pub fn is_contained() -> bool {
    CONTAINED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_as_before_after_a_call_that_panicked() {
        let nested = contained(|| {
            let inner = contained(|| -> () { panic!("of a library") });
            (inner.is_err(), is_contained())
        });
        assert_eq!(nested.expect("caught inside"), (true, true));
        assert!(!is_contained());
    }
}
