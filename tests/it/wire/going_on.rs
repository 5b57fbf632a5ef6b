//! A worker that goes on while what it sent is late, repeated or lost, or the answer is.
//!
//! The network repeats nothing by itself: a request arrives twice when the client sent it again because its connection broke or the
//! answer did not come, and the first one arrives after all. librdkafka does that inside of a call, 0.4 s later at the earliest; the
//! relay takes such a call for doubtful and makes a new producer before the next transaction.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_late_and_was_sent_again_meanwhile_touches_nothing_of_a_later_transaction() {
    let (wired, stage, worker, flow) = under_way("late", 81).await;
    for api in OF_A_TRANSACTION {
        let late = wired.next(&stage, api, Action::HoldAndBreak);
        let former = caught(&stage, &late).await;
        publishes(&stage, &worker).await;
        let (answer, epoch) = arrives_in_the_midst(&wired, &stage, &late).await;
        match api {
            // What could end or change a later transaction meets another epoch of the producer, and is refused.
            Api::AddOffsetsToTxn | Api::TxnOffsetCommit | Api::EndTxn => {
                assert!(FENCED.contains(&answer), "{api:?} was answered with {answer}");
                assert_ne!(epoch, former.epoch, "a new producer after {api:?}");
            }
            // Registering a partition again is nothing; records have numbers, and the broker knows those it has.
            _ => {}
        }
        publishes(&stage, &worker).await;
    }
    assert!(metric(&worker, "orderstream_producer_recycles_total{cause=\"slow\"}").await >= 3.0);
    flow.end().await;
    all_is_well(stage, vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_held_until_it_is_given_up_touches_nothing_when_it_arrives() {
    let (wired, stage, worker, flow) = under_way("given_up", 82).await;
    for api in [Api::TxnOffsetCommit, Api::EndTxn] {
        let late = wired.next(&stage, api, Action::Hold);
        let former = caught(&stage, &late).await;
        publishes(&stage, &worker).await;
        let (answer, epoch) = arrives_in_the_midst(&wired, &stage, &late).await;
        assert!(FENCED.contains(&answer), "{api:?} was answered with {answer}");
        assert_ne!(epoch, former.epoch);
    }
    flow.end().await;
    all_is_well(stage, vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_arrive_twice_and_answers_that_never_arrive_double_and_lose_nothing() {
    let (wired, stage, worker, flow) = under_way("twice", 83).await;
    for api in OF_A_TRANSACTION {
        for action in [Action::Repeat, Action::BreakAtAnswer] {
            let rule = wired.next(&stage, api, action);
            caught(&stage, &rule).await;
            let answer = answered(&stage, &rule).await;
            publishes(&stage, &worker).await;
            assert!(action == Action::Repeat || answer == 0, "{api:?} arrived and was answered with {answer}");
        }
    }
    // Without a sign of a broken connection, only time tells.
    for (api, action) in [(Api::EndTxn, Action::DropAnswer), (Api::TxnOffsetCommit, Action::Drop)] {
        let rule = wired.next(&stage, api, action);
        caught(&stage, &rule).await;
        publishes(&stage, &worker).await;
    }
    flow.end().await;
    all_is_well(stage, vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_id_whose_answer_is_lost_or_whose_request_is_late_or_repeated_costs_time_alone() {
    let (wired, stage, worker, flow) = under_way("init", 84).await;
    for action in [Action::BreakAtAnswer, Action::Repeat, Action::HoldAndBreak] {
        let rule = wired.next(&stage, Api::InitProducerId, action);
        // A lost answer makes the relay take a new producer.
        let doubt = wired.next(&stage, Api::EndTxn, Action::BreakAtAnswer);
        caught(&stage, &doubt).await;
        caught(&stage, &rule).await;
        if action == Action::HoldAndBreak {
            publishes(&stage, &worker).await;
            // It takes the id over from the very producer that asked for it. That one's transaction is ended, and done again.
            let (answer, _) = arrives_in_the_midst(&wired, &stage, &rule).await;
            assert!(answer == 0 || answer == CONCURRENT_TRANSACTIONS, "it was answered with {answer}");
        } else {
            assert_eq!(answered(&stage, &rule).await, 0);
        }
        publishes(&stage, &worker).await;
    }
    flow.end().await;
    all_is_well(stage, vec![worker]).await;
}

/// The broker is ending a transaction.
const CONCURRENT_TRANSACTIONS: i16 = 51;

/// A worker that publishes what comes and comes.
async fn under_way(test: &str, seed: u64) -> (Arc<Wired>, Stage, Worker, Flow) {
    let wired = Wired::broker().await;
    let mut stage = wired.stage(test).await;
    // So that a lost answer is given up soon.
    stage.config.set("kafka.transaction_timeout", "5s");
    stage.configure();
    let worker = stage.worker("worker");
    let flow = stage.flow(seed, 300).await;
    publishes(&stage, &worker).await;
    (wired, stage, worker, flow)
}
