//! Everything the checker reads, and from whom: Kafka's topics and offsets, the registry's schemas, Postgres.
//!
//! Invariant: the database is read as of one instant. Workers must be at rest, or what is read from Kafka is of another one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orderstream::ids::Timestamp;
use orderstream::persist::journal_format::{read_applied, read_emitted};
use rdkafka::Message;
use uuid::Uuid;

use super::findings::{Findings, Kind};
use super::input_log::{self, RawPartition, place};
use super::lane::Unpacked;
use super::outputs::Outputs;
use super::replay::Said;
use super::stored::{Stored, StoredLane, StoredRow};
use super::{dead_letters, now};
use crate::avro_reader::Readers;
use crate::deployment::Deployment;
use crate::output::{self, OrderCommand, StatusChanged};
use crate::positions::{self, Committed};
use crate::registry::{Registry, SchemaCache};
use crate::topic_log::{self, LogReader, LogRecord, Partition};
use crate::topics::{Input, Topics};

/// How long a transaction that somebody who was killed left open may stay so; the broker ends it after its time-out.
const OPEN_SECONDS: u64 = 90;

/// The readers of a check.
pub(super) struct Reading<'a> {
    deployment: &'a Deployment,
    log: LogReader,
    /// The schemas that were asked for so far.
    pub schemas: SchemaCache,
    /// Postgres.
    pub stored: Stored,
    /// The database's own id.
    pub database: Uuid,
    /// When the check began.
    pub now: Timestamp,
    committed: BTreeMap<Partition, Committed>,
    letters: Option<Vec<LogRecord>>,
}

impl<'a> Reading<'a> {
    /// Opens all of them.
    pub async fn open(deployment: &'a Deployment) -> Result<Self> {
        let log = LogReader::on(&deployment.stack.brokers)?;
        let partitions = positions::input_partitions(&log, deployment)?;
        let committed = positions::committed(&deployment.stack.brokers, &deployment.group, &partitions)?;
        let letters = deployment.topics.dead_letter.as_deref().map(|topic| log.read_all(topic)).transpose()?;
        let mut stored = Stored::open(&deployment.stack.database).await?;
        let database = stored.id().await?;
        let schemas = SchemaCache::before(Registry::at(&deployment.stack.registry)?);
        Ok(Self { deployment, log, schemas, stored, database, now: now(), committed, letters })
    }

    /// Waits until no transaction is open on any topic, as nothing behind it could be judged, and says how long that took.
    pub async fn until_no_transaction_is_open(&self) -> Result<Duration> {
        let topics = &self.deployment.topics;
        let mut partitions = positions::input_partitions(&self.log, self.deployment)?;
        for topic in topics.outputs() {
            partitions.extend(self.log.partitions(topic)?);
        }
        let began = Instant::now();
        self.log.until_no_transaction_is_open(OPEN_SECONDS, &partitions).await?;
        Ok(began.elapsed())
    }

    /// What stands on the output topics.
    pub async fn outputs(&mut self, findings: &mut Findings) -> Result<Outputs> {
        let mut outputs = Outputs::default();
        let status = &self.deployment.topics.status;
        for partition in self.log.partitions(status)? {
            let mut records = Vec::new();
            self.log.read_one(&partition, |message| {
                records.push(topic_log::owned(message));
                Ok(())
            })?;
            records.iter().for_each(|record| outputs.saw(status, record));
            self.schemas.learn(records.iter().filter_map(|record| output::schema_id(record.value.as_deref()))).await?;
            let readers = self.schemas.readers();
            for record in records {
                match StatusChanged::read(&readers, record.value.as_deref()) {
                    Ok(changed) => outputs.heard(changed, record.partition, findings),
                    Err(error) => findings.add(Kind::OutputUnreadable, || {
                        format!("{}: {error:#}", place(status, record.partition, record.offset))
                    }),
                }
            }
        }
        if let Some(topic) = &self.deployment.topics.command {
            let records = self.log.read_all(topic)?;
            self.schemas.learn(records.iter().filter_map(|record| output::schema_id(record.value.as_deref()))).await?;
            let readers = self.schemas.readers();
            for record in records {
                outputs.saw(topic, &record);
                match OrderCommand::read(&readers, record.value.as_deref()) {
                    Ok(command) => outputs.heard_command(command, record.partition),
                    Err(error) => findings.add(Kind::OutputUnreadable, || {
                        format!("{}: {error:#}", place(topic, record.partition, record.offset))
                    }),
                }
            }
        }
        if let Some(topic) = &self.deployment.topics.dead_letter {
            self.letters.iter().flatten().for_each(|record| outputs.saw(topic, record));
        }
        Ok(outputs)
    }

    /// What went into a lane through one topic.
    pub async fn input(&mut self, input: Input, topic: &str, lane: i32) -> Result<RawPartition> {
        let partition = Partition { topic: topic.to_owned(), number: lane };
        let raw = input_log::read_raw(&self.log, input, partition)?;
        self.schemas.learn(raw.schema_ids()).await?;
        Ok(raw)
    }

    /// The records that stand in a partition of an input topic that is of none of these lanes.
    pub fn beside(&self, lanes: &[StoredLane]) -> Result<Vec<(Partition, i64)>> {
        let mut beside = Vec::new();
        let partitions = positions::input_partitions(&self.log, self.deployment)?.into_iter();
        for partition in partitions.filter(|partition| lanes.iter().all(|lane| lane.lane != partition.number)) {
            self.log.read_one(&partition, |message| {
                beside.push((partition.clone(), message.offset()));
                Ok(())
            })?;
        }
        Ok(beside)
    }

    /// The records of the dead-letter topic that come from a lane; none without such a topic.
    pub fn dead_letters_of(&self, lane: i32) -> Option<Vec<&LogRecord>> {
        let letters = self.letters.as_ref()?.iter();
        Some(letters.filter(|letter| dead_letters::origin(letter).is_some_and(|(_, from, _)| from == lane)).collect())
    }

    /// What the group has committed for a partition.
    pub fn committed(&self, topic: &str, lane: i32) -> Option<&Committed> {
        self.committed.get(&Partition { topic: topic.to_owned(), number: lane })
    }
}

/// Unpacks a journal row and reads the status events and commands that it publishes.
pub(super) fn unpack(readers: &Readers<'_>, topics: &Topics, lane: i32, row: &StoredRow) -> Result<Unpacked> {
    let entries = read_applied(&row.applied)?;
    let records = read_emitted(&row.emitted)?;
    let counts = (row.events, row.emitted_records);
    let found = (i32::try_from(entries.len())?, i32::try_from(records.len())?);
    ensure!(found == counts, "lane {lane} row {} says {counts:?} and holds {found:?}", row.seq);
    let mut emitted = Vec::with_capacity(records.len());
    for record in records {
        let value = record.value.as_deref();
        let said = if *record.topic == *topics.status {
            Some(StatusChanged::read(readers, value).map(Said::Changed))
        } else if topics.command.as_deref() == Some(&*record.topic) {
            Some(OrderCommand::read(readers, value).map(Said::Asked))
        } else {
            None
        };
        let said = said.transpose().context("it publishes what no consumer can read")?;
        emitted.push((record, said));
    }
    Ok(Unpacked { entries, emitted })
}
