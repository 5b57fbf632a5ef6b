//! Counts what is allocated, so that a target, or a test, can say how much something may cost.
//!
//! Invariant: the peak that [`peak`] tells is of this thread, between the call's beginning and its end; counting allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no cells any more; what it still allocates is nobody's.
        let _ = HELD.try_with(|held| {
            held.set(held.get() + layout.size().cast_signed());
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get() - layout.size().cast_signed()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What a call returns, and the most bytes that it held at a time beside what was held before.
pub fn peak<T>(call: impl FnOnce() -> T) -> (T, usize) {
    HELD.set(0);
    PEAK.set(0);
    let result = call();
    (result, PEAK.get().unsigned_abs())
}
