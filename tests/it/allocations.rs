//! What a piece of code takes of the machine: the bytes that it holds at a time, and the processor's time.
//!
//! The allocator of this test binary counts, thread by thread. Invariant: counting allocates nothing, and what other threads do is
//! not counted, so a busy machine changes no figure.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

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

/// What a call took.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// The most bytes that it held at a time.
    pub peak_bytes: usize,
    /// The processor's time of this thread.
    pub cpu: Duration,
}

/// What a call returns, and what it took. It must not wait for anything.
pub fn used<T>(call: impl FnOnce() -> T) -> (T, Used) {
    let before = cpu();
    let held = HELD.get();
    PEAK.set(held);
    let result = call();
    let peak_bytes = (PEAK.get() - held).unsigned_abs();
    (result, Used { peak_bytes, cpu: cpu() - before })
}

fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and `time` is ours.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "the clock of the thread");
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

#[test]
fn what_is_held_at_a_time_is_counted_and_nothing_else() {
    let ((), used) = used(|| {
        (0..10).for_each(|_| drop(std::hint::black_box(Vec::<u8>::with_capacity(10_000))));
    });
    assert_eq!(used.peak_bytes, 10_000);
}
