//! What Kafka itself allows and refuses, and what follows for orderstream (DESIGN sections 4 and 13): schedules with clients of the
//! test's own, on the real broker.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use orderstream::consume::capture::Capture;
use orderstream::publish::plan::{Failure, failure};
use orderstream_harness::output;
use orderstream_harness::positions;
use orderstream_harness::produce::{Manner, Producer};
use orderstream_harness::stack;
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics;
use orderstream_harness::traffic::{Shape, Traffic};
use rdkafka::admin::AdminOptions;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::patience::PATIENCE;
use crate::stage::{GOODBYE, Stage, local_stack, now_micros};
use crate::under_load::lanes_of;

/// How long a call of a client may take.
const CALL: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_that_is_still_a_member_is_refused_by_what_it_captured_and_by_nothing_else() {
    let (topic, group) = topic_and_group("former", 2).await;
    let names = (topic.clone(), group.clone());
    spawn_blocking(move || {
        let (former, next) = (member(&names.1), member(&names.1));
        former.subscribe(&[&names.0]).expect("a subscription");
        poll_until(&[&former], || lanes(&former) == [0, 1]);
        let captured = former.context().capture();
        next.subscribe(&[&names.0]).expect("a subscription");
        poll_until(&[&former, &next], || lanes(&former).len() == 1 && lanes(&next).len() == 1);
        let lost = lanes(&next)[0];

        let producer = producer(&names.1);
        // That lane is the other's now. What was captured when it was ours is refused ...
        let refused = publish(&producer, (&names.0, lost, 5), captured.metadata()).expect_err("another generation");
        assert_eq!(failure(&refused), Failure::Generation, "{refused}");
        producer.abort_transaction(CALL).expect("aborted");
        assert_eq!(committed(&names, lost), None);
        // ... and what is read afresh is not, although the lane is not ours: the broker checks membership, not ownership.
        let afresh = former.group_metadata().expect("a member");
        publish(&producer, (&names.0, lost, 5), &afresh).expect("kafka does not mind");
        assert_eq!(committed(&names, lost), Some(5));
        // Nor does it mind when the position goes back.
        publish(&producer, (&names.0, lost, 3), &afresh).expect("kafka does not mind");
        assert_eq!(committed(&names, lost), Some(3));
        // The new owner's own capture is good.
        publish(&producer, (&names.0, lost, 7), next.context().capture().metadata()).expect("the owner");
        assert_eq!(committed(&names, lost), Some(7));
    })
    .await
    .expect("as told");
    topics::delete(&local_stack().brokers, &[&topic]).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_never_joined_has_no_capture_although_kafka_would_take_its_word() {
    let (topic, group) = topic_and_group("stranger", 1).await;
    let names = (topic.clone(), group.clone());
    spawn_blocking(move || {
        let owner = member(&names.1);
        owner.subscribe(&[&names.0]).expect("a subscription");
        poll_until(&[&owner], || lanes(&owner) == [0]);
        let never_joined = member(&names.1);
        assert!(Capture::take(&never_joined).is_none());
        let word = never_joined.group_metadata().expect("metadata of nobody");
        publish(&producer(&names.1), (&names.0, 0, 9), &word).expect("kafka takes it from anybody");
        assert_eq!(committed(&names, 0), Some(9));
    })
    .await
    .expect("as told");
    topics::delete(&local_stack().brokers, &[&topic]).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_end_in_transaction_markers_are_read_to_their_end_and_may_be_deleted_to_it() {
    let stage = Stage::new("markers", 4).await.with_short_sessions();
    let (stack, topics) = (&stage.deployment.stack, &stage.deployment.topics);
    let manner = Manner { transactional_id: Some(stage.deployment.group.clone()), ..Manner::default() };
    let mut producer = Producer::open_as(stack, topics, manner).await.expect("a producer");
    let mut send = |orders: u64, seed: u64| {
        producer.begin().expect("a transaction");
        for planned in Traffic::new(Shape::undisturbed(orders, seed, now_micros())) {
            producer.send(&planned).expect("kafka takes the record");
        }
        if seed % 2 == 1 { producer.commit().expect("committed") } else { producer.abort().expect("aborted") }
    };
    send(80, 71);
    send(80, 72);
    let worker = stage.worker("reader");
    stage.all_published().await;
    send(80, 73);
    send(80, 74);
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.orders, 160, "what was aborted is nothing");

    // So long idle that retention has taken everything, the markers too.
    delete_everything(&stage).await;
    let mut worker = stage.worker("late");
    stage.until("the worker to have the lanes", async || Ok(lanes_of(&worker).await == 4)).await;
    let before = versions(&stage).await;
    send(80, 75);
    stage.all_published().await;
    worker.must_run().expect("no data was lost");
    worker.stop(GOODBYE).await.expect("exit code 0");
    let after = versions(&stage).await;
    assert!(after.len() > before.len() && before.is_subset(&after));
    assert_eq!(after.iter().map(|(order, _)| order).collect::<BTreeSet<_>>().len(), 240);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_our_group_that_reads_one_topic_is_found_and_named() {
    let stage = Stage::new("split", 4).await.with_short_sessions();
    stage.send(60, 76).await;
    let mut worker = stage.worker("before");
    stage.all_published().await;

    let (topic, group) = (stage.deployment.topics.payment.clone(), stage.deployment.group.clone());
    let stranger = spawn_blocking(move || {
        let stranger = member(&group);
        stranger.subscribe(&[&topic]).expect("a subscription");
        poll_until(&[&stranger], || !lanes(&stranger).is_empty());
        stranger.unsubscribe();
    });
    stage.ends(&mut worker, 78, &["look for a stranger in the group"]).await;
    stranger.await.expect("it was given something");

    stage.send(60, 77).await;
    let worker = stage.worker("after");
    stage.all_published().await;
    stage.finish([worker]).await;
}

/// Every version that was published, each once.
async fn versions(stage: &Stage) -> BTreeSet<(String, i64)> {
    let events = output::status_events(&stage.deployment).await.expect("the topic can be read");
    let versions: Vec<_> =
        events.into_iter().map(|event| (event.envelope.order_id, event.envelope.order_version)).collect();
    let set: BTreeSet<_> = versions.iter().cloned().collect();
    assert_eq!(set.len(), versions.len(), "a version was published twice");
    set
}

/// Deletes all records of all input topics.
async fn delete_everything(stage: &Stage) {
    let brokers = &stage.deployment.stack.brokers;
    let reader = LogReader::on(brokers).expect("kafka answers");
    let mut ends = TopicPartitionList::new();
    for partition in positions::input_partitions(&reader, &stage.deployment).expect("kafka answers") {
        let end = reader.extent(&partition).expect("kafka answers").end;
        ends.add_partition_offset(&partition.topic, partition.number, Offset::Offset(end)).expect("an offset");
    }
    let admin = topics::admin(brokers).expect("kafka answers");
    let deleted = admin.delete_records(&ends, &AdminOptions::new()).await.expect("kafka answers");
    deleted.elements().iter().for_each(|element| element.error().expect("deleted"));
}

/// A member of a group that captures, as the product does, what the group says when it is given lanes.
#[derive(Default)]
struct Member {
    capture: Mutex<Option<std::sync::Arc<Capture>>>,
}

impl Member {
    fn capture(&self) -> std::sync::Arc<Capture> {
        self.capture.lock().expect("nobody panics").clone().expect("lanes were given")
    }
}

impl ClientContext for Member {}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, answer: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            *self.capture.lock().expect("nobody panics") = Capture::take(consumer).map(std::sync::Arc::new);
            consumer.assign(partitions).expect("assigned");
        } else {
            consumer.unassign().expect("unassigned");
        }
    }
}

fn member(group: &str) -> BaseConsumer<Member> {
    let mut config = client();
    config.set("group.id", group).set("enable.auto.commit", "false").set("partition.assignment.strategy", "range");
    config.set("session.timeout.ms", "6000").set("auto.offset.reset", "earliest");
    config.create_with_context(Member::default()).expect("a consumer")
}

fn producer(group: &str) -> BaseProducer {
    let producer: BaseProducer = client().set("transactional.id", format!("{group}-tx")).create().expect("a producer");
    producer.init_transactions(CALL).expect("kafka answers");
    producer
}

fn client() -> ClientConfig {
    stack::client(&local_stack().brokers)
}

/// One transaction with a record and an offset.
fn publish(
    producer: &BaseProducer,
    (topic, lane, offset): (&str, i32, i64),
    word: &ConsumerGroupMetadata,
) -> KafkaResult<()> {
    producer.begin_transaction()?;
    let record = BaseRecord::<str, str>::to(topic).partition(lane).payload("a record");
    producer.send(record).map_err(|(error, _)| error)?;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(5));
    }
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, lane, Offset::Offset(offset))?;
    producer.send_offsets_to_transaction(&offsets, word, CALL)?;
    producer.commit_transaction(CALL)
}

fn committed((topic, group): &(String, String), lane: i32) -> Option<i64> {
    let partition = orderstream_harness::topic_log::Partition { topic: topic.clone(), number: lane };
    let all =
        positions::committed(&local_stack().brokers, group, std::slice::from_ref(&partition)).expect("kafka answers");
    all.get(&partition).map(|committed| committed.offset)
}

fn lanes(consumer: &BaseConsumer<Member>) -> Vec<i32> {
    let assignment = consumer.assignment().expect("a consumer knows");
    let mut lanes: Vec<i32> = assignment.elements().iter().map(|element| element.partition()).collect();
    lanes.sort_unstable();
    lanes
}

fn poll_until(consumers: &[&BaseConsumer<Member>], done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "the group did not settle");
        for consumer in consumers {
            drop(consumer.poll(Duration::from_millis(20)));
        }
    }
}

/// A topic of the test's own, and a group of the same name.
async fn topic_and_group(test: &str, partitions: i32) -> (String, String) {
    let name = format!("it-{}-{}-{test}", std::process::id(), now_micros());
    topics::create_named(&local_stack().brokers, &[(&name, partitions)], 1).await.expect("a topic");
    (name.clone(), name)
}
