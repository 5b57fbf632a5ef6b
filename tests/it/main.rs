//! The integration tests: one binary, against the real servers of `make up`.
//!
//! Each test has a database, a consumer group and topics of its own (`stage`). They wait for conditions with a deadline, and
//! compare sets, not counts, so that a loss cannot hide behind a duplicate.

mod events;
mod happy_path;
mod holds;
mod kills;
mod malformed;
mod off_lane;
mod outages;
mod protocol;
mod rebalance;
mod registry;
mod scenarios;
mod stage;
mod takeover;
mod under_load;
mod zombie;
