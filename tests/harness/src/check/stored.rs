//! What Postgres holds: read by statements of our own, lane by lane where there is much of it.
//!
//! Invariant: one transaction, read only and repeatable, so all that is read is of one instant.

use std::collections::HashSet;

use anyhow::{Context, Result};
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::obligation::ObligationKind;
use orderstream::order::{Facts, View};
use serde::Deserialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};
use uuid::Uuid;

/// How many journal rows are held at a time.
const PAGE: i64 = 64;

/// An order's row.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its version.
    pub version: i64,
    /// Its registers.
    pub facts: Facts,
    /// Its view.
    pub view: View,
    /// The journal rows in which it appears: lane times 2^40 plus seq.
    pub journal_rows: Vec<i64>,
    /// What was asked for what it owes.
    pub commands: Vec<StoredPursuit>,
    /// When time will next have something to do for it.
    pub next_deadline: Option<Timestamp>,
    /// Whether it was moved out of the way.
    pub is_archived: bool,
}

/// What was asked for one open obligation, as a row has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPursuit {
    /// What is owed.
    pub kind: ObligationKind,
    /// The entity that it is about.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// How often it was asked for.
    #[serde(default)]
    pub attempt: u32,
    /// When it was asked for last.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// Whether a person was asked to look.
    #[serde(default)]
    pub unanswered: bool,
}

/// A lane's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredLane {
    /// The lane.
    pub lane: i32,
    /// How often it was claimed.
    pub epoch: i64,
    /// Its last journal row.
    pub last_seq: i64,
    /// The row up to which the database knows it to be published.
    pub published_seq: i64,
    /// When it was claimed last.
    pub claimed_at: Option<Timestamp>,
}

/// A refused record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// Its id.
    pub id: i64,
    /// The topic that it came from.
    pub topic: String,
    /// Its offset in the lane's partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// The order that it is of.
    pub order_id: Option<OrderId>,
    /// Why it was refused.
    pub reason: String,
    /// `open`, `replay`, `applied` or `discarded`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was applied or discarded.
    pub resolved_at: Option<Timestamp>,
    /// What was done to it, each with its note, one after the other.
    pub actions: Vec<(String, Option<String>)>,
}

impl StoredDeadLetter {
    /// Whether that was ever done to it.
    #[must_use]
    pub fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|(done, _)| done == action)
    }
}

/// A journal row, packed.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its number in the lane.
    pub seq: i64,
    /// When it was written.
    pub written_at: Timestamp,
    /// How many entries it has.
    pub events: i32,
    /// How many records it publishes.
    pub emitted_records: i32,
    /// What it applied.
    pub applied: Vec<u8>,
    /// What it publishes.
    pub emitted: Vec<u8>,
}

/// A reader of one deployment's database.
#[derive(Debug)]
pub struct Stored(PgConnection);

impl Stored {
    /// Opens the database as it is now.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn open(url: &str) -> Result<Self> {
        let mut connection = crate::database::connect(url).await?;
        connection.execute("begin isolation level repeatable read read only").await?;
        Ok(Self(connection))
    }

    /// The database's own id.
    ///
    /// # Errors
    /// There is none: no worker ever ran on it.
    pub async fn id(&mut self) -> Result<Uuid> {
        let row = sqlx::query("select id from deployment").fetch_optional(&mut self.0).await;
        let row = row.context("the database has no table `deployment`: it is not one of orderstream's")?;
        Ok(row.context("the database belongs to no deployment yet: no worker ever ran on it")?.try_get(0)?)
    }

    /// All lanes in their order.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn lanes(&mut self) -> Result<Vec<StoredLane>> {
        let rows = sqlx::query(
            "select lane, epoch, last_seq, published_seq, (extract(epoch from claimed_at) * 1000000)::bigint
               from lanes order by lane",
        );
        let rows = rows.fetch_all(&mut self.0).await?;
        let read = |row: PgRow| {
            Ok(StoredLane {
                lane: row.try_get(0)?,
                epoch: row.try_get(1)?,
                last_seq: row.try_get(2)?,
                published_seq: row.try_get(3)?,
                claimed_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp),
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The checkpoint of each topic in a lane.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn checkpoints(&mut self, lane: i32) -> Result<Vec<(String, i64)>> {
        let rows = sqlx::query_as("select topic, next_offset from checkpoints where partition = $1 order by topic");
        Ok(rows.bind(lane).fetch_all(&mut self.0).await?)
    }

    /// The orders that appear in another lane than the one they are at home in, at some time or since they were moved.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn orders_of_several_lanes(&mut self) -> Result<HashSet<OrderId>> {
        let rows = sqlx::query_scalar::<_, String>(
            "select order_id
               from (select order_id, home_lane, journal_rows from orders
                     union all select order_id, home_lane, journal_rows from archived_orders) as all_orders
              where exists (select from unnest(journal_rows) r where r >> 40 <> home_lane)",
        );
        Ok(rows.fetch_all(&mut self.0).await?.into_iter().map(OrderId::from).collect())
    }

    /// The orders whose deadlines wait: for a dead letter that is neither applied nor discarded, or for the look that a mark asks for.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn waiting_orders(&mut self) -> Result<HashSet<OrderId>> {
        let rows = sqlx::query_scalar::<_, String>(
            "select order_id from dead_letters where state in ('open', 'replay') and order_id is not null
             union select order_id from marks",
        );
        Ok(rows.fetch_all(&mut self.0).await?.into_iter().map(OrderId::from).collect())
    }

    /// The orders at home in a lane, archived ones included.
    ///
    /// # Errors
    /// The query's failure, or a row that cannot be read.
    pub async fn orders_of(&mut self, lane: i32) -> Result<Vec<StoredOrder>> {
        self.orders("home_lane = $1", lane).await
    }

    /// These orders, wherever they are at home.
    ///
    /// # Errors
    /// As [`Self::orders_of`].
    pub async fn orders_named(&mut self, orders: &HashSet<OrderId>) -> Result<Vec<StoredOrder>> {
        let names: Vec<String> = orders.iter().map(ToString::to_string).collect();
        self.orders("order_id = any($1)", names).await
    }

    async fn orders<'q, T>(&mut self, which: &str, bound: T) -> Result<Vec<StoredOrder>>
    where
        T: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + 'q,
    {
        let of = |table: &str, is_archived: bool| {
            format!(
                "select order_id, version, facts, journal_rows, commands::text,
                        (extract(epoch from next_deadline) * 1000000)::bigint, {is_archived},
                        jsonb_build_object(
                            'status', status, 'payment', payment, 'inventory', inventory, 'fulfilment', fulfilment,
                            'returns', returns, 'flags', flags, 'attention', attention, 'cancel_reason', cancel_reason,
                            'currency', currency, 'total_minor', total_minor, 'authorized_minor', authorized_minor,
                            'captured_minor', captured_minor, 'refunded_minor', refunded_minor,
                            'charged_back_minor', charged_back_minor, 'lines', lines, 'owed', owed)::text
                   from {table} where {which}"
            )
        };
        let statement = format!("{} union all {}", of("orders", false), of("archived_orders", true));
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(bound).fetch_all(&mut self.0).await?;
        rows.iter().map(read_order).collect()
    }

    /// The dead letters of a lane's partitions.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn dead_letters(&mut self, lane: i32) -> Result<Vec<StoredDeadLetter>> {
        let rows = sqlx::query(
            "select id, topic, record_offset, key, value, order_id, reason::text, state::text, attempts,
                    (extract(epoch from resolved_at) * 1000000)::bigint,
                    (select coalesce(jsonb_agg(jsonb_build_array(action, note) order by a.id), '[]')::text
                       from dead_letter_actions a where a.letter_id = d.id)
               from dead_letters d where partition = $1 order by topic, record_offset",
        );
        let rows = rows.bind(lane).fetch_all(&mut self.0).await?;
        let read = |row: PgRow| {
            Ok(StoredDeadLetter {
                id: row.try_get(0)?,
                topic: row.try_get(1)?,
                offset: row.try_get(2)?,
                key: row.try_get(3)?,
                value: row.try_get(4)?,
                order_id: row.try_get::<Option<String>, _>(5)?.map(OrderId::from),
                reason: row.try_get(6)?,
                state: row.try_get(7)?,
                attempts: row.try_get(8)?,
                resolved_at: row.try_get::<Option<i64>, _>(9)?.map(Timestamp),
                actions: serde_json::from_str(row.try_get(10)?)?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The journal rows of a lane behind `after`, in their order, as many as are held at a time.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn journal_page(&mut self, lane: i32, after: i64) -> Result<Vec<StoredRow>> {
        let rows = sqlx::query(
            "select seq, (extract(epoch from written_at) * 1000000)::bigint, events, emitted_records, applied, emitted
               from journal where lane = $1 and seq > $2 order by seq limit $3",
        );
        let rows = rows.bind(lane).bind(after).bind(PAGE).fetch_all(&mut self.0).await?;
        let read = |row: PgRow| {
            Ok(StoredRow {
                seq: row.try_get(0)?,
                written_at: Timestamp(row.try_get(1)?),
                events: row.try_get(2)?,
                emitted_records: row.try_get(3)?,
                applied: row.try_get(4)?,
                emitted: row.try_get(5)?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

fn read_order(row: &PgRow) -> Result<StoredOrder> {
    let order_id: String = row.try_get(0)?;
    let unreadable = |what: &str| format!("the {what} of order `{order_id}` cannot be read");
    let facts: Option<String> = row.try_get(2)?;
    let facts = facts.map_or_else(|| Ok(Facts::default()), |facts| serde_json::from_str(&facts));
    Ok(StoredOrder {
        version: row.try_get(1)?,
        facts: facts.with_context(|| unreadable("facts"))?,
        journal_rows: row.try_get(3)?,
        commands: serde_json::from_str(row.try_get(4)?).with_context(|| unreadable("commands"))?,
        next_deadline: row.try_get::<Option<i64>, _>(5)?.map(Timestamp),
        is_archived: row.try_get(6)?,
        view: serde_json::from_str(row.try_get(7)?).with_context(|| unreadable("view"))?,
        order_id: order_id.into(),
    })
}
