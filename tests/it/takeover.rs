//! What an owner of a lane finds: a transaction left open, a position that is gone, foreign, or ahead of the database.

use orderstream_harness::deployment::Deployment;
use orderstream_harness::positions::{self, Mark};
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::open_transaction::{LANES, Onlooker, frozen_before_its_offsets, frozen_in_a_transaction};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::{lanes_of, metric};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_by_a_kill_is_ended_by_the_next_owner_and_published_once() {
    let (stage, mut killed) = frozen_in_a_transaction("open_kill").await;
    killed.kill().expect("it is frozen");
    assert!(Onlooker::of(&stage.deployment).sees_open_records(), "it was killed in a transaction");
    let next = stage.worker("next");
    stage.all_published().await;
    nothing_is_left_open(&stage).await;
    assert!(metric(&next, "orderstream_journal_rows_reloaded_total").await > 0.0);
    stage.finish([next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_is_not_forgotten_when_the_next_owner_dies_before_it_ended_it() {
    let stage = left_open_by_one_and_claimed_by_another().await;
    let next = stage.worker("next");
    stage.all_published().await;
    nothing_is_left_open(&stage).await;
    stage.send(60, 71).await;
    stage.all_published().await;
    let remembered = "select count(*) from lanes where former_transactional_ids <> '{}'";
    stage
        .until("the lanes to forget what is ended", async || Ok(stage.rows::<(i64,)>(remembered).await == [(0,)]))
        .await;
    stage.finish([next]).await;
}

/// The broker itself would end what was left open only after transaction.timeout.ms (ten minutes here) and its scan.
async fn nothing_is_left_open(stage: &Stage) {
    let onlooker = Onlooker::of(&stage.deployment);
    stage.until("what the first worker left open to be ended", async || Ok(!onlooker.sees_open_records())).await;
}

/// Lanes with an open transaction of a worker that was killed, claimed by a second one that was killed before it ended that.
async fn left_open_by_one_and_claimed_by_another() -> Stage {
    for _ in 0..5 {
        let (stage, mut first) = frozen_in_a_transaction("open_twice").await;
        first.kill().expect("it is frozen");
        let mut second = stage.worker("second");
        let claimed = "select count(*) from lanes where former_transactional_ids <> '{}'";
        while stage.rows::<(i64,)>(claimed).await == [(0,)] {
            second.must_run().expect("nobody stopped it");
        }
        second.kill().expect("it runs");
        if Onlooker::of(&stage.deployment).sees_open_records() {
            return stage;
        }
        // It was quicker than we were.
        stage.strike().await;
    }
    panic!("the second worker always ended the transaction before it was killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_wakes_up_in_its_transaction_after_a_takeover_publishes_nothing_of_it() {
    let (stage, zombie) = frozen_in_a_transaction("open_zombie").await;
    let next = stage.worker("next");
    stage.all_published().await;
    zombie.thaw().expect("it is frozen");
    stage
        .until("both to share the lanes", async || {
            Ok(metric(&zombie, "orderstream_tenures_ended_total").await > 0.0 && lanes_of(&zombie).await == LANES / 2)
        })
        .await;
    stage.send(60, 62).await;
    stage.all_published().await;
    stage.finish([zombie, next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_that_nobody_ended_is_refused_by_the_generation_it_was_begun_under() {
    let (stage, mut zombie) = frozen_before_its_offsets("generation").await;
    // As if nobody knew whose transaction may be open: then only the generation stands in its way.
    stage.execute("update lanes set owner_transactional_id = null").await;
    let next = stage.worker("next");
    stage.all_published().await;
    zombie.thaw().expect("it is frozen");
    stage
        .until("the group's refusal", async || {
            Ok(metric(&zombie, "orderstream_fenced_transactions_total{by=\"generation\"}").await > 0.0)
        })
        .await;
    assert!(metric(&zombie, "orderstream_producer_recycles_total{cause=\"generation\"}").await > 0.0);
    zombie.must_run().expect("it takes part again");
    stage.send(60, 66).await;
    stage.all_published().await;
    stage.finish([zombie, next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_another_claimed_is_given_up_at_the_next_batch_and_taken_anew() {
    let stage = Stage::new("claimed", LANES).await.with_short_sessions();
    stage.send(60, 67).await;
    let worker = stage.worker("fenced");
    stage.all_published().await;
    stage.execute("update lanes set epoch = epoch + 1, tenure = gen_random_uuid()").await;
    stage.send(60, 68).await;
    stage.all_published().await;
    assert!(metric(&worker, "orderstream_fenced_transactions_total{by=\"epoch\"}").await > 0.0);
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_last_row_another_hand_moved_is_given_up_at_the_next_batch() {
    let stage = Stage::new("last_row", LANES).await.with_short_sessions();
    stage.send(60, 71).await;
    let worker = stage.worker("fenced");
    stage.all_published().await;
    // The claim is still ours, and somebody else wrote a row under it.
    stage.execute("update lanes set last_seq = last_seq + 1").await;
    stage.send(60, 72).await;
    let refused = async || Ok(worker.log()?.contains("another process claimed lanes of ours"));
    stage.until("the fence to refuse the batch", refused).await;
    drop(worker);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_another_hand_moved_stops_with_both_numbers() {
    let stage = Stage::new("moved", LANES).await.with_short_sessions();
    stage.send(60, 69).await;
    let mut worker = stage.worker("stopped");
    stage.all_published().await;
    stage.execute("update checkpoints set next_offset = next_offset + 1").await;
    stage.send(60, 70).await;
    stage.ends(&mut worker, 70, &["checkpoint of", " and not ", "somebody else moved it"]).await;
    // What was done by hand can be undone by hand, and nothing was applied meanwhile.
    stage.execute("update checkpoints set next_offset = next_offset - 1").await;
    continues(stage, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_ahead_of_the_database_stops_with_the_way_out() {
    let stage = at_rest("ahead").await;
    let mark = mark_of(&stage.deployment, 0);
    let ahead = text(Mark { seq: mark.seq + 1, ..mark });
    set_position(&stage.deployment, 0, &ahead);
    let mut worker = stage.worker("refusing");
    stage.ends(&mut worker, 78, &["orderstream recover", "lane 0"]).await;

    // Another hand's epoch is as bad a sign.
    let ahead = text(Mark { epoch: mark.epoch + 100, ..mark });
    set_position(&stage.deployment, 0, &ahead);
    let mut worker = stage.worker("refusing-again");
    stage.ends(&mut worker, 78, &["orderstream recover", "lane 0"]).await;

    set_position(&stage.deployment, 0, &text(mark));
    continues(stage, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_from_another_database_stops() {
    let stage = at_rest("other_db").await;
    let mark = mark_of(&stage.deployment, 1);
    set_position(&stage.deployment, 1, &text(Mark { database: uuid::Uuid::from_u128(7), ..mark }));
    let mut worker = stage.worker("refusing");
    stage.ends(&mut worker, 78, &["another database", "lane 1"]).await;
    set_position(&stage.deployment, 1, &text(mark));
    continues(stage, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_deleted_is_made_good_from_the_database_and_counted() {
    let stage = at_rest("deleted").await;
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let deleted = admin.delete_groups(&[&stage.deployment.group], &AdminOptions::new()).await.expect("kafka answers");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    continues(stage, f64::from(LANES)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_a_stranger_wrote_over_is_made_good_from_the_database_and_counted() {
    let stage = at_rest("stranger").await;
    set_position(&stage.deployment, 2, "whatever they keep there");
    continues(stage, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_group_on_one_database_is_refused() {
    let stage = at_rest("two_groups").await;
    let mut worker = stage.worker_with("other", |config| {
        config.set("kafka.group", "somebody-else");
    });
    stage.ends(&mut worker, 78, &["`somebody-else`", &stage.deployment.group]).await;
    continues(stage, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_one_instance_id_are_told_so_and_double_nothing() {
    let mut stage = Stage::new("twins", LANES).await.with_short_sessions();
    stage.config.set("kafka.instance", "twin");
    stage.configure();
    let flow = stage.flow(65, 1_000).await;
    let mut twins = [stage.worker("first"), stage.worker("second")];
    stage.until("one of them to end", async || Ok(twins[0].ended()?.is_some() || twins[1].ended()?.is_some())).await;
    for twin in &mut twins {
        if let Some(status) = twin.ended().expect("the system says") {
            assert_eq!(status.code(), Some(78));
            assert!(twin.log().expect("a log").contains("instance id used twice"));
        } else {
            twin.kill().expect("it runs");
        }
    }
    flow.end().await;
    let alone = stage.worker("alone");
    stage.all_published().await;
    stage.finish([alone]).await;
}

/// A deployment that has published something and whose worker left in good order.
async fn at_rest(test: &str) -> Stage {
    let stage = Stage::new(test, LANES).await.with_short_sessions();
    stage.send(100, 63).await;
    let worker = stage.worker("before");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage
}

/// A new worker goes on with new traffic, having missed the position of so many lanes.
async fn continues(stage: Stage, positions_lost: f64) {
    stage.send(100, 64).await;
    let worker = stage.worker("after");
    stage.all_published().await;
    assert_eq!(metric(&worker, "orderstream_positions_lost_total").await, positions_lost);
    stage.finish([worker]).await;
}

/// What Kafka says of a lane.
fn mark_of(deployment: &Deployment, lane: i32) -> Mark {
    let marks = committed_of(deployment, lane);
    let metadata = marks.iter().map(|(_, _, metadata)| metadata).next().expect("the lane is published");
    Mark::read(metadata).expect("a mark")
}

fn committed_of(deployment: &Deployment, lane: i32) -> Vec<(String, i64, String)> {
    let reader = LogReader::on(&deployment.stack.brokers).expect("kafka answers");
    let mut partitions = positions::input_partitions(&reader, deployment).expect("kafka answers");
    partitions.retain(|partition| partition.number == lane);
    let committed = positions::committed(&deployment.stack.brokers, &deployment.group, &partitions);
    let committed = committed.expect("kafka answers").into_iter();
    committed.map(|(partition, committed)| (partition.topic, committed.offset, committed.metadata)).collect()
}

/// Writes a lane's position by hand; the offsets stay.
fn set_position(deployment: &Deployment, lane: i32, metadata: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &deployment.stack.brokers).set("group.id", &deployment.group);
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut offsets = TopicPartitionList::new();
    for (topic, offset, _) in committed_of(deployment, lane) {
        offsets.add_partition_offset(&topic, lane, Offset::Offset(offset)).expect("an offset");
        offsets.find_partition(&topic, lane).expect("just added").set_metadata(metadata);
    }
    consumer.commit(&offsets, CommitMode::Sync).expect("the group is empty, so anybody may");
}

fn text(mark: Mark) -> String {
    format!("v1;seq={};epoch={};db={}", mark.seq, mark.epoch, mark.database.simple())
}
