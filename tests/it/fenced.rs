//! A producer whose transactional id another one took: whatever it was about to do, it says that it is fenced.

use bytes::Bytes;
use orderstream::config::{Config, Environment};
use orderstream::persist::journal_format::EmittedRecord;
use orderstream::publish::plan::{Failure, failure};
use orderstream::publish::producer::{Producer, Settings};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_whose_id_another_took_says_so_while_it_sends_records_and_while_it_sends_positions() {
    let stage = Stage::new("fenced", 1).await;
    let config = Config::read(Some(("the test's file", &stage.config.text())), &Environment::default());
    let config = config.expect("the configuration is valid");
    let (word, status) = (anybody(&stage), stage.deployment.topics.status.clone());
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&stage.deployment.topics.payment, 0, Offset::Offset(7)).expect("an offset");
    spawn_blocking(move || {
        let settings = Settings::new(&config.kafka, "fenced", config.worker.emitted_record_max_bytes);
        let id = format!("{}-twin", config.kafka.group);
        for records in [vec![record(&status)], Vec::new()] {
            let first = Producer::open(&settings, &id).expect("kafka answers");
            first.publish(records.iter(), &offsets, &word).expect("nobody else has the id yet");
            let _second = Producer::open(&settings, &id).expect("kafka answers");
            let refused = first.publish(records.iter(), &offsets, &word).expect_err("the id is another's");
            assert_eq!(failure(&refused), Failure::Fenced, "with {} records: {refused}", records.len());
        }
    })
    .await
    .expect("as told");
    stage.strike().await;
}

/// The word of somebody who is in no group, which Kafka takes for an offset of one that is empty.
fn anybody(stage: &Stage) -> ConsumerGroupMetadata {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &stage.deployment.stack.brokers).set("group.id", &stage.deployment.group);
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.group_metadata().expect("metadata of nobody")
}

fn record(topic: &str) -> EmittedRecord {
    EmittedRecord {
        topic: topic.into(),
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::from_static(b"value")),
        headers: Vec::new(),
        timestamp: None,
    }
}
