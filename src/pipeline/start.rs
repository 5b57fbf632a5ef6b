//! What a worker makes sure of before it joins the group.
//!
//! The database is migrated and durable and belongs to this group, the topics are there and co-partitioned, the schemas of what
//! we publish are registered. Servers that are away are waited for; what is set up wrong is refused with the remedy.
//! Invariant: nothing is read and nothing is claimed before all of it holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::outputs;
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::consume::configs::{self, Settings};
use crate::consume::observer::{Observer, TopicError};
use crate::consume::rights::Missing;
use crate::consume::topics::InputTopics;
use crate::decode::Registry;
use crate::ids::{Lane, SchemaId};
use crate::order::Source;
use crate::persist::checkpoints::Checkpoint;
use crate::persist::deployment::{self, Identity};
use crate::persist::output_topics::OutputTopic;
use crate::persist::{self, DatabaseClock, Fate, connection, journal_days, migrations, server};
use crate::publish::producer::{self, Producer};
use crate::publish::schemas::{self, SchemaError, TopicSchema};
use crate::retry::Retry;
use crate::shutdown::Shutdown;

/// How long a worker waits at start for a server that is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a batch of one record weighs beside the record's key, value and headers, generously.
const BATCH_OVERHEAD_BYTES: usize = 1024;

/// Why a worker does not start.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong and what to do.
    pub text: String,
}

/// What went wrong in one attempt.
enum Trouble {
    /// A server is away.
    Away(String),
    /// Something is set up wrong, or broken.
    Wrong(Refusal),
}

fn wrong(text: String) -> Trouble {
    Trouble::Wrong(Refusal { exit: Exit::Config, text })
}

/// What was found.
pub struct Found {
    /// The database's own id.
    pub database_id: uuid::Uuid,
    /// The database's clock.
    pub clock: DatabaseClock,
    /// What the database belongs to.
    pub identity: Identity,
    /// The id of the schema of status events.
    pub status_schema: SchemaId,
    /// The id of the schema of commands, where they are configured.
    pub command_schema: Option<SchemaId>,
}

/// The input topics of a configuration.
#[must_use]
pub fn input_topics(config: &Config) -> InputTopics {
    let topics = &config.topics;
    let mut names = vec![
        (Source::Payment, topics.payment.clone()),
        (Source::Inventory, topics.inventory.clone()),
        (Source::Shipping, topics.shipping.clone()),
    ];
    names.extend(topics.order.clone().map(|name| (Source::Order, name)));
    InputTopics::new(names)
}

/// Looks at everything, waiting for servers that are away.
///
/// # Errors
/// What is wrong, with the exit code; `None` when the process was asked to stop meanwhile.
pub async fn look(
    config: &Config,
    database: &persist::Settings,
    registry: &Registry,
    observer: &Observer,
    shutdown: &Shutdown,
) -> Result<Found, Option<Refusal>> {
    let topics = input_topics(config);
    let kafka = insist("kafka_metadata", shutdown, || async { look_at_kafka(config, &topics, observer) }).await?;
    let (identity, beginnings, outputs) = kafka;
    insist("kafka_metadata", shutdown, || look_at_limits(config, &database.instance)).await?;
    let (database_id, clock) =
        insist("database", shutdown, || look_at_database(database, (&identity, &beginnings), &outputs)).await?;
    let (status_schema, command_schema) = insist("registry", shutdown, || look_at_registry(config, registry)).await?;
    Ok(Found { database_id, clock, identity, status_schema, command_schema })
}

/// Tries until it works, something is wrong, or patience ends.
async fn insist<T, F: Future<Output = Result<T, Trouble>>>(
    cause: &'static str,
    shutdown: &Shutdown,
    attempt: impl Fn() -> F,
) -> Result<T, Option<Refusal>> {
    let since = Instant::now();
    let mut retry = Retry::new(cause);
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(Trouble::Wrong(refusal)) => return Err(Some(refusal)),
            Err(Trouble::Away(text)) if since.elapsed() > PATIENCE => {
                let text = format!("{text}; gave up after {} s", PATIENCE.as_secs());
                return Err(Some(Refusal { exit: Exit::Unavailable, text }));
            }
            Err(Trouble::Away(text)) => tracing::warn!(cause, "{text}; trying again"),
        }
        retry.pause(shutdown).await.map_err(|_| None)?;
    }
}

fn look_at_kafka(
    config: &Config,
    topics: &InputTopics,
    observer: &Observer,
) -> Result<(Identity, Vec<Checkpoint>, Vec<OutputTopic>), Trouble> {
    let away = |error: TopicError| {
        let text = format!("`kafka.brokers` = `{}`: {error}", config.kafka.brokers);
        match error {
            TopicError::Missing(_) => wrong(error.to_string()),
            _ if error.is_away() => Trouble::Away(text),
            _ => wrong(text),
        }
    };
    let inputs: Vec<String> = topics.iter().map(|(_, name)| name.to_owned()).collect();
    let outputs = outputs::names(config);
    observer.knock(&inputs, &outputs).map_err(away)?;
    let counts = observer.partition_counts(&inputs).map_err(away)?;
    let lane_count = topics.lane_count(&counts).map_err(wrong)?;
    let outputs = outputs::look(observer, &outputs).map_err(away)?;
    let ids: BTreeMap<String, String> = observer.topic_ids(&inputs).map_err(away)?;
    let mut beginnings = Vec::new();
    for name in &inputs {
        for lane in (0..lane_count).map(Lane) {
            let next_offset = observer.beginning(name, lane).map_err(away)?;
            let (topic, topic_id) = (name.clone(), ids.get(name).cloned());
            beginnings.push(Checkpoint { topic, lane, next_offset, topic_id });
        }
    }
    let cluster = observer.cluster_id().ok_or_else(|| Trouble::Away("kafka does not say its cluster id".to_owned()))?;
    Ok((identity(config, cluster, lane_count), beginnings, outputs))
}

/// What a database must belong to, so that this configuration may work on it.
#[must_use]
pub fn identity(config: &Config, kafka_cluster_id: String, lane_count: i32) -> Identity {
    let topics = input_topics(config);
    Identity {
        kafka_cluster_id,
        group: config.kafka.group.clone(),
        topics: topics.iter().map(|(source, name)| (source.as_str().to_owned(), name.to_owned())).collect(),
        lane_count,
    }
}

/// No output topic refuses what we may publish: its lane would stand still for ever.
async fn look_at_limits(config: &Config, instance: &str) -> Result<(), Trouble> {
    let outputs = outputs::names(config);
    let settings = configs::of_topics(&config.kafka, instance, &outputs).await;
    let settings = settings.map_err(|error| Trouble::Away(error.to_string()))?;
    let refusal = settings.iter().find_map(|(topic, settings)| refuses_ours(config, topic, settings));
    refusal.map_or(Ok(()), |text| Err(wrong(text)))
}

/// What a topic that we publish to must take at least (max.message.bytes).
#[must_use]
pub fn needed_message_bytes(config: &Config) -> usize {
    config.worker.emitted_record_max_bytes + BATCH_OVERHEAD_BYTES
}

/// Says so where a topic takes less than what we may publish.
#[must_use]
pub fn refuses_ours(config: &Config, topic: &str, settings: &Settings) -> Option<String> {
    let ours = config.worker.emitted_record_max_bytes;
    let limit = usize::try_from(settings.number(configs::MAX_MESSAGE_BYTES)?).ok()?;
    (limit < needed_message_bytes(config)).then(|| {
        format!(
            "topic `{topic}` takes at most {limit} bytes (max.message.bytes) but worker.emitted_record_max_bytes is {ours}: lower the setting to {} or raise the topic's limit",
            limit.saturating_sub(BATCH_OVERHEAD_BYTES)
        )
    })
}

async fn look_at_database(
    settings: &persist::Settings,
    (identity, beginnings): (&Identity, &[Checkpoint]),
    outputs: &[OutputTopic],
) -> Result<(uuid::Uuid, DatabaseClock), Trouble> {
    let look = async {
        let mut connection = connection::connect(settings, "start").await?;
        let newer = migrations::check(&mut connection).await?;
        if !newer.is_empty() {
            tracing::warn!(migrations = ?newer, "the database has migrations of a newer release, which only add: working on beside it");
        }
        server::check_durability(&mut connection).await?;
        journal_days::make_ahead(&mut connection).await?;
        let id = deployment::settle(&mut connection, identity, beginnings).await?;
        outputs::tell_changes(&mut connection, outputs).await?;
        Ok((id, DatabaseClock::read(&mut connection).await?))
    };
    connection::answered(settings.answer_timeout(), look).await.map_err(|error: persist::Error| match error.fate() {
        Fate::Retry(_) if error.is_denied() => wrong(error.to_string()),
        Fate::Retry(_) | Fate::Unable => Trouble::Away(error.to_string()),
        fate => Trouble::Wrong(Refusal { exit: fate.exit(), text: error.to_string() }),
    })
}

async fn look_at_registry(config: &Config, registry: &Registry) -> Result<(SchemaId, Option<SchemaId>), Trouble> {
    let find = async |schema: TopicSchema| {
        if config.registry.register_on_start {
            schemas::register(registry, &schema).await
        } else {
            schemas::look_up(registry, &schema).await
        }
    };
    let explain = |error: SchemaError| match error {
        SchemaError::Registry(ref refused) if refused.denied => wrong(error.to_string()),
        SchemaError::Registry(_) => Trouble::Away(error.to_string()),
        SchemaError::Refused { .. } | SchemaError::NotRegistered { .. } => wrong(error.to_string()),
    };
    let status = find(TopicSchema::of_status(&config.topics.status)).await.map_err(explain)?;
    let command = match &config.topics.command {
        Some(topic) => Some(find(TopicSchema::of_commands(topic)).await.map_err(explain)?),
        None => None,
    };
    Ok((status, command))
}

/// A client that asks about topics and offsets.
///
/// # Errors
/// A property that librdkafka does not take.
pub fn observer(config: &Config, instance: &str) -> Result<Observer, Refusal> {
    Observer::open(&config.kafka, instance).map_err(|text| Refusal { exit: Exit::Config, text })
}

/// The producer of the process, which has taken its transactional id over. Made before anything is claimed, so that a worker that may
/// not publish does not start.
///
/// # Errors
/// What is wrong, with the exit code; `None` when the process was asked to stop meanwhile.
pub async fn producer(
    config: &Config,
    settings: &producer::Settings,
    transactional_id: &str,
    shutdown: &Shutdown,
) -> Result<Producer, Option<Refusal>> {
    insist("kafka_publish", shutdown, || async {
        let (settings, id) = (settings.clone(), transactional_id.to_owned());
        let opening = tokio::task::spawn_blocking(move || Producer::open(&settings, &id));
        let opened = tokio::select! {
            opened = opening => opened,
            () = shutdown.requested() => return Err(Trouble::Away("asked to stop".to_owned())),
        };
        let opened = opened.map_err(|error| Trouble::Away(error.to_string()))?;
        opened.map_err(|error| {
            let place = format!("`kafka.brokers` = `{}`", config.kafka.brokers);
            if producer::is_forbidden(&error) {
                wrong(format!("{place}: {}", Missing::transactional_id(transactional_id, &config.kafka.group)))
            } else {
                Trouble::Away(format!("{place}: {error}"))
            }
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::silent;

    #[tokio::test]
    async fn a_database_that_falls_silent_after_it_let_us_in_is_away() {
        let config = silent::config();
        let mut settings = persist::Settings::of(&config.database, "test").expect("a URL");
        settings.statement_timeout = Duration::ZERO;
        let identity = Identity {
            kafka_cluster_id: "cluster".to_owned(),
            group: config.kafka.group.clone(),
            topics: Vec::new(),
            lane_count: 1,
        };
        let Err(Trouble::Away(text)) = look_at_database(&settings, (&identity, &[]), &[]).await else {
            panic!("it is waited for")
        };
        assert!(text.contains("gave no answer within 5 s"), "{text}");
    }
}
