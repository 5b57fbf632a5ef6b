//! The integration tests: one binary, against the real servers of `make up`.
//!
//! Each test has a database, a consumer group and topics of its own (`stage`). They wait for conditions with a deadline, and
//! compare sets, not counts, so that a loss cannot hide behind a duplicate.

mod allocations;
mod answers;
mod archive;
mod asking;
mod batchings;
mod bench;
mod by_hand;
mod census;
mod chaos;
mod commands;
mod crash_points;
mod dead_letters;
mod deadlines;
mod deadlines_held;
mod events;
mod explanations;
mod faults;
mod fold;
mod happy_path;
mod holds;
mod hostile;
mod house;
mod kills;
mod letters;
mod malformed;
mod off_lane;
mod operator;
mod outages;
mod port;
mod protocol;
mod rebalance;
mod rederive;
mod registry;
mod replays;
mod scenarios;
mod schemas_of_the_contract;
mod security;
mod servers;
mod setup;
mod shutdown;
mod stage;
mod takeover;
mod tap;
mod top;
mod trial;
mod under_load;
mod upkeep;
mod watermarks;
mod wire;
mod worked_examples;
mod zombie;
