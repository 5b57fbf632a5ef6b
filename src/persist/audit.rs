//! The whole database in parts that fit into memory, for `orderstream verify`: lanes, and orders by ranges of their ids.
//!
//! Read inside one [`super::snapshot`]. Invariant: ids compare by their bytes here and in the caller, whatever the collation of the
//! database, so that both agree on what a range holds.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;
use super::lookup::{StoredOrder, read_stored, stored_columns};
use super::orders::MAX_JOURNAL_ROWS;
use crate::ids::{Lane, OrderId, Seq};

/// A lane's row beside what the journal has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// The lane.
    pub lane: Lane,
    /// The last row that `lanes` knows of; none when it does not know the lane.
    pub last_seq: Option<Seq>,
    /// The first row that is kept: one above `last_seq` when none is.
    pub first_kept: Seq,
    /// The last row that is kept: one below `first_kept` when none is.
    pub last_kept: Seq,
    /// How many are kept.
    pub rows: u64,
}

/// All lanes that `lanes` or the journal speak of, in their order.
///
/// # Errors
/// The query's failure.
pub async fn lanes(connection: &mut PgConnection) -> Result<Vec<LaneState>> {
    let rows = sqlx::query(
        "select coalesce(l.lane, j.lane), l.last_seq, coalesce(j.first, l.last_seq + 1), coalesce(j.last, l.last_seq),
                coalesce(j.rows, 0)
           from lanes l full join (select lane, min(seq) as first, max(seq) as last, count(*) as rows
                                     from journal group by lane) j on j.lane = l.lane
          order by 1",
    )
    .fetch_all(connection)
    .await?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in rows {
        let count: i64 = row.try_get(4)?;
        lanes.push(LaneState {
            lane: Lane(row.try_get(0)?),
            last_seq: row.try_get::<Option<i64>, _>(1)?.map(Seq),
            first_kept: Seq(row.try_get(2)?),
            last_kept: Seq(row.try_get(3)?),
            rows: count.unsigned_abs(),
        });
    }
    Ok(lanes)
}

/// Orders whose ids lie above one id and up to another, by their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The id that the range begins behind; none for the first.
    pub after: Option<String>,
    /// The last id of the range; none for all that are left.
    pub until: Option<String>,
}

impl Range {
    /// Whether an order lies in it.
    #[must_use]
    pub fn holds(&self, order_id: &str) -> bool {
        self.after.as_deref().is_none_or(|after| order_id > after)
            && self.until.as_deref().is_none_or(|until| order_id <= until)
    }
}

/// The condition of a range over the first two values. No index helps it; a pass over the orders is little beside one over the journal.
macro_rules! in_range {
    () => {
        "($1::text is null or order_id collate \"C\" > $1) and ($2::text is null or order_id collate \"C\" <= $2)"
    };
}

/// How many orders there are, archived ones too, and the ranges that hold so many of them each, in order.
///
/// # Errors
/// The queries' failures.
pub async fn ranges(connection: &mut PgConnection, orders_each: u32) -> Result<(u64, Vec<Range>)> {
    let count = sqlx::query("select (select count(*) from orders) + (select count(*) from archived_orders)");
    let count: i64 = count.fetch_one(&mut *connection).await?.try_get(0)?;
    let mut ranges = vec![Range::default()];
    if count > i64::from(orders_each) {
        let borders = sqlx::query(
            "select order_id from (select order_id, row_number() over (order by order_id collate \"C\") as place
                                     from (select order_id from orders union all
                                           select order_id from archived_orders) as everyone) as placed
              where place % $1 = 0 order by place",
        );
        for row in borders.bind(i64::from(orders_each)).fetch_all(connection).await? {
            let border: String = row.try_get(0)?;
            ranges.last_mut().expect("there is always one").until = Some(border.clone());
            ranges.push(Range { after: Some(border), until: None });
        }
    }
    Ok((count.unsigned_abs(), ranges))
}

/// Orders that have a row in both tables: never so, unless somebody's hand did it.
///
/// # Errors
/// The query's failure.
pub async fn stored_twice(connection: &mut PgConnection) -> Result<Vec<OrderId>> {
    let rows = sqlx::query("select order_id from archived_orders join orders using (order_id) order by 1");
    rows.fetch_all(connection).await?.iter().map(|row| Ok(row.try_get::<&str, _>(0)?.into())).collect()
}

/// The facts of those orders of a range whose journal rows are not all kept any more.
///
/// # Errors
/// The query's failure.
pub async fn partly_dropped(
    connection: &mut PgConnection,
    range: &Range,
    lanes: &[LaneState],
) -> Result<Vec<(OrderId, Option<String>)>> {
    let dropped: Vec<&LaneState> = lanes.iter().filter(|lane| lane.first_kept > Seq(1)).collect();
    if dropped.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(concat!(
        "select order_id, facts from (select order_id, facts, journal_rows from orders union all
                                            select order_id, facts, journal_rows from archived_orders) as everyone
          where ",
        in_range!(),
        " and (cardinality(journal_rows) >= $5
               or exists (select from unnest(journal_rows) as listed(number)
                            join unnest($3::int[], $4::bigint[]) as kept(lane, first) on kept.lane = listed.number >> 40
                           where listed.number & ((1::bigint << 40) - 1) < kept.first))"
    ))
    .bind(range.after.as_deref())
    .bind(range.until.as_deref())
    .bind(dropped.iter().map(|lane| lane.lane.0).collect::<Vec<_>>())
    .bind(dropped.iter().map(|lane| lane.first_kept.0).collect::<Vec<_>>())
    .bind(MAX_JOURNAL_ROWS)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get::<&str, _>(0)?.into(), row.try_get(1)?))).collect()
}

/// An order of a range; what is wrong with its row when it cannot be read.
pub type Stored = (OrderId, Result<StoredOrder>);

/// Begins to read the orders of a range, archived ones too; [`fetch`] reads on.
///
/// # Errors
/// The statement's failure.
pub async fn open(connection: &mut PgConnection, range: &Range) -> Result<()> {
    sqlx::query(concat!(
        "declare stored_orders no scroll cursor for select ",
        stored_columns!("null::bigint"),
        " from orders where ",
        in_range!(),
        " union all select ",
        stored_columns!("(extract(epoch from archived_at) * 1000000)::bigint"),
        " from archived_orders where ",
        in_range!()
    ))
    .bind(range.after.as_deref())
    .bind(range.until.as_deref())
    .execute(connection)
    .await?;
    Ok(())
}

/// The next orders of the range that was opened; at its end none, and it is closed.
///
/// # Errors
/// The query's failure.
pub async fn fetch(connection: &mut PgConnection) -> Result<Vec<Stored>> {
    let rows = sqlx::query("fetch 500 from stored_orders").fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        sqlx::query("close stored_orders").execute(connection).await?;
    }
    rows.iter().map(|row| Ok((row.try_get::<&str, _>(0)?.into(), read_stored(row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_meet_without_a_gap_and_compare_bytes() {
        let range = |after: Option<&str>, until: Option<&str>| Range {
            after: after.map(str::to_owned),
            until: until.map(str::to_owned),
        };
        let (low, high) = (range(None, Some("b")), range(Some("b"), None));
        for (id, is_low) in [("A", true), ("a", true), ("b", true), ("ba", false), ("\u{fc}", false)] {
            assert_eq!((low.holds(id), high.holds(id)), (is_low, !is_low), "{id}");
        }
        assert!(Range::default().holds(""));
    }
}
