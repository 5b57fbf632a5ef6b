//! Tells orderstream the story of one order: placed, paid, reserved, labelled, and then cancelled by its customer.
//!
//!     cargo run --example producer -- ORDER_ID
//!
//! What orderstream makes of it stands on `order-status`; since the order is cancelled, `order-commands` then asks for what is owed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use apache_avro::types::Value;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use schema_registry_converter::async_impl::avro::AvroEncoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use serde_json::{Value as Json, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let order_id = std::env::args().nth(1).context("usage: producer ORDER_ID")?;
    let prefix = variable("TOPIC_PREFIX", "");
    let registry = SrSettings::new(variable("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7"));
    let encoder = AvroEncoder::new(registry);
    // With rdkafka's feature `tokio` a `FutureProducer` says of each record what became of it.
    let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", variable("KAFKA_BROKERS", "127.0.0.1:29092"))
        .set("enable.idempotence", "true")
        // As Java does; librdkafka's own default is another one.
        .set("partitioner", "murmur2_random")
        .create_with_context(Deliveries::default())?;
    for (topic, event) in story(&order_id) {
        let topic = format!("{prefix}{topic}");
        let value = encoded(&encoder, &topic, &event).await?;
        // The key is the order id, byte for byte.
        let record = BaseRecord::to(&topic).key(&order_id).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;
    let failed = producer.context().failed.load(Ordering::SeqCst);
    ensure!(!failed, "not delivered: send all of it again, repeated events change nothing");
    Ok(())
}

/// Hears what became of each record.
#[derive(Default)]
struct Deliveries {
    failed: AtomicBool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        match delivery {
            Ok(record) => println!("{} {}", record.topic(), record.offset()),
            Err((error, _)) => {
                eprintln!("{error}");
                self.failed.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Topics and events. Money is a number of minor units, never a float.
fn story(order_id: &str) -> [(&'static str, Json); 5] {
    let mugs = json!([{"line_id": "1", "sku": "MUG", "quantity": 2}]);
    let kinds = [
        ("orders", "PLACED", json!({"total_minor": 12_999, "currency": "EUR", "lines": mugs})),
        ("payments", "AUTHORIZED", json!({"authorization_id": "auth-1", "amount_minor": 12_999, "currency": "EUR"})),
        ("inventory", "RESERVED", json!({"reservation_id": "res-1", "lines": mugs})),
        ("shipping", "LABEL_CREATED", json!({"shipment_id": "shp-1", "lines": mugs})),
        ("orders", "CANCEL_REQUESTED", json!({"requested_by": "customer"})),
    ];
    kinds.map(|(topic, kind, mut event)| {
        // Yours, and the same again when you send it again.
        event["event_id"] = format!("{order_id}-{kind}").into();
        event["order_id"] = order_id.into();
        event["kind"] = kind.into();
        // When it happened, not when it is sent.
        event["occurred_at"] = now_micros().into();
        event["producer"] = "example-rust".into();
        event["correlation_id"] = format!("checkout-{order_id}").into();
        (topic, event)
    })
}

/// The event in Confluent's wire format, under the schema that orderstream registered; what it does not say has that schema's
/// defaults. The encoder asks the registry once a topic.
async fn encoded(encoder: &AvroEncoder, topic: &str, event: &Json) -> Result<Vec<u8>> {
    let subject = SubjectNameStrategy::TopicNameStrategy(topic.to_owned(), false);
    let of_registry = |error| anyhow!("`{topic}-value`: {error}");
    let schema = encoder.get_schema_and_id(topic, subject.clone()).await.map_err(of_registry)?;
    let value = Value::try_from(event.clone())?.resolve(&schema.parsed)?;
    encoder.encode_value(value, &subject).await.map_err(of_registry)
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
