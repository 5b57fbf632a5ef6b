//! The journal as the product's transactions left it: the rows of one writer, transaction by transaction.
//!
//! `written_at` is the time of the transaction, and a writer has one after the other; so rows of its lanes with the same time are of the
//! same transaction, and their times say in which order they came.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnection;

/// A journal row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JournalRow {
    /// Its lane.
    pub lane: i32,
    /// Its number in the lane.
    pub seq: i64,
    /// The epoch under which it was written.
    pub epoch: i64,
    /// How many entries it has.
    pub events: i32,
    /// How many records it publishes.
    pub emitted_records: i32,
    /// What it applied.
    pub applied: Vec<u8>,
    /// What it publishes.
    pub emitted: Vec<u8>,
    /// When its transaction began, in microseconds.
    pub written_at: i64,
}

/// The rows of the lanes of one of so many writers, in the order in which they were written. The product gives a lane to the writer
/// whose number is the lane's modulo the number of writers.
///
/// # Errors
/// Postgres does not answer.
pub async fn rows_of(connection: &mut PgConnection, writer: i32, writers: i32) -> Result<Vec<JournalRow>> {
    let rows = sqlx::query_as(
        "select lane, seq, epoch, events, emitted_records, applied, emitted,
                (extract(epoch from written_at) * 1000000)::bigint as written_at
           from journal where lane % $1 = $2 order by journal.written_at, lane, seq",
    );
    let rows = rows.bind(writers).bind(writer).fetch_all(connection).await;
    rows.context("the journal cannot be read")
}

/// The same rows, transaction by transaction.
pub fn transactions(rows: &[JournalRow]) -> impl Iterator<Item = &[JournalRow]> {
    rows.chunk_by(|one, next| one.written_at == next.written_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_time_are_of_one_transaction() {
        let row = |lane, seq, written_at| JournalRow {
            lane,
            seq,
            epoch: 1,
            events: 1,
            emitted_records: 1,
            applied: Vec::new(),
            emitted: Vec::new(),
            written_at,
        };
        let rows = [row(0, 1, 7), row(4, 1, 7), row(0, 2, 9), row(4, 2, 11)];
        let lanes: Vec<Vec<i32>> = transactions(&rows).map(|rows| rows.iter().map(|row| row.lane).collect()).collect();
        assert_eq!(lanes, [vec![0, 4], vec![0], vec![4]]);
    }
}
