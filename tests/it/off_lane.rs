//! Orders that come through two lanes at once, because two producers do not agree on a partitioner.
//!
//! The order of what is published may suffer; the orders themselves may not. Their rows' locks, and the one row that an order
//! can have, which only one of two lanes can make, keep them from losing each other's updates.

use orderstream_harness::produce::{Manner, Partitioner, Producer};
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::{Shape, Traffic};

use crate::patience::LONG_PATIENCE;
use crate::stage::{GOODBYE, Stage, now_micros};
use crate::under_load::metric;

#[tokio::test(flavor = "multi_thread")]
async fn two_producers_with_different_partitioners_lose_no_update_and_are_counted() {
    let stage = Stage::new("off_lane", 4).await.with_short_sessions();
    // All of it is there before anybody reads, so that batches of several lanes meet at the same new orders.
    send_in_two_lanes(&stage, 1_000, 41).await;
    let workers = [stage.worker("first"), stage.worker("second")];
    stage.all_published_within(LONG_PATIENCE).await;
    let (mut off_lane, mut warned) = (0.0, false);
    for mut worker in workers {
        worker.must_run().expect("nobody stopped it");
        off_lane += metric(&worker, "orderstream_orders_off_lane_total").await;
        warned |= worker.log().expect("a log").contains("different partitioners");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    assert!(off_lane > 0.0 && warned, "orders_off_lane_total is {off_lane}");
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.orders, 1_000);
    stage.strike().await;
}

/// Payments go by murmur2, everything else by CRC32.
async fn send_in_two_lanes(stage: &Stage, orders: u64, seed: u64) {
    let (stack, topics) = (&stage.deployment.stack, &stage.deployment.topics);
    let mut java = stage.producer().await;
    let manner = Manner { partitioner: Partitioner::Crc32, ..Manner::default() };
    let mut librdkafka = Producer::open_as(stack, topics, manner).await.expect("a producer");
    let shape = Shape { malformed: 0.0, in_flight: 100, ..Shape::usual(orders, seed, now_micros()) };
    for planned in Traffic::new(shape) {
        let producer = if planned.input == Input::Payment { &mut java } else { &mut librdkafka };
        producer.send(&planned).expect("kafka takes the record");
    }
    java.flush().expect("acknowledged");
    librdkafka.flush().expect("acknowledged");
}
