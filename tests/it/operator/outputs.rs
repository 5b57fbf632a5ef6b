//! Topics that are published to were made again or widened: nobody stops, and consumers are told what it means for them.

use orderstream_harness::output;
use orderstream_harness::topics;
use rdkafka::admin::{AdminOptions, NewPartitions};

use super::{GOODBYE, all_told, answer, at_rest, logs, says, stored};
use crate::stage::Stage;

const MADE_AGAIN: &str = "was deleted and made again: what had been published to it is gone";

#[tokio::test(flavor = "multi_thread")]
async fn an_output_topic_that_was_made_again_is_published_to_and_filled_again_on_request() {
    let stage = Stage::new("out_again", 2).await.with_short_sessions();
    let (brokers, status) = (stage.deployment.stack.brokers.clone(), stage.deployment.topics.status.clone());
    stage.send(60, 111).await;
    let mut worker = stage.worker("under-way");
    stage.all_published().await;
    let before = stored(&stage).await;
    topics::delete(&brokers, &[&status]).await.expect("deleted");
    stage.send(40, 112).await;
    logs(&stage, &mut worker, "publishing failed").await;
    topics::create_named(&brokers, &[(&status, 2)], 1).await.expect("made again");
    stage.all_published().await;
    // What changed since is complete; what was published before is gone with the topic.
    let told = output::status_events(&stage.deployment).await.expect("the topic can be read").len();
    assert!(told > 0);
    worker.must_run().expect("nobody stopped it");
    worker.terminate().expect("it runs");
    assert!(worker.wait(GOODBYE).await.expect("it ends").success());

    // It is told once, by whoever looks first: the worker that was under way, or the next one at its start.
    let told_before = worker.log().expect("a log").contains(MADE_AGAIN);
    let mut worker = stage.worker("next");
    logs(&stage, &mut worker, "ready to join the group").await;
    assert_ne!(worker.log().expect("a log").contains(MADE_AGAIN), told_before);
    worker.stop(GOODBYE).await.expect("exit code 0");
    let done = answer(&stage, &["recover", "--republish", "--yes"], 0);
    assert_eq!(done["state"], "done", "{done}");
    let worker = stage.worker("after");
    all_told(&stage).await;
    let after = stored(&stage).await;
    assert!(before.iter().all(|(order, version)| after[order] > *version), "every order is told again");
    says(&worker.log().expect("a log"), &["lanes taken over"]);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_added_to_an_output_topic_are_told_once_and_lose_nothing() {
    let stage = at_rest("out_wider", 2, 113).await;
    let status = stage.deployment.topics.status.clone();
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let wider = [NewPartitions::new(&status, 5)];
    let widened = admin.create_partitions(&wider, &AdminOptions::new()).await.expect("kafka answers");
    assert!(widened.iter().all(Result::is_ok), "{widened:?}");
    stage
        .until("all to know it", async || {
            let reader = orderstream_harness::topic_log::LogReader::on(&stage.deployment.stack.brokers)?;
            Ok(reader.partitions(&status)?.len() == 5)
        })
        .await;
    stage.send(60, 114).await;
    let mut worker = stage.worker("told");
    logs(&stage, &mut worker, "has 5 partitions and had 2").await;
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    let worker = stage.worker("not-again");
    stage.all_published().await;
    assert!(!worker.log().expect("a log").contains("partitions and had"));
    worker.stop(GOODBYE).await.expect("exit code 0");
    assert_eq!(super::published(&stage).await, stored(&stage).await);
    stage.run_command(&["verify"]);
    stage.strike().await;
}
