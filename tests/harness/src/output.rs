//! What comes out: status events, commands and dead letters as a read_committed consumer sees them.
//!
//! For tests that look at results and for the checker. Invariant: an event's derived part is read into the core's own `View`,
//! strictly, so a field that the view does not have is an error and not ignored.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use orderstream::order::cancel::CancelReason;
use orderstream::order::obligation::{ObligationKind, Pieces};
use orderstream::order::{Status, View};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::avro_reader::{self, Readers};
use crate::deployment::Deployment;
use crate::registry::{Registry, SchemaCache};
use crate::topic_log::{LogReader, LogRecord};

/// One `OrderStatusChanged`.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusChanged {
    /// What stands beside the view.
    pub envelope: Envelope,
    /// The derived view that it tells.
    pub view: View,
    /// The article of each line that has one.
    pub skus: BTreeMap<String, String>,
}

/// What an `OrderStatusChanged` says beside the view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Its own id.
    pub event_id: String,
    /// The order.
    pub order_id: String,
    /// The order's version.
    pub order_version: i64,
    /// The status of the version before.
    pub previous_status: Option<Status>,
    /// What led to it.
    pub cause: Option<Cause>,
    /// The cause's correlation id.
    pub correlation_id: Option<String>,
    /// When the cause happened.
    pub occurred_at: i64,
    /// When it was decided.
    pub changed_at: i64,
}

/// The fact that led to a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The fact's event id.
    pub event_id: String,
    /// Where it was read from.
    pub topic: Option<String>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset.
    pub offset: Option<i64>,
    /// The fact's kind.
    pub kind: String,
}

const ENVELOPE: [&str; 8] = [
    "event_id",
    "order_id",
    "order_version",
    "previous_status",
    "cause",
    "correlation_id",
    "occurred_at",
    "changed_at",
];

impl StatusChanged {
    /// Reads a record's value.
    ///
    /// # Errors
    /// It is not one that a consumer could read.
    pub fn read(readers: &Readers<'_>, value: Option<&[u8]>) -> Result<Self> {
        let framed = match avro_reader::framed(value, None) {
            Ok(framed) => framed,
            Err(why) => bail!("not a status event: {why:?}"),
        };
        match readers.read("OrderStatusChanged", framed) {
            Ok(fields) => Self::of(fields),
            Err(why) => bail!("not a status event: {why:?}"),
        }
    }

    fn of(mut fields: Map<String, Json>) -> Result<Self> {
        let envelope = ENVELOPE.into_iter().filter_map(|name| fields.remove_entry(name)).collect();
        let envelope = serde_json::from_value(Json::Object(envelope)).context("its envelope cannot be read")?;
        let skus = take_skus(&mut fields);
        leave_out_what_is_not_said(&mut fields);
        let view = serde_json::from_value(Json::Object(fields)).context("its view cannot be read")?;
        Ok(Self { envelope, view, skus })
    }
}

/// One `OrderCommand`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderCommand {
    /// Names the command over all attempts.
    pub command_id: String,
    /// The order.
    pub order_id: String,
    /// What it asks for.
    pub kind: ObligationKind,
    /// The entity that it is about.
    pub entity_id: String,
    /// How much money.
    pub amount_minor: Option<i64>,
    /// The money's currency.
    pub currency: Option<String>,
    /// Which pieces.
    pub lines: Vec<Pieces>,
    /// Why the order is cancelled.
    pub reason: Option<CancelReason>,
    /// Which attempt it is.
    pub attempt: u32,
    /// When it was decided.
    pub issued_at: i64,
    /// The fact that made it owed.
    pub cause: Option<Cause>,
}

impl OrderCommand {
    /// Reads a record's value.
    ///
    /// # Errors
    /// It is not one that a consumer could read.
    pub fn read(readers: &Readers<'_>, value: Option<&[u8]>) -> Result<Self> {
        let framed = avro_reader::framed(value, None);
        match framed.and_then(|framed| readers.read("OrderCommand", framed)) {
            Ok(fields) => serde_json::from_value(Json::Object(fields)).context("its fields cannot be read"),
            Err(why) => bail!("not a command: {why:?}"),
        }
    }
}

fn take_skus(fields: &mut Map<String, Json>) -> BTreeMap<String, String> {
    let lines = fields.get_mut("lines").and_then(Json::as_array_mut).into_iter().flatten();
    let named = lines.filter_map(|line| {
        let sku = line.as_object_mut()?.remove("sku")?;
        Some((line["line_id"].as_str()?.to_owned(), sku.as_str()?.to_owned()))
    });
    named.collect()
}

/// Avro has null and the empty list where an obligation's JSON leaves a field out.
fn leave_out_what_is_not_said(fields: &mut Map<String, Json>) {
    let owed = fields.get_mut("owed").and_then(Json::as_array_mut).into_iter().flatten();
    for obligation in owed.filter_map(Json::as_object_mut) {
        obligation.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|lines| !lines.is_empty()));
    }
}

/// Every status event of a deployment, in the order of its topic's partitions.
///
/// # Errors
/// A server does not answer, or a record cannot be read.
pub async fn status_events(deployment: &Deployment) -> Result<Vec<StatusChanged>> {
    read_all(deployment, &deployment.topics.status, StatusChanged::read).await
}

/// Every command of a deployment, in the order of its topic's partitions.
///
/// # Errors
/// A server does not answer, a record cannot be read, or the deployment has no such topic.
pub async fn commands(deployment: &Deployment) -> Result<Vec<OrderCommand>> {
    let topic = deployment.topics.command.as_deref().context("this deployment has no command topic")?;
    read_all(deployment, topic, OrderCommand::read).await
}

async fn read_all<T>(
    deployment: &Deployment,
    topic: &str,
    read: impl Fn(&Readers<'_>, Option<&[u8]>) -> Result<T>,
) -> Result<Vec<T>> {
    let records = LogReader::on(&deployment.stack.brokers)?.read_all(topic)?;
    let mut schemas = SchemaCache::before(Registry::at(&deployment.stack.registry)?);
    schemas.learn(records.iter().filter_map(|record| schema_id(record.value.as_deref()))).await?;
    let readers = schemas.readers();
    let read = |record: &LogRecord| {
        let place = || format!("`{topic}` at partition {} offset {}", record.partition, record.offset);
        read(&readers, record.value.as_deref()).with_context(place)
    };
    records.iter().map(read).collect()
}

/// Every record of a deployment's dead-letter topic.
///
/// # Errors
/// Kafka does not answer, or the deployment has no such topic.
pub fn dead_letters(deployment: &Deployment) -> Result<Vec<LogRecord>> {
    let topic = deployment.topics.dead_letter.as_deref().context("this deployment has no dead-letter topic")?;
    LogReader::on(&deployment.stack.brokers)?.read_all(topic)
}

/// The schema id in a value's first bytes.
#[must_use]
pub fn schema_id(value: Option<&[u8]>) -> Option<u32> {
    avro_reader::framed(value, None).ok().map(|(id, _)| id)
}
