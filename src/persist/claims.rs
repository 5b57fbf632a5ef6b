//! The claim of a lane: how a process becomes the owner of its row in `lanes`.
//!
//! A claim is (epoch, tenure id), and it is what every later write for the lane is compared with. Invariant: a claim forgets no
//! former owner's producer; an id leaves the row only when an owner says that it has ended what that producer left open.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::connection::{Settings, begin, commit, connect};
use super::error::{Error, Result};
use crate::crash::{self, Point};
use crate::ids::{Epoch, Lane, Seq, TenureId};

/// How many former owners' producers a lane remembers, the latest first. A process that dies at every start must not make the
/// next one's list grow for ever; whoever falls off is ended by the broker itself, after `transaction.timeout.ms`.
const FORMER_OWNERS: i64 = 20;

/// What a claim found and set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The lane.
    pub lane: Lane,
    /// The epoch of this claim.
    pub epoch: Epoch,
    /// The random id of this claim.
    pub tenure: TenureId,
    /// The lane's last journal row.
    pub last_seq: Seq,
    /// Up to which row the journal is known to be published; a lower bound.
    pub published_seq: Seq,
    /// The producers of former owners that may have left a transaction open, other than the claimer's own.
    pub former_transactional_ids: Vec<String>,
}

/// Claims lanes: a new epoch and tenure each, and the transactional id that will publish them; the former one joins those that
/// wait to be ended. One transaction of its own.
///
/// # Errors
/// SQLSTATE 55P03 (retry) when another session keeps a lane locked for longer than `lock_timeout`.
pub async fn claim(connection: &mut PgConnection, lanes: &[Lane], transactional_id: &str) -> Result<Vec<Claimed>> {
    let numbers: Vec<i32> = lanes.iter().map(|lane| lane.0).collect();
    begin(connection).await?;
    // In the order of all who lock lanes; `update … from` would lock in plan order.
    sqlx::query("select from lanes where lane = any($1) order by lane for update")
        .bind(&numbers)
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query(
        "update lanes l
            set epoch = l.epoch + 1, tenure = n.tenure, owner_transactional_id = $3, claimed_at = now(),
                former_transactional_ids = array(
                    select id from unnest(array_prepend(l.owner_transactional_id, l.former_transactional_ids))
                           with ordinality as former (id, nth)
                     where id <> $3 group by id order by min(nth) limit $4)
           from unnest($1::int[], $2::uuid[]) as n(lane, tenure)
          where l.lane = n.lane
      returning l.lane, l.epoch, l.tenure, l.last_seq, l.published_seq, l.former_transactional_ids",
    )
    .bind(&numbers)
    .bind(numbers.iter().map(|_| TenureId::random().0).collect::<Vec<_>>())
    .bind(transactional_id)
    .bind(FORMER_OWNERS)
    .fetch_all(&mut *connection)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        claimed.push(Claimed {
            lane: Lane(row.try_get(0)?),
            epoch: Epoch(row.try_get(1)?),
            tenure: TenureId(row.try_get(2)?),
            last_seq: Seq(row.try_get(3)?),
            published_seq: Seq(row.try_get(4)?),
            former_transactional_ids: row.try_get(5)?,
        });
    }
    if claimed.len() != lanes.len() {
        return Err(Error::bug(format!("asked for lanes {numbers:?}, the database has {} of them", claimed.len())));
    }
    crash::at(Point::Claimed);
    commit(connection).await?;
    crash::at(Point::ClaimCommitted);
    Ok(claimed)
}

/// Claims lanes, and ends the session of a former owner that keeps one of them locked for longer than `patience`.
///
/// A process that was frozen in the middle of a batch holds its rows' locks until a limit of its session ends it; nobody has
/// to wait that long, since whatever it was about to commit is not ours to lose: the batch is read again from Kafka.
///
/// # Errors
/// As [`claim`], and what keeps a second connection from being made.
pub async fn claim_insisting(
    settings: &Settings,
    lanes: &[Lane],
    transactional_id: &str,
    patience: Duration,
) -> Result<(PgConnection, Vec<Claimed>)> {
    let mut connection = connect(settings, "claim").await?;
    let backend: i32 = sqlx::query("select pg_backend_pid()").fetch_one(&mut connection).await?.try_get(0)?;
    let claimed = {
        let claim = claim(&mut connection, lanes, transactional_id);
        tokio::pin!(claim);
        loop {
            tokio::select! {
                claimed = &mut claim => break claimed?,
                () = tokio::time::sleep(patience) => {
                    let mut second = connect(settings, "claim-watch").await?;
                    let ended = terminate_blockers(&mut second, backend, &settings.application_prefix()).await?;
                    tracing::warn!(?lanes, ended, "lanes are locked by another session: ended those of orderstream's writers");
                }
            }
        }
    };
    Ok((connection, claimed))
}

/// Ends the sessions of orderstream's writers that `backend` waits for; others are left alone. Returns how many.
async fn terminate_blockers(connection: &mut PgConnection, backend: i32, prefix: &str) -> Result<usize> {
    let ended = sqlx::query(
        "select pg_terminate_backend(a.pid) from pg_stat_activity a
          where a.pid = any(pg_blocking_pids($1))
            and starts_with(a.application_name, $2) and a.application_name like '%/writer-%'",
    )
    .bind(backend)
    .bind(prefix)
    .fetch_all(connection)
    .await?;
    Ok(ended.len())
}
