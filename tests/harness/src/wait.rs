//! Waiting for something to become true, with a deadline and a sentence that says what never happened.
//!
//! Invariant: nobody waits for time to pass, only for a condition. What sleeps elsewhere in the harness are the steps of a schedule
//! and the pauses between two looks of those who look all the time; each has a name that says so.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// The same for a thread that has nothing else to do.
const EVERY_BLOCKING: Duration = Duration::from_millis(5);

/// Waits until the condition holds. An error of the condition counts as "not yet", and is told if it is the last word.
///
/// # Errors
/// The deadline passed; says what was awaited and what the condition said last.
pub async fn until(deadline: Instant, what: &str, mut condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    loop {
        let said = condition().await;
        if matches!(said, Ok(true)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let last = said.err().map(|error| format!("; at last: {error:#}")).unwrap_or_default();
            bail!("waited {:.1} s for {what}, and it did not happen{last}", began.elapsed().as_secs_f64());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// [`until`], for that many seconds at most.
///
/// # Errors
/// As [`until`].
pub async fn within(seconds: u64, what: &str, condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    until(Instant::now() + Duration::from_secs(seconds), what, condition).await
}

/// [`until`], for a thread that has nothing else to do.
///
/// # Errors
/// It did not come true within that time; says what was awaited.
pub fn blocking(at_most: Duration, what: &str, condition: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + at_most;
    while !condition() {
        if Instant::now() >= deadline {
            bail!("waited {:.1} s for {what}, and it did not happen", at_most.as_secs_f64());
        }
        std::thread::sleep(EVERY_BLOCKING);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::until;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut looked = 0;
        let waited = until(Instant::now() + super::EVERY * 100, "the third look", async || {
            looked += 1;
            Ok(looked == 3)
        });
        waited.await.expect("came true");
        assert_eq!(looked, 3);
    }

    #[tokio::test]
    async fn a_deadline_says_what_did_not_happen_and_what_was_seen_last() {
        let waited = until(Instant::now(), "the lag to be 0", async || anyhow::bail!("lag is 7")).await;
        let text = waited.expect_err("never true").to_string();
        assert!(text.contains("the lag to be 0") && text.contains("lag is 7"), "{text}");
    }
}
