//! The naive baseline: what one writes first. A loop a topic, a transaction an event, the offset committed after it, and an outbox that
//! somebody polls.
//!
//! | part | file |
//! |---|---|
//! | the loop | [`service`] |
//! | its rules | [`order`] |
//! | its tables | [`tables`] |
//! | the one who polls | [`relay`] |
//!
//! After `go-seed` of the peers: one connection and one group a topic, a dedup row an event, the order's row under lock, an outbox row
//! where the status changed, 500 rows of the outbox every 100 ms. It reads the same records as the product, and promises less: what it
//! published before a crash it publishes again.

pub mod order;
pub mod relay;
pub mod service;
pub mod tables;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::Executor;

use super::ground::Ground;
use super::visible::Watcher;
use super::workload::Workload;
use crate::background::Background;
use crate::stage::Stage;
use crate::wait;

/// How long it may take, beside what this many events a second take.
const SPARE: Duration = Duration::from_secs(60);
const SLOWEST_RATE: u64 = 200;
/// The pause between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// Measures it on a stage of its own that the product does not work on. Returns events a second, from a tenth to nine tenths of its
/// status events.
///
/// # Errors
/// A server does not answer, or it does not come to its end.
pub async fn measure(ground: &Ground, stage: &Stage, workload: Workload) -> Result<f64> {
    let events = ground.load(stage, workload).await?;
    let mut connection = stage.connect().await?;
    connection.execute(tables::MAKE).await?;
    ground.settle(&mut connection).await?;
    let topics = &stage.deployment.topics;
    let watcher = Watcher::begin(&stage.deployment.stack.brokers, &topics.status)?;
    let mut parts: Vec<Background<Result<()>>> = Vec::new();
    for (input, topic) in topics.inputs() {
        parts.push(service::begin(&stage.deployment, input, topic));
    }
    parts.push(relay::begin(&stage.deployment));
    let deadline = Instant::now() + SPARE + Duration::from_secs(events / SLOWEST_RATE);
    let waited = wait::until(deadline, "the naive service to be through", async || {
        // Who ended says why below.
        if parts.iter().any(Background::is_over) {
            return Ok(true);
        }
        let (done, left): (i64, i64) = sqlx::query_as(tables::PROGRESS).fetch_one(&mut connection).await?;
        if done.unsigned_abs() < events || left > 0 {
            tokio::time::sleep(LOOK).await;
            bail!("{done} of {events} events are done, {left} rows wait in its outbox");
        }
        Ok(true)
    });
    let waited = waited.await;
    for part in parts {
        part.end().await?.context("the naive service")?;
    }
    waited?;
    let visible = watcher.end().await?;
    visible.rate(events).context("the naive service said nothing")
}
