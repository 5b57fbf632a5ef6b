//! How fast the product is: measured beside what the database alone could do with the same rows, and beside a plain service.
//!
//! | step | file |
//! |---|---|
//! | what is sent | [`workload`] |
//! | topics, database, configuration, one stage after the other | [`ground`] |
//! | what became visible, and when | [`visible`] |
//! | the product, caught up from a backlog | [`product`], [`footprint`], [`whole`] |
//! | the same rows, written as leanly as anybody can | [`limit`] |
//! | a transaction an event, and an outbox that is polled | [`naive`] |
//! | rounds in turn, and the one in the middle | [`round`], [`run`] |
//! | events at their appointed times, and when each arrived | [`pace`], [`arrivals`], [`percentiles`] |
//! | from a record to its status event; the same without a database | [`latency`], [`kafka_to_kafka`] |
//! | what a SIGKILL costs | [`takeover`] |
//! | what a large backlog costs | [`memory`] |
//! | what a worker costs that has nothing to do | [`idle`], [`neighbours`] |
//! | what throughput depends on | [`sweep`], [`filler`] |
//! | decode, fold and encode by themselves, under criterion | [`core`] |
//! | the report, where and when it came about, and plots of it | [`report`], [`machine`], [`plot`] |
//!
//! Invariant: one thing is measured at a time on a stack, and a run whose output is not whole counts for nothing.

pub mod arrivals;
pub mod core;
pub mod filler;
pub mod footprint;
pub mod ground;
pub mod idle;
pub mod kafka_to_kafka;
pub mod latency;
pub mod limit;
pub mod machine;
pub mod memory;
pub mod naive;
pub mod neighbours;
pub mod pace;
pub mod percentiles;
pub mod plot;
pub mod product;
pub mod report;
pub mod round;
pub mod run;
mod slowest;
pub mod sweep;
pub mod takeover;
pub mod visible;
pub mod whole;
pub mod workload;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Map, Value as Json};

use workload::Workload;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// The product, with about a thousand orders in flight.
    Local,
    /// The product, with nearly every event of a batch on another order.
    Scattered,
    /// The rows of both, written by the leanest client. Needs the product's rows, so the product is measured too.
    Limit,
    /// A transaction an event, and a polled outbox.
    Naive,
    /// Decode, fold and encode by themselves, under criterion.
    Core,
    /// Our own way from topic to topic with orders in memory instead of Postgres, on both workloads.
    KafkaToKafka,
    /// From a record's timestamp to its status event, at several rates.
    Latency,
    /// The pause after a SIGKILL with a second worker standing by.
    Takeover,
    /// Memory with a large backlog.
    Memory,
    /// What a worker with nothing to do costs, with 8 and with 64 lanes.
    Idle,
    /// Lanes, writers, batch sizes, facts, orders in the table, duplicates.
    Sweep,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which parts, each once.
    pub parts: Vec<Part>,
    /// Few events and one round: whether it works, and about how fast.
    pub quick: bool,
    /// How many rounds of local, scattered, limit and naive.
    pub rounds: usize,
    /// About how many events each workload has, in place of the usual number.
    pub events: Option<u64>,
    /// Partitions of the topics, that is lanes.
    pub partitions: i32,
    /// The names of what the sweep changes, of [`sweep::NAMES`]; all when empty.
    pub sweep_of: Vec<String>,
    /// Where logs and the report go; emptied first.
    pub directory: PathBuf,
}

impl Options {
    /// Whether a part is to be measured.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// The workload that compares with the peers: 300,000 orders.
    #[must_use]
    pub fn local(&self) -> Workload {
        Workload::local(self.orders(300_000, 50_000))
    }

    /// The workload in which nearly every event of a batch touches another order: 100,000 of them at once.
    #[must_use]
    pub fn scattered(&self) -> Workload {
        Workload::scattered(self.orders(100_000, 50_000))
    }

    /// Writes a plot beside the report.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn leave(&self, name: &str, drawing: &str) -> Result<()> {
        let path = self.directory.join(name);
        std::fs::write(&path, drawing).with_context(|| format!("`{}` cannot be written", path.display()))
    }

    fn orders(&self, usual: u64, quick: u64) -> u64 {
        let events_per_order = Workload::local(1).events();
        match self.events {
            Some(events) => (events / events_per_order).max(1),
            None if self.quick => quick,
            None => usual,
        }
    }
}

/// What a measurement beside the throughput comes to.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Numbers for the report, by name, as in `p50_ms_at_1000`.
    pub numbers: Map<String, Json>,
    /// Lines for people.
    pub lines: Vec<String>,
}

impl Extra {
    /// Adds a number.
    pub fn number(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        self.numbers.insert(name.into(), value.into());
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Takes over what another measurement came to.
    pub fn add(&mut self, more: Self) {
        self.numbers.extend(more.numbers);
        self.lines.extend(more.lines);
    }
}
