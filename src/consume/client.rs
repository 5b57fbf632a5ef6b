//! Settings of the Kafka clients: what every client shares, and what makes a consumer of ours.
//!
//! The names fixed here are the ones that the configuration refuses. Invariant: a consumer reads only what was committed,
//! starts only where it is told to, and never commits an offset by itself.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaConfRes;

use super::rebalance::Handover;
use crate::config::{self, Secret};

/// Longest wait of the poll thread inside one callback before the group would give us up.
pub const MAX_POLL_INTERVAL: Duration = Duration::from_mins(5);

/// What every client of ours calls itself, before the name of its process; `kafka.properties` may say otherwise.
pub const CLIENT_ID: &str = "orderstream-";

/// What the client keeps of all partitions together before it fetches more of one; a fetch may go beyond.
const PREFETCHED_RECORDS: usize = 8_000;
const PREFETCHED_KIB: usize = 16 << 10;

/// Settings that every client of the process shares.
#[must_use]
pub fn shared(kafka: &config::Kafka, instance: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("client.id", format!("{CLIENT_ID}{instance}"))
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "1000");
    for (name, value) in kafka.properties.iter() {
        client.set(name, value);
    }
    client
        .set("bootstrap.servers", &kafka.brokers)
        .set("security.protocol", kafka.security_protocol.as_str())
        .set("allow.auto.create.topics", "false");
    let texts = [
        ("sasl.mechanism", kafka.sasl_mechanism.map(|mechanism| mechanism.as_str().to_owned())),
        ("sasl.username", kafka.sasl_username.clone()),
        ("sasl.password", kafka.sasl_password.as_ref().map(Secret::current)),
        ("ssl.ca.location", kafka.ssl_ca_file.as_ref().map(|path| path.display().to_string())),
        ("ssl.certificate.location", kafka.ssl_certificate_file.as_ref().map(|path| path.display().to_string())),
        ("ssl.key.location", kafka.ssl_key_file.as_ref().map(|path| path.display().to_string())),
        ("ssl.key.password", kafka.ssl_key_password.as_ref().map(Secret::current)),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            client.set(name, value);
        }
    }
    client
}

/// Settings of the consumer that is a member of the group, and may be given all of so many partitions.
#[must_use]
fn member(kafka: &config::Kafka, instance: &str, partitions: usize) -> ClientConfig {
    let mut client = observer(kafka, instance);
    let of_each = |all: usize, least: usize| (all / partitions.max(1)).max(least).to_string();
    let defaults = [
        // Prefetched records are a large part of a worker's memory under a backlog: these bound it, for each partition.
        ("queued.max.messages.kbytes", of_each(PREFETCHED_KIB, 16)),
        ("queued.min.messages", of_each(PREFETCHED_RECORDS, 20)),
        // What one answer of a broker may bring at once, of all partitions and of one; a larger batch of a producer comes alone.
        ("fetch.max.bytes", (2 << 20).to_string()),
        ("fetch.message.max.bytes", (64 << 10).to_string()),
        // A full queue is looked at again at once; the default of a second would be a pause without cause.
        ("fetch.queue.backoff.ms", "5".to_owned()),
        // A broker is asked for one answer at a time. Where only partitions that have nothing are wanted at the moment, since enough
        // waits of the others, it keeps the question this long: no longer than what waits lasts the writers.
        ("fetch.wait.max.ms", "100".to_owned()),
    ];
    for (name, value) in defaults {
        if client.get(name).is_none() {
            client.set(name, value);
        }
    }
    client
        .set("session.timeout.ms", kafka.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", kafka.heartbeat_interval.as_millis().to_string())
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL.as_millis().to_string())
        .set("partition.assignment.strategy", "range")
        .set("group.protocol", "classic")
        .set("check.crcs", "true")
        .set("statistics.interval.ms", "1000");
    client
}

/// Settings of a client that asks about topics and about the group's offsets without ever joining the group.
#[must_use]
pub fn observer(kafka: &config::Kafka, instance: &str) -> ClientConfig {
    let mut client = shared(kafka, instance);
    client
        .set("group.id", &kafka.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error");
    client
}

/// Opens the consumer that is a member of the group, with so many partitions in all; it joins when it subscribes.
///
/// # Errors
/// A property that librdkafka does not take.
pub fn join(
    kafka: &config::Kafka,
    instance: &str,
    partitions: usize,
    handover: Handover,
) -> KafkaResult<BaseConsumer<Handover>> {
    member(kafka, instance, partitions).create_with_context(handover)
}

/// Why a client cannot be made, in words that quote no value: a property may be a secret under a misspelt name.
#[must_use]
pub fn unusable(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("kafka.properties.{name}: librdkafka has no such property: correct its name, or remove it")
        }
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("kafka.properties.{name}: librdkafka does not take its value: see librdkafka's CONFIGURATION.md")
        }
        KafkaError::ClientCreation(text) => {
            format!("[kafka]: {text}: correct the setting, or the file that it names")
        }
        other => format!("[kafka]: {other}"),
    }
}

/// Makes a client and lets it go, which reads every property and every certificate without asking a server.
///
/// # Errors
/// What librdkafka does not take.
pub fn check(kafka: &config::Kafka) -> Result<(), String> {
    let mut client = shared(kafka, "check");
    client.remove("bootstrap.servers");
    client.create::<BaseConsumer>().map(drop).map_err(|error| unusable(&error))
}
