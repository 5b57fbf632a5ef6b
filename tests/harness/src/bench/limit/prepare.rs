//! From the journal to the arguments of the statements: every transaction of the run, with the rows that it left behind.
//!
//! The journal tells which event met which order when; the product's own order core says what became of it. Invariant: an order's
//! version after each event is the one that the journal noted, or nothing is prepared.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use orderstream::ids::{Lane, OrderId, Seq};
use orderstream::order::Policy;
use orderstream::order::decision::Order;
use orderstream::persist::journal::row_number;
use orderstream::persist::journal_format::{Outcome, Place, read_applied};
use tokio::task::JoinSet;

use super::journaled::{self, JournalRow};
use super::rows::{Advance, Batch, Touched};
use crate::background::Background;
use crate::bench::workload::Workload;
use crate::check::input_of;
use crate::stage::Stage;
use crate::topics::Topics;

/// What one connection writes.
#[derive(Debug)]
pub struct Share {
    /// Its transactions, in their order.
    pub batches: Vec<Batch>,
}

impl Share {
    /// How many events its transactions apply.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.batches.iter().map(|batch| batch.events).sum()
    }
}

/// An order on its way through its story.
#[derive(Debug, Default)]
struct Known {
    order: Order,
    heard: usize,
}

/// Prepares what each of so many connections writes.
///
/// # Errors
/// Postgres does not answer, or the journal tells of anything but events of the workload that were applied once each.
pub async fn prepare(stage: &Stage, workload: Workload, writers: i32) -> Result<Vec<Share>> {
    let mut all = JoinSet::new();
    for writer in 0..writers {
        let mut connection = stage.connect().await?;
        let (policy, topics) = (stage.deployment.policy.clone(), stage.deployment.topics.clone());
        all.spawn(async move {
            let rows = journaled::rows_of(&mut connection, writer, writers).await?;
            Background::begin(move |_| share(&rows, workload, &policy, &topics)).all().await?
        });
    }
    let mut shares = Vec::new();
    while let Some(share) = all.join_next().await {
        shares.push(share.context("a thread of the harness")??);
    }
    Ok(shares)
}

fn share(rows: &[JournalRow], workload: Workload, policy: &Policy, topics: &Topics) -> Result<Share> {
    let mut orders: HashMap<OrderId, Known> = HashMap::new();
    let mut batches = Vec::new();
    for rows in journaled::transactions(rows) {
        batches.push(batch(rows, &mut orders, policy, topics)?);
        // What was told to its end never comes again; millions of orders would not fit beside the servers.
        orders.retain(|_, known| known.heard < workload.events_per_order);
    }
    Ok(Share { batches })
}

/// One transaction: its events meet their orders, in the order in which the product decided them.
fn batch(rows: &[JournalRow], orders: &mut HashMap<OrderId, Known>, policy: &Policy, topics: &Topics) -> Result<Batch> {
    let mut touched: BTreeMap<OrderId, (&JournalRow, bool)> = BTreeMap::new();
    let mut advances: BTreeMap<(String, i32), Advance> = BTreeMap::new();
    for row in rows {
        for entry in read_applied(&row.applied)? {
            let (order_id, event) = match (entry.order_id, entry.event, entry.outcome) {
                (Some(order_id), Some(event), Outcome::Applied) => (order_id, event),
                (order_id, _, outcome) => {
                    bail!("lane {} row {}: {order_id:?} met {outcome:?}", row.lane, row.seq)
                }
            };
            let (topic, next) = passed(entry.place, topics)?;
            let at = entry.place.record_timestamp.map(|at| at.0);
            advances.insert((topic.to_owned(), row.lane), Advance { next, at });
            let known = orders.entry(order_id.clone()).or_default();
            let is_new = known.heard == 0;
            known.heard += 1;
            _ = known.order.apply(&event, policy);
            let version = known.order.version;
            ensure!(
                entry.version == Some(version),
                "order `{order_id}` has version {version} here and {:?} in lane {} row {}",
                entry.version,
                row.lane,
                row.seq
            );
            let lane = touched.entry(order_id.clone()).or_insert((row, is_new)).0.lane;
            ensure!(lane == row.lane, "order `{order_id}` came through lanes {lane} and {}", row.lane);
        }
    }
    let touched: Vec<Touched<'_>> = touched
        .iter()
        .map(|(order_id, (row, is_new))| Touched {
            order_id,
            order: &orders[order_id].order,
            home_lane: row.lane,
            journal_row: row_number(Lane(row.lane), Seq(row.seq)),
            is_new: *is_new,
        })
        .collect();
    Batch::of(rows, &advances, &touched, policy)
}

/// The topic that an entry was read from, and the offset behind it.
fn passed(place: Place, topics: &Topics) -> Result<(&str, i64)> {
    let input = input_of(place.source).context("a deadline fired, and no event of the workload sets one")?;
    let topic = topics.input(input).with_context(|| format!("there is no {input} topic in this deployment"))?;
    Ok((topic, place.offset.context("an event that was read has an offset")? + 1))
}
