//! Orders by what they are: a filtered look over the table `orders`, for a person.
//!
//! Reads the table once, without an index of its own: none of these columns is worth one on the path of every event. Invariant:
//! the count and the page are of the same snapshot, and the page is what rested longest.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Result;
use super::order_row::{named, set};
use super::snapshot::micros;
use crate::ids::{OrderId, Timestamp};
use crate::order::attention::{Attention, Flag};
use crate::order::cancel::CancelReason;
use crate::order::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
use crate::order::status::Status;

/// What is wanted. An empty list wants everything; of several values any will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The statuses.
    pub statuses: Vec<Status>,
    /// The reasons for attention.
    pub attention: Vec<Attention>,
    /// The flags.
    pub flags: Vec<Flag>,
    /// The reasons for which an order is cancelled.
    pub cancel_reasons: Vec<CancelReason>,
    /// Only orders whose view last changed before.
    pub changed_before: Option<Timestamp>,
}

/// An order in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which order.
    pub order_id: OrderId,
    /// How many changes were said.
    pub version: i64,
    /// When the last one was.
    pub changed_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// Where the money is.
    pub payment: PaymentState,
    /// Where the stock is.
    pub inventory: InventoryState,
    /// Where the goods are.
    pub fulfilment: FulfilmentState,
    /// Where the goods are on their way back.
    pub returns: ReturnsState,
    /// What holds for now.
    pub flags: BTreeSet<Flag>,
    /// Why a person should look.
    pub attention: BTreeSet<Attention>,
    /// Why it is to be cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// How many things are owed.
    pub owed: i32,
}

/// How many orders are wanted, and the first `limit` of them: what changed longest ago comes first.
///
/// # Errors
/// The queries' failures; a bug when a row holds what this release cannot read.
pub async fn orders(connection: &mut PgConnection, wanted: &Wanted, limit: i64) -> Result<(i64, Vec<Listed>)> {
    let count = Filter::of(wanted).bind_to(sqlx::query(concat!("select count(*) from orders", filter!())));
    let count = count.fetch_one(&mut *connection).await?.try_get(0)?;
    let rows = Filter::of(wanted).bind_to(sqlx::query(concat!(
        "select order_id, version, ",
        micros!("changed_at"),
        ", status::text, payment::text, inventory::text, fulfilment::text, returns::text, flags, attention, cancel_reason,
           jsonb_array_length(owed) from orders",
        filter!(),
        " order by changed_at, order_id limit $6"
    )));
    let mut listed = Vec::new();
    for row in rows.bind(limit).fetch_all(connection).await? {
        listed.push(Listed {
            order_id: row.try_get::<&str, _>(0)?.into(),
            version: row.try_get(1)?,
            changed_at: Timestamp(row.try_get(2)?),
            status: named(row.try_get(3)?)?,
            payment: named(row.try_get(4)?)?,
            inventory: named(row.try_get(5)?)?,
            fulfilment: named(row.try_get(6)?)?,
            returns: named(row.try_get(7)?)?,
            flags: set(row.try_get(8)?)?,
            attention: set(row.try_get(9)?)?,
            cancel_reason: row.try_get::<Option<&str>, _>(10)?.map(named).transpose()?,
            owed: row.try_get(11)?,
        });
    }
    Ok((count, listed))
}

/// The condition of both queries, over the five values of [`Filter`].
macro_rules! filter {
    () => {
        " where (cardinality($1::text[]) = 0 or status = any($1::text[]::order_status[]))
            and (cardinality($2::text[]) = 0 or attention && $2)
            and (cardinality($3::text[]) = 0 or flags && $3)
            and (cardinality($4::text[]) = 0 or cancel_reason = any($4))
            and ($5::bigint is null or changed_at < 'epoch'::timestamptz + $5 * interval '1 microsecond')"
    };
}
use filter;

struct Filter {
    texts: [Vec<&'static str>; 4],
    changed_before: Option<i64>,
}

type Statement<'a> = sqlx::query::Query<'a, sqlx::Postgres, sqlx::postgres::PgArguments>;

impl Filter {
    fn of(wanted: &Wanted) -> Self {
        Self {
            texts: [
                wanted.statuses.iter().map(|status| status.as_str()).collect(),
                wanted.attention.iter().map(|reason| reason.as_str()).collect(),
                wanted.flags.iter().map(|flag| flag.as_str()).collect(),
                wanted.cancel_reasons.iter().map(|reason| reason.as_str()).collect(),
            ],
            changed_before: wanted.changed_before.map(|instant| instant.0),
        }
    }

    fn bind_to(self, statement: Statement<'_>) -> Statement<'_> {
        let [statuses, attention, flags, cancel_reasons] = self.texts;
        statement.bind(statuses).bind(attention).bind(flags).bind(cancel_reasons).bind(self.changed_before)
    }
}
