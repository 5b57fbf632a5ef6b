//! How many orders are in which status, what is owed, overdue and refused: counted over whole tables, for the metrics.
//!
//! Reads a snapshot and locks nothing. Invariant: a status or kind that nobody has is reported with 0, never left as it was.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;

/// How many there are of one name, and how long ago the one that rested longest last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// A status, a kind of obligation, or a reason.
    pub name: String,
    /// How many.
    pub count: i64,
    /// Seconds since the oldest last change; for what is owed or refused, since it began.
    pub oldest_seconds: f64,
}

/// For how long orders have not changed that are counted apart, as the labels of `orders_unchanged`.
pub const UNCHANGED_FOR: [&str; 3] = ["1h", "1d", "7d"];

/// The orders of one status.
#[derive(Clone, Debug, PartialEq)]
pub struct OfStatus {
    /// All of them.
    pub all: Group,
    /// How many of them have not changed for longer than each of [`UNCHANGED_FOR`].
    pub unchanged: [i64; UNCHANGED_FOR.len()],
}

/// Orders by status.
///
/// # Errors
/// The query's failure.
pub async fn orders(connection: &mut PgConnection) -> Result<Vec<OfStatus>> {
    let rows = sqlx::query(
        "select status::text, count(*), extract(epoch from now() - min(changed_at))::float8,
                count(*) filter (where changed_at < now() - interval '1 hour'),
                count(*) filter (where changed_at < now() - interval '1 day'),
                count(*) filter (where changed_at < now() - interval '7 days')
           from orders group by status",
    );
    let rows = rows.fetch_all(connection).await?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in rows {
        let all = Group { name: row.try_get(0)?, count: row.try_get(1)?, oldest_seconds: row.try_get(2)? };
        groups.push(OfStatus { all, unchanged: [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?] });
    }
    Ok(groups)
}

/// Orders by the reason why a person should look; the age is that of the order's last change.
///
/// # Errors
/// The query's failure.
pub async fn attention(connection: &mut PgConnection) -> Result<Vec<Group>> {
    groups(
        connection,
        "select reason, count(*), extract(epoch from now() - min(changed_at))::float8
           from orders, unnest(attention) as reason where attention <> '{}' group by reason",
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
        "select owed.one ->> 'kind', count(*),
                extract(epoch from now() - min('epoch'::timestamptz
                    + (owed.one ->> 'since')::bigint * interval '1 microsecond'))::float8
           from orders, lateral jsonb_array_elements(orders.commands) as owed(one)
          where orders.commands <> '[]' group by 1",
    )
    .await
}

/// Dead letters that are neither applied nor discarded, by reason.
///
/// # Errors
/// The query's failure.
pub async fn dead_letters(connection: &mut PgConnection) -> Result<Vec<Group>> {
    groups(
        connection,
        "select reason::text, count(*), extract(epoch from now() - min(first_seen_at))::float8
           from dead_letters where state in ('open', 'replay') group by reason",
    )
    .await
}

/// How many orders wait for something that is due already, and for how many seconds the first of them does.
///
/// # Errors
/// The query's failure.
pub async fn overdue(connection: &mut PgConnection) -> Result<(i64, f64)> {
    let row = sqlx::query(
        "select count(*), coalesce(extract(epoch from now() - min(next_deadline)), 0)::float8
           from orders where next_deadline < now()",
    )
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// About how many orders there are, as the planner believes: for a progress bar.
///
/// # Errors
/// The query's failure.
pub async fn about(connection: &mut PgConnection) -> Result<u64> {
    let row = sqlx::query("select greatest(reltuples, 0)::bigint from pg_class where oid = 'orders'::regclass");
    Ok(row.fetch_one(connection).await?.try_get::<i64, _>(0)?.unsigned_abs())
}

async fn groups(connection: &mut PgConnection, query: &'static str) -> Result<Vec<Group>> {
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let mut groups = Vec::with_capacity(rows.len());
    for row in rows {
        groups.push(Group { name: row.try_get(0)?, count: row.try_get(1)?, oldest_seconds: row.try_get(2)? });
    }
    Ok(groups)
}
