//! What `orderstream recover` writes while no worker runs: claims of all lanes, checkpoints, the floor of versions, marks.
//!
//! The one exception from "nobody but a lane's owner": whoever holds all lanes under lock is their owner. Invariant: a lane is
//! taken only as it was seen, so a worker that started meanwhile is noticed; and all but the marks is one transaction.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connection::{begin, commit, rollback};
use super::error::{Error, Result};
use super::letters::By;
use super::operations;
use crate::ids::{Epoch, Lane, NextOffset, Seq, TenureId};

/// A lane as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneRow {
    /// Which.
    pub lane: Lane,
    /// How often it was claimed.
    pub epoch: Epoch,
    /// Its last journal row.
    pub last_seq: Seq,
    /// Up to which row it is known to be published.
    pub published_seq: Seq,
    /// Where versions have leapt to.
    pub version_floor: i64,
}

/// All lanes, in their order.
///
/// # Errors
/// The query's failure.
pub async fn lanes(connection: &mut PgConnection) -> Result<Vec<LaneRow>> {
    let rows = sqlx::query("select lane, epoch, last_seq, published_seq, version_floor from lanes order by lane");
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(LaneRow {
            lane: Lane(row.try_get(0)?),
            epoch: Epoch(row.try_get(1)?),
            last_seq: Seq(row.try_get(2)?),
            published_seq: Seq(row.try_get(3)?),
            version_floor: row.try_get(4)?,
        })
    };
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// A lane to be taken, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seizure {
    /// How it was seen.
    pub seen: LaneRow,
    /// The epoch of the claim: above any that was published under.
    pub epoch: Epoch,
    /// Up to which of its rows Kafka will say that it is published.
    pub published_seq: Seq,
}

/// A checkpoint to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheckpoint {
    /// The input topic.
    pub topic: String,
    /// The partition.
    pub lane: Lane,
    /// The next offset to read.
    pub next_offset: NextOffset,
    /// Kafka's id of the topic by now.
    pub topic_id: Option<String>,
}

/// A partition whose offsets Kafka gives to other records: its topic was made again, or Kafka lost its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAgain {
    /// The input topic.
    pub topic: String,
    /// The partition.
    pub lane: Lane,
    /// The first of those offsets.
    pub from: NextOffset,
}

/// What a recovery writes at once.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// All lanes.
    pub seizures: Vec<Seizure>,
    /// The checkpoints that move.
    pub checkpoints: Vec<NewCheckpoint>,
    /// From where on Kafka gives offsets to other records: dead letters there are of a former life of their partition.
    pub given_again: Vec<GivenAgain>,
    /// What versions leap to, where they do.
    pub version_floor: Option<i64>,
}

/// Takes all lanes and writes the rest, in one transaction. Returns the operation's number; `None` when a lane was not as it was
/// seen, and then nothing is changed.
///
/// # Errors
/// The statements' failures.
pub async fn write(
    connection: &mut PgConnection,
    recovery: &Recovery,
    by: &By,
    what: &serde_json::Value,
) -> Result<Option<i64>> {
    begin(connection).await?;
    if !seize(connection, &recovery.seizures, recovery.version_floor).await? {
        rollback(connection).await?;
        return Ok(None);
    }
    set_checkpoints(connection, &recovery.checkpoints).await?;
    outlive(connection, &recovery.given_again).await?;
    let id = operations::begin(connection, "recover", by, what, recovery.version_floor).await?;
    commit(connection).await?;
    Ok(Some(id))
}

/// Claims lanes that stand as they were seen; in the caller's transaction. False when one does not.
///
/// The owner stays written down: whoever takes the lane next ends what that one may have left open. What the lane has seen is
/// forgotten, so no deadline fires before its input was looked at anew.
///
/// # Errors
/// The statements' failures.
pub async fn seize(connection: &mut PgConnection, seizures: &[Seizure], version_floor: Option<i64>) -> Result<bool> {
    sqlx::query("select from lanes order by lane for update").execute(&mut *connection).await?;
    let there = lanes(connection).await?;
    if !there.iter().eq(seizures.iter().map(|seizure| &seizure.seen)) {
        return Ok(false);
    }
    let seized = sqlx::query(
        "update lanes l set epoch = n.epoch, tenure = n.tenure, published_seq = n.published_seq, horizon = null,
                version_floor = coalesce($5, l.version_floor), claimed_at = now()
           from unnest($1::int[], $2::bigint[], $3::uuid[], $4::bigint[]) as n(lane, epoch, tenure, published_seq)
          where l.lane = n.lane",
    )
    .bind(seizures.iter().map(|seizure| seizure.seen.lane.0).collect::<Vec<_>>())
    .bind(seizures.iter().map(|seizure| seizure.epoch.0).collect::<Vec<_>>())
    .bind(seizures.iter().map(|_| TenureId::random().0).collect::<Vec<_>>())
    .bind(seizures.iter().map(|seizure| seizure.published_seq.0).collect::<Vec<_>>())
    .bind(version_floor)
    .execute(connection)
    .await?;
    Ok(usize::try_from(seized.rows_affected()).ok() == Some(seizures.len()))
}

async fn set_checkpoints(connection: &mut PgConnection, checkpoints: &[NewCheckpoint]) -> Result<()> {
    let set = sqlx::query(
        "update checkpoints c set next_offset = n.next_offset, topic_id = n.topic_id, record_timestamp = null
           from unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) as n(topic, partition, next_offset, topic_id)
          where c.topic = n.topic and c.partition = n.partition",
    )
    .bind(checkpoints.iter().map(|checkpoint| checkpoint.topic.as_str()).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|checkpoint| checkpoint.lane.0).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|checkpoint| checkpoint.next_offset.0).collect::<Vec<_>>())
    .bind(checkpoints.iter().map(|checkpoint| checkpoint.topic_id.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    if usize::try_from(set.rows_affected()).ok() == Some(checkpoints.len()) {
        return Ok(());
    }
    Err(Error::bug(format!("{} of {} checkpoints were there to be set", set.rows_affected(), checkpoints.len())))
}

/// Sets the dead letters apart whose offsets name other records by now.
///
/// In two steps: letters of several lives stand behind one offset, and the constraint over them is checked row by row. The first
/// takes them all to where no other is, the second to where they belong.
async fn outlive(connection: &mut PgConnection, given_again: &[GivenAgain]) -> Result<()> {
    if given_again.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update dead_letters d set made_again = -d.made_again - 1
           from unnest($1::text[], $2::int[], $3::bigint[]) as n(topic, partition, first)
          where d.topic = n.topic and d.partition = n.partition and d.record_offset >= n.first",
    )
    .bind(given_again.iter().map(|given| given.topic.as_str()).collect::<Vec<_>>())
    .bind(given_again.iter().map(|given| given.lane.0).collect::<Vec<_>>())
    .bind(given_again.iter().map(|given| given.from.0).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query("update dead_letters set made_again = -made_again where made_again < 0").execute(connection).await?;
    Ok(())
}

/// How many orders there are, and how many of them are archived.
///
/// # Errors
/// The query's failure.
pub async fn count_orders(connection: &mut PgConnection) -> Result<(u64, u64)> {
    let row = sqlx::query("select (select count(*) from orders), (select count(*) from archived_orders)");
    let row = row.fetch_one(connection).await?;
    let count = |at: usize| -> Result<u64> { Ok(row.try_get::<i64, _>(at)?.unsigned_abs()) };
    Ok((count(0)?, count(1)?))
}

/// Marks the next orders behind `after` of which nothing was said above the floor yet, so that their lanes' owners say them
/// again. Returns how many it looked at, how many it marked, and the last id; no id at the end.
///
/// # Errors
/// The statement's failure.
pub async fn mark_untold(
    connection: &mut PgConnection,
    version_floor: i64,
    after: &str,
    limit: i64,
) -> Result<(u64, u64, Option<String>)> {
    let row = sqlx::query(
        "with page as (select order_id, home_lane, version from orders where order_id > $1 order by order_id limit $2),
              marked as (insert into marks (order_id, lane, why)
                         select order_id, home_lane, 'recover' from page where version <= $3 order by order_id
                             on conflict do nothing returning 1)
         select (select count(*) from page), (select count(*) from marked), (select max(order_id) from page)",
    );
    let row = row.bind(after).bind(limit).bind(version_floor).fetch_one(connection).await?;
    let (page, marked): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((page.unsigned_abs(), marked.unsigned_abs(), row.try_get(2)?))
}

/// Removes the limit on how long a statement of this session may take: for commands that count everything.
///
/// # Errors
/// The statement's failure.
pub async fn take_time(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("set statement_timeout = 0").execute(connection).await?;
    Ok(())
}
