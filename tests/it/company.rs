//! Batches that have lanes of several writers in them, and meet what batches meet: a COMMIT without an answer, another owner, a
//! rebalance, a record that the database refuses.
//!
//! Four lanes and four writers, so each writer has one lane. Which lanes a transaction has is read from their rows, which the fence
//! marks with its number.

use std::collections::BTreeMap;

use orderstream_harness::check::{self, findings::Kind};
use orderstream_harness::topics::Input;
use sqlx::{Connection, Executor};

use crate::events::captured;
use crate::holds::{Holds, Step};
use crate::letters::raw;
use crate::robbery::Robbery;
use crate::stage::{GOODBYE, Stage};
use crate::turns::SEVERAL;
use crate::under_load::{lanes_of, metric};

/// Holds batches at a step until one of those has lanes of several writers. Returns these lanes.
pub async fn hold(stage: &Stage, holds: &mut Holds, step: Step) -> Vec<i32> {
    let of_one_transaction = "select array_agg(l.lane) from lanes l join pg_stat_activity a on a.backend_xid = l.xmax
                               group by a.pid order by count(*) desc limit 1";
    loop {
        holds.hold(step).await;
        stage.until("a batch to be held", async || Ok(holds.waiting(step).await > 0)).await;
        let found: Vec<(Vec<i32>,)> = stage.rows(of_one_transaction).await;
        let lanes = found.into_iter().next().expect("its fence has marked a row").0;
        if lanes.len() > 1 {
            return lanes;
        }
        holds.let_go(step).await;
        goes_on(stage).await;
    }
}

async fn goes_on(stage: &Stage) {
    let rows = stage.journal_rows().await + 10;
    stage.journal_reaches(rows, &mut []).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_several_writers_that_happened_and_whose_answer_is_lost_is_not_repeated() {
    let (mut robbery, lanes, flow) = Robbery::in_company("company_lost", Step::Committing).await;
    robbery.thief.swallow_answers();
    let before = last_rows(&robbery.stage).await;
    robbery.holds.let_go(Step::Committing).await;
    robbery
        .stage
        .until("the commit to happen", async || {
            let now = last_rows(&robbery.stage).await;
            Ok(lanes.iter().all(|lane| now[lane] > before[lane]))
        })
        .await;
    flow.end().await;
    robbery.thief.cut();
    robbery.thief.lose();
    robbery.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_several_writers_that_fails_after_the_connection_is_lost_is_repeated() {
    let (mut robbery, _, flow) = Robbery::in_company("company_failed", Step::Committing).await;
    robbery.thief.cut();
    robbery.wait_for_the_question().await;
    robbery.have_the_commit_fail().await;
    robbery.holds.let_go(Step::Committing).await;
    goes_on(&robbery.stage).await;
    flow.end().await;
    robbery.end().await;
}

/// The last journal row of each lane.
async fn last_rows(stage: &Stage) -> BTreeMap<i32, i64> {
    stage.rows("select lane, last_seq from lanes").await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_another_claimed_while_it_was_lent_is_given_up_alone() {
    let stage = Stage::new("company_fenced", 4).await.with_short_sessions();
    let flow = stage.flow(64, 400).await;
    let worker = stage.worker("fenced");
    goes_on(&stage).await;
    claim_a_lent_lane(&stage).await;
    stage
        .until("the fence to refuse the batch", async || {
            Ok(worker.log()?.contains("another process claimed lanes of ours"))
        })
        .await;
    goes_on(&stage).await;
    flow.end().await;
    stage.all_published().await;
    let log = worker.log().expect("a log");
    assert!(log.contains("another process claimed lanes of ours: their tenures end lanes=[3]"), "{log}");
    assert_eq!(metric(&worker, "orderstream_fenced_transactions_total{by=\"epoch\"}").await, 1.0);
    stage.finish([worker]).await;
}

/// Claims lane 3 while a batch of another writer, which has another lane too, waits for its row.
async fn claim_a_lent_lane(stage: &Stage) {
    let waiting = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock' and application_name like '%/writer-%'";
    let it_is_lent = "select count(*) from pg_stat_activity a join lanes l on l.xmax = a.backend_xid
                       where wait_event_type = 'Lock' and application_name like '%/writer-_' and application_name not like '%-3'";
    loop {
        let mut claim = stage.database.connect().await.expect("postgres answers");
        let another = "begin; update lanes set epoch = epoch + 1, tenure = gen_random_uuid() where lane = 3";
        claim.execute(another).await.expect("its row is free in a moment");
        stage.until("a batch to wait for the lane", async || Ok(stage.number(waiting).await > 0)).await;
        if stage.number(it_is_lent).await > 0 {
            claim.execute("commit").await.expect("nobody keeps us from it");
            return;
        }
        claim.close().await.expect("it was not to be");
        goes_on(stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_revoked_while_they_are_lent_are_drained_with_the_batch_that_has_them() {
    let stage = Stage::new("company_drained", 4).await.with_short_sessions();
    let mut holds = Holds::in_database(&stage.database).await;
    let flow = stage.flow(65, 400).await;
    let first = stage.worker("first");
    hold(&stage, &mut holds, Step::Written).await;
    let second = stage.worker("second");
    let revoked = async || metric(&first, "orderstream_rebalances_total{kind=\"revoke\"}").await > 0.0;
    stage.until("the lanes to be revoked", async || Ok(revoked().await)).await;
    holds.let_go(Step::Written).await;
    stage
        .until("both workers to share the lanes", async || {
            Ok(lanes_of(&first).await == 2 && lanes_of(&second).await == 2)
        })
        .await;
    goes_on(&stage).await;
    flow.end().await;
    stage.all_published().await;
    let log = first.log().expect("a log");
    assert!(log.contains("lanes drained lanes=4") && !log.contains("claimed lanes of ours"), "{log}");
    stage.finish([first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_lent_and_not_drained_in_time_are_given_back_all_the_same() {
    let mut stage = Stage::new("company_undrained", 4).await.with_short_sessions();
    stage.config.set("worker.drain_timeout", "1s");
    stage.configure();
    let mut holds = Holds::in_database(&stage.database).await;
    let flow = stage.flow(66, 400).await;
    let first = stage.worker("first");
    hold(&stage, &mut holds, Step::Written).await;
    let second = stage.worker("second");
    stage.until("the drain to end", async || Ok(first.log()?.contains("lanes not drained in time"))).await;
    stage
        .until("both workers to share the lanes", async || {
            Ok(lanes_of(&first).await == 2 && lanes_of(&second).await == 2)
        })
        .await;
    holds.let_go(Step::Written).await;
    goes_on(&stage).await;
    flow.end().await;
    stage.all_published().await;
    // Had a tenure lived on, its batch would have asked the database what became of it, and would have been refused.
    assert!(!first.log().expect("a log").contains("claimed lanes of ours"));
    stage.finish([first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_database_refuses_is_refused_alone_also_in_a_batch_of_several_writers() {
    let stage = Stage::new("company_refused", 4).await;
    stage.execute("alter table orders add constraint no_eggs check (order_id <> 'eggs')").await;
    let flow = stage.flow(67, 400).await;
    let worker = stage.worker("w");
    goes_on(&stage).await;
    let mut producer = stage.producer().await;
    let refused = "select count(*) from dead_letters where reason = 'apply_failed' and order_id = 'eggs'";
    let is_in_company = |log: &str| log.lines().any(|line| line.contains(SEVERAL) && line.contains("no_eggs"));
    for number in 1.. {
        let mut record =
            raw("eggs", Some(producer.encode(&captured("eggs", &format!("cap-{number}"))).expect("an event")));
        record.topic = stage.deployment.topics.input(Input::Payment).expect("a topic").to_owned();
        producer.send_raw(&record).expect("sent");
        producer.flush().expect("kafka has it");
        stage.until("the record to be refused", async || Ok(stage.number(refused).await == number)).await;
        if is_in_company(&worker.log().expect("a log")) {
            break;
        }
    }
    flow.end().await;
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("a good end");
    // The checker knows nothing of the constraint: it finds these records refused, and nothing else.
    let verdict = check::check(&stage.deployment).await.expect("the checker can read everything");
    let found: Vec<(Kind, u64)> = verdict.findings.by_kind().map(|(kind, found)| (kind, found.count)).collect();
    let many = stage.number(refused).await.try_into().expect("a count");
    assert_eq!(found, [(Kind::WrongOutcome, many)], "{}", verdict.text());
    stage.strike().await;
}
