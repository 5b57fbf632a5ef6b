//! The table `operations`: who changed by hand what only workers write otherwise, and what of it is not done yet.
//!
//! Invariant: an operation is written down in the transaction that begins it, so nothing is changed without a trace, and it has
//! an end only when nothing of it is left to do.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;
use super::letters::By;

/// An operation that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number.
    pub id: i64,
    /// Where the versions of all orders leap to, if they do.
    pub version_floor: Option<i64>,
}

/// Writes down that an operation begins; in the caller's transaction. Returns its number.
///
/// # Errors
/// The statement's failure.
pub async fn begin(
    connection: &mut PgConnection,
    command: &str,
    by: &By,
    what: &serde_json::Value,
    version_floor: Option<i64>,
) -> Result<i64> {
    let row = sqlx::query(
        "insert into operations (command, actor, note, what, version_floor) values ($1, $2, $3, $4, $5) returning id",
    );
    let row = row.bind(command).bind(&by.actor).bind(by.note.as_deref()).bind(what).bind(version_floor);
    Ok(row.fetch_one(connection).await?.try_get(0)?)
}

/// Writes down that nothing of an operation, and of those of its kind before it, is left to do.
///
/// # Errors
/// The statement's failure.
pub async fn end(connection: &mut PgConnection, id: i64) -> Result<()> {
    sqlx::query(
        "update operations set ended_at = now()
          where ended_at is null and id <= $1 and command = (select command from operations where id = $1)",
    )
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The last operation of this kind, if it was broken off.
///
/// # Errors
/// The query's failure.
pub async fn unfinished(connection: &mut PgConnection, command: &str) -> Result<Option<Unfinished>> {
    let row = sqlx::query(
        "select id, version_floor from operations where command = $1 and ended_at is null order by id desc limit 1",
    );
    let row = row.bind(command).fetch_optional(connection).await?;
    row.map(|row| Ok(Unfinished { id: row.try_get(0)?, version_floor: row.try_get(1)? })).transpose()
}

/// Everything that versions ever leapt to.
///
/// # Errors
/// The query's failure.
pub async fn version_floors(connection: &mut PgConnection) -> Result<BTreeSet<i64>> {
    let rows = sqlx::query("select version_floor from operations where version_floor is not null");
    rows.fetch_all(connection).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
