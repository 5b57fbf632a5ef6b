//! The limit: the rows of a product's run, prepared beforehand and written again by the leanest client that we can write.
//!
//! | step | file |
//! |---|---|
//! | what the run wrote, transaction by transaction | [`prepare`], [`journaled`] |
//! | an order's row as a transaction left it, and the statements' arguments | [`rows`] |
//! | writing it again, and nothing else | [`mod@write`] |
//! | whether the same rows are there in the end | [`digest`] |
//!
//! The same database and the same tables with the same indexes, emptied; the same durability; as many connections as the product has
//! writers, each with the batches that its writer had. Each transaction moves its lanes, advances its checkpoints, makes rows for its new
//! orders, locks the others, writes each order once and appends its journal rows: every row version that the product's had. Left out is
//! what is no row of the batch: reading what is locked, the lock on lanes before the fence,
//! how far is published, looking for what is due. Invariant: a limit after which other rows stand than after the product's run is an
//! error and no measurement.

pub mod digest;
pub mod journaled;
pub mod prepare;
pub mod rows;
pub mod write;

use anyhow::{Context, Result, ensure};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::ground::Ground;
use super::workload::Workload;
use crate::stage::Stage;
use crate::usage;
use digest::Digest;

/// Empties what batches write and puts lanes and checkpoints back to where they began.
const EMPTY: &str = "truncate orders, journal;
    update lanes set last_seq = 0, published_seq = 0, horizon = null;
    update checkpoints set next_offset = 0, record_timestamp = null";

/// What writing the rows came to.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Events a second, from a tenth to nine tenths of the events.
    pub rate: f64,
    /// Processor time of the whole machine, in microseconds an event.
    pub machine_us: f64,
}

/// Writes the rows again that the product wrote on this stage with one workload, over so many connections.
///
/// # Errors
/// Postgres does not answer or is not durable, the journal holds what no such workload leads to, or other rows came of it.
pub async fn measure(ground: &Ground, stage: &Stage, workload: Workload, writers: i32) -> Result<Written> {
    let mut connection = stage.connect().await?;
    must_be_durable(&mut connection).await?;
    let product = Digest::take(&mut connection).await?;
    let shares = prepare::prepare(stage, workload, writers).await.context("the limit's rows cannot be prepared")?;
    let events: u64 = shares.iter().map(prepare::Share::events).sum();
    ensure!(events == workload.events(), "the journal tells of {events} of {} events", workload.events());
    connection.execute(EMPTY).await?;
    ground.settle(&mut connection).await?;
    let before = usage::of_machine()?;
    let done = write::write(stage, shares).await?;
    let took = usage::of_machine()?.saturating_sub(before);
    let ours = Digest::take(&mut connection).await?;
    ensure!(ours == product, "the limit left other rows than the product: {}", ours.difference(&product));
    let rate = done.rate(events).context("nothing was written")?;
    Ok(Written { rate, machine_us: took.as_secs_f64() * 1e6 / events as f64 })
}

/// A limit without durability would be one that nobody may reach.
async fn must_be_durable(connection: &mut PgConnection) -> Result<()> {
    for name in ["fsync", "full_page_writes"] {
        let query = sqlx::query_scalar("select current_setting($1)").bind(name);
        let value: String = query.fetch_one(&mut *connection).await?;
        ensure!(
            value == "on",
            "postgres runs with {name} = `{value}`: the limit is of a durable database, set it to on"
        );
    }
    Ok(())
}
