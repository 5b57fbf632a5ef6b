//! An input topic more, partitions more: refused under workers, done while nobody works.

use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics;
use rdkafka::admin::{AdminOptions, NewPartitions};

use super::broken_off::{Moment, killed_at};
use super::{CONFIG, GOODBYE, TRY_AGAIN, answer, command, logs, published, says, stored};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn an_input_topic_that_half_the_workers_know_is_refused_to_them_and_added_while_nobody_works() {
    let mut stage = Stage::with("add_topic", 2, |config| {
        config.unset("topics.order");
    })
    .await
    .with_short_sessions();
    let name = format!("{}-orders", stage.deployment.group);
    topics::create_named(&stage.deployment.stack.brokers, &[(&name, 2)], 1).await.expect("made");
    stage.send(60, 131).await;
    let mut old = stage.worker("old");
    logs(&stage, &mut old, "lanes taken over").await;
    let mut new = stage.worker_with("new", |config| {
        config.set("topics.order", name.as_str());
    });
    stage.ends(&mut new, CONFIG, &["was filled from the input topics", "orderstream topics add"]).await;
    stage.all_published().await;
    old.must_run().expect("those who know the old topics go on");

    stage.reconfigure(|config| {
        config.set("topics.order", name.as_str());
    });
    let (_, said) = command(&stage, &["topics", "add", &name, "--yes"], TRY_AGAIN);
    says(&said, &["stop all workers first"]);
    old.stop(GOODBYE).await.expect("exit code 0");
    let (_, said) = command(&stage, &["topics", "add", "another", "--yes"], CONFIG);
    says(&said, &["was filled from the input topics"]);
    says(
        &command(&stage, &["topics", "add", &name], 0).0,
        &["would be the input topic of the role order", "add --yes"],
    );
    let done = answer(&stage, &["topics", "add", &name, "--yes", "--as", "on-call"], 0);
    assert_eq!((&done["state"], &done["partitions"]), (&"done".into(), &2.into()), "{done}");
    says(&command(&stage, &["topics", "add", &name, "--yes"], 0).0, &["nothing to add"]);

    let mut old = stage.worker_with("old-again", |config| {
        config.unset("topics.order");
    });
    stage.ends(&mut old, CONFIG, &["cannot be taken away", "set `topics.order` to"]).await;
    let worker = stage.worker("all");
    stage.send(60, 132).await;
    stage.all_published().await;
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_added_to_the_inputs_stop_the_workers_and_orders_are_moved_while_nobody_works() {
    let stage = Stage::new("wider", 2).await.with_short_sessions();
    stage.send(80, 133).await;
    let mut worker = stage.worker("before");
    stage.all_published().await;
    let inputs: Vec<String> = stage.deployment.topics.inputs().map(|(_, topic)| topic.to_owned()).collect();
    widen(&stage, &inputs[..1], 5).await;
    stage.ends(&mut worker, CONFIG, &["give all input topics the same number"]).await;
    widen(&stage, &inputs[1..], 5).await;
    let mut worker = stage.worker("refused");
    stage.ends(&mut worker, CONFIG, &["have 5 partitions and had 2", "orderstream repartition"]).await;

    let homes = "select order_id, home_lane from orders order by 1";
    let homes_before: Vec<(String, i32)> = stage.rows(homes).await;
    let found = answer(&stage, &["repartition"], 0);
    assert_eq!(
        (&found["state"], &found["lanes"], &found["orders_misplaced_before"]),
        (&"found".into(), &5.into(), &0.into())
    );
    let moved = found["orders_moved"].as_i64();
    assert!(moved > Some(0), "{found}");
    assert_eq!(stage.rows::<(String, i32)>(homes).await, homes_before, "without --yes nothing is changed");
    broken_off_between_any_two_steps(&stage).await;
    says(&command(&stage, &["repartition", "--yes"], 0).0, &["5 "]);
    says(&command(&stage, &["repartition", "--yes"], 0).0, &["nothing to move"]);
    assert_eq!(stage.number("select count(*) from operations where ended_at is null").await, 0);

    stage.send(80, 134).await;
    let worker = stage.worker("after");
    stage.all_published().await;
    // Its producers know all partitions: what they send goes where the orders went.
    let astray = stage.number("select count(*) from orders where off_lane").await;
    assert_eq!(Some(astray), moved, "only those that were moved");
    worker.stop(GOODBYE).await.expect("exit code 0");
    assert_eq!(published(&stage).await, stored(&stage).await);
    stage.run_command(&["verify"]);
    stage.check().await;
    stage.strike().await;
}

/// The lanes are claimed and that is written down, orders are moved, and the rest is written at once. Nobody is through.
async fn broken_off_between_any_two_steps(stage: &Stage) {
    let killed_at = async |moment| killed_at(stage, &["repartition", "--yes"], moment).await;
    for table in ["lanes", "operations"] {
        assert_eq!(killed_at(Moment::Writes(table)).await, 0, "{table}");
    }
    assert_eq!(killed_at(Moment::Begins).await, 1);
    let moved = "select count(*) from orders where off_lane";
    for table in ["orders", "marks"] {
        assert!(killed_at(Moment::Writes(table)).await >= 1, "{table}");
        assert_eq!(stage.number(moved).await, 0, "orders and marks move together");
    }
    for table in ["checkpoints", "deployment"] {
        assert!(killed_at(Moment::Writes(table)).await >= 1, "{table}");
        assert!(stage.number(moved).await > 0);
        assert_eq!(stage.number("select count(*) from lanes").await, 2, "lanes come with the deployment that has them");
    }
}

async fn widen(stage: &Stage, names: &[String], partitions: i32) {
    let brokers = &stage.deployment.stack.brokers;
    let count = usize::try_from(partitions).expect("a few");
    let wider: Vec<NewPartitions<'_>> = names.iter().map(|name| NewPartitions::new(name, count)).collect();
    let admin = topics::admin(brokers).expect("kafka answers");
    let widened = admin.create_partitions(&wider, &AdminOptions::new()).await.expect("kafka answers");
    assert!(widened.iter().all(Result::is_ok), "{widened:?}");
    stage
        .until("everybody to know it", async || {
            let reader = LogReader::on(brokers)?;
            Ok(names.iter().all(|name| reader.partitions(name).is_ok_and(|all| all.len() == count)))
        })
        .await;
}
