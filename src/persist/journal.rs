//! The table `journal`: one row a lane and batch, written in the batch's transaction and read by the relay.
//!
//! Outbox, history and event store in one. Invariant: a lane's rows are numbered 1, 2, 3 … without gaps, since a row's seq is
//! the one that the fence set in the same transaction.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use super::journal_format::{self, EmittedRecord};
use crate::crash::{self, Point};
use crate::ids::{Epoch, Lane, Seq};

/// One row to be written.
#[derive(Debug)]
pub struct NewRow {
    /// The lane.
    pub lane: Lane,
    /// Its number.
    pub seq: Seq,
    /// The epoch of the tenure that writes it.
    pub epoch: Epoch,
    /// How many input records it tells of.
    pub events: usize,
    /// How many records it publishes.
    pub emitted_records: usize,
    /// The column `applied`.
    pub applied: Vec<u8>,
    /// The column `emitted`.
    pub emitted: Vec<u8>,
}

/// How an order's row names a journal row: lane times 2^40 plus seq.
#[must_use]
pub fn row_number(lane: Lane, seq: Seq) -> i64 {
    (i64::from(lane.0) << 40) | seq.0
}

/// The lane and the seq of a journal row as an order's row names it.
#[must_use]
pub fn place_of(row_number: i64) -> (Lane, Seq) {
    let lane = i32::try_from(row_number >> 40).expect("only 24 bits are left of 64");
    (Lane(lane), Seq(row_number & ((1 << 40) - 1)))
}

/// Writes the rows of a batch, one a lane.
///
/// # Errors
/// The statement's failure.
pub async fn append(connection: &mut PgConnection, rows: &[NewRow]) -> Result<()> {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let written = sqlx::query(
        "insert into journal (lane, seq, day, epoch, events, emitted_records, applied, emitted)
         select n.lane, n.seq, current_date, n.epoch, n.events, n.emitted_records, n.applied, n.emitted
           from unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::bytea[], $7::bytea[])
                as n(lane, seq, epoch, events, emitted_records, applied, emitted)",
    )
    .bind(rows.iter().map(|row| row.lane.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.seq.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.epoch.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| count(row.events)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| count(row.emitted_records)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.applied.as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.emitted.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?
    .rows_affected();
    crash::at(Point::BatchJournalWritten);
    if usize::try_from(written).ok() == Some(rows.len()) {
        Ok(())
    } else {
        Err(Error::bug(format!("{written} of {} journal rows were written", rows.len())))
    }
}

/// The records that the rows from `first` to `last` publish, in order of seq; at most `limit` rows.
///
/// # Errors
/// The query's failure; a bug when a row is missing or cannot be read.
pub async fn emitted_between(
    connection: &mut PgConnection,
    lane: Lane,
    (first, last): (Seq, Seq),
    limit: i64,
) -> Result<Vec<(Seq, Vec<EmittedRecord>)>> {
    let rows =
        sqlx::query("select seq, emitted from journal where lane = $1 and seq between $2 and $3 order by seq limit $4")
            .bind(lane.0)
            .bind(first.0)
            .bind(last.0)
            .bind(limit)
            .fetch_all(connection)
            .await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut expected = first;
    for row in rows {
        let seq = Seq(row.try_get(0)?);
        if seq != expected {
            return Err(Error::bug(format!("journal of lane {lane} lacks row {expected}: the next one is {seq}")));
        }
        let records = journal_format::read_emitted(row.try_get(1)?)
            .map_err(|error| Error::bug(format!("journal of lane {lane}, row {seq}: {error}")))?;
        found.push((seq, records));
        expected = seq.next();
    }
    if found.is_empty() && first <= last {
        return Err(Error::bug(format!("journal of lane {lane} lacks row {first}: nothing is there up to {last}")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_row_says_its_place() {
        for place in [(Lane(0), Seq(1)), (Lane(63), Seq((1 << 40) - 1)), (Lane(8_000_000), Seq(7))] {
            assert_eq!(place_of(row_number(place.0, place.1)), place);
        }
    }
}
