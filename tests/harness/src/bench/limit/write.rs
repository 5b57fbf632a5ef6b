//! Writing what was prepared: one connection a share, one transaction after the other, nothing in between.
//!
//! Its sessions plan as the product's writers do. Invariant: a statement that writes another number of rows than the product's did is an error.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use orderstream::persist::connection::PLANNED_ONCE;
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

use super::prepare::Share;
use super::rows::Batch;
use crate::bench::visible::Series;
use crate::stage::Stage;

/// Writes all shares at once. Returns how many events were committed when.
///
/// # Errors
/// Postgres does not answer or refuses, or other rows are written than were prepared.
pub async fn write(stage: &Stage, shares: Vec<Share>) -> Result<Series> {
    let mut sessions = Vec::new();
    for share in shares {
        let mut connection = stage.connect().await?;
        connection.execute("set synchronous_commit = on").await?;
        for (setting, value) in PLANNED_ONCE {
            sqlx::query("select set_config($1, $2, false)").bind(setting).bind(value).execute(&mut connection).await?;
        }
        sessions.push((connection, share));
    }
    let mut all = JoinSet::new();
    let mut steps = vec![(Instant::now(), 0)];
    for (connection, share) in sessions {
        all.spawn(work_off(connection, share));
    }
    while let Some(done) = all.join_next().await {
        steps.extend(done.context("a thread of the harness")??);
    }
    Ok(Series::of_steps(steps))
}

/// Each transaction's events, with the time of its COMMIT.
async fn work_off(mut connection: PgConnection, share: Share) -> Result<Vec<(Instant, u64)>> {
    let mut steps = Vec::with_capacity(share.batches.len());
    for batch in share.batches {
        let events = batch.events;
        transact(&mut connection, batch).await?;
        steps.push((Instant::now(), events));
    }
    Ok(steps)
}

async fn transact(connection: &mut PgConnection, batch: Batch) -> Result<()> {
    connection.execute("begin").await?;
    for statement in batch.statements {
        let done = sqlx::query_with(statement.sql, statement.arguments).execute(&mut *connection).await?;
        let (rows, expected) = (done.rows_affected(), statement.rows);
        ensure!(rows == expected, "{rows} of {expected} rows were written by: {}", statement.sql);
    }
    connection.execute("commit").await?;
    Ok(())
}
