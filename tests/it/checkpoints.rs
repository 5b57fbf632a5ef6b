//! The checkpoint's compare: a checkpoint that a foreign hand moved stops the worker before anything is applied past it.

use orderstream_harness::topics::Input;

use crate::events::sound;
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_somebody_else_moved_stops_the_worker_with_both_numbers() {
    let stage = Stage::new("checkpoint", 1).await;
    let mut worker = stage.worker("w");
    let mut producer = stage.producer().await;
    producer.send_json(&sound(Input::Payment, "ord-1")).expect("sent");
    producer.flush().expect("flushed");
    stage.all_published(30).await;

    stage.execute("update checkpoints set next_offset = next_offset + 7 where next_offset > 0").await;
    producer.send_json(&sound(Input::Payment, "ord-2")).expect("sent");
    producer.flush().expect("flushed");
    stage.ends(&mut worker, 30, 70, &["checkpoint of", "is 8 and not 1"]).await;
    assert_eq!(stage.number("select count(*) from orders").await, 1, "nothing was applied behind it");

    // Put back, everything goes on where it was.
    stage.execute("update checkpoints set next_offset = next_offset - 7 where next_offset > 0").await;
    let worker = stage.worker("next");
    stage.all_published(30).await;
    stage.check().await;
    worker.stop(std::time::Duration::from_secs(20)).await.expect("a good end");
    stage.strike().await;
}
