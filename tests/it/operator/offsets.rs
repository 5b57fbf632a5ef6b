//! The group's offsets were moved or deleted by hand, and strangers in the group: nothing is skipped, nothing applied twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderstream_harness::positions;
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics;
use orderstream_harness::worker::Worker;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use super::{GOODBYE, at_rest, logs};
use crate::patience::PATIENCE;
use crate::stage::Stage;
use crate::under_load::{lanes_of, metric};

const LANES: i32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn offsets_reset_forward_back_in_part_or_deleted_skip_nothing_and_repeat_nothing() {
    let stage = at_rest("reset", LANES, 90).await;
    // Forward, over records that nobody has read.
    stage.send(60, 91).await;
    reset(&stage, |_, end| end, |_| true);
    goes_on(&stage, "forward", f64::from(LANES)).await;
    // Back to the beginning.
    reset(&stage, |beginning, _| beginning, |_| true);
    stage.send(60, 92).await;
    goes_on(&stage, "back", f64::from(LANES)).await;
    // One topic only: the lane's other partitions still say how far it is published.
    let payment = stage.deployment.topics.payment.clone();
    reset(&stage, |beginning, _| beginning, |topic| topic == payment);
    stage.send(60, 93).await;
    goes_on(&stage, "in-part", 0.0).await;
    // All gone, as after `offsets.retention.minutes` without a member.
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let deleted = admin.delete_groups(&[&stage.deployment.group], &AdminOptions::new()).await.expect("kafka answers");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    stage.send(60, 94).await;
    goes_on(&stage, "deleted", f64::from(LANES)).await;
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_reads_all_our_topics_and_commits_is_named_and_takes_nothing_from_us() {
    let stage = Stage::new("reader", LANES).await.with_short_sessions();
    stage.send(60, 95).await;
    let mut worker = stage.worker("ours");
    stage.all_published().await;
    let (brokers, group) = (stage.deployment.stack.brokers.clone(), stage.deployment.group.clone());
    let names: Vec<String> = stage.deployment.topics.inputs().map(|(_, topic)| topic.to_owned()).collect();
    let traffic = stage.load(200, 96, 400).await;
    let named = Arc::new(AtomicBool::new(false));
    let seen = named.clone();
    let stranger = spawn_blocking(move || {
        let mut config = orderstream_harness::stack::client(&brokers);
        config.set("group.id", &group).set("client.id", "somebody-s-console").set("session.timeout.ms", "6000");
        config.set("partition.assignment.strategy", "range").set("auto.offset.reset", "earliest");
        config.set("enable.auto.commit", "false");
        let stranger: BaseConsumer = config.create().expect("a consumer");
        stranger.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>()).expect("a subscription");
        let deadline = Instant::now() + PATIENCE;
        let mut read = 0;
        while (read < 100 || !seen.load(Ordering::SeqCst)) && Instant::now() < deadline {
            if let Some(Ok(_)) = stranger.poll(Duration::from_millis(100)) {
                read += 1;
                // Over our positions, without a word of how far a lane is published.
                _ = stranger.commit_consumer_state(CommitMode::Sync);
            }
        }
        assert!(read >= 100, "it was given lanes");
        stranger.unsubscribe();
    });
    logs(&stage, &mut worker, "members that are no workers of orderstream (`somebody-s-console`").await;
    named.store(true, Ordering::SeqCst);
    stranger.await.expect("it read");
    traffic.await.expect("nobody panics");
    stage.until("all lanes to be ours again", async || Ok(lanes_of(&worker).await == LANES)).await;
    stage.all_published().await;
    worker.must_run().expect("nobody stopped it");
    stage.finish([worker]).await;
}

/// Commits other offsets, as `kafka-consumer-groups --reset-offsets` does.
fn reset(stage: &Stage, to: impl Fn(i64, i64) -> i64, of: impl Fn(&str) -> bool) {
    let deployment = &stage.deployment;
    let reader = LogReader::on(&deployment.stack.brokers).expect("kafka answers");
    let mut offsets = TopicPartitionList::new();
    for partition in positions::input_partitions(&reader, deployment).expect("kafka answers") {
        if of(&partition.topic) {
            let extent = reader.extent(&partition).expect("kafka answers");
            let offset = Offset::Offset(to(extent.beginning, extent.end));
            offsets.add_partition_offset(&partition.topic, partition.number, offset).expect("an offset");
        }
    }
    let mut config = orderstream_harness::stack::client(&deployment.stack.brokers);
    let consumer: BaseConsumer = config.set("group.id", &deployment.group).create().expect("a consumer");
    consumer.commit(&offsets, CommitMode::Sync).expect("the group is empty, so anybody may");
}

/// A worker applies and publishes what is there, having missed so many positions.
async fn goes_on(stage: &Stage, name: &str, positions_lost: f64) {
    let mut worker: Worker = stage.worker(name);
    stage.all_published().await;
    worker.must_run().expect("nobody stopped it");
    assert_eq!(metric(&worker, "orderstream_positions_lost_total").await, positions_lost, "{name}");
    worker.stop(GOODBYE).await.expect("exit code 0");
}
