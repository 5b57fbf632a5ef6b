//! Which lane an order is in, and a producer that does not care.

use orderstream_harness::produce::{Producer, RawRecord};
use orderstream_harness::topics::Input;
use serde_json::Value as Json;

use crate::stage::Stage;

/// A producer that chooses the partition itself.
pub struct ByHand<'a> {
    pub stage: &'a Stage,
    pub producer: Producer,
}

impl ByHand<'_> {
    pub fn send(&mut self, partition: i32, event: &Json) {
        let input: Input = serde_json::from_value(event["topic"].clone()).expect("a topic's role");
        let raw = RawRecord {
            topic: self.stage.deployment.topics.input(input).expect("a topic of the test").to_owned(),
            partition: Some(partition),
            key: event["order_id"].as_str().map(Into::into),
            value: Some(self.producer.encode(event).expect("an event")),
            ..RawRecord::default()
        };
        self.producer.send_raw(&raw).expect("sent");
        self.producer.flush().expect("kafka has it");
    }

    pub async fn send_and_keep(mut self, partition: i32, event: &Json, meanwhile: impl AsyncFnOnce(&Producer)) {
        self.send(partition, event);
        meanwhile(&self.producer).await;
    }
}

/// Two orders of lane 0 and two of lane 1, as a producer with murmur2 places them among two partitions.
pub fn orders_of_two_lanes() -> (Vec<String>, Vec<String>) {
    let orders = (0..).map(|n| format!("order-{n}"));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for order in orders {
        if murmur2(order.as_bytes()) & 0x7fff_ffff & 1 == 0 {
            first.push(order)
        } else {
            second.push(order)
        }
        if first.len() >= 2 && second.len() >= 2 {
            return (first, second);
        }
    }
    unreachable!("the numbers do not end")
}

/// Kafka's hash of a key.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).expect("a short key");
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    for (place, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}
