//! Input topics that were emptied, made again, deleted under a worker: nothing is skipped unless somebody says so.

use orderstream_harness::positions;
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics;
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};

use super::{CONFIG, GOODBYE, answer, at_rest, command, says};
use crate::events::captured;
use crate::letters::raw;
use crate::stage::Stage;

/// Wrong input: some letters were refused again.
const DATA: i32 = 65;

#[tokio::test(flavor = "multi_thread")]
async fn records_that_retention_took_before_they_were_read_are_counted_and_skipped_on_request_only() {
    let stage = at_rest("retention", 2, 101).await;
    let applied = stage.number("select sum(next_offset)::bigint from checkpoints").await;
    stage.send(60, 102).await;
    let topic = stage.deployment.topics.payment.clone();
    let gone = delete_all_but_the_last(&stage, &topic).await;
    stage.send(20, 103).await;
    let mut worker = stage.worker("stops");
    stage.ends(&mut worker, CONFIG, &["were deleted before they were read", &topic, "--input-topic"]).await;
    // The other topics were read meanwhile, or not; the one with the hole was not.
    assert!(stage.number("select sum(next_offset)::bigint from checkpoints").await >= applied);

    let (text, said) = command(&stage, &["recover", "--yes"], CONFIG);
    says(&text, &["deleted unread", "nothing was changed"]);
    says(&said, &[&format!("--input-topic {topic} --from earliest")]);
    let done = answer(&stage, &["recover", "--input-topic", &topic, "--from", "earliest", "--yes"], 0);
    assert_eq!((&done["state"], &done["offsets_skipped"]), (&"done".into(), &0.into()), "{done}");
    assert_eq!(done["offsets_deleted_unread"].as_i64(), Some(gone), "{done}");
    assert_eq!(done["version_floor"], serde_json::Value::Null, "nothing was published that the database does not know");

    let worker = stage.worker("goes-on");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.run_command(&["verify"]);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_topic_that_was_made_again_is_refused_and_read_from_its_beginning_on_request() {
    let stage = Stage::new("made_again", 1).await.with_short_sessions();
    let (brokers, topic) = (stage.deployment.stack.brokers.clone(), stage.deployment.topics.payment.clone());
    let mut producer = stage.producer().await;
    let refused = |bytes: &[u8]| {
        let record = raw("ord-bad", Some(bytes.to_vec()));
        orderstream_harness::produce::RawRecord { topic: topic.clone(), ..record }
    };
    producer.send_raw(&refused(b"one")).expect("sent");
    producer.send_json(&captured("ord-1", "cap-1")).expect("an event");
    producer.flush().expect("kafka has it");
    let worker = stage.worker("before");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    // As if Kafka had not said the topics' ids when the checkpoints were made: they are filled in, so the change is noticed.
    stage.execute("update checkpoints set topic_id = null").await;
    let mut worker = stage.worker("fills-in");
    stage
        .until("the topics' ids", async || {
            Ok(stage.number("select count(*) from checkpoints where topic_id is null").await == 0)
        })
        .await;
    // Under a running worker: it is missed, not guessed at.
    topics::delete(&brokers, &[&topic]).await.expect("deleted");
    stage.ends(&mut worker, CONFIG, &[&topic, "does not exist"]).await;
    topics::create_named(&brokers, &[(&topic, 1)], 1).await.expect("made again");
    let mut producer = stage.producer().await;
    producer.send_raw(&refused(b"another")).expect("sent");
    producer.send_json(&captured("ord-2", "cap-2")).expect("an event");
    producer.flush().expect("kafka has it");
    let mut worker = stage.worker("refused");
    stage.ends(&mut worker, CONFIG, &["was deleted and made again", "orderstream recover --input-topic"]).await;

    let found = answer(&stage, &["recover", "--input-topic", &topic, "--from", "earliest"], 0);
    assert_eq!(found["checkpoints_set"][0]["state"], "made_again", "{found}");
    command(&stage, &["recover", "--input-topic", &topic, "--from", "earliest", "--yes"], 0);
    let worker = stage.worker("after");
    stage.all_published().await;
    let letters = "select record_offset, convert_from(value, 'UTF8'), made_again::bigint from dead_letters order by id";
    let kept = [(0, "one".to_owned(), 1), (0, "another".to_owned(), 0)];
    assert_eq!(stage.rows::<(i64, String, i64)>(letters).await, kept, "the old letter stays beside the new one");
    let captured = "select order_id, captured_minor from orders where captured_minor > 0 order by 1";
    let orders: Vec<(String, i64)> = stage.rows(captured).await;
    assert_eq!(orders.iter().map(|(order, _)| order.as_str()).collect::<Vec<_>>(), ["ord-1", "ord-2"]);
    // The old letter is itself again when it is replayed: refused, and open as before.
    command(&stage, &["dead-letters", "replay", "--yes"], DATA);
    assert_eq!(stage.rows::<(i64, String, i64)>(letters).await, kept);
    assert_eq!(stage.number("select count(*) from dead_letters where state = 'open' and attempts = 2").await, 2);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.run_command(&["verify"]);

    // Again, and the command that sets it right is broken off before it could say that it is done.
    topics::delete(&brokers, &[&topic]).await.expect("deleted");
    topics::create_named(&brokers, &[(&topic, 1)], 1).await.expect("made again");
    let mut producer = stage.producer().await;
    producer.send_raw(&refused(b"a third")).expect("sent");
    producer.flush().expect("kafka has it");
    let recover = ["recover", "--input-topic", &topic, "--from", "earliest", "--yes"];
    command(&stage, &recover, 0);
    let lives = "select made_again::bigint, record_offset from dead_letters order by id";
    assert_eq!(stage.rows::<(i64, i64)>(lives).await, [(2, 0), (1, 0)], "each letter is a life older");
    stage.execute("update operations set ended_at = null where id = (select max(id) from operations)").await;
    says(&command(&stage, &recover, 0).0, &["lies inside of what Kafka has already", "done: start the workers"]);
    assert_eq!(stage.number("select count(*) from operations where ended_at is null").await, 0);
    says(&command(&stage, &recover, CONFIG).1, &["nothing to set"]);
    assert_eq!(stage.rows::<(i64, i64)>(lives).await, [(2, 0), (1, 0)]);

    // Kafka lost the end of the partition, and gives its offsets to other records.
    stage
        .execute(
            "insert into dead_letters (topic, partition, record_offset, record_timestamp, reason, explanation)
             select topic, 0, 1, now(), 'bad_avro', 'by hand' from dead_letters where id = 1;
             update checkpoints set next_offset = 2 where topic = (select topic from dead_letters where id = 1)",
        )
        .await;
    says(&command(&stage, &recover, 0).0, &["ends before the checkpoint"]);
    assert_eq!(stage.rows::<(i64, i64)>(lives).await, [(2, 0), (1, 0), (1, 1)], "what Kafka has keeps its letters");
    stage.strike().await;
}

/// Deletes all records of a topic but the last of each partition. Returns how many of them nobody had read.
async fn delete_all_but_the_last(stage: &Stage, topic: &str) -> i64 {
    let brokers = &stage.deployment.stack.brokers;
    let reader = LogReader::on(brokers).expect("kafka answers");
    let (mut ends, mut unread) = (TopicPartitionList::new(), 0);
    let checkpoints: Vec<(String, i32, i64)> =
        stage.rows("select topic, partition, next_offset from checkpoints").await;
    for partition in positions::input_partitions(&reader, &stage.deployment).expect("kafka answers") {
        if partition.topic == topic {
            let until = reader.extent(&partition).expect("kafka answers").end - 1;
            let is_it = |(of, number, _): &&(String, i32, i64)| of == topic && *number == partition.number;
            let next = checkpoints.iter().find(is_it).expect("a checkpoint").2;
            unread += (until - next).max(0);
            ends.add_partition_offset(topic, partition.number, Offset::Offset(until)).expect("an offset");
        }
    }
    let admin = topics::admin(brokers).expect("kafka answers");
    let deleted = admin.delete_records(&ends, &AdminOptions::new()).await.expect("kafka answers");
    deleted.elements().iter().for_each(|element| element.error().expect("deleted"));
    unread
}
