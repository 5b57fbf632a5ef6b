//! `[kafka.properties]`: librdkafka's own settings for those who need one, less those that the guarantee rests on.
//!
//! Each refused name comes with the sentence that says why, or which setting to use instead.
//! Invariant: nothing in here can change who owns a partition, what is committed, how it is published or in which order.

use std::collections::BTreeMap;
use std::fmt;

use super::secret::MASK;

/// Names that are refused, each group with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "use kafka.brokers"),
    (&["group.id"], "use kafka.group"),
    (&["transactional.id"], "it is made of kafka.group and kafka.instance: set those"),
    (&["session.timeout.ms"], "use kafka.session_timeout"),
    (&["heartbeat.interval.ms"], "use kafka.heartbeat_interval"),
    (&["transaction.timeout.ms"], "use kafka.transaction_timeout"),
    (&["security.protocol"], "use kafka.security_protocol"),
    (&["sasl.mechanism", "sasl.mechanisms"], "use kafka.sasl_mechanism"),
    (&["sasl.username"], "use kafka.sasl_username"),
    (&["sasl.password"], "use kafka.sasl_password"),
    (&["ssl.ca.location"], "use kafka.ssl_ca_file"),
    (&["ssl.certificate.location"], "use kafka.ssl_certificate_file"),
    (&["ssl.key.location"], "use kafka.ssl_key_file"),
    (&["ssl.key.password"], "use kafka.ssl_key_password"),
    (&["message.max.bytes"], "use worker.emitted_record_max_bytes"),
    (
        &["group.instance.id"],
        "it is never set: a static member does not leave at shutdown, so its lanes would stand still",
    ),
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms", "enable.auto.offset.store"],
        "offsets are committed only inside the transaction that publishes: remove it",
    ),
    (
        &["offset.store.method", "offset.store.path", "offset.store.sync.interval.ms"],
        "checkpoints live in the database, nowhere else: remove it",
    ),
    (&["isolation.level"], "it is read_committed: records of aborted transactions must never be applied"),
    (
        &["auto.offset.reset"],
        "it is error: a checkpoint out of range means lost data, which must never be skipped silently",
    ),
    (
        &["partition.assignment.strategy"],
        "it is range: only that gives one member the same partition of every input topic",
    ),
    (
        &["group.protocol", "group.protocol.type", "group.remote.assignor"],
        "it is the classic protocol: the fence rests on its generations",
    ),
    (&["topic.blacklist"], "a hidden topic would look empty: remove it"),
    (&["allow.auto.create.topics"], "a topic made by accident has the wrong number of partitions: remove it"),
    (&["enable.partition.eof"], "it is fixed by the poll thread: remove it"),
    (&["max.poll.interval.ms"], "a rebalance waits for the drain inside it: use worker.drain_timeout"),
    (&["check.crcs"], "it is true: a record that was damaged on the way must never be applied"),
    (&["statistics.interval.ms"], "lag is measured from the statistics: remove it"),
    (&["acks", "request.required.acks"], "it is all: fewer acknowledgements lose published records"),
    (
        &["enable.idempotence", "enable.gapless.guarantee"],
        "the producer is transactional and therefore idempotent: remove it",
    ),
    (&["partitioner"], "it is murmur2 of the key, as in Java: another would split an order over partitions"),
    (
        &["max.in.flight.requests.per.connection", "max.in.flight", "queuing.strategy", "msg_order_cmp"],
        "it decides the order in which records are published: remove it",
    ),
    (
        &["retries", "message.send.max.retries", "message.timeout.ms", "delivery.timeout.ms"],
        "a delivery is tried until its transaction ends: use kafka.transaction_timeout",
    ),
    (&["linger.ms", "queue.buffering.max.ms"], "it is 0: a transaction is sent as soon as it is filled"),
    (
        &["delivery.report.only.error", "produce.offset.report"],
        "every delivery is waited for before a commit: remove it",
    ),
    (
        &["api.version.request", "api.version.fallback.ms", "broker.version.fallback"],
        "transactions need the brokers' real versions: remove it",
    ),
    (&["plugin.library.paths"], "foreign code inside the client could change any of this: remove it"),
    (&["test.mock.num.brokers", "test.mock.broker.rtt"], "the mock broker keeps no transactional offsets: remove it"),
];

/// Parts of names whose values are never shown. All of `sasl.` and `ssl.`, since a misspelt name is no less a secret.
const SECRET_PARTS: [&str; 9] =
    ["pass", "secret", "token", ".pem", "oauthbearer.config", "private.key", ".cmd", "sasl.", "ssl."];

/// Further librdkafka properties. Neither `Debug` nor `Display` shows values that look like secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Adds one, replacing the value it had.
    pub(super) fn insert(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let shown = if is_secret(name) || holds_credentials(value) { MASK } else { value };
            write!(f, "{comma}{name}={shown}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// Why a name is refused, if it is. To librdkafka `topic.acks` is `acks`, so it is here too.
#[must_use]
pub fn refusal(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix("topic.").unwrap_or(name);
    REFUSED.iter().find(|(names, _)| names.contains(&name) || names.contains(&bare)).map(|(_, why)| *why)
}

/// Whether the values of a name are never shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// Whether a value is a URL with a user in it, who may have a password.
fn holds_credentials(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_once_and_in_librdkafkas_spelling() {
        let mut names: Vec<&str> = REFUSED.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'))));
    }

    #[test]
    fn what_the_guarantee_rests_on_is_refused_and_the_rest_is_not() {
        for name in ["enable.auto.commit", "isolation.level", "acks", "topic.acks", "topic.blacklist", "group.id"] {
            assert!(refusal(name).is_some(), "{name}");
        }
        for name in ["client.rack", "compression.type", "fetch.wait.max.ms", "socket.keepalive.enable", "batch.size"] {
            assert!(refusal(name).is_none(), "{name}");
        }
    }

    #[test]
    fn values_that_look_like_secrets_are_masked() {
        let mut properties = Properties::default();
        properties.insert("sasl.oauthbearer.client.secret".to_owned(), "hunter2".to_owned());
        properties.insert("client.rack".to_owned(), "a".to_owned());
        properties.insert("https.proxy".to_owned(), "http://u:hunter2@proxy".to_owned());
        let shown = "{client.rack=a, https.proxy=********, sasl.oauthbearer.client.secret=********}";
        assert_eq!(format!("{properties:?}"), shown);
    }
}
