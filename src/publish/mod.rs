//! Kafka out: the relay, encoding, and the position in the group's offsets.
//!
//! One thread with one transactional producer a process. A [`chunk::Chunk`] is what one batch of one lane publishes; a Kafka
//! transaction carries chunks and, in the same breath, how far their lanes are published. Invariant: "published" and "how far"
//! are one atomic thing in Kafka, fenced by the generation under which the lane was given to us.

pub mod chunk;
pub mod cloud_events;
pub mod command;
pub mod dead_letter;
pub mod encode;
pub mod inbox;
pub mod names;
pub mod pace;
pub mod plan;
pub mod position;
pub mod producer;
mod recycle;
pub mod relay;
pub mod schemas;
pub mod status_event;
pub mod subjects;
pub mod takeover;
#[cfg(test)]
mod tests;
pub mod trace;
mod transaction;
pub mod values;
