//! Postgres: the only place with SQL. State, checkpoints and journal move together in one transaction a batch.
//!
//! `pipeline::apply` calls these in the order of DESIGN section 3; each file owns one table. Invariant: nothing but the owner
//! of a lane, proven by the compare-and-set of [`lanes::fence`], writes the lane's row, its checkpoints and its journal; but for
//! commands that hold all lanes while no worker runs ([`recovery`], [`widening`]).

pub mod access;
pub mod archive;
pub mod audit;
pub mod census;
pub mod checkpoints;
pub mod claims;
pub mod connection;
pub mod dead_letters;
pub mod deployment;
pub mod error;
pub mod history;
pub mod journal;
pub mod journal_days;
pub mod journal_format;
pub mod lanes;
pub mod letters;
pub mod listing;
pub mod lookup;
pub mod marks;
pub mod migrations;
pub mod operations;
mod order_columns;
mod order_row;
pub mod orders;
pub mod output_topics;
pub mod recovery;
pub mod retention;
pub mod server;
pub mod settle;
#[cfg(test)]
pub mod silent;
pub mod snapshot;
pub mod visits;
pub mod widening;

pub use connection::{DatabaseClock, Settings};
pub use error::{DENIED, Error, Fate, Result};
pub use sqlx::postgres::PgConnection;
