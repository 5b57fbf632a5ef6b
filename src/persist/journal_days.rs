//! The journal's partitions, one a day: made a week ahead, and taken away when nobody needs them any more.
//!
//! A day without a partition of its own falls into `journal_default`, so a batch never fails for want of one. Invariant: a
//! partition is attached whole and goes whole, two processes do not meet at it (advisory lock), and whoever takes one away
//! judges it by what it holds while nobody can write to it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::connection::{begin, commit, rollback};
use super::error::{Error, Fate, Result};
use crate::crash::{self, Point};
use crate::ids::{Lane, Seq};

/// How many days are made ahead, today included.
const DAYS_AHEAD: i32 = 8;

/// How long the journal's lock is waited for. Attaching and detaching lock it against its writers, and so does waiting for it
/// behind a long reader: this is the longest that a batch waits for us. Measured with 4 writers: a detach takes 5 ms.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '50ms'";

/// Only one process at a time changes what partitions there are.
const LOCK_KEY: &str = "hashtext('orderstream.journal_days')";

/// A day of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// In UTC.
    pub date: Date,
    /// The last row of each lane that has any.
    pub last: BTreeMap<Lane, Seq>,
}

/// What came of taking a day away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is gone.
    Away,
    /// Somebody reads the journal, or changes its partitions, and would have to be waited for: try again later.
    NotNow,
    /// It was judged again under lock, and is needed still.
    Needed,
}

/// Makes the partitions of today and the coming week, as far as they are missing and `journal_default` has none of their rows.
/// False when somebody reads the journal and would be waited for: then the default partition takes the rows until the next time.
///
/// # Errors
/// The statements' failures.
pub async fn make_ahead(connection: &mut PgConnection) -> Result<bool> {
    begin(connection).await?;
    connection.execute(AssertSqlSafe(format!("select pg_advisory_xact_lock({LOCK_KEY})"))).await?;
    connection.execute(LOCK_TIMEOUT).await?;
    let made = make_missing(connection).await;
    crash::at(Point::DaysMade);
    unless_locked(connection, made).await.map(|made| made.is_some())
}

async fn make_missing(connection: &mut PgConnection) -> Result<()> {
    let missing = sqlx::query(
        "select to_char(d, 'YYYYMMDD'), to_char(d, 'YYYY-MM-DD'), to_char(d + 1, 'YYYY-MM-DD')
           from generate_series(0, $1 - 1) as ahead, lateral (select current_date + ahead as d) as day
          where to_regclass('journal_' || to_char(d, 'YYYYMMDD')) is null
            and not exists (select from journal_default where day = d)",
    )
    .bind(DAYS_AHEAD)
    .fetch_all(&mut *connection)
    .await?;
    for row in missing {
        let (name, from, to): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // Created apart and then attached: `create … partition of` would lock the whole journal against its writers.
        let statement = format!(
            "create table journal_{name} (like journal including all);
             alter table journal_{name} add constraint journal_{name}_day check (day >= '{from}' and day < '{to}');
             alter table journal attach partition journal_{name} for values from ('{from}') to ('{to}');
             alter table journal_{name} drop constraint journal_{name}_day"
        );
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}

/// Ends a transaction that took locks of the journal: commits it, or gives it up where a lock was not to be had in time.
async fn unless_locked<T>(connection: &mut PgConnection, done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(done) => commit(connection).await.map(|()| Some(done)),
        Err(error) if error.fate() == Fate::Retry("lock_timeout") => rollback(connection).await.map(|()| None),
        Err(error) => Err(error),
    }
}

/// The days that have a partition, the oldest first.
///
/// # Errors
/// The query's failure.
pub async fn dates(connection: &mut PgConnection) -> Result<Vec<Date>> {
    let rows = sqlx::query(
        "select to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD')
           from pg_inherits i join pg_class c on c.oid = i.inhrelid
          where i.inhparent = 'journal'::regclass and c.relname ~ '^journal_[0-9]{8}$' order by 1",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| date(row.try_get(0)?)).collect()
}

/// What a day's partition holds.
///
/// # Errors
/// The query's failure.
pub async fn read(connection: &mut PgConnection, date: Date) -> Result<Day> {
    let last = last_of(connection, &partition(date)).await?;
    Ok(Day { date, last: last.into_iter().map(|(lane, _, last)| (lane, last)).collect() })
}

/// For each lane with rows in `journal_default`: the day of the first and the number of the last of them.
///
/// # Errors
/// The query's failure.
pub async fn strays(connection: &mut PgConnection) -> Result<Vec<(Lane, Date, Seq)>> {
    last_of(connection, "journal_default").await
}

/// The lanes of a partition, each with its first day and its last row, from the ends of the primary key's index alone.
async fn last_of(connection: &mut PgConnection, partition: &str) -> Result<Vec<(Lane, Date, Seq)>> {
    let statement = format!(
        "with recursive l as (
             (select lane from {partition} order by lane limit 1)
             union all
             select (select p.lane from {partition} p where p.lane > l.lane order by p.lane limit 1)
               from l where l.lane is not null)
         select lane, (select to_char(p.day, 'YYYY-MM-DD') from {partition} p where p.lane = l.lane order by p.seq limit 1),
                (select max(p.seq) from {partition} p where p.lane = l.lane)
           from l where lane is not null"
    );
    let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((Lane(row.try_get(0)?), date(row.try_get(1)?)?, Seq(row.try_get(2)?)))).collect()
}

/// Takes a day away if `is_over` says so of what it holds, judged when nobody can write to it any more.
///
/// Detached first and dropped afterwards: the journal is locked for the few milliseconds of the detach, not for as long as the
/// system takes to remove a large file. Detached `concurrently` it would not be locked at all, but that is refused where there
/// is a default partition.
///
/// # Errors
/// The statements' failures.
pub async fn take_away(connection: &mut PgConnection, date: Date, is_over: impl Fn(&Day) -> bool) -> Result<Taken> {
    begin(connection).await?;
    let partition = partition(date);
    let row = sqlx::query(AssertSqlSafe(format!(
        "select pg_try_advisory_xact_lock({LOCK_KEY}) and to_regclass('{partition}') is not null"
    )));
    if !row.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        rollback(connection).await?;
        return Ok(Taken::NotNow);
    }
    connection.execute(LOCK_TIMEOUT).await?;
    let detached = detach(connection, date, is_over).await;
    crash::at(Point::DayDetached);
    if matches!(detached, Ok(false)) {
        rollback(connection).await?;
        return Ok(Taken::Needed);
    }
    match unless_locked(connection, detached).await? {
        Some(_) => {
            crash::at(Point::DayOut);
            drop_detached(connection).await.map(|()| Taken::Away)
        }
        None => Ok(Taken::NotNow),
    }
}

/// Detaches a day, judges it, and gives it the name by which [`drop_detached`] knows it. False when it is needed still: then
/// the transaction must be given up.
async fn detach(connection: &mut PgConnection, date: Date, is_over: impl Fn(&Day) -> bool) -> Result<bool> {
    let partition = partition(date);
    connection.execute(AssertSqlSafe(format!("alter table journal detach partition {partition}"))).await?;
    let is_over = is_over(&read(connection, date).await?);
    if is_over {
        let rename = format!("alter table {partition} rename to {}", detached(date));
        connection.execute(AssertSqlSafe(rename)).await?;
    }
    Ok(is_over)
}

/// Drops what was detached to be dropped, also by a process that died in between. What an operator has detached has another name.
///
/// # Errors
/// The statements' failures.
pub async fn drop_detached(connection: &mut PgConnection) -> Result<()> {
    let rows = sqlx::query(
        "select c.relname::text from pg_class c join pg_class j on j.oid = 'journal'::regclass
          where c.relnamespace = j.relnamespace and c.relkind = 'r' and c.relname ~ '^journal_dropped_[0-9]{8}$'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let name: String = row.try_get(0)?;
        connection.execute(AssertSqlSafe(format!("drop table if exists {name}"))).await?;
    }
    Ok(())
}

/// Deletes rows of a lane from `journal_default`: those of days before `before` up to the row `until`, at most `limit`.
/// Returns how many.
///
/// # Errors
/// The statement's failure.
pub async fn delete_strays(
    connection: &mut PgConnection,
    (lane, until): (Lane, Seq),
    before: Date,
    limit: i64,
) -> Result<u64> {
    let deleted = sqlx::query(
        "delete from journal_default where ctid = any(array(
             select ctid from journal_default where lane = $1 and seq <= $2 and day < $3::date
              order by seq limit $4 for update skip locked))",
    )
    .bind(lane.0)
    .bind(until.0)
    .bind(before.to_string())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

fn partition(date: Date) -> String {
    format!("journal_{}", digits(date))
}

fn detached(date: Date) -> String {
    format!("journal_dropped_{}", digits(date))
}

fn digits(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

fn date(text: &str) -> Result<Date> {
    text.parse().map_err(|error| Error::bug(format!("`{text}` is not a day of the journal: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_names_its_partition_before_and_after_it_is_detached() {
        let day = date("2026-01-09").unwrap();
        assert_eq!(partition(day), "journal_20260109");
        assert_eq!(detached(day), "journal_dropped_20260109");
        assert!(date("journal").is_err());
    }
}
