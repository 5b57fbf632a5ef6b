//! What a piece of code takes of the machine: the bytes that it holds at a time, and the processor's time.
//!
//! The allocator of this test binary counts, thread by thread, and is the one of the fuzz targets. Invariant: what other threads do
//! is not counted, so a busy machine changes no figure.

#[path = "../fuzz/src/allocations.rs"]
mod counting;

use std::time::Duration;

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
    let (result, peak_bytes) = counting::peak(call);
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
