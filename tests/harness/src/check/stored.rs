//! What Postgres holds: read by statements of our own, lane by lane where there is much of it.
//!
//! Invariant: one transaction, read only and repeatable, so all that is read is of one instant.

use std::collections::HashSet;

use anyhow::{Context, Result};
use orderstream::ids::OrderId;
use orderstream::order::{Facts, View};
use sqlx::postgres::PgConnection;
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
}

/// A refused record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// The topic that it came from.
    pub topic: String,
    /// Its offset in the lane's partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Why it was refused.
    pub reason: String,
}

/// A journal row, packed.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its number in the lane.
    pub seq: i64,
    /// How many input records it tells of.
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
        let rows = sqlx::query("select lane, epoch, last_seq, published_seq from lanes order by lane");
        let rows = rows.fetch_all(&mut self.0).await?;
        let read = |row: sqlx::postgres::PgRow| {
            Ok(StoredLane {
                lane: row.try_get(0)?,
                epoch: row.try_get(1)?,
                last_seq: row.try_get(2)?,
                published_seq: row.try_get(3)?,
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

    /// The orders that appear in more than one lane.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn orders_of_several_lanes(&mut self) -> Result<HashSet<OrderId>> {
        let rows = sqlx::query_scalar::<_, String>(
            "select order_id from orders where (select count(distinct r >> 40) from unnest(journal_rows) r) > 1",
        );
        Ok(rows.fetch_all(&mut self.0).await?.into_iter().map(OrderId::from).collect())
    }

    /// The orders at home in a lane.
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
        let statement = format!(
            "select order_id, version, facts::text, journal_rows,
                    jsonb_build_object(
                        'status', status, 'payment', payment, 'inventory', inventory, 'fulfilment', fulfilment,
                        'returns', returns, 'flags', flags, 'attention', attention, 'cancel_reason', cancel_reason,
                        'currency', currency, 'total_minor', total_minor, 'authorized_minor', authorized_minor,
                        'captured_minor', captured_minor, 'refunded_minor', refunded_minor,
                        'charged_back_minor', charged_back_minor, 'lines', lines, 'owed', owed)::text
               from orders where {which}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(bound).fetch_all(&mut self.0).await?;
        rows.iter().map(read_order).collect()
    }

    /// The dead letters of a lane's partitions.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn dead_letters(&mut self, lane: i32) -> Result<Vec<StoredDeadLetter>> {
        let rows = sqlx::query(
            "select topic, record_offset, key, value, reason::text from dead_letters
              where partition = $1 order by topic, record_offset",
        );
        let rows = rows.bind(lane).fetch_all(&mut self.0).await?;
        let read = |row: sqlx::postgres::PgRow| {
            Ok(StoredDeadLetter {
                topic: row.try_get(0)?,
                offset: row.try_get(1)?,
                key: row.try_get(2)?,
                value: row.try_get(3)?,
                reason: row.try_get(4)?,
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
            "select seq, events, emitted_records, applied, emitted from journal
              where lane = $1 and seq > $2 order by seq limit $3",
        );
        let rows = rows.bind(lane).bind(after).bind(PAGE).fetch_all(&mut self.0).await?;
        let read = |row: sqlx::postgres::PgRow| {
            Ok(StoredRow {
                seq: row.try_get(0)?,
                events: row.try_get(1)?,
                emitted_records: row.try_get(2)?,
                applied: row.try_get(3)?,
                emitted: row.try_get(4)?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

fn read_order(row: &sqlx::postgres::PgRow) -> Result<StoredOrder> {
    let order_id: String = row.try_get(0)?;
    let facts: Option<String> = row.try_get(2)?;
    let view: String = row.try_get(4)?;
    let facts = facts.map_or_else(|| Ok(Facts::default()), |facts| serde_json::from_str(&facts));
    Ok(StoredOrder {
        version: row.try_get(1)?,
        facts: facts.with_context(|| format!("the facts of order `{order_id}` cannot be read"))?,
        view: serde_json::from_str(&view).with_context(|| format!("the view of order `{order_id}` cannot be read"))?,
        journal_rows: row.try_get(3)?,
        order_id: order_id.into(),
    })
}
