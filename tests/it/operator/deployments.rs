//! The wrong database, and two deployments that share a group by mistake: the second one stops before it writes anything.

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::database::Database;
use orderstream_harness::positions;
use orderstream_harness::worker::Worker;
use sqlx::Row;

use super::{CONFIG, GOODBYE, at_rest, command, published, says, stored};
use crate::stage::{Stage, local_stack};

const LANES: i32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_the_wrong_database_stops_before_it_writes_and_harms_nobody() {
    let stage = at_rest("wrong_db", LANES, 121).await;
    let other = other_database(&stage).await;
    stage.send(60, 122).await;
    let mut wrong = stage.worker_with("wrong", at(&other));
    stage.ends(&mut wrong, CONFIG, &["published from another database", "point `database.url` at that one"]).await;
    assert_eq!(written(&other).await, 0);

    // The same beside the right one: two deployments with one group.
    let mut right = stage.worker("right");
    let mut wrong = stage.worker_with("wrong-again", at(&other));
    stage.ends(&mut wrong, CONFIG, &["published from another database"]).await;
    stage.all_published().await;
    right.must_run().expect("the right one is not disturbed");
    right.stop(GOODBYE).await.expect("exit code 0");
    assert_eq!(written(&other).await, 0);
    stage.check().await;
    other.drop().await.expect("dropped");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_another_deployment_used_by_mistake_is_taken_back_on_request_only() {
    let stage = at_rest("taken_back", LANES, 123).await;
    let before = published(&stage).await;
    // Somebody deletes the group's offsets and runs another deployment in it.
    let other = other_database(&stage).await;
    let admin = orderstream_harness::topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let options = rdkafka::admin::AdminOptions::new();
    admin.delete_groups(&[&stage.deployment.group], &options).await.expect("kafka answers");
    let intruder = stage.worker_with("intruder", |config: &mut ConfigFile| {
        at(&other)(config);
    });
    let has_read = async || Ok(positions::lag(&stage.deployment)? == 0 && written(&other).await > 0);
    stage.until("the other deployment to have read all", has_read).await;
    intruder.stop(GOODBYE).await.expect("exit code 0");

    let mut worker: Worker = stage.worker("refused");
    stage.ends(&mut worker, CONFIG, &["published from another database"]).await;
    let (_, said) = command(&stage, &["recover", "--yes"], CONFIG);
    says(&said, &["published from another database", "--foreign-positions"]);
    command(&stage, &["recover", "--foreign-positions", "--yes"], 0);
    let worker = stage.worker("after");
    stage.send(60, 124).await;
    stage.until("all to be told", async || Ok(stage.number("select count(*) from marks").await == 0)).await;
    stage.all_published().await;
    let after = stored(&stage).await;
    assert!(before.iter().all(|(order, version)| after[order] > *version));
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.run_command(&["verify"]);
    other.drop().await.expect("dropped");
    stage.strike().await;
}

/// A migrated database that is not the stage's.
async fn other_database(stage: &Stage) -> Database {
    let other =
        Database::create(&local_stack(), &format!("{}_other", stage.database.name())).await.expect("a database");
    let path = stage.logs().join("other.toml");
    let mut config = stage.config.clone();
    at(&other)(&mut config);
    config.write(&path).expect("written");
    stage.program.run(&path, &["migrate"]).expect("migrated");
    other
}

fn at(database: &Database) -> impl Fn(&mut ConfigFile) + use<> {
    let url = database.url().to_owned();
    move |config| {
        config.set("database.url", url.as_str());
    }
}

/// How many journal rows and orders a database has.
async fn written(database: &Database) -> i64 {
    let mut connection = database.connect().await.expect("postgres answers");
    let row = sqlx::query("select (select count(*) from journal) + (select count(*) from orders)");
    row.fetch_one(&mut connection).await.expect("the query is right").try_get(0).expect("one bigint")
}
