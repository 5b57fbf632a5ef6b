//! A capture: what the group said of us at the moment it gave us lanes.
//!
//! The fence of everything we publish is the group's generation (KIP-447), and the broker checks member and generation, not who
//! owns a partition. Invariant: a capture is read once, inside the assign callback, and never again; one read at commit time
//! would let a former owner that is still a member of the group publish a lane that is not its own any more.

use std::ffi::CStr;
use std::fmt;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka_sys as native;

/// The group's metadata as it stood in one assign callback.
pub struct Capture {
    metadata: ConsumerGroupMetadata,
    generation: i32,
    member_id: String,
}

impl Capture {
    /// Reads the metadata of a consumer that is inside its assign callback.
    ///
    /// `None` where the consumer is no member of a generation (it lost its membership on the way here): the broker would take
    /// such metadata, generation -1 and no member id, from anybody, so it is no capture.
    #[must_use]
    pub fn take<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        let metadata = consumer.group_metadata()?;
        let (generation, member_id) = membership(consumer)?;
        // Read after `metadata`: a membership that was lost before is lost now, since it cannot be renewed inside the callback.
        is_membership(generation, &member_id).then_some(Self { metadata, generation, member_id })
    }

    /// A capture that no broker would take, for tests that have none.
    #[cfg(test)]
    #[must_use]
    pub fn of_nobody() -> Self {
        let mut config = rdkafka::ClientConfig::new();
        let consumer: BaseConsumer = config
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("group.id", "g")
            .create()
            .expect("a client needs no broker");
        let metadata = consumer.group_metadata().expect("every consumer has some");
        Self { metadata, generation: 0, member_id: "nobody".to_owned() }
    }

    /// What the producer sends with the offsets.
    #[must_use]
    pub fn metadata(&self) -> &ConsumerGroupMetadata {
        &self.metadata
    }

    /// The group's generation.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("generation", &self.generation).field("member_id", &self.member_id).finish()
    }
}

/// Whether a generation and a member id name a membership that a broker can refuse.
fn is_membership(generation: i32, member_id: &str) -> bool {
    generation >= 0 && !member_id.is_empty()
}

/// Generation and member id, for which rdkafka has no accessor.
fn membership<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<(i32, String)> {
    // SAFETY: the client outlives the call; the returned object is ours until we destroy it, exactly once, after the last read
    // of the member id that it owns.
    unsafe {
        let metadata = native::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = native::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member = native::rd_kafka_consumer_group_metadata_member_id(metadata);
        let member_id = (!member.is_null()).then(|| CStr::from_ptr(member).to_string_lossy().into_owned());
        native::rd_kafka_consumer_group_metadata_destroy(metadata);
        Some((generation, member_id.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::ClientConfig;

    #[test]
    fn a_consumer_that_never_joined_has_no_capture() {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", "127.0.0.1:1").set("group.id", "g").create().unwrap();
        assert!(Capture::take(&consumer).is_none());
    }

    #[test]
    fn a_membership_has_a_generation_and_a_member_id() {
        assert!(is_membership(0, "consumer-1"));
        assert!(!is_membership(-1, "consumer-1"));
        assert!(!is_membership(3, ""));
    }
}
