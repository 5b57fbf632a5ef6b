//! From a record to what it means; where its schema is not known yet, the lane waits and nobody else.
//!
//! A registry that does not answer is trouble of the world: the lane's wait goes on until it does, and no record is ever blamed
//! for it. Only an id that the registry keeps answering "unknown" for, longer than the configured grace, is the record's fault.
//! A lane that has waited so in vain has no patience for other ids for a while: a producer of random ids cannot hold it up for
//! more than a tenth of the time. Invariant: a record that cannot be understood yet stays at the head of its lane.

use std::time::{Duration, Instant};

use crate::consume::record::Record;
use crate::decode::{Decoded, Decoder, Lookup, Refusal};
use crate::ids::{SchemaId, Timestamp};
use crate::metrics;
use crate::order::Event;
use crate::retry::Retry;

/// How long a look-up may hold up the other lanes of a writer.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);

/// After a wait in vain, no other is begun for so many times the grace.
const RECOVERY: u32 = 9;

/// For so long a lane does not ask again about an id that it refused without a wait.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// What reading records depends on.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// From records to events.
    pub decoder: &'a Decoder,
    /// The time now.
    pub now: Timestamp,
    /// How long an unknown schema id is waited for.
    pub grace: Duration,
    /// Whether the registry may be asked now: lanes of other writers do not wait for its answer, and whose lane it is asks by itself.
    pub may_ask: bool,
}

/// How a lane stands with schemas that it does not know.
#[derive(Debug, Default)]
pub struct Patience {
    wait: Option<Wait>,
    /// Until when an id is refused the first time that the registry says it does not know it.
    spent_until: Option<Instant>,
    /// The last id that was refused without a wait, and until when it is refused unasked.
    refused: Option<(SchemaId, Instant)>,
}

/// What a lane does about an id that the registry says it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It waits.
    Wait,
    /// It has waited for the whole grace: nobody else of the process need wait for this id.
    RanOut,
    /// It waits for no id now, since it did in vain; other lanes have their own patience.
    Spent,
}

/// What came of asking the registry.
enum Asked {
    /// The decoder knows by now what to make of the id.
    Settled,
    /// This lane refuses the id; for others it is open.
    Refused,
    /// Ask again.
    Again,
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

    /// Whether the lane waits for a schema, or has yet to ask again.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// The patience of a lane that waits for a schema.
    #[cfg(test)]
    pub(super) fn of_who_waits(id: SchemaId) -> Self {
        Self { wait: Some(Wait::for_schema(id)), ..Self::default() }
    }

    /// Judges the wait for an id that the registry has not known since then.
    fn judge(&mut self, id: SchemaId, unknown_since: Instant, now: Instant, grace: Duration) -> Verdict {
        if now.duration_since(unknown_since) >= grace {
            self.spent_until = Some(now + grace * RECOVERY);
            return Verdict::RanOut;
        }
        if self.spent_until.is_some_and(|until| now < until) {
            self.refused = Some((id, now + REFUSED_FOR));
            return Verdict::Spent;
        }
        Verdict::Wait
    }

    /// Whether the id was refused a moment ago: the registry is not asked about each of its records.
    fn has_refused(&self, id: SchemaId, now: Instant) -> bool {
        self.refused.is_some_and(|(refused, until)| refused == id && now < until)
    }
}

impl Wait {
    fn for_schema(id: SchemaId) -> Self {
        let now = Instant::now();
        Self { id, unknown_since: None, until: now, retry: Retry::new("registry") }
    }
}

/// The event that a record carries, or why it carries none; `None` when its schema has to be waited for, or asked for where the
/// registry may not be asked now.
pub async fn of(record: &Record, reading: Reading<'_>, patience: &mut Patience) -> Option<Result<Box<Event>, Refusal>> {
    loop {
        match reading.decoder.try_decode(record, reading.now) {
            // Another lane may have had the answer for which this one waited.
            Decoded::Event(event) => {
                patience.wait = None;
                return Some(Ok(Box::new(event)));
            }
            Decoded::Refused(refusal) => {
                patience.wait = None;
                return Some(Err(refusal));
            }
            Decoded::NeedsSchema(id) if patience.has_refused(id, Instant::now()) => {
                return Some(Err(Refusal::unknown_schema(id)));
            }
            Decoded::NeedsSchema(id) => {
                let begun = patience.wait.take().filter(|wait| wait.id == id);
                let mut wait = begun.unwrap_or_else(|| Wait::for_schema(id));
                if !reading.may_ask {
                    patience.wait = Some(wait);
                    return None;
                }
                match ask(id, reading, &mut wait, patience).await {
                    Asked::Settled => {}
                    Asked::Refused => return Some(Err(Refusal::unknown_schema(id))),
                    Asked::Again => {
                        wait.until = Instant::now() + wait.retry.next_delay();
                        patience.wait = Some(wait);
                        return None;
                    }
                }
            }
        }
    }
}

/// Asks the registry once.
async fn ask(id: SchemaId, reading: Reading<'_>, wait: &mut Wait, patience: &mut Patience) -> Asked {
    // Other lanes of the writer are held up meanwhile, so not for long; the lane asks again.
    let Ok(answer) = tokio::time::timeout(LONGEST_LOOK_UP, reading.decoder.fetch(id)).await else {
        tracing::warn!(%id, "the registry is slow, trying again");
        return Asked::Again;
    };
    match answer {
        Ok(Lookup::Found) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["fetched"]);
            Asked::Settled
        }
        Ok(Lookup::Unknown) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["not_found"]);
            let now = Instant::now();
            let unknown_since = *wait.unknown_since.get_or_insert(now);
            match patience.judge(id, unknown_since, now, reading.grace) {
                Verdict::Wait => Asked::Again,
                Verdict::Spent => Asked::Refused,
                Verdict::RanOut => {
                    reading.decoder.give_up(id, reading.now);
                    Asked::Settled
                }
            }
        }
        Err(error) => {
            metrics::SCHEMA_LOOKUPS.increment(1, &["failed"]);
            wait.retry.because(if error.denied { "registry_access" } else { "registry" });
            tracing::warn!(%error, %id, "looking a schema up, trying again");
            Asked::Again
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::decode::{Access, Registry};
    use crate::ids::Lane;
    use crate::order::Source;

    const ID: SchemaId = SchemaId(7);

    #[test]
    fn a_lane_that_waited_for_one_id_in_vain_waits_for_no_other_until_it_has_recovered() {
        let (grace, begin) = (Duration::from_secs(30), Instant::now());
        let mut patience = Patience::default();
        let mut judge = |unknown_since, now| patience.judge(ID, unknown_since, now, grace);
        assert_eq!(judge(begin, begin + grace / 2), Verdict::Wait);
        let end = begin + grace;
        assert_eq!(judge(begin, end), Verdict::RanOut);
        assert_eq!(judge(end, end), Verdict::Spent, "the next unknown id");
        let recovered = end + grace * RECOVERY;
        assert_eq!(judge(recovered - grace / 2, recovered - grace / 2), Verdict::Spent);
        assert_eq!(judge(recovered, recovered), Verdict::Wait, "patient again");
    }

    #[test]
    fn an_id_is_given_up_for_all_only_by_a_lane_that_waited_for_it() {
        let (grace, begin) = (Duration::from_secs(30), Instant::now());
        let (mut spent, mut patient) = (Patience::default(), Patience::default());
        assert_eq!(spent.judge(SchemaId(1), begin, begin + grace, grace), Verdict::RanOut);
        let later = begin + grace;
        assert_eq!(spent.judge(ID, later, later, grace), Verdict::Spent);
        assert!(spent.has_refused(ID, later) && !spent.has_refused(SchemaId(8), later));
        assert!(!spent.has_refused(ID, later + REFUSED_FOR));
        assert_eq!(patient.judge(ID, later, later, grace), Verdict::Wait);
        assert!(!patient.has_refused(ID, later));
    }

    #[tokio::test]
    async fn a_lane_that_may_not_ask_asks_nobody_and_waits_no_more_once_another_had_the_answer() {
        let nobody = Registry::new(Access::to("http://127.0.0.1:1", Duration::from_millis(100))).unwrap();
        let decoder = Decoder::new(nobody, 1, 1_000);
        let value = Some(Bytes::from_static(&[0, 0, 0, 0, 7, 1]));
        let (source, timestamp, headers) = (Source::Payment, Timestamp(0), Ok(Vec::new()));
        let record =
            Record { source, lane: Lane(0), offset: 0, timestamp, key: Some(Bytes::from_static(b"o")), value, headers };
        let served = Reading { decoder: &decoder, now: timestamp, grace: Duration::from_secs(30), may_ask: false };
        let mut patience = Patience::default();
        assert!(of(&record, served, &mut patience).await.is_none());
        assert!(patience.is_waiting() && patience.left().is_zero(), "who had asked would pause before it asks again");
        assert!(of(&record, Reading { may_ask: true, ..served }, &mut patience).await.is_none());
        assert!(!patience.left().is_zero(), "the registry does not answer");
        decoder.give_up(ID, timestamp);
        assert_eq!(of(&record, served, &mut patience).await, Some(Err(Refusal::unknown_schema(ID))));
        assert!(!patience.is_waiting());
    }

    #[test]
    fn without_a_grace_no_id_is_waited_for() {
        let now = Instant::now();
        assert_eq!(Patience::default().judge(ID, now, now, Duration::ZERO), Verdict::RanOut);
    }
}
