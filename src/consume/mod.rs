//! Kafka in: the poll thread, the rebalance hand-over, and [`record::Record`], the arrow to `decode`.
//!
//! One consumer a process, one thread that polls it. Invariant: records of a lane are handed on only while a tenure of the lane
//! is open, in the order of their partitions, from the checkpoint that came with the claim.

pub mod access;
pub mod capture;
pub mod client;
pub mod configs;
pub mod creation;
mod credentials;
pub mod describe;
pub mod follower;
mod headers;
pub mod heard;
pub mod horizon;
pub mod inlet;
pub mod layout;
pub mod observer;
mod outside;
pub mod partitioner;
pub mod poll;
pub mod rebalance;
pub mod record;
pub mod rights;
pub mod room;
mod taps;
pub mod tenure;
mod tls_probe;
pub mod topics;
pub mod unapplied;
pub mod watermarks;
