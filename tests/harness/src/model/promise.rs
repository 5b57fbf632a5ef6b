//! What the protocol promises, as judgements of a state.
//!
//! Invariant: nothing here looks at what a process believes; only the database, the log and the group's offsets count.

use std::fmt;

use super::bounds::{Mechanism, Without};
use super::postgres::Row;
use super::state::{Broken, State};
use super::tell::name;

/// How a promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The journal of a lane does not apply every input record once, in order.
    Applied(String),
    /// The output log does not hold the journal's rows once each, in order.
    Printed(String),
    /// The position is not what is published, or is ahead of the database.
    Misplaced(String),
    /// A process did what none may do.
    Stopped(Broken),
    /// From here, no schedule without further faults that we know of gets everything applied and published.
    Stuck(String),
    /// Everything gets published, but only after the coordinator has timed a dead process's transaction out.
    Slow(String),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(text) | Self::Printed(text) | Self::Misplaced(text) => f.write_str(text),
            Self::Stuck(text) => write!(f, "it cannot go on: {text}"),
            Self::Slow(text) => write!(f, "it has to wait for a time-out: {text}"),
            Self::Stopped(Broken::CheckpointElsewhere(who)) => {
                write!(f, "{} stops: a checkpoint stands elsewhere than it believes", name(*who))
            }
            Self::Stopped(Broken::RowOfNobody(who)) => {
                write!(f, "{} stops: nothing that it did explains the lane's row", name(*who))
            }
            Self::Stopped(Broken::PositionAhead(who)) => {
                write!(f, "{} stops: the position is ahead of the database", name(*who))
            }
            Self::Stopped(Broken::OwnerRefused(who)) => {
                write!(f, "{} owns the lane, and the fence refuses it", name(*who))
            }
        }
    }
}

impl Breach {
    /// Whether it is this state's own. One that is met while healing is a few steps away, and the search gets there by itself.
    #[must_use]
    pub fn is_here(&self, state: &State, without: Without) -> bool {
        matches!(self, Self::Stuck(_) | Self::Slow(_)) || judge(state, without).is_err()
    }
}

/// Judges everything that can be seen in one state.
///
/// # Errors
/// The first breach.
pub fn judge(state: &State, without: Without) -> Result<(), Breach> {
    // Where the position is written behind the transaction, it is behind for a moment, and that alone harms nobody.
    let is_one = without.has(Mechanism::OffsetsInTransaction) && state.expired == 0;
    if let Some(broken) = state.broken {
        return Err(Breach::Stopped(broken));
    }
    for (lane, row) in state.rows.iter().enumerate() {
        applied(lane, row)?;
        let committed: Vec<u8> =
            state.kafka.output[lane].iter().filter(|row| row.open.is_none()).map(|row| row.seq).collect();
        printed(lane, row, &committed, state.expired)?;
        let published = committed.last().copied().unwrap_or(0);
        match state.kafka.committed[lane] {
            Some(position) if position.seq > row.last_seq => {
                return Err(Breach::Misplaced(format!(
                    "the position of lane {lane} is row {}, and its journal ends at row {}",
                    position.seq, row.last_seq
                )));
            }
            position if position.map_or(0, |position| position.seq) != published && is_one => {
                return Err(Breach::Misplaced(format!(
                    "row {published} of lane {lane} is the last one published, and its position says {}",
                    position.map_or("nothing".to_owned(), |position| format!("row {}", position.seq))
                )));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Every input record once, in order: no record is in no row or in two.
fn applied(lane: usize, row: &Row) -> Result<(), Breach> {
    let mut next = 0;
    for (number, (first, end)) in row.journal.iter().enumerate() {
        if *first != next {
            let what = if *first < next { "applied twice" } else { "passed over" };
            let record = (*first).min(next);
            return Err(Breach::Applied(format!(
                "record {record} of lane {lane} is {what}: row {} of its journal begins with record {first}",
                number + 1
            )));
        }
        next = *end;
    }
    if row.checkpoint == next && usize::from(row.last_seq) == row.journal.len() {
        return Ok(());
    }
    Err(Breach::Applied(format!(
        "lane {lane} has {} rows up to record {next}, and says row {} and record {}",
        row.journal.len(),
        row.last_seq,
        row.checkpoint
    )))
}

/// Rows 1, 2, 3 … once each. Where the group's offsets were lost, so many times a stretch may be repeated, and none left out.
fn printed(lane: usize, row: &Row, committed: &[u8], expired: u8) -> Result<(), Breach> {
    let (mut last, mut highest, mut repeats) = (0, 0, 0);
    for seq in committed {
        if *seq > last + 1 || *seq > row.last_seq {
            return Err(Breach::Printed(format!("lane {lane} is published as rows {committed:?}: one is missing")));
        }
        repeats += u8::from(*seq <= last);
        (last, highest) = (*seq, highest.max(*seq));
    }
    if repeats > expired {
        return Err(Breach::Printed(format!("lane {lane} is published as rows {committed:?}: one is doubled")));
    }
    Ok(())
}

/// Whether everything is applied and visible to a read_committed consumer.
#[must_use]
pub fn is_done(state: &State, records: u8) -> bool {
    state.rows.iter().zip(&state.kafka.output).all(|(row, output)| {
        row.checkpoint == records
            && output.iter().all(|row| row.open.is_none())
            && output.last().map_or(0, |row| row.seq) == row.last_seq
    })
}
