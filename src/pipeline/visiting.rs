//! Where batches without new records come from: orders that are due or marked, dead letters that are to be replayed.
//!
//! Looked up once a second, and again at once while there is more, one bounded batch between two of records, so that neither waits
//! for the other. Invariant: a lane has one kind of batch at a time, through the same fence and the same transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Item, LaneBatch};
use super::decided::schema_id_of;
use super::process::Process;
use super::writer::Writer;
use crate::consume::record::Record;
use crate::decode::{Decoded, Lookup, Reason, Refusal};
use crate::ids::{Lane, OrderId, SchemaId, Timestamp};
use crate::order::Event;
use crate::persist::dead_letters::Marked;
use crate::persist::{Result, connection, dead_letters, visits};

/// How many orders, and how many letters, one batch takes at most.
const AT_ONCE: i64 = 500;
/// How long a look-up of a letter's schema may hold up the writer.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);

/// How long all letters rest when the registry gave no answer for one of them.
const REST: Duration = Duration::from_secs(5);
/// How long the letters of that schema rest, so that those behind them have their turn.
const REST_OF_SCHEMA: Duration = Duration::from_secs(60);
/// How many schemas may be at rest at a time.
const SCHEMAS_AT_REST: usize = 1_000;

/// What was found to do.
#[derive(Default)]
struct Found {
    visits: BTreeMap<Lane, Vec<OrderId>>,
    letters: Vec<Marked>,
    is_more: bool,
}

/// The letters that are left alone for now: the registry gave no answer when it was asked for their schema.
#[derive(Debug, Default)]
pub(super) struct Resting {
    all_until: Option<Instant>,
    schemas: BTreeMap<SchemaId, Instant>,
}

/// What the registry said while the letters of one batch were read: each schema is asked for once, all of them not for long.
struct Asked {
    answers: BTreeMap<SchemaId, Lookup>,
    /// Those it said nothing about.
    silent: BTreeSet<SchemaId>,
    until: Instant,
}

impl Writer {
    /// What is to be done for the lanes without new records; `None` where there is nothing, or the database does not answer now.
    pub(super) async fn take_visits(&mut self) -> Option<Batch> {
        self.look_again = false;
        if self.lanes.is_empty() || !self.has_session().await {
            return None;
        }
        let found = match self.look_up().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, writer = self.name, "looking for what is due, trying again");
                self.session = None;
                self.doubt(true);
                return None;
            }
        };
        let letters = self.decode_letters(found.letters).await;
        let batch = self.batch_of(found.visits, letters);
        // Where nothing could be taken, there is nothing to hurry for.
        self.look_again = found.is_more && batch.is_some();
        batch
    }

    async fn look_up(&mut self) -> Result<Found> {
        let process = self.process.clone();
        let lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        let seen = self.lanes.iter().filter_map(|(lane, state)| Some((*lane, state.horizon.at()?)));
        let seen: Vec<(Lane, Timestamp)> = seen.collect();
        let Some(session) = self.session.as_mut() else { return Ok(Found::default()) };
        let connection = &mut session.connection;
        let limit = i64::try_from(process.batch_max_records).unwrap_or(AT_ONCE).min(AT_ONCE);
        let bytes = i64::try_from(process.batch_max_bytes).unwrap_or(i64::MAX);
        // A batch stays bounded, and each lane has its share of it.
        let share = (limit / i64::try_from(lanes.len()).unwrap_or(limit).max(1)).max(1);
        let aside = process.set_aside_orders();
        let resting = self.resting.at(Instant::now());
        connection::answered(process.answer_timeout, async {
            let due = visits::due(connection, &seen, &aside, share).await?;
            let marked = visits::marked(connection, &lanes, limit).await?;
            let letters = match resting {
                Some(aside) => {
                    dead_letters::to_replay(connection, &process.rules.topics, &lanes, &aside, (limit, bytes)).await?
                }
                None => Vec::new(),
            };
            let is_full = |count: usize, limit: i64| i64::try_from(count).is_ok_and(|count| count >= limit);
            let is_more = is_full(marked.len(), limit) || is_full(letters.len(), limit);
            let mut found = Found { is_more, letters, visits: BTreeMap::new() };
            for (lane, order_id) in due {
                let orders = found.visits.entry(lane).or_default();
                orders.push(order_id);
                found.is_more |= is_full(orders.len(), share);
            }
            for (lane, order_id) in marked {
                let orders = found.visits.entry(lane).or_default();
                if !orders.contains(&order_id) {
                    orders.push(order_id);
                }
            }
            Ok(found)
        })
        .await
    }

    /// What the letters say by now. One whose schema cannot be asked for now stays marked, and letters rest for a while.
    async fn decode_letters(&mut self, letters: Vec<Marked>) -> BTreeMap<Lane, Vec<Item>> {
        let mut items: BTreeMap<Lane, Vec<Item>> = BTreeMap::new();
        let until = Instant::now() + LONGEST_LOOK_UP;
        let mut asked = Asked { answers: BTreeMap::new(), silent: BTreeSet::new(), until };
        let mut all_decided = true;
        for Marked { id, record, unreadable } in letters {
            let decoded = match unreadable {
                Some(refusal) => Some(Err(refusal)),
                None => asked.decode(&record, &self.process).await,
            };
            all_decided &= decoded.is_some();
            if let Some(decoded) = decoded {
                let item = Item { consumed_at: Instant::now(), decoded, letter: Some(id), record };
                items.entry(item.record.lane).or_default().push(item);
            }
        }
        if !all_decided {
            self.resting.begin(&asked.silent, Instant::now());
        }
        items
    }

    fn batch_of(
        &self,
        mut visits: BTreeMap<Lane, Vec<OrderId>>,
        mut letters: BTreeMap<Lane, Vec<Item>>,
    ) -> Option<Batch> {
        let mut lanes = Vec::new();
        for (number, state) in self.lanes.iter().filter(|(_, state)| state.tenure.is_placed()) {
            let (items, visits) = (letters.remove(number), visits.remove(number));
            let (items, visits) = (items.unwrap_or_default(), visits.unwrap_or_default());
            if !(items.is_empty() && visits.is_empty()) {
                lanes.push(LaneBatch {
                    tenure: Arc::clone(&state.tenure),
                    last_seq: state.last_seq,
                    checkpoints: state.checkpoints.clone(),
                    items,
                    passed: Vec::new(),
                    visits,
                    set_aside: Vec::new(),
                    horizon: state.horizon.passed().cloned(),
                });
            }
        }
        (!lanes.is_empty()).then_some(Batch { lanes })
    }
}

impl Asked {
    /// What a letter says by now; none while its schema cannot be asked for.
    ///
    /// A person asked now, so the registry's answer now counts: of an id that was given up a live record is refused for a minute,
    /// and a letter asks anew.
    async fn decode(&mut self, record: &Record, process: &Process) -> Option<std::result::Result<Box<Event>, Refusal>> {
        for _ in 0..2 {
            let id = match process.decoder.try_decode(record, process.now()) {
                Decoded::Event(event) => return Some(Ok(Box::new(event))),
                Decoded::NeedsSchema(id) => id,
                Decoded::Refused(refusal) => match schema_id_of(record) {
                    Some(id) if refusal.reason == Reason::UnknownSchema => id,
                    _ => return Some(Err(refusal)),
                },
            };
            match self.answer(id, process).await? {
                Lookup::Found => {}
                Lookup::Unknown => return Some(Err(Refusal::unknown_schema(id))),
            }
        }
        None
    }

    async fn answer(&mut self, id: SchemaId, process: &Process) -> Option<Lookup> {
        if let Some(answer) = self.answers.get(&id) {
            return Some(*answer);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.silent.contains(&id) {
            return None;
        }
        let answer = tokio::time::timeout(left, process.decoder.fetch(id)).await;
        let answer = answer.ok().and_then(std::result::Result::ok);
        match answer {
            Some(answer) => _ = self.answers.insert(id, answer),
            None => _ = self.silent.insert(id),
        }
        answer
    }
}

impl Resting {
    /// The schemas whose letters are left alone now; `None` while all are.
    fn at(&mut self, now: Instant) -> Option<Vec<SchemaId>> {
        self.schemas.retain(|_, until| *until > now);
        let all = self.all_until.is_some_and(|until| until > now);
        (!all).then(|| self.schemas.keys().copied().collect())
    }

    /// The registry said nothing about these.
    fn begin(&mut self, silent: &BTreeSet<SchemaId>, now: Instant) {
        self.all_until = Some(now + REST);
        for id in silent {
            if self.schemas.len() < SCHEMAS_AT_REST {
                self.schemas.insert(*id, now + REST_OF_SCHEMA);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_a_silent_schema_let_others_pass_after_a_short_rest_of_all() {
        let (mut resting, now) = (Resting::default(), Instant::now());
        assert_eq!(resting.at(now), Some(Vec::new()));
        resting.begin(&BTreeSet::from([SchemaId(7)]), now);
        assert_eq!(resting.at(now), None);
        assert_eq!(resting.at(now + REST), Some(vec![SchemaId(7)]));
        assert_eq!(resting.at(now + REST_OF_SCHEMA), Some(Vec::new()));
    }
}
