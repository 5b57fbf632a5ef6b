//! The journal read back for people: the rows of one order, or all of a stretch of time, in pages.
//!
//! Never on the path. Invariant: rows come in order of lane and seq (of one order: as its row lists them), at most a page at a
//! time, so that memory does not grow with the journal.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::{Error, Result};
use super::journal::place_of;
use super::journal_format::{AppliedEntry, read_applied, read_applied_of, read_applied_where};
use crate::ids::{Epoch, Lane, OrderId, Seq, Timestamp};

/// How many rows are held at a time: a row is a batch, and unpacks to some MiB at most.
const PAGE: i64 = 16;

/// Where and when a row was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its lane.
    pub lane: Lane,
    /// Its number within the lane.
    pub seq: Seq,
    /// The epoch of the tenure that wrote it.
    pub epoch: Epoch,
    /// When its batch was applied, by the database's clock.
    pub written_at: Timestamp,
}

/// A journal row, packed.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// Where and when it was written.
    pub place: Place,
    /// The column `applied`.
    pub applied: Vec<u8>,
}

/// What [`read_row`] takes, in its order.
macro_rules! row_columns {
    () => {
        concat!("j.lane, j.seq, j.epoch, ", crate::persist::snapshot::micros!("j.written_at"), ", j.applied")
    };
}

impl JournalRow {
    /// Everything that its batch applied.
    ///
    /// # Errors
    /// A bug that names the row: damage, or a line that this release does not understand.
    pub fn entries(&self) -> Result<Vec<AppliedEntry>> {
        read_applied(&self.applied).map_err(|error| self.damaged(&error))
    }

    /// What its batch applied of one order.
    ///
    /// # Errors
    /// As [`Self::entries`], for lines that speak of the order.
    pub fn entries_of(&self, order_id: &OrderId) -> Result<Vec<AppliedEntry>> {
        read_applied_of(&self.applied, order_id).map_err(|error| self.damaged(&error))
    }

    /// What its batch applied of the orders that are wanted.
    ///
    /// # Errors
    /// As [`Self::entries`], for lines that speak of them.
    pub fn entries_where(&self, is_wanted: impl FnMut(&str) -> bool) -> Result<Vec<AppliedEntry>> {
        read_applied_where(&self.applied, is_wanted).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Error {
        Error::bug(format!("journal of lane {}, row {}: {error}", self.place.lane, self.place.seq))
    }
}

fn read_row(row: &PgRow) -> Result<JournalRow> {
    let place = Place {
        lane: Lane(row.try_get(0)?),
        seq: Seq(row.try_get(1)?),
        epoch: Epoch(row.try_get(2)?),
        written_at: Timestamp(row.try_get(3)?),
    };
    Ok(JournalRow { place, applied: row.try_get(4)? })
}

/// The rows of these numbers, in the order of the list; those that retention dropped are not among them.
///
/// # Errors
/// The query's failure.
pub async fn listed(connection: &mut PgConnection, numbers: &[i64]) -> Result<Vec<JournalRow>> {
    let (lanes, seqs): (Vec<i32>, Vec<i64>) =
        numbers.iter().map(|number| place_of(*number)).map(|(lane, seq)| (lane.0, seq.0)).unzip();
    let rows = sqlx::query(concat!(
        "select ",
        row_columns!(),
        " from unnest($1::int[], $2::bigint[]) with ordinality as n(lane, seq, place)
            join journal j on j.lane = n.lane and j.seq = n.seq order by n.place"
    ))
    .bind(lanes)
    .bind(seqs)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_row).collect()
}

/// A part of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Only what was applied at or after this instant.
    pub from: Option<Timestamp>,
    /// Only what was applied before this instant.
    pub to: Option<Timestamp>,
    /// Only this lane.
    pub lane: Option<Lane>,
}

/// The rows of one lane within a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The lane.
    pub lane: Lane,
    /// Its first row.
    pub first: Seq,
    /// Its last row.
    pub last: Seq,
    /// How many there are.
    pub rows: u64,
}

/// The condition on day and time over two values: the day lets the planner leave out whole partitions.
macro_rules! within {
    () => {
        "j.written_at >= coalesce('epoch'::timestamptz + $1 * interval '1 microsecond', '-infinity')
         and j.written_at < coalesce('epoch'::timestamptz + $2 * interval '1 microsecond', 'infinity')
         and j.day >= coalesce(('epoch'::timestamptz + $1 * interval '1 microsecond')::date, '-infinity')
         and j.day <= coalesce(('epoch'::timestamptz + $2 * interval '1 microsecond')::date, 'infinity')"
    };
}

/// What a stretch holds, by lane, in the order of the lanes.
///
/// # Errors
/// The query's failure.
pub async fn spans(connection: &mut PgConnection, stretch: Stretch) -> Result<Vec<Span>> {
    let rows = sqlx::query(concat!(
        "select j.lane, min(j.seq), max(j.seq), count(*) from journal j where ",
        within!(),
        " and ($3::int is null or j.lane = $3) group by j.lane order by j.lane"
    ))
    .bind(stretch.from.map(|instant| instant.0))
    .bind(stretch.to.map(|instant| instant.0))
    .bind(stretch.lane.map(|lane| lane.0))
    .fetch_all(connection)
    .await?;
    let mut spans = Vec::with_capacity(rows.len());
    for row in rows {
        let count: i64 = row.try_get(3)?;
        spans.push(Span {
            lane: Lane(row.try_get(0)?),
            first: Seq(row.try_get(1)?),
            last: Seq(row.try_get(2)?),
            rows: count.unsigned_abs(),
        });
    }
    Ok(spans)
}

/// The next rows of a span within its stretch, from `from` on; none are left when it comes back empty.
///
/// # Errors
/// The query's failure.
pub async fn page(connection: &mut PgConnection, stretch: Stretch, span: Span, from: Seq) -> Result<Vec<JournalRow>> {
    let rows = sqlx::query(concat!(
        "select ",
        row_columns!(),
        " from journal j where ",
        within!(),
        " and j.lane = $3 and j.seq between $4 and $5 order by j.seq limit $6"
    ))
    .bind(stretch.from.map(|instant| instant.0))
    .bind(stretch.to.map(|instant| instant.0))
    .bind(span.lane.0)
    .bind(from.0)
    .bind(span.last.0)
    .bind(PAGE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_row).collect()
}
