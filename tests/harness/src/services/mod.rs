//! The payment, stock and carrier services of a demonstration: they hear the commands and answer them, each in its manner.
//!
//! Reads the command topic as any consumer would, and sends the answers into the input topics. Invariant: ends by itself, when nothing
//! was heard for a while, or when it is told to, or after its time.

pub mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::output::{self, OrderCommand};
use crate::produce::Producer;
use crate::registry::{Registry, SchemaCache};
use crate::stack;
use crate::topic_log::LogReader;
use crate::traffic::Planned;
use answers::Manner;

/// A command as services hear it.
pub use crate::output::OrderCommand as Asked;

/// The pause between two looks for commands, and between two questions to a registry that does not answer.
const LOOK: Duration = Duration::from_millis(100);

/// How long the registry may take to answer.
const REGISTRY: Duration = Duration::from_secs(60);

/// How services go about it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides in which manner each command is answered.
    pub seed: u64,
    /// Which commands they hear.
    pub from: From,
    /// Ends when nothing was heard for so long.
    pub idle: Duration,
    /// Ends after so long in any case.
    pub at_most: Duration,
}

/// Where services begin to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the first command that was ever sent.
    Beginning,
    /// At what is sent from now on.
    Now,
}

/// What services heard and said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Commands, all attempts.
    pub heard: u64,
    /// Commands, each once.
    pub commands: u64,
    /// How they were answered.
    pub manners: BTreeMap<&'static str, u64>,
    /// Answers sent.
    pub answers: u64,
}

/// The services at work.
pub struct Services {
    consumer: BaseConsumer,
    producer: Producer,
    schemas: SchemaCache,
    options: Options,
    known: BTreeSet<String>,
    tally: Tally,
}

impl Services {
    /// Opens them on a deployment with a command topic.
    ///
    /// # Errors
    /// A server does not answer, or there is no such topic.
    pub async fn open(deployment: &Deployment, options: Options) -> Result<Self> {
        let topic =
            deployment.topics.command.as_deref().context("this deployment sends no commands: set topics.command")?;
        let mut config = stack::client(&deployment.stack.brokers);
        // Assigning needs the name of a group; nothing is ever committed to it.
        config.set("group.id", "orderstream-harness-services").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("fetch.wait.max.ms", "50");
        let consumer: BaseConsumer = config.create()?;
        let mut assignment = TopicPartitionList::new();
        let log = LogReader::on(&deployment.stack.brokers)?;
        for partition in log.partitions(topic)? {
            let from = match options.from {
                From::Beginning => Offset::Beginning,
                From::Now => Offset::Offset(log.extent(&partition)?.end),
            };
            assignment.add_partition_offset(&partition.topic, partition.number, from)?;
        }
        consumer.assign(&assignment)?;
        let producer = Producer::open(&deployment.stack, &deployment.topics).await?;
        let schemas = SchemaCache::before(Registry::at(&deployment.stack.registry)?);
        let (known, tally) = (BTreeSet::new(), Tally::default());
        Ok(Self { consumer, producer, schemas, options, known, tally })
    }

    /// Answers until nothing is heard any more, or until `end` says so.
    ///
    /// # Errors
    /// A server does not answer, or a command cannot be read.
    pub async fn run(mut self, end: Arc<AtomicBool>) -> Result<Tally> {
        let began = Instant::now();
        let mut last_heard = Instant::now();
        while !end.load(Ordering::Relaxed)
            && last_heard.elapsed() < self.options.idle
            && began.elapsed() < self.options.at_most
        {
            let heard = self.listen()?;
            if heard.is_empty() {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            last_heard = Instant::now();
            let ids: Vec<u32> = heard.iter().filter_map(|value| output::schema_id(Some(value))).collect();
            // The registry may be away for a moment.
            while let Err(error) = self.schemas.learn(ids.clone()).await {
                if last_heard.elapsed() > REGISTRY {
                    return Err(error);
                }
                tokio::time::sleep(LOOK).await;
            }
            for value in heard {
                let command = OrderCommand::read(&self.schemas.readers(), Some(&value))?;
                self.answer(&command)?;
            }
            self.producer.flush()?;
        }
        Ok(self.tally)
    }

    /// Everything that is there now.
    fn listen(&self) -> Result<Vec<Vec<u8>>> {
        let mut heard = Vec::new();
        loop {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => heard.extend(message.payload().map(<[u8]>::to_vec)),
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(error).context("commands cannot be read"),
                None => return Ok(heard),
            }
        }
    }

    fn answer(&mut self, command: &OrderCommand) -> Result<()> {
        let manner = Manner::of(self.options.seed, command);
        self.tally.heard += 1;
        if self.known.insert(command.command_id.clone()) {
            self.tally.commands += 1;
            *self.tally.manners.entry(manner.words()).or_default() += 1;
        }
        for event in manner.answer(command, jiff::Timestamp::now().as_microsecond()) {
            self.tally.answers += u64::from(self.producer.send(&Planned::sound(event))?);
        }
        Ok(())
    }
}

/// Whether a consumer goes on by itself after an error: brokers that are away, or do not lead any more.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}
