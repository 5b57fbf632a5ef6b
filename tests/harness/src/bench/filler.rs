//! Orders that are in the table before anything is measured: copies of rows that the product itself wrote, under ids of their own.
//!
//! Their ids lie between those of the workload, so that its orders find their places all over the index and not at its end. Invariant:
//! none of them is an order of the workload.

use anyhow::{Result, ensure};
use serde_json::Value as Json;
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::progress::Progress;

/// Rows that are copied, at most.
const ROWS: i64 = 200;
/// Rows of one statement.
const AT_ONCE: u64 = 250_000;

/// Rows to be copied.
#[derive(Clone, Debug)]
pub struct Filler(Vec<Json>);

impl Filler {
    /// Takes some rows of a database.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn take(connection: &mut PgConnection) -> Result<Self> {
        let rows = sqlx::query_scalar("select to_jsonb(o) from (select * from orders limit $1) o").bind(ROWS);
        Ok(Self(rows.fetch_all(connection).await?))
    }

    /// Lays so many orders into another database, spread over the ids of a workload of `span` orders, and has the table vacuumed.
    ///
    /// # Errors
    /// Postgres does not answer or refuses.
    pub async fn fill(&self, connection: &mut PgConnection, orders: u64, span: u64) -> Result<()> {
        ensure!(!self.0.is_empty(), "there is no order to be copied");
        let (all, span) = (i64::try_from(orders)?, i64::try_from(span.max(1))?);
        let mut progress = Progress::towards(orders, "orders laid into the table");
        let mut first = 0;
        while first < all {
            let last = all.min(first + i64::try_from(AT_ONCE)?) - 1;
            // The workload's orders are `ord-000000` and so on: the copies of one follow it.
            sqlx::query(
                "with models as materialized (
                     select place - 1 as place, model
                       from jsonb_array_elements($1) with ordinality as listed(model, place))
                 insert into orders
                 select filled.*
                   from generate_series($2, $3) as number
                   join models on place = number % jsonb_array_length($1)
                  cross join lateral jsonb_populate_record(null::orders, model || jsonb_build_object(
                            'order_id', 'ord-' || lpad((number % $4)::text, 6, '0') || '-' || number)) as filled",
            )
            .bind(Json::from(self.0.clone()))
            .bind(first)
            .bind(last)
            .bind(span)
            .execute(&mut *connection)
            .await?;
            first = last + 1;
            progress.show(first.unsigned_abs(), "");
        }
        progress.end();
        connection.execute("vacuum (analyze) orders").await?;
        Ok(())
    }
}
