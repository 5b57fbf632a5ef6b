//! A new policy reaches orders that hear nothing more: compared on a dry run, marked with `--yes`, derived anew and told by workers.

use std::collections::BTreeSet;

use orderstream_harness::output;
use orderstream_harness::topics::{self, Input};
use serde_json::{Value as Json, json};

use crate::events::{event, sound};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::metric;

const TEMPFAIL: i32 = 75;
const CONFIG: i32 = 78;

/// Runs `rederive`, which must end with this code. Returns its answer and what it said beside.
fn rederive(stage: &Stage, arguments: &[&str], code: i32) -> (Json, String) {
    let arguments = [&["rederive", "-o", "json"], arguments].concat();
    let output = stage.program.output(&stage.config_path(), &arguments).expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// A deployment with orders that were paid and never placed, judged by workers that trust money; the configuration says
/// meanwhile that such orders wait.
async fn changed_policy(test: &str, orders: u64) -> Stage {
    let mut stage = Stage::new(test, 2).await;
    let worker = stage.worker_with("trusts", |config| {
        config.set("policy.shell", "trust");
    });
    let mut producer = stage.producer().await;
    for number in 0..orders {
        producer.send_json(&sound(Input::Payment, &format!("shell-{number}"))).expect("sent");
        let placed = format!("placed-{number}");
        producer.send_json(&sound(Input::Order, &placed)).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.reconfigure(|config| {
        config.set("policy.shell", "wait");
    });
    stage
}

async fn marks(stage: &Stage) -> i64 {
    stage.number("select count(*) from marks").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_is_told_once_of_every_order_that_it_changes_and_of_no_other() {
    let stage = changed_policy("rederive", 6).await;
    // Long over, and none of its business any more.
    stage.execute("insert into archived_orders (order_id, version, home_lane) values ('long-ago', 3, 0)").await;
    let (answer, _) = rederive(&stage, &["--dry-run"], 0);
    assert_eq!((&answer["orders"], &answer["differ"], &answer["views"]), (&json!(12), &json!(6), &json!(6)));
    assert_eq!(answer["statuses"], json!([{"from": "AWAITING_STOCK", "to": "PENDING", "orders": 6}]));
    assert_eq!((&answer["archived"], &answer["done"]), (&json!(1), &Json::Null));
    assert_eq!(marks(&stage).await, 0, "comparing changes nothing");
    let text = stage.run_command(&["rederive", "--dry-run"]);
    assert!(text.contains("AWAITING_STOCK -> PENDING") && text.contains("say --yes"), "{text}");

    let worker = stage.worker("waits");
    let (answer, _) = rederive(&stage, &["--yes"], 0);
    assert_eq!(answer["done"], json!({"marked": 6, "still_differ": 0}));
    let (answer, _) = rederive(&stage, &["--yes"], 0);
    assert_eq!((&answer["differ"], &answer["done"]["marked"]), (&json!(0), &json!(0)));
    stage.all_published().await;
    stage.until("all to be published", async || Ok(told_of_shells(&stage).await.len() == 12)).await;
    let told = told_of_shells(&stage).await;
    let expected = (0..6).flat_map(|number| {
        let order = format!("shell-{number}");
        let first = (order.clone(), 1, "AWAITING_STOCK".to_owned(), Some("CAPTURED".to_owned()));
        [first, (order, 2, "PENDING".to_owned(), None)]
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(stage.number("select count(*) from orders where version > 1 and order_id like 'placed-%'").await, 0);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}

/// What was told of the orders that were never placed: order, version, status and the kind of the cause.
async fn told_of_shells(stage: &Stage) -> Vec<(String, i64, String, Option<String>)> {
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let told = told.into_iter().filter(|told| told.envelope.order_id.starts_with("shell-"));
    let mut told: Vec<_> = told
        .map(|told| {
            let kind = told.envelope.cause.map(|cause| cause.kind);
            (told.envelope.order_id, told.envelope.order_version, told.view.status.to_string(), kind)
        })
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_another_policy_are_noticed() {
    let stage = changed_policy("old_workers", 3).await;
    let worker = stage.worker_with("still-trusts", |config| {
        config.set("policy.shell", "trust");
    });
    let (answer, said) = rederive(&stage, &["--yes"], CONFIG);
    assert_eq!(answer["done"], json!({"marked": 3, "still_differ": 3}));
    assert!(said.contains("3 orders still differ: the running workers use another policy"), "{said}");
    assert_eq!(marks(&stage).await, 0, "they did look");
    assert_eq!(stage.number("select count(*) from orders where version > 1").await, 0);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_database_refuses_loses_its_mark_and_is_tried_again_when_it_is_marked_again() {
    let stage = changed_policy("refused_order", 3).await;
    stage
        .execute("alter table orders add constraint refuses check (order_id <> 'shell-1' or version < 2) not valid")
        .await;
    let worker = stage.worker("waits");
    for marked in [3, 1] {
        let (answer, said) = rederive(&stage, &["--yes"], CONFIG);
        assert_eq!(answer["done"], json!({"marked": marked, "still_differ": 1}));
        assert!(said.contains("the database refuses what they make of them"), "{said}");
        assert_eq!(marks(&stage).await, 0, "nothing else would ever take it");
    }
    let log = worker.log().expect("a log");
    assert!(log.contains("shell-1") && log.contains("it is left as it is"), "{log}");
    assert!(metric(&worker, "orderstream_deadlines_refused_total").await >= 2.0);
    stage.execute("alter table orders drop constraint refuses").await;
    let (answer, _) = rederive(&stage, &["--yes"], 0);
    assert_eq!(answer["done"], json!({"marked": 1, "still_differ": 0}));
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_wait_for_a_worker_and_whoever_waits_for_them_is_told_that_there_is_none() {
    let stage = changed_policy("no_worker", 3).await;
    let (answer, _) = rederive(&stage, &["--yes", "--no-wait"], 0);
    assert_eq!(answer["done"], json!({"marked": 3, "still_differ": null}));
    let (answer, said) = rederive(&stage, &["--yes"], TEMPFAIL);
    assert_eq!(answer["done"]["marked"], 0, "they are marked already");
    assert!(said.contains("no worker is connected to this database: 3 orders stay marked"), "{said}");
    let worker = stage.worker("late");
    stage.until("the marks to be taken", async || Ok(marks(&stage).await == 0)).await;
    let (answer, _) = rederive(&stage, &["--dry-run"], 0);
    assert_eq!(answer["differ"], 0);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_owed_before_commands_were_configured_is_found_and_asked_for() {
    let mut stage = Stage::new("first_commands", 1).await;
    let worker = stage.worker("silent");
    let mut producer = stage.producer().await;
    for order in ["owes", "owes-not"] {
        producer.send_json(&sound(Input::Inventory, order)).expect("sent");
    }
    producer.send_json(&event(Input::Order, "CANCEL_REQUESTED", "owes", 9, &json!({}))).expect("sent");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    let topic = format!("{}-commands", stage.deployment.group);
    stage.reconfigure(|config| {
        config.set("topics.command", topic).set("registry.register_on_start", true);
    });
    let command = stage.deployment.topics.command.clone().expect("just configured");
    topics::create_named(&stage.deployment.stack.brokers, &[(&command, 1)], 1).await.expect("a topic");
    let (answer, _) = rederive(&stage, &["--dry-run"], 0);
    assert_eq!((&answer["differ"], &answer["views"]), (&json!(1), &json!(0)));
    let asked = json!([{"field": "commands", "from": [], "to": [{"kind": "RELEASE_INVENTORY", "id": "res-1"}]}]);
    assert_eq!(answer["examples"], json!([{"order_id": "owes", "changes": asked}]));
    let worker = stage.worker("asks");
    let (answer, _) = rederive(&stage, &["--yes"], 0);
    assert_eq!(answer["done"], json!({"marked": 1, "still_differ": 0}));
    let asked: Vec<(String, Json)> =
        stage.rows("select order_id, commands -> 0 -> 'attempt' from orders where commands <> '[]'").await;
    assert_eq!(asked, [("owes".to_owned(), json!(1))]);
    stage.finish([worker]).await;
}

#[tokio::test]
async fn without_yes_it_only_looks_and_what_contradicts_itself_is_refused() {
    let stage = Stage::new("rederive_args", 1).await;
    let wrong: BTreeSet<&[&str]> =
        BTreeSet::from([&["--dry-run", "--yes"][..], &["--no-wait"], &["--dry-run", "--no-wait"]]);
    for arguments in wrong {
        rederive(&stage, arguments, 64);
    }
    assert_eq!(stage.run_command(&["rederive"]), stage.run_command(&["rederive", "--dry-run"]));
    let text = stage.run_command(&["rederive", "--yes"]);
    assert!(text.contains("0 of 0 orders") && text.contains("nothing is to be done"), "{text}");
    stage.strike().await;
}
