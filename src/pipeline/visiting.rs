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
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::Event;
use crate::persist::{Result, connection, dead_letters, visits};

/// How many orders, and how many letters, one batch takes at most.
const AT_ONCE: i64 = 500;
/// How long a look-up of a letter's schema may hold up the writer.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);

/// What was found to do.
#[derive(Default)]
struct Found {
    visits: BTreeMap<Lane, Vec<OrderId>>,
    letters: Vec<(i64, Record)>,
    is_more: bool,
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
        self.look_again = found.is_more;
        let letters = self.decode_letters(found.letters).await;
        self.batch_of(found.visits, letters)
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
        connection::answered(process.answer_timeout, async {
            let due = visits::due(connection, &seen, limit).await?;
            let marked = visits::marked(connection, &lanes, limit).await?;
            let letters = dead_letters::to_replay(connection, &process.rules.topics, &lanes, (limit, bytes)).await?;
            let mut found = Found { is_more: false, letters, visits: BTreeMap::new() };
            let full = usize::try_from(limit).unwrap_or(usize::MAX);
            found.is_more = [due.len(), marked.len(), found.letters.len()].iter().any(|count| *count >= full);
            // All lanes together take no more than one would: a batch stays bounded.
            for (lane, order_id) in due.into_iter().take(full).chain(marked) {
                let orders = found.visits.entry(lane).or_default();
                if !process.is_set_aside(&order_id) && !orders.contains(&order_id) {
                    orders.push(order_id);
                }
            }
            Ok(found)
        })
        .await
    }

    /// What the letters say by now. One whose schema cannot be asked for stays marked, with all behind it.
    async fn decode_letters(&self, letters: Vec<(i64, Record)>) -> BTreeMap<Lane, Vec<Item>> {
        let mut items: BTreeMap<Lane, Vec<Item>> = BTreeMap::new();
        for (id, record) in letters {
            let Some(decoded) = decode(&record, &self.process).await else { break };
            let item = Item { consumed_at: Instant::now(), decoded, letter: Some(id), record };
            items.entry(item.record.lane).or_default().push(item);
        }
        items
    }

    fn batch_of(
        &self,
        mut visits: BTreeMap<Lane, Vec<OrderId>>,
        mut letters: BTreeMap<Lane, Vec<Item>>,
    ) -> Option<Batch> {
        let mut lanes = Vec::new();
        for (number, state) in &self.lanes {
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

/// What a letter says by now; none while its schema cannot be asked for.
///
/// A person asked now, so the registry's answer now counts: of an id that was given up a live record is refused for a minute, and
/// a letter asks anew.
async fn decode(record: &Record, process: &Process) -> Option<std::result::Result<Box<Event>, Refusal>> {
    let mut was_asked = false;
    loop {
        let id = match process.decoder.try_decode(record, process.now()) {
            Decoded::Event(event) => return Some(Ok(Box::new(event))),
            Decoded::NeedsSchema(id) => id,
            Decoded::Refused(refusal) => match schema_id_of(record) {
                Some(id) if refusal.reason == Reason::UnknownSchema && !was_asked => id,
                _ => return Some(Err(refusal)),
            },
        };
        was_asked = true;
        match tokio::time::timeout(LONGEST_LOOK_UP, process.decoder.fetch(id)).await {
            Ok(Ok(Lookup::Found)) => {}
            Ok(Ok(Lookup::Unknown)) => return Some(Err(Refusal::unknown_schema(id))),
            Ok(Err(_)) | Err(_) => return None,
        }
    }
}
