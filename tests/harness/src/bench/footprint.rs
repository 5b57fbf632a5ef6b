//! What a database holds and what its server wrote: sizes on disk, the write-ahead log, the journal's count of events.
//!
//! Two of them, one before and one after, say what a run cost. The log is the server's: nothing else may be at work in it.

use anyhow::Result;
use sqlx::postgres::PgConnection;

/// One look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Footprint {
    /// How many bytes of write-ahead log the server wrote in its life.
    pub wal_bytes: i64,
    /// The table `orders` with its indexes, in bytes.
    pub orders_bytes: i64,
    /// The table `journal`, all days of it with their indexes and what is kept out of line, in bytes.
    pub journal_bytes: i64,
    /// How many events the journal tells of.
    pub journaled_events: i64,
}

impl Footprint {
    /// Looks.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn take(connection: &mut PgConnection) -> Result<Self> {
        let look = sqlx::query_as(
            "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as wal_bytes,
                    pg_total_relation_size('orders') as orders_bytes,
                    (select coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
                       from pg_partition_tree('journal')) as journal_bytes,
                    (select coalesce(sum(events), 0)::bigint from journal) as journaled_events",
        );
        Ok(look.fetch_one(connection).await?)
    }

    /// What was added since an earlier look.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            wal_bytes: self.wal_bytes - before.wal_bytes,
            orders_bytes: self.orders_bytes - before.orders_bytes,
            journal_bytes: self.journal_bytes - before.journal_bytes,
            journaled_events: self.journaled_events - before.journaled_events,
        }
    }
}
