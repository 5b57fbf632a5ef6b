//! The product: one worker process as it is shipped, caught up from a backlog.
//!
//! What is measured is what counts for whoever consumes: how fast status events become visible to a read_committed consumer. Beside it,
//! what the run took of processor, memory, write-ahead log and disk. Invariant: the load stands in the topics before the worker starts,
//! and what came out was checked.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use super::footprint::Footprint;
use super::ground::Ground;
use super::visible::{Series, Watcher};
use super::whole;
use super::workload::Workload;
use crate::stage::Stage;
use crate::usage::{self, Usage};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Records that went in.
    pub events: u64,
    /// Orders that they were of.
    pub orders: u64,
    /// Status events that came out.
    pub status_events: u64,
    /// Events a second, from a tenth to nine tenths of the status events.
    pub rate: f64,
    /// What the worker took.
    pub usage: Usage,
    /// Processor time of the whole machine.
    pub machine: Duration,
    /// What the database grew by, and what its server wrote.
    pub wrote: Footprint,
    /// What was visible when; markers of transactions count as records.
    pub visible: Series,
}

/// Measures the product on a stage that nothing was done on but what the caller did; leaves the stage as it is afterwards, without
/// a worker.
///
/// # Errors
/// A server does not answer, the worker ends by itself or is too slow, or what came out is not whole.
pub async fn measure(ground: &Ground, stage: &Stage, workload: Workload) -> Result<Measured> {
    let events = ground.load(stage, workload).await?;
    let mut connection = stage.connect().await?;
    ground.settle(&mut connection).await?;
    let before = Footprint::take(&mut connection).await?;
    let (brokers, topic) = (&stage.deployment.stack.brokers, &stage.deployment.topics.status);
    let watcher = Watcher::begin(brokers, topic)?;
    let idle = usage::of_machine()?;
    let mut workers = vec![ground.start(stage, "worker")?];
    ground.until_published(stage, &mut workers, events).await?;
    let usage = Usage::of(workers[0].pid())?;
    let machine = usage::of_machine()?.saturating_sub(idle);
    let visible = watcher.end().await?;
    let wrote = Footprint::take(&mut connection).await?.since(before);
    ground.stop(workers).await?;
    let status_events = whole::check(brokers, topic, &mut connection, workload.all_orders()).await?;
    let journaled = u64::try_from(wrote.journaled_events)?;
    ensure!(journaled == events, "{events} events went in, and the journal tells of {journaled}");
    let rate = visible.rate(events).context("no status event became visible")?;
    Ok(Measured { events, orders: workload.all_orders(), status_events, rate, usage, machine, wrote, visible })
}

impl Measured {
    /// Processor time of the worker, in microseconds an event.
    #[must_use]
    pub fn processor_us(&self) -> f64 {
        self.usage.processor.as_secs_f64() * 1e6 / self.events as f64
    }

    /// Processor time of the whole machine, servers and all, in microseconds an event.
    #[must_use]
    pub fn machine_us(&self) -> f64 {
        self.machine.as_secs_f64() * 1e6 / self.events as f64
    }

    /// The most memory that the worker had resident, in MiB.
    #[must_use]
    pub fn peak_mib(&self) -> f64 {
        self.usage.peak_bytes as f64 / f64::from(1 << 20)
    }

    /// Bytes of write-ahead log, an event.
    #[must_use]
    pub fn wal_bytes(&self) -> f64 {
        self.wrote.wal_bytes as f64 / self.events as f64
    }

    /// Bytes on disk, an event: orders, journal and their indexes.
    #[must_use]
    pub fn disk_bytes(&self) -> f64 {
        (self.wrote.orders_bytes + self.wrote.journal_bytes) as f64 / self.events as f64
    }

    /// Bytes on disk of an order's row and what finds it.
    #[must_use]
    pub fn order_bytes(&self) -> f64 {
        self.wrote.orders_bytes as f64 / self.orders as f64
    }

    /// Bytes on disk of the journal, an event.
    #[must_use]
    pub fn journal_bytes(&self) -> f64 {
        self.wrote.journal_bytes as f64 / self.events as f64
    }

    /// A run that was so fast, of one event.
    #[cfg(test)]
    pub(super) fn of_rate(rate: f64) -> Self {
        Self {
            events: 1,
            orders: 1,
            status_events: 1,
            rate,
            usage: Usage { processor: Duration::ZERO, peak_bytes: 0 },
            machine: Duration::ZERO,
            wrote: Footprint::default(),
            visible: Series::default(),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        json!({
            "events": self.events,
            "orders": self.orders,
            "status_events": self.status_events,
            "eps": self.rate.round(),
            "seconds_10_to_90": self.visible.middle().map(|middle| middle.as_secs_f64()),
            "cpu_us_per_event": self.processor_us(),
            "machine_us_per_event": self.machine_us(),
            "peak_rss_mib": self.peak_mib(),
            "wal_bytes_per_event": self.wal_bytes(),
            "disk_bytes_per_event": self.disk_bytes(),
            "disk_bytes_per_order": self.order_bytes(),
            "journal_bytes_per_event": self.journal_bytes(),
        })
    }
}
