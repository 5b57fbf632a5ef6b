//! Everything the checker reads, and from whom: Kafka's topics and offsets, the registry's schemas, Postgres.
//!
//! Invariant: the database is read as of one instant, after Kafka's output topics were read; with workers at rest the two are
//! of one moment.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use orderstream::ids::Timestamp;
use orderstream::persist::journal_format::{read_applied, read_emitted};
use rdkafka::Message;
use uuid::Uuid;

use super::findings::{Findings, Kind};
use super::input_log::{self, place};
use super::lane::Unpacked;
use super::outputs::{Identity, Outputs};
use super::stored::{Stored, StoredRow};
use super::{dead_letters, now};
use crate::avro_reader::Readers;
use crate::deployment::Deployment;
use crate::output::{self, StatusChanged};
use crate::positions::{self, Committed};
use crate::registry::{Registry, SchemaCache};
use crate::topic_log::{self, Extent, LogReader, LogRecord, Partition};
use crate::topics::Input;

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

    /// What stands on the output topics.
    pub async fn outputs(&mut self, findings: &mut Findings) -> Result<Outputs> {
        let mut outputs = Outputs::default();
        let status = &self.deployment.topics.status;
        for partition in self.log.partitions(status)? {
            let mut held = Vec::new();
            self.log.read(std::slice::from_ref(&partition), |message| {
                let headers = topic_log::headers(message);
                let identity =
                    Identity { topic: status, key: message.key(), value: message.payload(), headers: &headers };
                let at = message.timestamp().to_millis().unwrap_or_default();
                outputs.saw(identity, (message.partition(), message.offset()), at);
                held.push(topic_log::owned(message));
                Ok(())
            })?;
            self.schemas.learn(held.iter().filter_map(|record| output::schema_id(record.value.as_deref()))).await?;
            let readers = self.schemas.readers();
            for record in held {
                match StatusChanged::read(&readers, record.value.as_deref()) {
                    Ok(changed) => outputs.heard(changed, record.partition, findings),
                    Err(error) => findings.add(Kind::OutputUnreadable, || {
                        format!("{}: {error:#}", place(status, record.partition, record.offset))
                    }),
                }
            }
        }
        if let (Some(topic), Some(letters)) = (&self.deployment.topics.dead_letter, &self.letters) {
            for letter in letters {
                let identity = Identity {
                    topic,
                    key: letter.key.as_deref(),
                    value: letter.value.as_deref(),
                    headers: &letter.headers,
                };
                outputs.saw(identity, (letter.partition, letter.offset), letter.timestamp_millis.unwrap_or_default());
            }
        }
        Ok(outputs)
    }

    /// What went into a lane.
    pub async fn inputs(&mut self, lane: i32) -> Result<Vec<(Input, Partition, Extent, Vec<LogRecord>)>> {
        input_log::read_raw(&self.log, &mut self.schemas, &self.deployment.topics, lane).await
    }

    /// The records of the dead-letter topic that come from a lane; none without such a topic.
    pub fn dead_letters_of(&self, lane: i32) -> Option<Vec<&LogRecord>> {
        let letters = self.letters.as_ref()?.iter();
        Some(letters.filter(|letter| dead_letters::origin(letter).is_none_or(|(_, from, _)| from == lane)).collect())
    }

    /// What the group has committed for a partition.
    pub fn committed(&self, topic: &str, lane: i32) -> Option<&Committed> {
        self.committed.get(&Partition { topic: topic.to_owned(), number: lane })
    }
}

/// Unpacks a journal row and reads the status events that it publishes.
pub(super) fn unpack(readers: &Readers<'_>, status_topic: &str, lane: i32, row: &StoredRow) -> Result<Unpacked> {
    let entries = read_applied(&row.applied)?;
    let records = read_emitted(&row.emitted)?;
    let counts = (row.events, row.emitted_records);
    let found = (i32::try_from(entries.len())?, i32::try_from(records.len())?);
    ensure!(found == counts, "lane {lane} row {} says {counts:?} and holds {found:?}", row.seq);
    let mut emitted = Vec::with_capacity(records.len());
    for record in records {
        let changed = (record.topic == status_topic)
            .then(|| StatusChanged::read(readers, record.value.as_deref()))
            .transpose()
            .context("it publishes what no consumer can read")?;
        emitted.push((record, changed));
    }
    Ok(Unpacked { entries, emitted })
}
