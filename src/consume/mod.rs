//! Kafka in: the poll thread, the rebalance hand-over, and [`record::Record`], the arrow to `decode`.
//!
//! One consumer a process, one thread that polls it. Invariant: records of a lane are handed on only while a tenure of the lane
//! is open, in the order of their partitions, from the checkpoint that came with the claim.

pub mod capture;
pub mod client;
mod headers;
pub mod horizon;
pub mod inlet;
pub mod limits;
pub mod observer;
mod outside;
pub mod partitioner;
pub mod poll;
pub mod rebalance;
pub mod record;
pub mod tenure;
mod topic_ids;
pub mod topics;
pub mod watermarks;
