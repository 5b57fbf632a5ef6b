//! The table `lanes`: the fence of every batch, and the answer to "did my COMMIT happen?".
//!
//! A lane belongs to the claim (epoch, tenure id) that `claims` wrote last. Invariant: every write for a lane happens behind
//! [`fence`], a compare-and-set of claim and last_seq under the row's lock. Its WHERE is evaluated again after the wait for
//! the lock (read committed), so a former owner that wakes up sees no row.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connection::{begin, commit};
use super::error::Result;
use crate::crash::{self, Point};
use crate::ids::{Epoch, Lane, Seq, TenureId, Timestamp};

/// One lane's step of the fence: from `last_seq` to the row after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The lane.
    pub lane: Lane,
    /// The epoch under which we own it.
    pub epoch: Epoch,
    /// The claim under which we own it.
    pub tenure: TenureId,
    /// The last journal row, as we remember it.
    pub last_seq: Seq,
    /// Up to which row Kafka confirmed the journal.
    pub published_seq: Seq,
    /// The lane's horizon, where it has one.
    pub horizon: Option<Timestamp>,
    /// Whether what former owners may have left open in Kafka has been ended.
    pub former_ended: bool,
}

/// What the fence said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// Every lane is ours, locked, and moved on.
    Held(Held),
    /// These lanes are not ours any more; the transaction must be given up.
    Lost(Vec<Lane>),
}

/// What a batch begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The transaction's time.
    pub now: Timestamp,
    /// Versions up to here may have been published by a life of the database that is lost.
    pub version_floor: i64,
}

/// The first statements of every batch: locks the lanes in order, then compares and sets claim and last_seq of all of them.
///
/// # Errors
/// The statements' failures.
pub async fn fence(connection: &mut PgConnection, steps: &[Step]) -> Result<Fenced> {
    let lanes: Vec<i32> = steps.iter().map(|step| step.lane.0).collect();
    // `update … from` locks in plan order; two batches over the same lanes would deadlock without this.
    sqlx::query("select from lanes where lane = any($1) order by lane for update")
        .bind(&lanes)
        .execute(&mut *connection)
        .await?;
    crash::at(Point::BatchLocked);
    let rows = sqlx::query(
        "update lanes l
            set last_seq = n.last_seq + 1, published_seq = greatest(l.published_seq, n.published_seq),
                horizon = greatest(l.horizon, 'epoch'::timestamptz + n.horizon * interval '1 microsecond'),
                former_transactional_ids = case when n.former_ended then '{}' else l.former_transactional_ids end
           from unnest($1::int[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bool[])
                as n(lane, epoch, tenure, last_seq, published_seq, horizon, former_ended)
          where l.lane = n.lane and l.epoch = n.epoch and l.tenure = n.tenure and l.last_seq = n.last_seq
      returning l.lane, (extract(epoch from now()) * 1000000)::bigint, l.version_floor",
    )
    .bind(&lanes)
    .bind(steps.iter().map(|step| step.epoch.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.tenure.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.last_seq.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.published_seq.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.horizon.map(|at| at.0)).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.former_ended).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let (mut ours, mut held) = (Vec::with_capacity(rows.len()), Held::default());
    for row in rows {
        ours.push(row.try_get::<i32, _>(0)?);
        held.now = Timestamp(row.try_get(1)?);
        held.version_floor = held.version_floor.max(row.try_get(2)?);
    }
    let lost: Vec<Lane> = lanes.iter().filter(|lane| !ours.contains(lane)).map(|lane| Lane(*lane)).collect();
    crash::at(Point::BatchFenced);
    Ok(if lost.is_empty() { Fenced::Held(held) } else { Fenced::Lost(lost) })
}

/// What a lane's row says beside what its owner remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The row is as we left it: a transaction in doubt did not happen.
    Unmoved,
    /// The row is one further: the transaction in doubt did happen.
    Moved,
    /// Another claim owns the lane.
    Taken,
    /// Our claim, and a last_seq that we neither left nor asked for: the database lost or gained what was confirmed.
    Impossible {
        /// What the row says.
        found: Seq,
    },
}

/// Compares a lane's row with memory. Pure, so that it can be checked without a server.
#[must_use]
pub fn standing(step: &Step, epoch: Epoch, tenure: Option<TenureId>, last_seq: Seq) -> Standing {
    if epoch != step.epoch || tenure != Some(step.tenure) {
        Standing::Taken
    } else if last_seq == step.last_seq {
        Standing::Unmoved
    } else if last_seq == step.last_seq.next() {
        Standing::Moved
    } else {
        Standing::Impossible { found: last_seq }
    }
}

/// Reads how lanes stand, on a new connection, after an outcome that nobody told us, and after every reconnect.
///
/// Reads `for update`, so it waits for the lost transaction to end: a plain read could see the state before a COMMIT that is
/// still under way, and the batch would be repeated beside it.
///
/// # Errors
/// The statements' failures; 55P03 while the lost transaction still runs.
pub async fn resolve(connection: &mut PgConnection, steps: &[Step]) -> Result<Vec<(Lane, Standing)>> {
    begin(connection).await?;
    let rows =
        sqlx::query("select lane, epoch, tenure, last_seq from lanes where lane = any($1) order by lane for update")
            .bind(steps.iter().map(|step| step.lane.0).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
    commit(connection).await?;
    let mut standings = Vec::with_capacity(steps.len());
    for step in steps {
        let mut found = Standing::Taken;
        for row in &rows {
            if row.try_get::<i32, _>(0)? == step.lane.0 {
                let tenure: Option<uuid::Uuid> = row.try_get(2)?;
                found = standing(step, Epoch(row.try_get(1)?), tenure.map(TenureId), Seq(row.try_get(3)?));
            }
        }
        standings.push((step.lane, found));
    }
    Ok(standings)
}

/// Whether a lane's row still holds this claim.
///
/// # Errors
/// The query's failure.
pub async fn owns(connection: &mut PgConnection, lane: Lane, epoch: Epoch, tenure: TenureId) -> Result<bool> {
    let row = sqlx::query("select exists (select from lanes where lane = $1 and epoch = $2 and tenure = $3)")
        .bind(lane.0)
        .bind(epoch.0)
        .bind(tenure.0)
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Writes down how far lanes are published and how far they have seen, for those that are still ours; with `leave`, also that
/// nothing of them is open. Locks the lanes in their order, as a batch does.
///
/// # Errors
/// The statement's failure.
pub async fn note_published(connection: &mut PgConnection, steps: &[Step], leave: bool) -> Result<()> {
    sqlx::query(
        "with ours as (select lane from lanes where lane = any($1) order by lane for update)
         update lanes l
            set published_seq = greatest(l.published_seq, n.published_seq),
                horizon = greatest(l.horizon, 'epoch'::timestamptz + n.horizon * interval '1 microsecond'),
                former_transactional_ids = case when n.former_ended then '{}' else l.former_transactional_ids end,
                owner_transactional_id = case when $5 and n.published_seq = l.last_seq then null
                                              else l.owner_transactional_id end
           from ours join unnest($1::int[], $2::bigint[], $3::uuid[], $4::bigint[], $6::bigint[], $7::bool[])
                as n(lane, epoch, tenure, published_seq, horizon, former_ended) on ours.lane = n.lane
          where l.lane = n.lane and l.epoch = n.epoch and l.tenure = n.tenure",
    )
    .bind(steps.iter().map(|step| step.lane.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.epoch.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.tenure.0).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.published_seq.0).collect::<Vec<_>>())
    .bind(leave)
    .bind(steps.iter().map(|step| step.horizon.map(|at| at.0)).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.former_ended).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        Step {
            lane: Lane(3),
            epoch: Epoch(7),
            tenure: TenureId(uuid::Uuid::from_u128(1)),
            last_seq: Seq(41),
            published_seq: Seq(40),
            horizon: None,
            former_ended: false,
        }
    }

    #[test]
    fn a_commit_in_doubt_happened_when_the_row_is_one_further() {
        assert_eq!(standing(&step(), Epoch(7), Some(step().tenure), Seq(42)), Standing::Moved);
        assert_eq!(standing(&step(), Epoch(7), Some(step().tenure), Seq(41)), Standing::Unmoved);
    }

    #[test]
    fn another_epoch_or_another_claim_of_the_same_epoch_is_not_ours() {
        assert_eq!(standing(&step(), Epoch(8), Some(step().tenure), Seq(42)), Standing::Taken);
        assert_eq!(standing(&step(), Epoch(7), Some(TenureId(uuid::Uuid::from_u128(2))), Seq(42)), Standing::Taken);
        assert_eq!(standing(&step(), Epoch(7), None, Seq(41)), Standing::Taken);
    }

    #[test]
    fn a_row_that_went_back_or_jumped_is_impossible() {
        assert_eq!(standing(&step(), Epoch(7), Some(step().tenure), Seq(40)), Standing::Impossible { found: Seq(40) });
        assert_eq!(standing(&step(), Epoch(7), Some(step().tenure), Seq(43)), Standing::Impossible { found: Seq(43) });
    }
}
