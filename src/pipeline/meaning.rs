//! From a record to what it means; where its schema is not known yet, the lane waits and nobody else.
//!
//! A registry that does not answer is trouble of the world: the lane's wait goes on until it does, and no record is ever blamed
//! for it. Only an id that the registry keeps answering "unknown" for, longer than the configured grace, is the record's fault.
//! A lane that has waited so in vain has no patience for other ids for a while: a producer of random ids cannot hold it up for
//! more than a tenth of the time. Invariant: a record that cannot be understood yet stays at the head of its lane.

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

/// After a wait in vain, no other is begun for so many times the grace.
const RECOVERY: u32 = 9;

/// How a lane stands with schemas that it does not know.
#[derive(Debug, Default)]
pub struct Patience {
    wait: Option<Wait>,
    /// Until when an id is refused the first time that the registry says it does not know it.
    spent_until: Option<Instant>,
}

/// A lane's wait for a schema.
#[derive(Debug)]
struct Wait {
    id: SchemaId,
    /// Since when the registry says that there is no such id.
    unknown_since: Option<Instant>,
    until: Instant,
    retry: Retry,
}

impl Patience {
    /// How long until the registry is asked again.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.wait.as_ref().map_or(Duration::ZERO, |wait| wait.until.saturating_duration_since(Instant::now()))
    }

    /// Whether an id that the registry has not known since then is waited for no longer.
    fn is_over(&mut self, unknown_since: Instant, now: Instant, grace: Duration) -> bool {
        if now.duration_since(unknown_since) >= grace {
            self.spent_until = Some(now + grace * RECOVERY);
            return true;
        }
        self.spent_until.is_some_and(|until| now < until)
    }
}

impl Wait {
    fn for_schema(id: SchemaId) -> Self {
        let now = Instant::now();
        Self { id, unknown_since: None, until: now, retry: Retry::new("registry") }
    }
}

/// The event that a record carries, or why it carries none; `None` when its schema has to be waited for.
pub async fn of(record: &Record, process: &Process, patience: &mut Patience) -> Option<Result<Box<Event>, Refusal>> {
    loop {
        match process.decoder.try_decode(record, process.now()) {
            Decoded::Event(event) => return Some(Ok(Box::new(event))),
            Decoded::Refused(refusal) => return Some(Err(refusal)),
            Decoded::NeedsSchema(id) => {
                let begun = patience.wait.take().filter(|wait| wait.id == id);
                let mut wait = begun.unwrap_or_else(|| Wait::for_schema(id));
                if !settled(id, process, &mut wait, patience).await {
                    wait.until = Instant::now() + wait.retry.next_delay();
                    patience.wait = Some(wait);
                    return None;
                }
            }
        }
    }
}

/// Asks the registry once; true when the schema is known now, or given up.
async fn settled(id: SchemaId, process: &Process, wait: &mut Wait, patience: &mut Patience) -> bool {
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
            let now = Instant::now();
            let given_up = patience.is_over(*wait.unknown_since.get_or_insert(now), now, process.unknown_id_grace);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_waited_for_one_id_in_vain_waits_for_no_other_until_it_has_recovered() {
        let (grace, begin) = (Duration::from_secs(30), Instant::now());
        let mut patience = Patience::default();
        assert!(!patience.is_over(begin, begin + grace / 2, grace));
        let end = begin + grace;
        assert!(patience.is_over(begin, end, grace));
        assert!(patience.is_over(end, end, grace), "the next unknown id");
        let recovered = end + grace * RECOVERY;
        assert!(patience.is_over(recovered - grace / 2, recovered - grace / 2, grace));
        assert!(!patience.is_over(recovered, recovered, grace), "patient again");
    }

    #[test]
    fn without_a_grace_no_id_is_waited_for() {
        let now = Instant::now();
        assert!(Patience::default().is_over(now, now, Duration::ZERO));
    }
}
