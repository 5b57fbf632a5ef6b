//! From a record to what it means; where its schema is not known yet, the lane waits and nobody else.
//!
//! A registry that does not answer is trouble of the world: the lane's wait goes on until it does, and no record is ever blamed
//! for it. Only an id that the registry keeps answering "unknown" for, longer than the configured grace, is the record's fault.
//! Invariant: a record that cannot be understood yet stays at the head of its lane.

use std::time::{Duration, Instant};

use super::process::Process;
use crate::consume::record::Record;
use crate::decode::{Decoded, Lookup, Refusal};
use crate::ids::SchemaId;
use crate::order::Event;
use crate::retry::Retry;

/// A lane's wait for a schema.
#[derive(Debug)]
pub struct Wait {
    id: SchemaId,
    since: Instant,
    until: Instant,
    retry: Retry,
}

impl Wait {
    fn for_schema(id: SchemaId) -> Self {
        let now = Instant::now();
        Self { id, since: now, until: now, retry: Retry::new("registry") }
    }

    /// How long until the registry is asked again.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// The event that a record carries, or why it carries none; `None` when its schema has to be waited for.
pub async fn of(record: &Record, process: &Process, wait: &mut Option<Wait>) -> Option<Result<Box<Event>, Refusal>> {
    loop {
        match process.decoder.try_decode(record, process.now()) {
            Decoded::Event(event) => return Some(Ok(Box::new(event))),
            Decoded::Refused(refusal) => return Some(Err(refusal)),
            Decoded::NeedsSchema(id) => {
                let mut begun = wait.take().filter(|wait| wait.id == id).unwrap_or_else(|| Wait::for_schema(id));
                if !settled(id, process, &begun).await {
                    begun.until = Instant::now() + begun.retry.next_delay();
                    *wait = Some(begun);
                    return None;
                }
            }
        }
    }
}

/// Asks the registry once; true when the schema is known now, or given up.
async fn settled(id: SchemaId, process: &Process, wait: &Wait) -> bool {
    match process.decoder.fetch(id).await {
        Ok(Lookup::Found) => true,
        Ok(Lookup::Unknown) if wait.since.elapsed() >= process.unknown_id_grace => {
            process.decoder.give_up(id, process.now());
            true
        }
        Ok(Lookup::Unknown) => {
            tracing::debug!(%id, "the registry does not know the schema yet");
            false
        }
        Err(error) => {
            tracing::warn!(%error, %id, "looking a schema up, trying again");
            false
        }
    }
}
