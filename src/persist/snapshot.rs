//! One instant of the database, for commands that only look: repeatable read, read only.
//!
//! Holds no lock that anybody waits for. Invariant: everything that is read until the session ends is of one instant, and nothing
//! can be written, whatever the command does.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::error::Result;
use crate::ids::Timestamp;

/// An instant of the database as microseconds since 1970, as all queries for commands read one.
macro_rules! micros {
    ($column:literal) => {
        concat!("(extract(epoch from ", $column, ") * 1000000)::bigint")
    };
}

pub(super) use micros;

/// Takes the snapshot and returns its instant by the database's clock. It lasts as long as the session.
///
/// # Errors
/// The statements' failures.
pub async fn begin(connection: &mut PgConnection) -> Result<Timestamp> {
    connection.execute("begin isolation level repeatable read, read only").await?;
    let row = sqlx::query(concat!("select ", micros!("now()"))).fetch_one(connection).await?;
    Ok(Timestamp(row.try_get(0)?))
}

/// The same for a command that reads the whole database: its statements may take as long as they need.
///
/// # Errors
/// The statements' failures.
pub async fn begin_unhurried(connection: &mut PgConnection) -> Result<Timestamp> {
    let now = begin(connection).await?;
    // A command that was stopped for good must still not hold back the vacuum of a busy database for ever.
    connection
        .execute("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = '5min'")
        .await?;
    Ok(now)
}
