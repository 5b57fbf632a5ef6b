//! Changing what is to become of dead letters, a chunk at a time: marking for replay, discarding.
//!
//! One statement a chunk, which is a transaction of its own, so a command that is broken off has done whole chunks and no half
//! ones. Letters that somebody else holds locked at that moment are passed over (`skip locked`): a worker that is about to
//! write what became of one must not wait for a person. Invariant: no letter changes its state without an action that says who.

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};

use super::Filter;
use super::filter::matching;
use crate::ids::Lane;
use crate::persist::error::Result;

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Who changes something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The name under which it is written down.
    pub actor: String,
    /// In words.
    pub note: Option<String>,
}

/// Where a change that goes on from chunk to chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Letters up to this one were looked at.
    pub after: i64,
    /// No letter beyond this one, so that what is refused while the command runs is not swept up.
    pub last: i64,
    /// How many letters, at most.
    pub limit: i64,
}

/// A letter that was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The letter.
    pub id: i64,
    /// The lane whose owner will take it.
    pub lane: Lane,
}

/// Marks open letters for replay, in the order of their numbers. Fewer than `limit` come back when there are no more.
///
/// # Errors
/// The statement's failure: then nothing of the chunk is marked.
pub async fn mark(connection: &mut PgConnection, filter: &Filter, chunk: Chunk, by: &By) -> Result<Vec<Marked>> {
    let statement = sqlx::query(concat!(
        "with chosen as (
             select id from dead_letters
              where state = 'open' and id > $8 and id <= $9 and ",
        matching!(),
        "     order by id limit $10 for update skip locked),
         marked as (
             update dead_letters l set state = 'replay' from chosen where l.id = chosen.id returning l.id, l.partition),
         noted as (
             insert into dead_letter_actions (letter_id, action, actor, note)
             select id, 'replay', $11, $12 from marked order by id)
         select id, partition from marked order by id"
    ));
    let rows = bound(statement, filter, chunk, by).fetch_all(connection).await?;
    let marked = |row: &PgRow| Ok(Marked { id: row.try_get("id")?, lane: Lane(row.try_get("partition")?) });
    rows.iter().map(marked).collect()
}

/// Discards unresolved letters, in the order of their numbers, and has their orders looked at again: a deadline that waited
/// for the letter may fire now. Fewer than `limit` come back when there are no more that nobody holds locked.
///
/// # Errors
/// The statement's failure: then nothing of the chunk is discarded.
pub async fn discard(connection: &mut PgConnection, filter: &Filter, chunk: Chunk, by: &By) -> Result<Vec<i64>> {
    let statement = sqlx::query(concat!(
        "with chosen as (
             select id from dead_letters
              where state in ('open', 'replay') and id > $8 and id <= $9 and ",
        matching!(),
        "     order by id limit $10 for update skip locked),
         discarded as (
             update dead_letters l set state = 'discarded', resolved_at = now()
               from chosen where l.id = chosen.id returning l.id, l.order_id),
         noted as (
             insert into dead_letter_actions (letter_id, action, actor, note)
             select id, 'discard', $11, $12 from discarded order by id),
         looked_at_again as (
             insert into marks (order_id, lane, why)
             select order_id, home_lane, 'discarded dead letter' from orders
              where order_id in (select order_id from discarded) order by order_id
             on conflict on constraint marks_pkey do update set marked_at = now())
         select id from discarded order by id"
    ));
    let rows = bound(statement, filter, chunk, by).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// How many unresolved letters match still, up to that number: after [`discard()`] those that it passed over.
///
/// # Errors
/// The query's failure.
pub async fn unresolved(connection: &mut PgConnection, filter: &Filter, last: i64) -> Result<u64> {
    let query = sqlx::query(concat!(
        "select count(*) from dead_letters where state in ('open', 'replay') and id <= $8 and ",
        matching!()
    ));
    let row = filter.bound(query).bind(last).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// A change's arguments: those of the filter, then those of the chunk and of who does it.
fn bound<'q>(statement: Statement<'q>, filter: &'q Filter, chunk: Chunk, by: &'q By) -> Statement<'q> {
    let chosen = filter.bound(statement).bind(chunk.after).bind(chunk.last).bind(chunk.limit);
    chosen.bind(&by.actor).bind(&by.note)
}
