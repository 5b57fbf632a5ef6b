//! Orders that are over move into the archive, and come back with all their facts when something is heard of them after all.
//!
//! Invariant under test: an order is in one of the two tables at every instant, whoever archives and whoever applies.

use std::collections::BTreeSet;

use orderstream::persist::archive::COLUMNS;
use orderstream::persist::marks;
use orderstream_harness::output;
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::events::{captured, event, sound};
use crate::stage::{GOODBYE, Stage};

/// Runs `archive` and returns what it answers.
fn archive(stage: &Stage, arguments: &[&str]) -> Json {
    let answer = stage.run_command(&[&["archive", "-o", "json"], arguments].concat());
    serde_json::from_str(&answer).expect("JSON")
}

/// Everything that the rows of these tables hold, by order.
async fn whole(stage: &Stage) -> Vec<(String, Json)> {
    stage
        .rows(
            "select order_id, to_jsonb(o) from orders o
             union all select order_id, to_jsonb(a) - 'archived_at' from archived_orders a order by 1",
        )
        .await
}

async fn archived(stage: &Stage) -> i64 {
    stage.number("select count(*) from archived_orders").await
}

fn given_up(order: &str) -> Json {
    event(Input::Order, "CANCEL_REQUESTED", order, 5, &json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_over_are_archived_whole_and_an_event_that_comes_late_brings_its_order_back() {
    let stage = Stage::new("archive", 2).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    let over: Vec<String> = (0..8).map(|n| format!("over-{n}")).collect();
    over.iter().for_each(|order| producer.send_json(&given_up(order)).expect("sent"));
    for order in ["running", "owes", "marked", "torn", "young"] {
        producer.send_json(&sound(Input::Inventory, order)).expect("sent");
    }
    for order in ["owes", "marked", "torn", "young"] {
        producer.send_json(&given_up(order)).expect("sent");
    }
    for order in ["marked", "torn", "young"] {
        let released = json!({"reservation_id": "res-1", "lines": [{"line_id": "1", "quantity": 2}]});
        producer.send_json(&event(Input::Inventory, "RELEASED", order, 9, &released)).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    stage
        .execute(
            "update orders set changed_at = now() - interval '91 days' where order_id <> 'young';
             update orders set created_at = '2025-01-02', off_lane = false where order_id = 'over-1';
             insert into marks (order_id, lane, why) values ('marked', 99, 'by hand');
             insert into dead_letters (topic, partition, record_offset, record_timestamp, order_id, reason, explanation)
             values ('somewhere', 0, 7, now(), 'torn', 'bad_avro', 'by hand')",
        )
        .await;
    let before = whole(&stage).await;

    let counted = archive(&stage, &["--older-than", "90d"]);
    assert_eq!((&counted["done"], &counted["orders"]), (&json!(false), &json!(13)));
    assert_eq!(counted["archived"]["CANCELLED"]["orders"], 8);
    assert_eq!(counted["held"], json!({"dead_letter": 1, "mark": 1}));
    let text = stage.run_command(&["archive", "--older-than", "90d"]);
    assert!(text.contains("8 of 13 orders would be archived") && text.contains("say --yes"), "{text}");
    assert_eq!(archived(&stage).await, 0, "counting moves nothing");
    assert_eq!(archive(&stage, &["--older-than", "90d", "--status", "COMPLETED", "--yes"])["archived"], json!({}));
    let moved = archive(&stage, &["--older-than", "90d", "--status", "CANCELLED", "--yes"]);
    assert_eq!((&moved["done"], &moved["archived"]["CANCELLED"]["orders"]), (&json!(true), &json!(8)));
    assert_eq!(archived(&stage).await, 8);
    assert_eq!(whole(&stage).await, before, "an order moves as it is");

    // Money for half of them, a word that changes nothing for the others.
    for (number, order) in over.iter().enumerate() {
        let late = if number % 2 == 0 { captured(order, "cap-late") } else { given_up(order) };
        producer.send_json(&late).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    assert_eq!(archived(&stage).await, 0);
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let told =
        told.iter().filter(|told| told.envelope.order_id.starts_with("over-") && told.envelope.order_version == 2);
    let told: BTreeSet<(&str, &str)> =
        told.map(|told| (told.envelope.order_id.as_str(), told.view.status.as_str())).collect();
    let owing: BTreeSet<(&str, &str)> = over.iter().step_by(2).map(|order| (order.as_str(), "CANCELLING")).collect();
    assert_eq!(told, owing, "versions go on where they were");
    let kept: Vec<(String,)> =
        stage.rows("select created_at::date::text from orders where order_id = 'over-1' and version = 1").await;
    assert_eq!(kept, [("2025-01-02".to_owned(),)]);
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.execute("delete from dead_letters").await;
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_arrives_while_orders_are_archived_none_is_lost_and_none_is_there_twice() {
    let stage = Stage::new("archive_race", 4).await.with_short_sessions();
    let workers = [stage.worker("first"), stage.worker("second")];
    let load = stage.load(1_500, 77, 1_500).await;
    let mut moved = 0;
    while !load.is_finished() {
        let archived = archive(&stage, &["--older-than", "0s", "--yes", "--rate", "0"]);
        moved += archived["archived"].as_object().expect("by status").values().map(orders_of).sum::<u64>();
    }
    load.await.expect("nobody panics");
    stage.all_published().await;
    stage.nothing_is_due().await;
    for mut worker in workers {
        worker.must_run().expect("nobody stopped it");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    let there = u64::try_from(archived(&stage).await).expect("a count");
    assert!(moved > there, "{moved} were archived and {there} stayed so: none came back, so nothing was raced");
    assert_eq!(stage.number("select count(*) from orders join archived_orders using (order_id)").await, 0);
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.orders, 1_500);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_archived_under_the_hands_of_a_batch_comes_back_with_its_facts() {
    let stage = Stage::new("archive_hands", 1).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    for order in ["on-its-way", "locked-only"] {
        producer.send_json(&given_up(order)).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;

    // The row is on its way out when the batch wants to lock it.
    let mut archivist = stage.database.connect().await.expect("postgres answers");
    archivist.execute("begin").await.expect("a transaction");
    archivist.execute(move_out("on-its-way")).await.expect("it moves");
    producer.send_json(&captured("on-its-way", "cap-late")).expect("sent");
    a_writer_waits(&stage).await;
    archivist.execute("commit").await.expect("archived");
    stage.all_published().await;

    // It is only locked when the batch comes, and moved while that waits.
    archivist.execute("begin; select from orders where order_id = 'locked-only' for update").await.expect("locked");
    producer.send_json(&captured("locked-only", "cap-late")).expect("sent");
    a_writer_waits(&stage).await;
    archivist.execute(move_out("locked-only")).await.expect("it moves");
    archivist.execute("commit").await.expect("archived");
    stage.all_published().await;

    let orders: Vec<(String, i64, String)> =
        stage.rows("select order_id, version, status::text from orders order by 1").await;
    let back = |order: &str| (order.to_owned(), 2, "CANCELLING".to_owned());
    assert_eq!(orders, [back("locked-only"), back("on-its-way")]);
    assert_eq!(archived(&stage).await, 0);
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_either_marked_or_archived_whoever_comes_first() {
    let stage = Stage::new("archive_marked", 1).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    for order in ["archived-first", "marked-first"] {
        producer.send_json(&given_up(order)).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");

    let [mut archivist, mut marker] =
        [stage.database.connect().await.expect("postgres answers"), stage.database.connect().await.expect("again")];
    archivist.execute("begin").await.expect("a transaction");
    archivist.execute(move_out("archived-first")).await.expect("it moves");
    let marking = tokio::spawn(async move { marks::mark(&mut marker, &["archived-first"], "by hand").await });
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    stage.until("the marker to wait for the archivist", async || Ok(stage.number(waiting).await > 0)).await;
    archivist.execute("commit").await.expect("archived");
    assert_eq!(marking.await.expect("no panic").expect("marked"), 0, "nobody looks at an archived order");

    // Nobody sees the mark yet, and it counts all the same.
    archivist.execute("begin").await.expect("a transaction");
    assert_eq!(marks::mark(&mut archivist, &["marked-first"], "by hand").await.expect("marked"), 1);
    archive(&stage, &["--older-than", "0s", "--yes"]);
    assert_eq!(archived(&stage).await, 1);
    archivist.execute("commit").await.expect("marked");
    let held = archive(&stage, &["--older-than", "0s", "--yes"]);
    assert_eq!((&held["archived"], &held["held"]), (&json!({}), &json!({"mark": 1})));
    stage.strike().await;
}

fn move_out(order: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "with gone as (delete from orders where order_id = '{order}' returning {COLUMNS})
         insert into archived_orders ({COLUMNS}) select {COLUMNS} from gone"
    ))
}

async fn a_writer_waits(stage: &Stage) {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                      and application_name like '%/writer-%' and wait_event_type = 'Lock'";
    stage.until("a writer to wait for a row", async || Ok(stage.number(waiting).await > 0)).await;
}

fn orders_of(group: &Json) -> u64 {
    group["orders"].as_u64().expect("a count")
}

#[tokio::test]
async fn the_archive_has_every_column_of_orders_and_an_order_takes_all_of_them_along() {
    let stage = Stage::new("columns", 1).await;
    let columns: Vec<(String, Vec<String>)> = stage
        .rows(
            "select table_name::text, array_agg(column_name::text) from information_schema.columns
              where table_name in ('orders', 'archived_orders') group by 1 order by 1 desc",
        )
        .await;
    let sets: Vec<BTreeSet<&str>> =
        columns.iter().map(|(_, columns)| columns.iter().map(String::as_str).collect()).collect();
    let taken: BTreeSet<&str> = COLUMNS.split(',').map(str::trim).collect();
    assert_eq!(sets[0], taken, "archive.rs lists the columns of orders");
    assert_eq!(sets[1].iter().copied().filter(|name| *name != "archived_at").collect::<BTreeSet<_>>(), taken);
    stage.strike().await;
}

#[tokio::test]
async fn what_is_not_over_cannot_be_archived_and_the_answer_says_what_can() {
    let stage = Stage::new("archive_args", 1).await;
    for (arguments, words) in [
        (&["archive", "--older-than", "90d", "--status", "SHIPPED"][..], "SHIPPED is not at its end: use CANCELLED"),
        (
            &["archive", "--older-than", "ninety"],
            "'ninety' for '--older-than <DURATION>': write whole numbers with units",
        ),
        (&["archive", "--yes"], "--older-than <DURATION>"),
        (&["archive", "--older-than", "1d", "--rate", "fast"], "'fast' for '--rate <COUNT>'"),
    ] {
        let output = stage.program.output(&stage.config_path(), arguments).expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
    }
    let nothing = stage.run_command(&["archive", "--older-than", "90d", "--yes"]);
    assert!(nothing.starts_with("0 of 0 orders were archived: at their end, and unchanged since 20"), "{nothing}");
    stage.strike().await;
}
