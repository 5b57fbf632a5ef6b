//! Which dead letters: the conditions that every command shares, as one piece of SQL with its parameters.
//!
//! Invariant: counting, listing, marking and discarding under one filter speak of the same letters, because they share the
//! very text of the condition.

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::State;
use crate::decode::Reason;
use crate::ids::Timestamp;

/// Which dead letters. What is left empty restricts nothing; what is given must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Refused for one of these reasons.
    pub reasons: Vec<Reason>,
    /// From one of these topics, by name.
    pub topics: Vec<String>,
    /// Refused first at this instant or later.
    pub since: Option<Timestamp>,
    /// Refused first before this instant.
    pub until: Option<Timestamp>,
    /// Of this order.
    pub order_id: Option<String>,
    /// One of these.
    pub ids: Vec<i64>,
}

/// The condition, on the columns of `dead_letters`. Takes the parameters 1 to 7; those of a statement's own come behind.
macro_rules! matching {
    () => {
        "($1::text[] = '{}' or state = any($1::text[]::dead_letter_state[]))
         and ($2::text[] = '{}' or reason = any($2::text[]::dead_letter_reason[]))
         and ($3::text[] = '{}' or topic = any($3))
         and ($4::bigint is null or first_seen_at >= 'epoch'::timestamptz + $4 * interval '1 microsecond')
         and ($5::bigint is null or first_seen_at < 'epoch'::timestamptz + $5 * interval '1 microsecond')
         and ($6::text is null or order_id = $6)
         and ($7::bigint[] = '{}' or id = any($7))"
    };
}

/// A query over the letters that match, in two wordings. The first names the unresolved states in words, so that Postgres
/// may use the indexes that hold only those; a parameter cannot tell it.
macro_rules! over {
    ($before:literal, $after:literal) => {
        [
            concat!($before, "state in ('open', 'replay') and ", $crate::persist::letters::filter::matching!(), $after),
            concat!($before, $crate::persist::letters::filter::matching!(), $after),
        ]
    };
}

pub(super) use {matching, over};

impl Filter {
    /// The query that [`over`] made, in the wording for this filter, with the filter's parameters.
    pub(super) fn query(&self, [unresolved, any]: [&'static str; 2]) -> Query<'_, Postgres, PgArguments> {
        let states = &self.states;
        let is_unresolved = !states.is_empty() && states.iter().all(|state| State::UNRESOLVED.contains(state));
        self.bound(sqlx::query(if is_unresolved { unresolved } else { any }))
    }

    /// A statement that contains [`matching`], with the filter's parameters.
    pub(super) fn bound<'q>(&'q self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(self.states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .bind(self.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>())
            .bind(&self.topics)
            .bind(self.since.map(|since| since.0))
            .bind(self.until.map(|until| until.0))
            .bind(&self.order_id)
            .bind(&self.ids)
    }
}
