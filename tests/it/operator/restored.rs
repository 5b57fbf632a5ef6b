//! The database was restored from a backup that is older than what was published.

use std::path::Path;

use orderstream_harness::worker::Worker;

use super::broken_off::{Moment, killed_at};
use super::{
    CONFIG, GOODBYE, TRY_AGAIN, all_told, answer, command, meanings, meanings_afresh, published, says, stored,
};
use crate::stage::Stage;

const LANES: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_a_backup_is_refused_and_recovered_above_everything_that_was_published() {
    let stage = published_beyond_a_backup("restored", 81).await;
    let before = published(&stage).await;
    let rows = stage.journal_rows().await;
    // Started again and again, as a supervisor does, it writes nothing that would hide the loss.
    for attempt in 0..3 {
        let mut worker = stage.worker(&format!("refused-{attempt}"));
        stage.ends(&mut worker, CONFIG, &["restored from a backup", "use `orderstream recover`"]).await;
    }
    assert_eq!(stage.journal_rows().await, rows);

    let found = answer(&stage, &["recover"], 0);
    assert_eq!((&found["state"], &found["lanes"]), (&"found".into(), &LANES.into()), "{found}");
    assert!(found["journal_rows_lost"].as_u64() > Some(0) && found["offsets_read_again"].as_u64() > Some(0), "{found}");
    let (text, _) = command(&stage, &["recover"], 0);
    says(&text, &["the database is behind what was published", "nothing was changed: add --yes"]);
    assert_eq!(stage.number("select sum(version_floor)::bigint from lanes").await, 0);
    let mut worker = stage.worker("refused-still");
    stage.ends(&mut worker, CONFIG, &["use `orderstream recover`"]).await;

    let (text, _) = command(&stage, &["recover", "--yes", "--as", "on-call", "--note", "INC-1"], 0);
    says(&text, &["done: start the workers"]);
    let who =
        "select command, actor, note, (what->>'journal_rows_lost')::bigint from operations where ended_at is not null";
    let lost = found["journal_rows_lost"].as_i64().expect("a number");
    let row = ("recover".to_owned(), "on-call".to_owned(), "INC-1".to_owned(), lost);
    assert_eq!(stage.rows::<(String, String, String, i64)>(who).await, [row]);
    says(&command(&stage, &["recover"], 0).0, &["nothing to recover"]);

    recovered(&stage, &before).await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_is_killed_between_any_two_steps_is_done_by_the_next_one() {
    let stage = published_beyond_a_backup("killed", 84).await;
    let before = published(&stage).await;
    let killed_at = async |moment| killed_at(&stage, &["recover", "--yes"], moment).await;
    // All of these are in one transaction: nothing is left of it.
    for table in ["lanes", "checkpoints", "operations"] {
        assert_eq!(killed_at(Moment::Writes(table)).await, 0, "{table}");
    }
    // It is committed, and Kafka has none of the positions; then Kafka has them, and no order is marked; then only the end is missing.
    assert_eq!(killed_at(Moment::Begins).await, 1);
    assert!(killed_at(Moment::Writes("marks")).await >= 1);
    assert_eq!(stage.number("select count(*) from marks").await, 0);
    assert!(killed_at(Moment::Writes("operations")).await >= 1);
    assert!(stage.number("select count(*) from marks").await > 0);
    command(&stage, &["recover", "--yes"], 0);
    assert_eq!(stage.number("select count(*) from operations where ended_at is null").await, 0);
    recovered(&stage, &before).await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_is_refused_while_anybody_works() {
    let stage = Stage::new("at_work", 1).await.with_short_sessions();
    stage.send(10, 87).await;
    let mut worker = stage.worker("works");
    stage.all_published().await;
    let group = stage.deployment.group.clone();
    let (_, said) = command(&stage, &["recover", "--yes"], TRY_AGAIN);
    says(&said, &[&group, "has 1 members", "stop all workers first"]);
    worker.must_run().expect("nobody stopped it");
    worker.stop(GOODBYE).await.expect("exit code 0");
    says(&command(&stage, &["recover", "--yes"], 0).0, &["nothing to recover"]);
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_loses_commits_under_a_worker_stops_it() {
    let stage = Stage::new("failover", LANES).await.with_short_sessions();
    let backup = stage.logs().join("backup");
    let mut worker = stage.worker("fooled");
    stage.send(60, 88).await;
    stage.all_published().await;
    stage.database.back_up(&backup).expect("a backup");
    stage.send(60, 89).await;
    stage.all_published().await;
    // As after a failover to a standby that lacked the last commits: the sessions end, and the rows are those of before.
    stage
        .execute(
            "update lanes set last_seq = last_seq - 1, published_seq = least(published_seq, last_seq - 1);
             select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and application_name like '%/writer-%'",
        )
        .await;
    stage.ends(&mut worker, CONFIG, &["the database lost commits that it had confirmed", "orderstream recover"]).await;
    stage.database.restore(&backup).await.expect("restored");
    let before = published(&stage).await;
    command(&stage, &["recover", "--yes"], 0);
    recovered(&stage, &before).await;
    stage.strike().await;
}

/// Published, backed up while at work, published more, and then restored.
async fn published_beyond_a_backup(test: &str, seed: u64) -> Stage {
    let stage = Stage::new(test, LANES).await.with_short_sessions();
    stage.send(120, seed).await;
    let worker: Worker = stage.worker("before");
    stage.all_published().await;
    let backup = stage.logs().join("backup");
    stage.database.back_up(Path::new(&backup)).expect("a backup");
    stage.send(120, seed + 1).await;
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.database.restore(&backup).await.expect("restored");
    stage
}

/// A worker goes on, with new traffic too: every order is told again above what was told before, once, and means what its
/// events make of it.
async fn recovered(stage: &Stage, before: &std::collections::BTreeMap<String, i64>) {
    let worker = stage.worker("after");
    stage.send(60, 99).await;
    stage.all_published().await;
    all_told(stage).await;
    let after = stored(stage).await;
    for (order, version) in before {
        assert!(after.get(order).is_some_and(|now| now > version), "order {order} was told {version}");
    }
    worker.stop(GOODBYE).await.expect("exit code 0");
    assert_eq!(meanings(stage).await, meanings_afresh(stage).await);
}
