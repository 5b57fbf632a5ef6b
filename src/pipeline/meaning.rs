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
use crate::metrics;
use crate::order::Event;
use crate::retry::Retry;

/// How long a look-up may hold up the other lanes of a writer.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);

/// A lane's wait for a schema.
#[derive(Debug)]
pub struct Wait {
    id: SchemaId,
    /// Since when the registry says that there is no such id.
    unknown_since: Option<Instant>,
    until: Instant,
    retry: Retry,
}

impl Wait {
    fn for_schema(id: SchemaId) -> Self {
        let now = Instant::now();
        Self { id, unknown_since: None, until: now, retry: Retry::new("registry") }
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
                if !settled(id, process, &mut begun).await {
                    begun.until = Instant::now() + begun.retry.next_delay();
                    *wait = Some(begun);
                    return None;
                }
            }
        }
    }
}

/// Asks the registry once; true when the schema is known now, or given up.
async fn settled(id: SchemaId, process: &Process, wait: &mut Wait) -> bool {
    // Other lanes of the writer are held up meanwhile, so not for long; the lane asks again.
    let Ok(answer) = tokio::time::timeout(LONGEST_LOOK_UP, process.decoder.fetch(id)).await else {
        tracing::warn!(%id, "the registry is slow, trying again");
        return false;
    };
    match answer {
        Ok(Lookup::Found) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["fetched"]);
            true
        }
        Ok(Lookup::Unknown) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["not_found"]);
            let since = *wait.unknown_since.get_or_insert_with(Instant::now);
            let given_up = since.elapsed() >= process.unknown_id_grace;
            if given_up {
                process.decoder.give_up(id, process.now());
            }
            given_up
        }
        Err(error) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["failed"]);
            wait.retry.because(if error.denied { "registry_access" } else { "registry" });
            tracing::warn!(%error, %id, "looking a schema up, trying again");
            false
        }
    }
}
