//! Records that make workers ask the registry: they know their schemas for ever, so only a new id makes them ask.
//!
//! Each probe is a payment that an order waits for, for a few orders of its own, under a schema that differs from the usual one in its
//! text alone. Its schema is registered while the registry still answers. Invariant: probes are sound records and stay in the input,
//! so the checker judges them like all others.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::deployment::Deployment;
use crate::produce::{Producer, RawRecord};
use crate::registry::Registry;
use crate::schemas;
use crate::topics::Input;

/// What the ids of their orders begin with.
pub const PROBE: &str = "probe-";
/// Enough orders that several lanes have one.
const ORDERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// A producer of probes.
pub struct Probe {
    producer: Producer,
    registry: Registry,
    topic: String,
    sent: u32,
}

/// Probes that are ready to be sent.
pub struct Ready(Vec<RawRecord>);

impl Probe {
    pub(super) async fn open(deployment: &Deployment) -> Result<Self> {
        let producer = Producer::open(&deployment.stack, &deployment.topics).await?;
        let registry = Registry::at(&deployment.stack.registry)?;
        Ok(Self { producer, registry, topic: deployment.topics.payment.clone(), sent: 0 })
    }

    /// Registers a schema that nobody has seen, and makes records of it.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn prepare(&mut self) -> Result<Ready> {
        self.sent += 1;
        let mut schema: Json = serde_json::from_str(schemas::of(Input::Payment))?;
        schema["doc"] = format!("Probe {} of this run.", self.sent).into();
        let subject = format!("{}-probe-{}-value", self.topic, self.sent);
        let text = schema.to_string();
        let registering = self.registry.register(&subject, &text);
        let id = tokio::time::timeout(PATIENCE, registering).await.context("the registry does not answer")??;
        let now = jiff::Timestamp::now().as_microsecond();
        let records = (0..ORDERS).map(|_| {
            let order = format!("{PROBE}{}", Uuid::new_v4());
            let mut value = self.producer.encode(&json!({
                "topic": "payment", "kind": "PENDING", "event_id": Uuid::new_v4().to_string(), "order_id": order,
                "occurred_at": now, "authorization_id": "probe",
            }))?;
            // Behind the magic byte stands the schema's id.
            value[1..5].copy_from_slice(&id.to_be_bytes());
            let (topic, key) = (self.topic.clone(), Some(order.into_bytes()));
            Ok(RawRecord { topic, key, value: Some(value), ..RawRecord::default() })
        });
        Ok(Ready(records.collect::<Result<_>>()?))
    }

    /// Sends what was prepared. What becomes of it librdkafka knows; it tries as long as it takes.
    ///
    /// # Errors
    /// It cannot be queued.
    pub fn send(&mut self, Ready(records): Ready) -> Result<()> {
        for record in &records {
            self.producer.send_raw(record)?;
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// How many records were sent.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.producer.sent()
    }

    /// Waits until all that was sent is in Kafka.
    ///
    /// # Errors
    /// It is not, within a minute.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush()
    }
}
