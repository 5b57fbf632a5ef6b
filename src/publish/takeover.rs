//! What the relay does before it asks where a lane stands: end what a former owner left open.
//!
//! A transaction of a process that died would keep the lane's offsets unstable, and its records in the way of every
//! read_committed consumer, until the broker gives it up.

use std::collections::BTreeSet;

use rdkafka::error::KafkaResult;

use super::producer::{Producer, Settings};
use crate::crash::{self, Point};

/// Takes former owners' transactional ids over and lets them go: what they left open ends at once, and not after
/// `transaction.timeout.ms` plus the broker's scan interval (measured: 0.6 s against 16 s).
///
/// # Errors
/// A broker out of reach; the ids that are done are removed from the set.
pub fn end_open_transactions(settings: &Settings, former: &mut BTreeSet<String>) -> KafkaResult<()> {
    while let Some(id) = former.first() {
        tracing::info!(transactional_id = %id, "ending what the former owner may have left open");
        Producer::open(settings, id)?;
        crash::at(Point::FormerEnded);
        former.pop_first();
    }
    Ok(())
}
