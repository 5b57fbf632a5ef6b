//! What stands in the tables that batches write, in a few numbers: two databases with the same have the same rows.
//!
//! All columns of all orders and journal rows count, those that somebody adds later too; only the times at which a row was written are
//! left out, and of `lanes` and `checkpoints` only how far they are counts.

use anyhow::Result;
use sqlx::postgres::PgConnection;

/// The numbers of one table.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Table {
    name: String,
    rows: i64,
    sum: String,
}

/// The numbers of all tables that batches write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(Vec<Table>);

impl Digest {
    /// Reads all rows.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn take(connection: &mut PgConnection) -> Result<Self> {
        let tables = sqlx::query_as(
            "select 'orders' as name, count(*) as rows,
                    coalesce(sum(hashtextextended((to_jsonb(o) - 'created_at' - 'changed_at')::text, 0)), 0)::text as sum
               from orders o
              union all
             select 'journal', count(*), coalesce(sum(hashtextextended(
                        concat_ws(' ', lane, seq, epoch, events, emitted_records, md5(applied), md5(emitted)), 0)), 0)::text
               from journal
              union all
             select 'lanes', count(*), coalesce(sum(hashtextextended(concat_ws(' ', lane, epoch, last_seq), 0)), 0)::text
               from lanes
              union all
             select 'checkpoints', count(*),
                    coalesce(sum(hashtextextended(concat_ws(' ', topic, partition, next_offset), 0)), 0)::text
               from checkpoints",
        );
        Ok(Self(tables.fetch_all(connection).await?))
    }

    /// Which tables differ, and by how many rows.
    #[must_use]
    pub fn difference(&self, other: &Self) -> String {
        let differ = self.0.iter().zip(&other.0).filter(|(one, other)| one != other);
        let words =
            |(one, other): (&Table, &Table)| format!("`{}` with {} rows and {}", one.name, one.rows, other.rows);
        differ.map(words).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_table() {
        let table = |name: &str, rows, sum: &str| Table { name: name.to_owned(), rows, sum: sum.to_owned() };
        let one = Digest(vec![table("orders", 3, "7"), table("journal", 2, "8")]);
        let other = Digest(vec![table("orders", 3, "7"), table("journal", 2, "9")]);
        assert_eq!(one.difference(&other), "`journal` with 2 rows and 2");
        assert_eq!(one.difference(&one), "");
    }
}
