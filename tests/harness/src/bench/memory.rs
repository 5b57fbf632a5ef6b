//! The most memory that a worker ever has while a large backlog lies before it.
//!
//! A backlog of so many records, of which the worker gets to work off a part: how much lies behind that must not matter to it. Invariant:
//! the figure is the system's own (the peak of the resident set), of the whole life of the process.

use anyhow::{Result, bail};
use indicatif::HumanCount;

use super::ground::Ground;
use super::workload::Workload;
use super::{Extra, Options};
use crate::usage::Usage;
use crate::wait;
use crate::watch::applied;

const MIB: f64 = 1_048_576.0;
/// So many seconds for the part that is worked off, at most.
const AT_MOST_SECONDS: u64 = 600;

/// How many records lie there, and how many of them are worked off.
fn sizes(quick: bool) -> (u64, u64) {
    if quick { (300_000, 150_000) } else { (5_000_000, 1_000_000) }
}

/// Lays a backlog before a worker and looks at its memory once a part of it is worked off.
///
/// # Errors
/// A server does not answer, or the worker ends by itself or does not get on.
pub async fn measure(ground: &mut Ground, options: &Options) -> Result<Extra> {
    let (backlog, part) = sizes(options.quick);
    let stage = ground.stage("memory", options.partitions, &[]).await?;
    let orders = backlog.div_ceil(Workload::local(1).events());
    let records = ground.load(&stage, Workload::local(orders)).await?;
    let mut connection = stage.connect().await?;
    let mut workers = vec![ground.start(&stage, "worker")?];
    wait::within(AT_MOST_SECONDS, &format!("{part} of {records} records to be applied"), async || {
        workers[0].must_run()?;
        match applied(&mut connection).await? {
            enough if enough >= part => Ok(true),
            few => bail!("{few} are"),
        }
    })
    .await?;
    let peak = Usage::of(workers[0].pid())?.peak_bytes as f64 / MIB;
    ground.stop(workers).await?;
    drop(connection);
    ground.strike(stage).await?;
    let mut extra = Extra::default();
    extra.number("backlog_records", records);
    extra.number("backlog_peak_rss_mib", peak);
    extra.line(format!("with a backlog of {} records a worker's memory peaks at {peak:.0} MiB", HumanCount(records)));
    Ok(extra)
}
