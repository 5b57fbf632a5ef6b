//! Whether the topics are still those that the worker began with: looked at every few seconds, since Kafka's clients are told of a
//! change minutes later, and of a topic that was made again not at all.
//!
//! An input topic that is gone, was made again, or has other partitions stops the worker; a change of an output topic is told
//! (`outputs`). Invariant: one look alone decides nothing; a broker that has just started may not know all topics yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::process::Process;
use super::{outputs, start};
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::consume::observer::{Observer, TopicError};
use crate::metrics;
use crate::persist::deployment::{self, Identity};
use crate::persist::output_topics::OutputTopic;
use crate::persist::{Result, checkpoints, connection};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// Who watches.
pub struct TopicWatch {
    /// The configuration.
    pub config: Arc<Config>,
    /// What the process shares.
    pub process: Arc<Process>,
    /// What the input topics were.
    pub identity: Identity,
}

/// What one look saw.
#[derive(Default)]
struct Look {
    /// What is wrong with the inputs.
    inputs: Option<String>,
    /// What is wrong with the outputs.
    outputs: Option<String>,
    ids: BTreeMap<String, String>,
    output_topics: Vec<OutputTopic>,
}

impl TopicWatch {
    /// Watches until the process ends.
    pub async fn keep(self) {
        let config = self.config.clone();
        let Ok(observer) = start::observer(&config, &self.process.database.instance) else { return };
        let observer = Arc::new(observer);
        // Ids of input topics that are those of the checkpoints, and outputs whose changes were told.
        let (mut before, mut sound, mut told) = (Look::default(), BTreeMap::new(), Vec::new());
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(mut look) = self.look(&observer).await else { continue };
            if look.inputs.is_none() && look.ids != sound {
                match self.made_again(&look.ids).await {
                    Ok(None) => sound.clone_from(&look.ids),
                    Ok(wrong) => look.inputs = wrong,
                    // A database that does not answer is no news of a topic.
                    Err(_) => {}
                }
            }
            if let Some(text) = look.inputs.clone().filter(|_| look.inputs == before.inputs) {
                metrics::LANES_STOPPED.set(1.0, &["topic_changed"]);
                self.process.shutdown.stop(Exit::Config, text);
                return;
            }
            if let Some(text) = look.outputs.as_ref().filter(|_| look.outputs == before.outputs) {
                tracing::warn!("{text}; what is to be published waits in the journal");
            } else if look.outputs.is_none() && look.output_topics != told && self.tell(&look.output_topics).await {
                told.clone_from(&look.output_topics);
            }
            before = look;
        }
    }

    /// Asks Kafka; none where it does not answer, or does not let us see.
    async fn look(&self, observer: &Arc<Observer>) -> Option<Look> {
        let (observer, config, identity) = (observer.clone(), self.config.clone(), self.identity.clone());
        let topics = self.process.rules.topics.clone();
        let look = move || {
            let names: Vec<String> = identity.topics.iter().map(|(_, topic)| topic.clone()).collect();
            let mut look = Look::default();
            match observer.partition_counts(&names) {
                Ok(counts) => {
                    look.inputs = match topics.lane_count(&counts) {
                        Ok(lane_count) => Identity { lane_count, ..identity.clone() }.difference(&identity),
                        Err(text) => Some(text),
                    };
                }
                Err(error @ TopicError::Missing(_)) => look.inputs = Some(error.to_string()),
                Err(_) => return None,
            }
            // A topic that is gone has no id, and is what is to be told.
            if look.inputs.is_none() {
                look.ids = observer.topic_ids(&names).ok()?;
            }
            match outputs::look(&observer, &outputs::names(&config)) {
                Ok(now) => look.output_topics = now,
                Err(error @ TopicError::Missing(_)) => look.outputs = Some(error.to_string()),
                Err(_) => return None,
            }
            Some(look)
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    /// Compares the ids of the input topics with those of the checkpoints.
    async fn made_again(&self, ids: &BTreeMap<String, String>) -> Result<Option<String>> {
        let names: Vec<String> = ids.keys().cloned().collect();
        let asked = async {
            let mut connection = connection::connect(&self.process.database, "topic-watch").await?;
            checkpoints::read(&mut connection, &names, &[crate::ids::Lane(0)]).await
        };
        let stored = connection::answered(self.process.answer_timeout, asked).await?;
        Ok(stored.iter().find_map(|checkpoint| {
            deployment::made_again(checkpoint, checkpoint.topic_id.as_ref(), ids.get(&checkpoint.topic))
        }))
    }

    /// Tells what changed of the outputs. False while the database does not answer.
    async fn tell(&self, now: &[OutputTopic]) -> bool {
        let told = async {
            let mut connection = connection::connect(&self.process.database, "topic-watch").await?;
            outputs::tell_changes(&mut connection, now).await
        };
        connection::answered(self.process.answer_timeout, told).await.is_ok()
    }
}
