//! One loop of the naive service: a record, a transaction, a commit of its offset, and the next record.
//!
//! Invariant: an offset is committed after the transaction of its record, so nothing is lost; the dedup row keeps a record that is
//! read again from being applied again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::{Schema, from_value};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use tokio::runtime::Builder;
use uuid::Uuid;

use super::order::{Changed, Heard, Row};
use super::tables;
use crate::background::Background;
use crate::database;
use crate::deployment::Deployment;
use crate::schemas;
use crate::stack;
use crate::topics::Input;

/// How long a look for the next record may take, until it is looked whether all is over.
const POLL: Duration = Duration::from_millis(100);
/// Magic byte and schema id.
const FRAMING_BYTES: usize = 5;

/// Begins the loop of one topic, until it is told to end.
#[must_use]
pub fn begin(deployment: &Deployment, input: Input, topic: &str) -> Background<Result<()>> {
    let (deployment, topic) = (deployment.clone(), topic.to_owned());
    Background::begin(move |end| consume(&deployment, input, &topic, &end))
}

fn consume(deployment: &Deployment, input: Input, topic: &str, end: &AtomicBool) -> Result<()> {
    let mut config = stack::client(&deployment.stack.brokers);
    config.set("group.id", format!("{}-naive-{input}", deployment.group));
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[topic])?;
    let schema = Schema::parse_str(schemas::of(input))?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    // A runtime of its own: the answers come on this very thread, as they do in a plain service.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut connection = runtime.block_on(database::connect(&deployment.stack.database))?;
    while !end.load(Ordering::SeqCst) {
        let Some(message) = consumer.poll(POLL) else { continue };
        let message = message.with_context(|| format!("`{topic}` cannot be read"))?;
        let mut body =
            message.payload().and_then(|value| value.get(FRAMING_BYTES..)).context("a record has a value")?;
        let heard: Heard = from_value(&reader.read_value(&mut body)?)?;
        runtime.block_on(apply(&mut connection, input, &heard))?;
        consumer.commit_message(&message, CommitMode::Sync)?;
    }
    Ok(())
}

/// One event in one transaction.
async fn apply(connection: &mut PgConnection, input: Input, heard: &Heard) -> Result<()> {
    connection.execute("begin").await?;
    let noted = sqlx::query(tables::NOTE)
        .bind(Uuid::parse_str(&heard.event_id)?)
        .bind(&heard.order_id)
        .bind(input.as_str())
        .bind(&heard.kind)
        .bind(heard.occurred_at)
        .execute(&mut *connection)
        .await?;
    if noted.rows_affected() == 1 {
        let mut row = lock(connection, &heard.order_id).await?;
        let previous = row.status.clone();
        row.apply(input, heard);
        write(connection, &heard.order_id, &row).await?;
        if row.status != previous {
            let changed = Changed {
                order_id: &heard.order_id,
                status: &row.status,
                previous: &previous,
                version: row.version,
                event_id: &heard.event_id,
                occurred_at: heard.occurred_at,
            };
            let say = sqlx::query(tables::SAY).bind(&heard.order_id).bind(serde_json::to_string(&changed)?);
            say.execute(&mut *connection).await?;
        }
    }
    connection.execute("commit").await?;
    Ok(())
}

/// The order's row under lock, made where there is none.
async fn lock(connection: &mut PgConnection, order_id: &str) -> Result<Row> {
    loop {
        let row = sqlx::query_as(tables::LOCK).bind(order_id).fetch_optional(&mut *connection).await?;
        if let Some(row) = row {
            return Ok(row);
        }
        sqlx::query(tables::PLACE).bind(order_id).execute(&mut *connection).await?;
    }
}

async fn write(connection: &mut PgConnection, order_id: &str, row: &Row) -> Result<()> {
    sqlx::query(tables::WRITE)
        .bind(order_id)
        .bind(&row.payment)
        .bind(&row.inventory)
        .bind(&row.shipping)
        .bind(&row.status)
        .bind(row.amount_minor)
        .bind(&row.currency)
        .bind(row.version)
        .execute(connection)
        .await?;
    Ok(())
}
