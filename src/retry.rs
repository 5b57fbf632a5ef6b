//! Trying again when the world is ill: exponential pauses with jitter and a cap, counted by cause, broken off by a shutdown.
//!
//! The only user of the `backoff` crate. It is unmaintained (RUSTSEC-2025-0012), and so is its `instant` (RUSTSEC-2024-0384);
//! we accept both because no more than one struct of arithmetic is used of it, and only here: a replacement touches this
//! file alone. The exception is written down in `deploy/deny.toml`. Invariant: no pause is longer than the cap.

use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff;
use backoff::exponential::ExponentialBackoff;

use crate::metrics;
use crate::shutdown::{Shutdown, Stopping};

/// The first pause, before jitter.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause, after jitter: short, since every second of it is a second of standstill after the fault has healed.
const LONGEST: Duration = Duration::from_secs(5);
/// A pause is drawn from its length less and plus this share, so that workers do not come back in step.
const JITTER: f64 = 0.5;
/// A pause's length over the one's before.
const GROWTH: f64 = 2.0;

/// The pauses between the attempts of one thing. Lives as long as the thing is tried, is reset when it works.
#[derive(Debug)]
pub struct Retry {
    cause: &'static str,
    backoff: ExponentialBackoff<SystemClock>,
    failures: u32,
}

impl Retry {
    /// The usual pauses: 50 ms at first, twice as long each time, 5 s at most. The cause is the label of `retries_total`,
    /// one of those that the table of metrics lists.
    #[must_use]
    pub fn new(cause: &'static str) -> Self {
        Self::with_pauses(cause, FIRST, LONGEST)
    }

    /// Pauses from about `first` to at most `longest`.
    #[must_use]
    pub fn with_pauses(cause: &'static str, first: Duration, longest: Duration) -> Self {
        // Jitter is added on top of this, so the cap holds after it.
        let max_interval = longest.div_f64(1.0 + JITTER);
        let mut backoff = ExponentialBackoff {
            initial_interval: first.min(max_interval),
            max_interval,
            randomization_factor: JITTER,
            multiplier: GROWTH,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.reset();
        Self { cause, backoff, failures: 0 }
    }

    /// Counts the failures from now on under this cause, as in `retry.because("conflict").pause(&shutdown)`.
    pub fn because(&mut self, cause: &'static str) -> &mut Self {
        self.cause = cause;
        self
    }

    /// Counts a failure and says how long to pause before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        metrics::RETRIES.increment(1, &[self.cause]);
        let longest = self.backoff.max_interval.mul_f64(1.0 + JITTER);
        // Without a limit on the elapsed time there is always a next pause.
        self.backoff.next_backoff().unwrap_or(longest).min(longest)
    }

    /// Counts a failure and pauses the task.
    ///
    /// # Errors
    ///
    /// [`Stopping`], early, when a shutdown is requested.
    pub async fn pause(&mut self, shutdown: &Shutdown) -> Result<(), Stopping> {
        let delay = self.next_delay();
        shutdown.pause(delay).await
    }

    /// Counts a failure and pauses the thread.
    ///
    /// # Errors
    ///
    /// [`Stopping`], early, when a shutdown is requested.
    pub fn pause_blocking(&mut self, shutdown: &Shutdown) -> Result<(), Stopping> {
        let delay = self.next_delay();
        shutdown.pause_blocking(delay)
    }

    /// How often it failed since it last worked.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next pause is a first one again.
    pub fn reset(&mut self) {
        self.backoff.reset();
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_never_pass_the_cap() {
        let mut retry = Retry::new("connection");
        let pauses: Vec<Duration> = (0..100).map(|_| retry.next_delay()).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST * 2, "{:?}", pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST + Duration::from_millis(1)));
        let late: Duration = pauses[50..].iter().sum::<Duration>() / 50;
        assert!(late > Duration::from_secs(2), "{late:?}");
        assert_eq!(retry.failures(), 100);
    }

    #[test]
    fn pauses_of_two_workers_differ() {
        let pauses = |_| {
            let mut retry = Retry::new("kafka_publish");
            (0..10).map(|_| retry.next_delay()).collect::<Vec<_>>()
        };
        let [one, other] = [0, 1].map(pauses);
        assert_ne!(one, other);
    }

    #[test]
    fn success_begins_the_pauses_anew() {
        let mut retry = Retry::with_pauses("take_over", Duration::from_millis(10), Duration::from_secs(60));
        for _ in 0..20 {
            retry.next_delay();
        }
        retry.reset();
        assert_eq!(retry.failures(), 0);
        assert!(retry.next_delay() <= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn a_shutdown_breaks_a_pause_off() {
        let shutdown = Shutdown::new();
        shutdown.request("a test");
        let mut retry = Retry::with_pauses("registry", Duration::from_secs(60), Duration::from_secs(60));
        assert_eq!(retry.pause(&shutdown).await, Err(Stopping));
        assert_eq!(retry.pause_blocking(&shutdown), Err(Stopping));
    }
}
