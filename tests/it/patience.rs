//! How long the tests wait for what is to happen.
//!
//! Invariant: a wait ends as soon as its condition holds, and proves nothing by being short. Where a time-out, of a server or of the
//! product, would bring about in the end what a test is about, the test sets that longer than all its waits; what is promised to
//! be quick is measured where it is tested (`shutdown`, `zombie`).

use std::time::{Duration, Instant};

use orderstream_harness::wait;

/// How long a test waits for a condition, at most, before it fails: long, since a slow machine is no defect, and a test that passes
/// never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The same where there is much to do, or servers start anew meanwhile.
pub const LONG_PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the condition holds, for [`PATIENCE`] at most.
pub async fn until(what: &str, condition: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    until_within(PATIENCE, what, condition).await
}

/// The same, for so long at most.
pub async fn until_within(
    at_most: Duration,
    what: &str,
    condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    wait::until(Instant::now() + at_most, what, condition).await
}
