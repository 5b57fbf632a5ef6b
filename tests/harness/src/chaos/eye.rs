//! The eye on a run: how far each lane is in the database and in Kafka, looked at all the time and past all links.
//!
//! Two lookers of their own, as either server may keep one waiting. Invariant: a server that does not answer is a gap; a number
//! that falls is a finding. Kafka's numbers may fall for a moment, where a broker that was away answers from what it knew before it
//! learns that others took over; what counts is what they come to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use sqlx::postgres::PgConnection;

use super::timeline::{Fall, Published, Stored, Tide};
use crate::database;
use crate::deployment::Deployment;
use crate::positions::{self, Committed, Mark};
use crate::stack;
use crate::topic_log::{LogReader, Partition};

/// The pause between two looks at a server, all through the run: the points of the timeline.
const EVERY: Duration = Duration::from_millis(500);
/// How long an answer may take before it is no answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// For how long Kafka may answer with lower numbers than before.
const STALE: Duration = Duration::from_secs(15);

/// The lookers, until it is dropped.
pub struct Eye {
    seen: Arc<Mutex<Seen>>,
    end: Arc<AtomicBool>,
}

/// What was seen since it was last asked for, and what fell ever.
#[derive(Debug, Default)]
pub struct Seen {
    /// The lanes in the database.
    pub stored: Option<BTreeMap<i32, Stored>>,
    /// The lanes in Kafka.
    pub published: Option<BTreeMap<i32, Published>>,
    /// Numbers that fell and stayed so.
    pub falls: Vec<Fall>,
    /// Answers of Kafka that were older than ones before.
    pub stale_answers: u64,
}

impl Eye {
    /// Begins to look at a deployment, whose addresses must be those of the servers themselves.
    ///
    /// # Errors
    /// Kafka does not answer yet.
    pub fn on(deployment: &Deployment) -> Result<Self> {
        let (seen, end) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let brokers = &deployment.stack.brokers;
        let partitions = positions::input_partitions(&LogReader::on(brokers)?, deployment)?;
        let client = |isolation| {
            let mut config = stack::client(brokers);
            config.set("group.id", &deployment.group).set("enable.auto.commit", "false");
            // Who asks a broker that sleeps should not have to wait for it.
            config.set("isolation.level", isolation).set("socket.timeout.ms", "4000");
            // A leader that is not there is asked for again only with the next look at the topics, every five minutes otherwise.
            config.set("topic.metadata.refresh.interval.ms", "1000");
            config.create().context("librdkafka refuses")
        };
        let (group, ends) = (client("read_uncommitted")?, client("read_committed")?);
        let in_kafka = InKafka { group, ends, partitions, tide: Tide::default(), falling_since: None };
        tokio::task::spawn_blocking({
            let (seen, end) = (seen.clone(), end.clone());
            move || in_kafka.look(&seen, &end)
        });
        let in_database =
            InDatabase { url: deployment.stack.database.clone(), connection: None, tide: Tide::default() };
        tokio::spawn(in_database.look(seen.clone(), end.clone()));
        Ok(Self { seen, end })
    }

    /// What was seen since the last time; what fell is told each time again.
    #[must_use]
    pub fn take(&self) -> Seen {
        let mut seen = lock(&self.seen);
        let (stored, published) = (seen.stored.take(), seen.published.take());
        Seen { stored, published, falls: seen.falls.clone(), stale_answers: seen.stale_answers }
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// The one who asks Postgres.
struct InDatabase {
    url: String,
    connection: Option<PgConnection>,
    tide: Tide,
}

impl InDatabase {
    async fn look(mut self, seen: Arc<Mutex<Seen>>, end: Arc<AtomicBool>) {
        while !end.load(Ordering::Relaxed) {
            match tokio::time::timeout(PATIENCE, self.ask()).await {
                Ok(Ok((lanes, falls))) => {
                    let mut seen = lock(&seen);
                    seen.stored = Some(lanes);
                    seen.falls.extend(falls);
                }
                Ok(Err(_)) | Err(_) => self.connection = None,
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&mut self) -> Result<(BTreeMap<i32, Stored>, Vec<Fall>)> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(database::connect(&self.url).await?),
        };
        let rows = "select lane, epoch, last_seq, published_seq from lanes";
        let rows: Vec<(i32, i64, i64, i64)> = sqlx::query_as(rows).fetch_all(&mut *connection).await?;
        let checkpoints = "select topic, partition, next_offset from checkpoints";
        let checkpoints: Vec<(String, i32, i64)> = sqlx::query_as(checkpoints).fetch_all(connection).await?;
        let mut falls = Vec::new();
        let mut lanes: BTreeMap<i32, Stored> = BTreeMap::new();
        for (lane, epoch, last_seq, published_seq) in rows {
            lanes.insert(lane, Stored { applied: 0, last_seq, published_seq });
            let numbers = [("epoch", epoch), ("last_seq", last_seq), ("published_seq", published_seq)];
            falls
                .extend(numbers.iter().filter_map(|(name, now)| self.tide.look(&format!("lane {lane}, {name}"), *now)));
        }
        for (topic, partition, next_offset) in checkpoints {
            lanes.entry(partition).or_default().applied += next_offset;
            falls.extend(self.tide.look(&format!("checkpoint of {topic}/{partition}"), next_offset));
        }
        Ok((lanes, falls))
    }
}

/// The one who asks Kafka.
struct InKafka {
    /// Gets what is committed at once, while a transaction that would commit more is open.
    group: BaseConsumer,
    /// Sees partitions end before the first record of an open transaction.
    ends: BaseConsumer,
    partitions: Vec<Partition>,
    tide: Tide,
    falling_since: Option<Instant>,
}

/// How far each lane is published, and every number that must never fall, by name.
type Answer = (BTreeMap<i32, Published>, Vec<(String, i64)>);

impl InKafka {
    fn look(mut self, seen: &Mutex<Seen>, end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            if let Ok((lanes, numbers)) = self.ask() {
                let would_fall = numbers.iter().any(|(name, now)| self.tide.would_fall(name, *now));
                let since = would_fall.then(|| *self.falling_since.get_or_insert_with(Instant::now));
                if since.is_some_and(|since| since.elapsed() < STALE) {
                    lock(seen).stale_answers += 1;
                } else {
                    self.falling_since = None;
                    let falls: Vec<Fall> =
                        numbers.iter().filter_map(|(name, now)| self.tide.look(name, *now)).collect();
                    let mut seen = lock(seen);
                    seen.published = Some(lanes);
                    seen.falls.extend(falls);
                }
            }
            std::thread::sleep(EVERY);
        }
    }

    /// The lanes, and the numbers that must not fall.
    fn ask(&self) -> Result<Answer> {
        let committed = positions::committed_of(&self.group, &self.partitions, PATIENCE)?;
        let ends = self.ends()?;
        let (mut lanes, mut numbers): (BTreeMap<i32, Published>, _) = (BTreeMap::new(), Vec::new());
        for (partition, end) in ends {
            let lane = lanes.entry(partition.number).or_default();
            lane.end += end;
            let Some(Committed { offset, metadata }) = committed.get(&partition) else { continue };
            lane.committed += offset;
            let Partition { topic, number } = &partition;
            numbers.push((format!("committed offset of {topic}/{number}"), *offset));
            let mark = Mark::read(metadata).into_iter();
            numbers.extend(mark.map(|mark| (format!("published row beside the offset of {topic}/{number}"), mark.seq)));
        }
        Ok((lanes, numbers))
    }

    /// Where the partitions end for a read_committed consumer: one request to each broker.
    fn ends(&self) -> Result<Vec<(Partition, i64)>> {
        let mut asked = TopicPartitionList::new();
        for partition in &self.partitions {
            // In a request for offsets by time, this one means the latest.
            asked.add_partition_offset(&partition.topic, partition.number, Offset::End)?;
        }
        let answer = self.ends.offsets_for_times(asked, PATIENCE).context("partitions' ends cannot be read")?;
        let mut ends = Vec::new();
        for element in answer.elements() {
            element.error().context("partitions' ends cannot be read")?;
            let partition = Partition { topic: element.topic().to_owned(), number: element.partition() };
            ends.push((partition, element.offset().to_raw().context("a partition ends somewhere")?));
        }
        Ok(ends)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("nobody panics with the lock")
}
