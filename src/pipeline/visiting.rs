//! Where batches without new records come from: orders that are due or marked, dead letters that are to be replayed.
//!
//! Looked up once a second, and again at once while there is more, one bounded batch between two of records, so that neither waits
//! for the other. Invariant: a lane has one kind of batch at a time, through the same fence and the same transaction.

use std::collections::BTreeMap;
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
use crate::persist::{Result, connection, dead_letters, visits};

/// How many orders, and how many letters, one batch takes at most.
const AT_ONCE: i64 = 500;
/// How long a look-up of a letter's schema may hold up the writer.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);

/// How long letters rest when the registry gave no answer for one of them.
const REST: Duration = Duration::from_secs(5);

/// What was found to do.
#[derive(Default)]
struct Found {
    visits: BTreeMap<Lane, Vec<OrderId>>,
    letters: Vec<(i64, Record)>,
    is_more: bool,
}

/// What the registry said while the letters of one batch were read: each schema is asked for once, all of them not for long.
struct Asked {
    answers: BTreeMap<SchemaId, Option<Lookup>>,
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
        let rested = self.letters_rest_until.is_none_or(|until| until <= Instant::now());
        connection::answered(process.answer_timeout, async {
            let due = visits::due(connection, &seen, &aside, share).await?;
            let marked = visits::marked(connection, &lanes, &aside, limit).await?;
            let letters = if rested {
                dead_letters::to_replay(connection, &process.rules.topics, &lanes, (limit, bytes)).await?
            } else {
                Vec::new()
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
    async fn decode_letters(&mut self, letters: Vec<(i64, Record)>) -> BTreeMap<Lane, Vec<Item>> {
        let mut items: BTreeMap<Lane, Vec<Item>> = BTreeMap::new();
        let mut asked = Asked { answers: BTreeMap::new(), until: Instant::now() + LONGEST_LOOK_UP };
        for (id, record) in letters {
            match asked.decode(&record, &self.process).await {
                Some(decoded) => {
                    let item = Item { consumed_at: Instant::now(), decoded, letter: Some(id), record };
                    items.entry(item.record.lane).or_default().push(item);
                }
                None => self.letters_rest_until = Some(Instant::now() + REST),
            }
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
            return *answer;
        }
        let left = self.until.saturating_duration_since(Instant::now());
        let answer = tokio::time::timeout(left, process.decoder.fetch(id)).await;
        let answer = answer.ok().and_then(std::result::Result::ok);
        self.answers.insert(id, answer);
        answer
    }
}
