//! What the command line answers about orders, from the database that a real worker filled.
//!
//! `journal` holds what is asked of the journal as a whole, also after somebody changed something behind the worker's back.

use std::process::Output;

use orderstream_harness::produce::RawRecord;
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use super::events::{captured, event, sound};
use super::letters::raw;
use super::stage::{GOODBYE, Stage};

mod journal;

/// A stage after a worker has applied a few orders: one paid and repeated, one that owes, one with a record that is refused.
async fn stage_with_orders(test: &str) -> Stage {
    let stage = Stage::with(test, 2, |config| {
        config.set("topics.command", format!("{test}-{}-commands", uuid::Uuid::new_v4().simple()));
    })
    .await;
    let mut producer = stage.producer().await;
    let lines = json!([{"line_id": "1", "quantity": 2, "sku": "MUG"}]);
    let authorized = json!({"authorization_id": "auth-1", "amount_minor": 5000, "currency": "EUR"});
    let placed = json!({"total_minor": 5000, "currency": "EUR", "lines": lines});
    let authorized = event(Input::Payment, "AUTHORIZED", "ord-paid", 10, &authorized);
    let rounds = [
        vec![event(Input::Order, "PLACED", "ord-paid", 0, &placed), captured("ord-owed", "cap-1")],
        vec![authorized.clone(), event(Input::Order, "CANCEL_REQUESTED", "ord-owed", 9, &json!({}))],
        vec![authorized, sound(Input::Payment, "ord-letter")],
    ];
    let worker = stage.worker("w");
    for round in rounds {
        for event in round {
            producer.send_json(&event).expect("sent");
        }
        producer.flush().expect("flushed");
        stage.all_published().await;
    }
    for order in ["ord-letter", "ord-nobody"] {
        let topic = stage.deployment.topics.payment.clone();
        producer.send_raw(&RawRecord { topic, ..raw(order, Some(b"no avro".to_vec())) }).expect("sent");
    }
    producer.flush().expect("flushed");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage
}

fn ask(stage: &Stage, arguments: &[&str]) -> Output {
    stage.program.output(&stage.config_path(), arguments).expect("the program starts")
}

/// What a command that must end so says: on standard output and on standard error.
fn said(stage: &Stage, arguments: &[&str], code: i32) -> (String, String) {
    let output = ask(stage, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{error}");
    (out, error)
}

fn text(stage: &Stage, arguments: &[&str]) -> String {
    let (out, error) = said(stage, arguments, 0);
    assert_eq!(error, "", "{arguments:?}");
    out
}

fn answer(stage: &Stage, arguments: &[&str]) -> Json {
    serde_json::from_str(&text(stage, &[arguments, &["-o", "json"]].concat())).expect("a JSON document")
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[tokio::test]
async fn an_order_is_shown_with_its_money_its_lines_its_debts_and_its_dead_letters() {
    let stage = stage_with_orders("show").await;
    let paid = text(&stage, &["order", "show", "ord-paid"]);
    assert!(paid.starts_with("AWAITING_STOCK  order ord-paid\n"), "{paid}");
    assert_says(&paid, &["AUTHORIZED", "total       50.00 EUR", "MUG", "version         2"]);
    let shown = answer(&stage, &["order", "show", "ord-paid"]);
    assert_eq!((&shown["view"]["status"], &shown["version"]), (&json!("AWAITING_STOCK"), &json!(2)));
    assert_eq!(shown["skus"], json!({"1": "MUG"}));

    let owed = text(&stage, &["order", "show", "ord-owed"]);
    assert_says(&owed, &["CANCELLING", "customer", "REFUND_PAYMENT", "cap-1", "5.00 EUR", " ago"]);
    let shown = answer(&stage, &["order", "show", "ord-owed"]);
    assert_eq!(shown["commands"][0]["kind"], "REFUND_PAYMENT");

    let letter = text(&stage, &["order", "show", "ord-letter"]);
    assert_says(&letter, &["bad_framing", "`orderstream dead-letters list --order ord-letter`"]);
    assert_eq!(answer(&stage, &["order", "show", "ord-letter"])["dead_letters"][0]["state"], "open");

    let (out, error) = said(&stage, &["order", "show", "ord-unknown"], 66);
    assert_eq!(out, "");
    assert_says(&error, &["there is no order `ord-unknown`", "no dead letter"]);
    let (_, error) = said(&stage, &["order", "show", "ord-nobody"], 66);
    assert_says(&error, &["`ord-nobody`", "1 record under its key", "dead-letters list --order ord-nobody"]);

    stage.execute("insert into archived_orders select * from orders where order_id = 'ord-paid'").await;
    stage.execute("delete from orders where order_id = 'ord-paid'").await;
    assert_says(&text(&stage, &["order", "show", "ord-paid"]), &["AWAITING_STOCK", "archived"]);
    assert_says(&text(&stage, &["order", "history", "ord-paid"]), &["PLACED", "AUTHORIZED"]);
    assert_says(&text(&stage, &["verify"]), &["3 orders (1 archived)", "all equal"]);
    stage.strike().await;
}

#[tokio::test]
async fn an_order_is_explained_by_its_facts_and_by_what_only_its_row_knows() {
    let stage = stage_with_orders("explain").await;
    let owed = text(&stage, &["order", "explain", "ord-owed"]);
    assert_says(
        &owed,
        &[
            "order ord-owed, version 2: CANCELLING, by rule 2",
            "ord-owed-CANCEL_REQUESTED-9",
            "REFUND_PAYMENT of cap-1: owed for ",
            "asked for 1 time, last ",
            "again or given up in ",
            "time next has something to do for it at ",
        ],
    );
    let explained = answer(&stage, &["order", "explain", "ord-owed"]);
    assert_eq!(
        (&explained["explanation"]["rule"], &explained["row"]["commands"][0]["attempt"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(explained["row"]["differences"], json!([]));
    let letter = text(&stage, &["order", "explain", "ord-letter"]);
    assert_says(&letter, &["no deadline cancels it while 1 record under its key", "bad_framing"]);
    said(&stage, &["order", "explain", "ord-unknown"], 66);
    stage.execute("update orders set payment = 'UNPAID', off_lane = true where order_id = 'ord-paid'").await;
    let paid = text(&stage, &["order", "explain", "ord-paid"]);
    assert_says(
        &paid,
        &["AWAITING_STOCK", "its row still says otherwise", "(payment)", "all lanes, since it was seen in several"],
    );
    stage.strike().await;
}

#[tokio::test]
async fn a_history_tells_every_entry_with_where_it_came_from_and_what_it_changed() {
    let stage = stage_with_orders("history").await;
    let told = text(&stage, &["order", "history", "ord-paid"]);
    assert_says(
        &told,
        &[
            "order ord-paid: 3 entries, version 2",
            "total none -> 50.00 EUR",
            "status PENDING -> AWAITING_STOCK",
            "payment UNPAID -> AUTHORIZED",
            "authorized 0.00 EUR -> 50.00 EUR",
            "ord-paid-AUTHORIZED-10: duplicate, nothing changed",
        ],
    );
    let history = answer(&stage, &["order", "history", "ord-paid"]);
    let entries = history["entries"].as_array().expect("entries");
    let of = |entry: &Json| (entry["outcome"].clone(), entry["version"].clone(), entry["offset"].clone());
    let told: Vec<(Json, Json, Json)> = entries.iter().map(of).collect();
    let applied = json!("applied");
    let expected = [
        (applied.clone(), json!(1), json!(0)),
        (applied, json!(2), told[1].2.clone()),
        (json!("duplicate"), json!(2), told[2].2.clone()),
    ];
    assert_eq!(told, expected);
    assert_eq!(entries[1]["topic"], json!(stage.deployment.topics.payment));
    assert_eq!(entries[1]["event"]["authorization_id"], "auth-1");
    let changed: Vec<&str> =
        entries[1]["changes"].as_array().expect("changes").iter().filter_map(|c| c["field"].as_str()).collect();
    assert_eq!(changed, ["authorized_minor", "payment", "status"]);
    let sent = answer(&stage, &["order", "history", "ord-owed"])["entries"][1]["sent"].clone();
    assert_eq!(sent, json!([{"kind": "REFUND_PAYMENT", "id": "cap-1", "attempt": 1}]));
    said(&stage, &["order", "history", "ord-unknown"], 66);

    // What retention dropped leaves the rest to be told, without what it changed.
    stage
        .execute(
            "delete from journal j using orders o where o.order_id = 'ord-paid' and j.lane = o.home_lane and j.seq = 1",
        )
        .await;
    let rest = text(&stage, &["order", "history", "ord-paid"]);
    assert_says(&rest, &["1 journal row was of it dropped by retention", "v2   AWAITING_STOCK"]);
    assert!(!rest.contains("UNPAID -> AUTHORIZED"), "{rest}");
    assert_says(&text(&stage, &["verify"]), &["all equal", "only partly in the journal"]);
    stage.strike().await;
}

#[tokio::test]
async fn orders_are_listed_by_what_they_are() {
    let stage = stage_with_orders("list").await;
    let ids = |arguments: &[&str]| -> Vec<String> {
        let list = answer(&stage, &[&["orders", "list"], arguments].concat());
        let orders = list["orders"].as_array().expect("orders").iter();
        orders.map(|order| order["order_id"].as_str().expect("an id").to_owned()).collect()
    };
    let mut all = ids(&[]);
    all.sort();
    assert_eq!(all, ["ord-letter", "ord-owed", "ord-paid"]);
    assert_eq!(ids(&["--status", "CANCELLING"]), ["ord-owed"]);
    assert_eq!(ids(&["--cancel-reason", "customer", "--cancel-reason", "fraud"]), ["ord-owed"]);
    assert!(ids(&["--older-than", "1h"]).is_empty() && ids(&["--attention", "overpaid"]).is_empty());
    assert!(ids(&["--flag", "on_hold"]).is_empty());
    assert_eq!(ids(&["--older-than", "1us"]).len(), 3);
    let listed = text(&stage, &["orders", "list", "--limit", "1"]);
    assert_says(&listed, &["order", "since", "3 orders, 1 of them listed"]);
    assert_says(&text(&stage, &["orders", "list", "--status", "CANCELLING"]), &["ord-owed", "PAID", "1 order\n"]);

    for (wrong, words) in [
        (["--status", "SHIPED"], ["`SHIPED` is not a status", "PARTIALLY_SHIPPED"]),
        (["--attention", "sad"], ["`sad`", "command_unanswered"]),
        (["--flag", "held"], ["`held`", "on_hold"]),
        (["--older-than", "2"], ["'2'", "`15m`"]),
        (["--limit", "0"], ["'0'", "1..="]),
    ] {
        let (_, error) = said(&stage, &[&["orders", "list"], &wrong[..]].concat(), 64);
        assert_says(&error, &words);
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so() {
    let mut stage = Stage::bare("no_server").await;
    let (_, error) = said(&stage, &["order", "show", "ord-1"], 78);
    assert_says(&error, &["lacks migration 1", "orderstream migrate"]);
    stage.database.drop().await.expect("dropped");
    stage.reconfigure(|config| {
        config.set("database.url", "postgres://nobody@127.0.0.1:1/nothing");
    });
    let commands: [&[&str]; 6] = [
        &["order", "explain", "ord-1"],
        &["order", "show", "ord-1"],
        &["order", "history", "ord-1"],
        &["orders", "list"],
        &["journal", "export"],
        &["verify"],
    ];
    for command in commands {
        let (out, error) = said(&stage, command, 69);
        assert_eq!(out, "", "{command:?}");
        assert_says(&error, &["orderstream: postgres at `127.0.0.1:1`", "onnection refused"]);
    }
    assert_says(&said(&stage, &["order", "show", ""], 64).1, &["1 to 128 bytes"]);
}
