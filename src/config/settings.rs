//! Every setting of orderstream: its type, its kind and bounds, its default, and what it is for. The only such list.
//!
//! The doc lines below are rustdoc, the comments of the example file and the text of `config show` at once.
//! A line reads: name, Rust type of the field, rule. An optional setting without a default is an `Option`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{LogFormat, SaslMechanism, SecurityProtocol, ShellPolicy, SslMode};
use super::properties::Properties;
use super::resolve::Values;
use super::secret::Secret;
use super::table::{Kind, Rule, Section, Setting, sections};
use crate::decode::Format;

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

sections! {
    /// The Kafka cluster, and how this process takes part in its consumer group.
    kafka: Kafka {
        /// Brokers to start from; the others are learned from these.
        brokers: String = Rule::of(Kind::Brokers).required("localhost:9092"),
        /// The consumer group. All workers of one deployment share it; two deployments never do.
        group: String = Rule::of(Kind::Text).default("orderstream"),
        /// What tells this process from the others of its group, in the transactional id.
        /// Left out, each start makes a fresh one, which is right almost everywhere. Client ids end with it, and so does
        /// Postgres' application_name, which has room for the last 17 characters or more.
        instance: Option<String> = Rule::of(Kind::Word(64)).example("worker-1"),
        /// Without heartbeats for so long, this process loses its lanes. Brokers refuse less than 6s by default.
        session_timeout: Duration = duration(secs(1), mins(30)).default("8s"),
        /// How often a heartbeat is sent, and so how soon a rebalance is noticed; less than a third of session_timeout.
        heartbeat_interval: Duration = duration(millis(100), mins(10)).default("500ms"),
        /// After so long the broker ends a transaction that nobody finishes. Brokers refuse more than 15m by default.
        transaction_timeout: Duration = duration(secs(1), mins(15)).default("30s"),
        /// How the connection is protected.
        security_protocol: SecurityProtocol = Rule::of(Kind::Choice(SecurityProtocol::WORDS)).default("plaintext"),
        /// How the password is shown to the broker; needed by sasl_plaintext and sasl_ssl.
        sasl_mechanism: Option<SaslMechanism> = Rule::of(Kind::Choice(SaslMechanism::WORDS)).example("SCRAM-SHA-512"),
        /// The user; needed by sasl_plaintext and sasl_ssl.
        sasl_username: Option<String> = Rule::of(Kind::Text).example("orderstream"),
        /// The user's password; needed by sasl_plaintext and sasl_ssl.
        sasl_password: Option<Secret> = Rule::of(Kind::Text).secret(),
        /// Certificates (PEM) of the authorities that may sign the brokers' own; the system's when left out.
        ssl_ca_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/ca.pem"),
        /// This client's certificate (PEM), where brokers ask for one.
        ssl_certificate_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/client.pem"),
        /// The private key (PEM) of that certificate.
        ssl_key_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/client.key"),
        /// The passphrase of that key, if it has one.
        ssl_key_password: Option<Secret> = Rule::of(Kind::Text).secret(),
        /// Further librdkafka properties, as they are. What the guarantee rests on is fixed and refused here.
        properties: Properties = Rule::of(Kind::Properties).example("client.rack = \"eu-west-1a\""),
    }

    /// The topics. Input topics must all have the same number of partitions; names must differ from each other.
    topics: Topics {
        /// Payment events come from here.
        payment: String = Rule::of(Kind::Topic).default("payments"),
        /// Inventory events come from here.
        inventory: String = Rule::of(Kind::Topic).default("inventory"),
        /// Shipping events come from here.
        shipping: String = Rule::of(Kind::Topic).default("shipping"),
        /// Order events (placed, amended, cancelled, held) come from here. Everything works without it.
        order: Option<String> = Rule::of(Kind::Topic).example("orders"),
        /// How payment events are written: avro, in the registry's framing, or json, each value one JSON object, which needs no
        /// registry. All workers change over together: what one with the other word reads becomes a dead letter, to be replayed.
        payment_format: Format = Rule::of(Kind::Choice(Format::WORDS)).default("avro"),
        /// How inventory events are written.
        inventory_format: Format = Rule::of(Kind::Choice(Format::WORDS)).default("avro"),
        /// How shipping events are written.
        shipping_format: Format = Rule::of(Kind::Choice(Format::WORDS)).default("avro"),
        /// How order events are written.
        order_format: Format = Rule::of(Kind::Choice(Format::WORDS)).default("avro"),
        /// Each change of an order's state goes here.
        status: String = Rule::of(Kind::Topic).default("order-status"),
        /// What an order owes after a cancellation goes here as commands; left out, none are sent.
        command: Option<String> = Rule::of(Kind::Topic).example("order-commands"),
        /// Records that cannot be applied go here, beside the database; left out, they are only kept there.
        dead_letter: Option<String> = Rule::of(Kind::Topic).example("order-dead-letters"),
        /// Makes a CloudEvent of each status event and command, with this as its ce_source; left out, they have no such headers,
        /// which would take 220 bytes a record beside the order id.
        cloud_events_source: Option<String> = Rule::of(Kind::Text).example("/orderstream/shop"),
    }

    /// The schema registry (Confluent's API).
    registry: Registry {
        /// Its base URL.
        url: String = Rule::of(Kind::Url(&["http", "https"])).required("http://localhost:8081"),
        /// The user, where it asks for one.
        username: Option<String> = Rule::of(Kind::Text).example("orderstream"),
        /// The user's password.
        password: Option<Secret> = Rule::of(Kind::Text).secret(),
        /// Certificates (PEM) of the authorities that may sign the registry's own; the system's when left out. Needs https.
        ssl_ca_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/ca.pem"),
        /// How long one look-up may take.
        timeout: Duration = duration(millis(100), mins(5)).default("5s"),
        /// How long a record waits for a schema id that the registry does not know, before it becomes a dead letter. After
        /// one that waited in vain, its lane waits for no other for nine times as long.
        unknown_id_grace: Duration = duration(Duration::ZERO, DAY).default("30s"),
        /// Registers the schemas of what is published when a worker starts, beside `orderstream schema register`.
        register_on_start: bool = Rule::of(Kind::Flag).default("false"),
        /// How many schemas are kept in memory.
        cache_capacity: usize = Rule::of(Kind::Count(1, 100_000)).default("1000"),
    }

    /// The Postgres database that holds the orders, the journal and the checkpoints.
    database: Database {
        /// Where it is. May hold a password, so it is treated as a secret.
        url: Secret = Rule::of(Kind::Url(&["postgres", "postgresql"])).secret()
            .required("postgres://orderstream@localhost:5432/orderstream"),
        /// The password, where the URL holds none; wins over the URL's.
        password: Option<Secret> = Rule::of(Kind::Text).secret(),
        /// How the connection is protected; wins over the URL's sslmode. Only verify-full knows that it is the right server.
        ssl_mode: Option<SslMode> = Rule::of(Kind::Choice(SslMode::WORDS)).example("verify-full"),
        /// The certificate (PEM) of the authority that signed the server's own; the system's are trusted beside it.
        ssl_ca_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/ca.pem"),
        /// This client's certificate (PEM), where the server asks for one.
        ssl_certificate_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/client.pem"),
        /// The private key (PEM, PKCS#8, without a passphrase) of that certificate.
        ssl_key_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/client.key"),
        /// After so long the database ends one of our statements, which is then tried again.
        statement_timeout: Duration = duration(millis(100), mins(60)).default("30s"),
        /// How long a statement waits for a lock, at most; no more than statement_timeout.
        lock_timeout: Duration = duration(millis(100), mins(60)).default("10s"),
        /// After so long the database ends a transaction whose process says nothing, and frees its locks.
        idle_in_transaction_timeout: Duration = duration(secs(1), mins(60)).default("5s"),
        /// How long connecting may take.
        connect_timeout: Duration = duration(millis(100), mins(5)).default("5s"),
        /// The name that pg_stat_activity shows. A take-over only ends connections that carry it.
        application_name: String = Rule::of(Kind::Word(32)).default("orderstream"),
    }

    /// How much one worker process takes on at a time. The defaults suit nearly all; they bound its memory.
    worker: Worker {
        /// Writers, each with one database connection and a share of the lanes.
        writers: usize = Rule::of(Kind::Count(1, 64)).default("4"),
        /// Records in one batch, at most.
        batch_max_records: usize = Rule::of(Kind::Count(1, 1_000_000)).default("3000"),
        /// Bytes of records in one batch, at most.
        batch_max_bytes: usize = Rule::of(Kind::Bytes(64 * KIB, 256 * MIB)).default("8MiB"),
        /// Bytes that one batch publishes, at most.
        emit_max_bytes: usize = Rule::of(Kind::Bytes(64 * KIB, 256 * MIB)).default("8MiB"),
        /// Records of a lane waiting in memory, at most, an equal part of each topic; more are left to Kafka.
        lane_queue_records: usize = Rule::of(Kind::Count(1, 1_000_000)).default("5000"),
        /// Bytes of a lane's records waiting in memory, at most; more are left to Kafka.
        lane_queue_bytes: usize = Rule::of(Kind::Bytes(64 * KIB, 1024 * MIB)).default("4MiB"),
        /// Bytes of records waiting to be published, at most; then writers wait.
        relay_queue_bytes: usize = Rule::of(Kind::Bytes(64 * KIB, 1024 * MIB)).default("16MiB"),
        /// A larger input record becomes a dead letter. Each of its headers counts 64 bytes beside its name and value.
        record_max_bytes: usize = Rule::of(Kind::Bytes(KIB, 64 * MIB)).default("1MiB"),
        /// No record that is published is larger; at most what brokers and topics take (message.max.bytes).
        emitted_record_max_bytes: usize = Rule::of(Kind::Bytes(KIB, 64 * MIB)).default("1MB"),
        /// How long a rebalance waits for the running batches of the lanes that go.
        drain_timeout: Duration = duration(millis(100), mins(5)).default("4s"),
        /// How long a shutdown may take from SIGTERM on, draining included.
        shutdown_timeout: Duration = duration(secs(1), mins(10)).default("20s"),
        /// After so long without records, what is known but not yet stored about progress is stored by itself.
        idle_flush: Duration = duration(millis(10), mins(1)).default("1s"),
        /// The directory of the heartbeat, a small file that `orderstream health` reads.
        /// Left out: the system's directory for temporary files.
        heartbeat_directory: Option<PathBuf> = Rule::of(Kind::Path).example("/run/orderstream"),
        /// Facts of one order, at most; an event that would add more becomes a dead letter.
        facts_per_order: usize = Rule::of(Kind::Count(10, 1_000_000)).default("10000"),
    }

    /// How orders are judged where the business decides. A change applies to an order from its next event on.
    policy: Policy {
        /// What money means for an order that was never placed: trust takes any as the whole total, wait none.
        /// Left out: trust without an order topic, wait with one.
        shell: Option<ShellPolicy> = Rule::of(Kind::Choice(ShellPolicy::WORDS)).example("trust"),
        /// How long after it was placed an order may stay unpaid; left out, for ever. Needs an order topic.
        payment_window: Option<Duration> = duration(secs(1), YEAR).example("72h"),
        /// How long after a decline another payment may come.
        payment_retry_window: Duration = duration(Duration::ZERO, YEAR).default("24h"),
        /// How long an order that is out of stock waits for a better answer before it is cancelled.
        rejection_grace: Duration = duration(Duration::ZERO, YEAR).default("0s"),
        /// How long a command may stay unanswered before it is sent again.
        command_retry: Duration = duration(secs(1), DAY.saturating_mul(30)).default("15m"),
        /// How often a command is sent before a person is asked.
        command_attempts: u32 = Rule::of(Kind::Count(1, 1_000)).default("5"),
    }

    /// How long what is over is kept. Every worker sees to it by itself, one at a time.
    retention: Retention {
        /// A day of the journal is dropped when all of it is older than this and published, as Kafka itself says.
        journal: Duration = duration(DAY, YEAR.saturating_mul(10)).default("30d"),
        /// A dead letter is removed so long after it was applied or discarded; one that is neither stays.
        dead_letters: Duration = duration(DAY, YEAR.saturating_mul(10)).default("90d"),
    }

    /// The only port: GET and HEAD /metrics.
    metrics: Metrics {
        /// Where it listens. Use 0.0.0.0 to be scraped from other machines.
        listen: SocketAddr = Rule::of(Kind::Address).default("127.0.0.1:9464"),
    }

    /// Spans for the traces that input records are part of, pushed by OTLP over HTTP. Off until a receiver is named.
    telemetry: Telemetry {
        /// Base URL of a receiver, such as a collector; spans go to /v1/traces below it. A record gets spans where its
        /// traceparent says sampled, and what it causes then names ours as its parent.
        otlp_endpoint: Option<String> = Rule::of(Kind::Url(&["http", "https"])).example("http://localhost:4318"),
        /// Headers of each push, written as in OTEL_EXPORTER_OTLP_HEADERS: name=value, several separated by commas, what is
        /// special in a value percent-encoded.
        otlp_headers: Option<Secret> = Rule::of(Kind::Text).secret(),
        /// Certificates (PEM) of the authorities that may sign the receiver's own; the system's when left out. Needs https.
        ssl_ca_file: Option<PathBuf> = Rule::of(Kind::Path).example("/etc/orderstream/ca.pem"),
        /// How long a push is tried, all attempts together, before its spans are dropped.
        otlp_timeout: Duration = duration(millis(100), mins(1)).default("10s"),
        /// Of the traces that come sampled, so many percent get spans, chosen by trace id; the others are handed on as they are.
        sampling_percentage: u32 = Rule::of(Kind::Count(1, 100)).default("100"),
        /// The name of the service that spans say they are from (service.name).
        service_name: String = Rule::of(Kind::Text).default("orderstream"),
    }

    /// Log lines, on standard error.
    log: Log {
        /// One line for a person, or one JSON object a line.
        format: LogFormat = Rule::of(Kind::Choice(LogFormat::WORDS)).default("text"),
        /// Which lines, as in tracing's filters: a level, then exceptions by module.
        filter: String = Rule::of(Kind::Filter).default("info"),
    }
}

const fn duration(min: Duration, max: Duration) -> Rule {
    Rule::of(Kind::Duration(min, max))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn mins(mins: u64) -> Duration {
    Duration::from_mins(mins)
}
