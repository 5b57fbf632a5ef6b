//! Reads what orderstream sends, does each thing once, and prints it: one line of JSON each.
//!
//!     CONSUMER_DATABASE=postgres://you@127.0.0.1/shop cargo run --example consumer
//!
//! orderstream shows each record once. You may still read one twice: you stop between doing it and committing your offset, somebody
//! resets your group, a topic is copied. So what was done is written down in the transaction that does it, in your own database.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use schema_registry_converter::async_impl::avro::AvroDecoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde_json::{Value as Json, json};
use sqlx::{Connection, Executor, PgConnection};

const TOPICS: [&str; 3] = ["order-status", "order-commands", "order-dead-letters"];

const TABLES: [&str; 2] = [
    "create table if not exists latest (order_id text primary key, order_version bigint not null)",
    "create table if not exists done (id text primary key)",
];
/// A status event is the order's whole view: what is older than the one you have is of no use.
const NEWER: &str = "insert into latest values ($1, $2) on conflict (order_id) do update \
                     set order_version = excluded.order_version where latest.order_version < excluded.order_version";
const FIRST: &str = "insert into done values ($1) on conflict (id) do nothing";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let prefix = variable("TOPIC_PREFIX", "");
    let registry = SrSettings::new(variable("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7"));
    let decoder = AvroDecoder::new(registry);
    let database = variable("CONSUMER_DATABASE", "postgres://postgres:postgres@127.0.0.1:5432/shop");
    let mut database = PgConnection::connect(&database).await.context("CONSUMER_DATABASE")?;
    for table in TABLES {
        database.execute(table).await?;
    }
    // With rdkafka's feature `tokio` it would be a `StreamConsumer`, and `recv().await` below.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", variable("KAFKA_BROKERS", "127.0.0.1:29092"))
        // Never orderstream's own.
        .set("group.id", variable("CONSUMER_GROUP", "example-rust"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        // Anything else shows what may be taken back.
        .set("isolation.level", "read_committed")
        .create()?;
    let topics = TOPICS.map(|topic| format!("{prefix}{topic}"));
    consumer.subscribe(&topics.each_ref().map(String::as_str))?;
    loop {
        let Some(record) = consumer.poll(Duration::from_secs(1)).transpose()? else { continue };
        let topic = record.topic().strip_prefix(&prefix).unwrap_or(record.topic());
        let (value, headers) = match topic {
            // Its value is the refused record's own, whatever that is; the headers say what is wrong with it.
            "order-dead-letters" => (Json::Null, explanation(&record)),
            _ => (decoded(&decoder, &record).await?, BTreeMap::new()),
        };
        let mut transaction = database.begin().await?;
        if is_new(&mut transaction, topic, &value, &headers).await? {
            // Your work, in the same transaction. What cannot be undone, a refund at a bank, carries the command_id to its other side.
            println!("{}", json!({"topic": topic, "value": value, "headers": headers}));
        }
        transaction.commit().await?;
        // After the work; dying in between is why `is_new` asks.
        consumer.commit_message(&record, CommitMode::Sync)?;
    }
}

async fn decoded(decoder: &AvroDecoder, record: &BorrowedMessage<'_>) -> Result<Json> {
    let decoded = decoder.decode(record.payload()).await.map_err(|error| anyhow!("{error}"))?;
    Ok(Json::try_from(decoded.value)?)
}

fn explanation(record: &BorrowedMessage<'_>) -> BTreeMap<String, String> {
    let headers = record.headers().into_iter().flat_map(Headers::iter);
    let ours = headers.filter(|header| header.key.starts_with("orderstream-"));
    ours.map(|header| (header.key.to_owned(), String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned()))
        .collect()
}

/// Writes down what this record is; false where it, or something later, was there before.
async fn is_new(
    transaction: &mut PgConnection,
    topic: &str,
    value: &Json,
    headers: &BTreeMap<String, String>,
) -> Result<bool> {
    let query = match topic {
        "order-status" => sqlx::query(NEWER).bind(value["order_id"].as_str()).bind(value["order_version"].as_i64()),
        "order-commands" => sqlx::query(FIRST).bind(value["command_id"].as_str().map(str::to_owned)),
        _ => {
            let place =
                ["topic", "partition", "offset"].map(|name| headers.get(&format!("orderstream-{name}")).cloned());
            sqlx::query(FIRST).bind(place.map(Option::unwrap_or_default).join("/"))
        }
    };
    Ok(query.execute(transaction).await?.rows_affected() == 1)
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
