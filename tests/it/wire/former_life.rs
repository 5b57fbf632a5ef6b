//! What a worker sent before it was killed, frozen or relieved of its lanes, and what arrives in a transaction of its successor.
//!
//! Three things stand in its way: the successor takes the former transactional id over, which gives it a new epoch; the group has a
//! new generation; and a position that an unfinished transaction holds is waited for, not passed over.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_sent_arrives_late_and_touches_nothing_of_its_successors() {
    let wired = Wired::broker().await;
    let stage = wired.stage("killed").await;
    let flow = stage.flow(91, 300).await;
    let mut worker = stage.worker("first");
    for api in OF_A_TRANSACTION {
        publishes(&stage, &worker).await;
        let late = wired.next(&stage, api, Action::Hold);
        caught(&stage, &late).await;
        worker.kill().expect("it runs");
        worker = stage.worker(&format!("after-{api:?}"));
        publishes(&stage, &worker).await;
        let (answer, _) = arrives_in_the_midst(&wired, &stage, &late).await;
        assert!(FENCED.contains(&answer), "{api:?} was answered with {answer}");
    }
    flow.end().await;
    all_is_well(stage, vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_could_refuse_is_waited_for_and_counts() {
    let wired = Wired::broker().await;
    let stage = wired.stage("unrefused").await;
    let flow = stage.flow(92, 300).await;
    let mut killed = stage.worker("killed");
    publishes(&stage, &killed).await;
    let late = wired.next(&stage, Api::EndTxn, Action::Hold);
    caught(&stage, &late).await;
    killed.kill().expect("it runs");
    // As if nobody knew whose transaction may be open.
    stage.execute("update lanes set owner_transactional_id = null").await;
    let next = stage.worker("next");
    stage.until("the successor to have the lanes", async || Ok(lanes_of(&next).await == LANES)).await;
    // It has asked where the lanes stand, for as long as it may, and was not told.
    let waits = "orderstream_retries_total{cause=\"kafka_publish\"}";
    stage.until("the successor to wait", async || Ok(metric(&next, waits).await >= 1.0)).await;
    assert_eq!(published(&next).await, 0.0, "it does not know what is published, and waits");
    late.release();
    assert_eq!(answered(&stage, &late).await, 0, "the commit is as good as on time");
    flow.end().await;
    all_is_well(stage, vec![next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_worker_sent_arrives_after_its_lanes_are_anothers_and_it_takes_part_again() {
    let wired = Wired::broker().await;
    let stage = wired.stage("frozen").await;
    let flow = stage.flow(93, 300).await;
    let frozen = stage.worker("frozen");
    publishes(&stage, &frozen).await;
    let late = wired.next(&stage, Api::EndTxn, Action::Hold);
    caught(&stage, &late).await;
    frozen.freeze().expect("it runs");
    let next = stage.worker("next");
    publishes(&stage, &next).await;
    let (answer, _) = arrives_in_the_midst(&wired, &stage, &late).await;
    assert!(FENCED.contains(&answer), "it was answered with {answer}");
    frozen.thaw().expect("it is frozen");
    they_share(&stage, [&frozen, &next]).await;
    flow.end().await;
    all_is_well(stage, vec![frozen, next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_sent_before_a_rebalance_took_its_lanes_is_refused_after_it() {
    let wired = Wired::broker().await;
    let mut stage = wired.stage("rebalance").await;
    // The group does not wait long for what is on its way.
    stage.config.set("worker.drain_timeout", "500ms");
    stage.configure();
    let flow = stage.flow(94, 300).await;
    let member = stage.worker("member");
    publishes(&stage, &member).await;
    let late = wired.next(&stage, Api::TxnOffsetCommit, Action::Hold);
    caught(&stage, &late).await;
    let other = stage.worker("other");
    publishes(&stage, &other).await;
    late.release();
    let answer = answered(&stage, &late).await;
    assert!(REFUSED_BY_THE_GROUP.contains(&answer) || FENCED.contains(&answer), "it was answered with {answer}");
    they_share(&stage, [&member, &other]).await;
    flow.end().await;
    all_is_well(stage, vec![member, other]).await;
}

/// `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`.
const REFUSED_BY_THE_GROUP: [i16; 2] = [22, 25];

async fn they_share(stage: &Stage, workers: [&Worker; 2]) {
    stage
        .until("both to share the lanes", async || {
            Ok(lanes_of(workers[0]).await == LANES / 2 && lanes_of(workers[1]).await == LANES / 2)
        })
        .await;
}
