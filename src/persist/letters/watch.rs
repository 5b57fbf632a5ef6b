//! What becomes of letters that were marked: for the command that waits, and to tell it whom it waits for.
//!
//! Reads only. Invariant: a letter is no longer waited for once it is not marked any more, whoever changed it, and also when
//! retention has removed it; nobody waits for what cannot come.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::{State, name};
use crate::decode::Reason;
use crate::ids::{Lane, Timestamp};
use crate::persist::error::Result;

/// What became of a letter that was marked for replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its event reached its order: `applied`, or it was a `duplicate` or `stale`.
    Applied(String),
    /// It was refused again, for this reason and with this explanation, and is open.
    Refused(Reason, String),
    /// Somebody discarded it meanwhile.
    Discarded,
    /// It is not there any more.
    Gone,
}

/// Those of these letters that are not marked any more, each with what became of it.
///
/// # Errors
/// The query's failure.
pub async fn endings(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<(i64, Ending)>> {
    let rows = sqlx::query(
        "select wanted.id, l.state::text, l.reason::text, l.explanation, a.note
           from unnest($1::bigint[]) as wanted(id)
           left join dead_letters l on l.id = wanted.id
           left join lateral (select note from dead_letter_actions
                               where letter_id = wanted.id and action = 'applied' order by id desc limit 1) a on true
          where l.state is distinct from 'replay' order by wanted.id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, ending(row)?))).collect()
}

fn ending(row: &PgRow) -> Result<Ending> {
    if row.try_get::<Option<&str>, _>("state")?.is_none() {
        return Ok(Ending::Gone);
    }
    Ok(match name(row, "state")? {
        State::Applied => {
            Ending::Applied(row.try_get::<Option<String>, _>("note")?.unwrap_or_else(|| "applied".to_owned()))
        }
        State::Discarded => Ending::Discarded,
        State::Open | State::Replay => Ending::Refused(name(row, "reason")?, row.try_get("explanation")?),
    })
}

/// How many letters are marked and not worked off, whoever marked them.
///
/// # Errors
/// The query's failure.
pub async fn outstanding(connection: &mut PgConnection) -> Result<u64> {
    let query = sqlx::query("select count(*) from dead_letters where state = 'replay'");
    let count: i64 = query.fetch_one(connection).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

/// Who has a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The worker's transactional id.
    pub transactional_id: String,
    /// Since when.
    pub claimed_at: Option<Timestamp>,
}

/// The owners of these lanes as the table has them; `None` for a lane whose owner left, or that nobody ever had. A worker that
/// was killed stands here until another one takes the lane over.
///
/// # Errors
/// The query's failure.
pub async fn owners(connection: &mut PgConnection, lanes: &[Lane]) -> Result<BTreeMap<Lane, Option<Owner>>> {
    let rows = sqlx::query(
        "select wanted.lane, l.owner_transactional_id, (extract(epoch from l.claimed_at) * 1000000)::bigint as claimed_at
           from unnest($1::int[]) as wanted(lane) left join lanes l on l.lane = wanted.lane",
    )
    .bind(lanes.iter().map(|lane| lane.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut owners = BTreeMap::new();
    for row in rows {
        let claimed_at = row.try_get::<Option<i64>, _>("claimed_at")?.map(Timestamp);
        let owner: Option<String> = row.try_get("owner_transactional_id")?;
        let owner = owner.map(|transactional_id| Owner { transactional_id, claimed_at });
        owners.insert(Lane(row.try_get("lane")?), owner);
    }
    Ok(owners)
}
