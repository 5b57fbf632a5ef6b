//! How many orders are in which status, and what is owed: counted over the whole table, for the metrics.
//!
//! Reads a snapshot and locks nothing. Invariant: a status or kind that nobody has is reported with 0, never left as it was.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;

/// How many there are of one name, and how long ago the one that rested longest last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// A status, or a kind of obligation.
    pub name: String,
    /// How many.
    pub count: i64,
    /// Seconds since the oldest last change.
    pub oldest_seconds: f64,
}

/// Orders by status.
///
/// # Errors
/// The query's failure.
pub async fn orders(connection: &mut PgConnection) -> Result<Vec<Group>> {
    groups(
        connection,
        "select status::text, count(*), extract(epoch from now() - min(changed_at))::float8 from orders group by status",
    )
    .await
}

/// Open obligations by kind.
///
/// # Errors
/// The query's failure.
pub async fn obligations(connection: &mut PgConnection) -> Result<Vec<Group>> {
    groups(
        connection,
        "select owed.one ->> 'kind', count(*), extract(epoch from now() - min(changed_at))::float8
           from orders, lateral jsonb_array_elements(orders.owed) as owed(one)
          where orders.owed <> '[]' group by 1",
    )
    .await
}

async fn groups(connection: &mut PgConnection, query: &'static str) -> Result<Vec<Group>> {
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in rows {
        groups.push(Group { name: row.try_get(0)?, count: row.try_get(1)?, oldest_seconds: row.try_get(2)? });
    }
    Ok(groups)
}
