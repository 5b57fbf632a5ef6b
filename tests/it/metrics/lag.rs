//! The lag of a lane that stands still since it was taken over: in records, and in seconds that pass.
//!
//! Invariant: what is compared with is the record's own timestamp, as Kafka has it.

use orderstream_harness::topics::Input;
use orderstream_harness::worker::Worker;
use sqlx::Executor;

use crate::deadlines::transactional;
use crate::events::{now_micros, sound};
use crate::stage::Stage;
use crate::under_load::metric;

const RECORDS: &str = "orderstream_lag_records{lane=\"0\"}";
const SECONDS: &str = "orderstream_lag_seconds{lane=\"0\"}";
const QUEUED: &str = "orderstream_lane_queue_records{lane=\"0\"}";

/// A metric of a lane; 0 until the lane is there.
async fn of_lane(worker: &Worker, sample: &str) -> f64 {
    let (name, _) = sample.split_once('{').expect("a lane");
    // Without its label first: a lane's series may not be there yet.
    if metric(worker, "orderstream_lanes_owned").await < 1.0 || metric_is_absent(worker, name).await {
        return 0.0;
    }
    metric(worker, sample).await
}

async fn metric_is_absent(worker: &Worker, name: &str) -> bool {
    let answer = reqwest::get(format!("http://{}/metrics", worker.metrics())).await.expect("an answer");
    !answer.text().await.expect("text").contains(&format!("\n{name}{{"))
}

async fn has_caught_up(stage: &Stage, worker: &Worker) {
    stage
        .until("the lag to be gone", async || {
            Ok(of_lane(worker, RECORDS).await == 0.0 && of_lane(worker, SECONDS).await == 0.0)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_applies_nothing_since_its_take_over_is_as_late_as_its_oldest_record_is_old() {
    let stage = Stage::new("lag", 1).await;
    let mut producer = stage.producer().await;
    let before = now_micros();
    producer.send_json(&sound(Input::Payment, "ord-1")).expect("an event");
    producer.flush().expect("kafka has it");
    let mut holder = stage.database.connect().await.expect("postgres answers");
    holder.execute("begin; lock table orders in share mode").await.expect("locked");
    let worker = stage.worker("w");
    // The record is in memory and tells its own age, which is more than this owner has had it.
    let mut seen = (0.0, 0.0, 0);
    stage
        .until("the lag of the record", async || {
            seen = (of_lane(&worker, RECORDS).await, of_lane(&worker, SECONDS).await, now_micros());
            Ok(seen.0 == 1.0 && seen.1 > 3.0)
        })
        .await;
    assert_eq!(of_lane(&worker, QUEUED).await, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let most = (seen.2 - before) as f64 / 1e6;
    assert!(seen.1 <= most + 0.1, "{} s, and it is at most {most} s old", seen.1);
    holder.execute("rollback").await.expect("let go");
    has_caught_up(&stage, &worker).await;

    // A record that Kafka does not hand out yet is known only by where the partition ends.
    let mut upstream = transactional(&stage).await;
    upstream.begin().expect("a transaction");
    let before = now_micros();
    upstream.send_json(&sound(Input::Inventory, "ord-1")).expect("an event");
    upstream.flush().expect("kafka has it");
    stage
        .until("the lag of the open transaction", async || {
            seen = (of_lane(&worker, RECORDS).await, of_lane(&worker, SECONDS).await, now_micros());
            Ok(seen.0 == 1.0 && seen.1 > 1.5)
        })
        .await;
    assert_eq!(of_lane(&worker, QUEUED).await, 0.0);
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let most = (seen.2 - before) as f64 / 1e6;
    assert!(seen.1 <= most + 0.1, "{} s, and it is at most {most} s old", seen.1);
    upstream.abort().expect("aborted");
    has_caught_up(&stage, &worker).await;
    stage.finish([worker]).await;
}
