//! What is owed is asked for: commands go out once, again when nobody answers, and to a person in the end; every answer ends them,
//! whenever and however often it comes.

use std::collections::{BTreeMap, BTreeSet};

use orderstream::order::cancel::CancelReason;
use orderstream::order::obligation::ObligationKind;
use orderstream_harness::output::{self, OrderCommand};
use orderstream_harness::produce::Producer;
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use crate::events::{event, now_micros};
use crate::patience;
use crate::stage::Stage;
use crate::under_load::metric;

const SECOND: i64 = 1_000_000;

/// An event of the last minutes: `second` counts from ten minutes ago.
fn recent(topic: Input, kind: &str, order: &str, second: i64, more: &Json) -> Json {
    let mut event = event(topic, kind, order, second, more);
    event["occurred_at"] = (now_micros() - 600 * SECOND + second * SECOND).into();
    event
}

/// An order with money and stock held for it.
fn secured(order: &str) -> Vec<Json> {
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let money = json!({"authorization_id": "auth-1", "amount_minor": 500, "currency": "EUR"});
    vec![
        recent(Input::Order, "PLACED", order, 0, &json!({"total_minor": 500, "currency": "EUR", "lines": lines})),
        recent(Input::Payment, "AUTHORIZED", order, 1, &money),
        recent(Input::Inventory, "RESERVED", order, 2, &json!({"reservation_id": "res-1", "lines": lines})),
    ]
}

fn cancel(order: &str) -> Json {
    recent(Input::Order, "CANCEL_REQUESTED", order, 60, &json!({}))
}

fn voided(order: &str, second: i64) -> Json {
    recent(Input::Payment, "VOIDED", order, second, &json!({"authorization_id": "auth-1"}))
}

fn released(order: &str, second: i64) -> Json {
    recent(Input::Inventory, "RELEASED", order, second, &json!({"reservation_id": "res-1"}))
}

async fn stage(test: &str, retry: &str, attempts: i64) -> Stage {
    let name = test.to_owned();
    Stage::with(test, 2, |config| {
        config.set("topics.command", format!("{name}-{}-commands", uuid::Uuid::new_v4().simple()));
        config.set("policy.command_retry", retry).set("policy.command_attempts", attempts);
    })
    .await
}

fn send(producer: &mut Producer, events: &[Json]) {
    events.iter().for_each(|event| producer.send_json(event).expect("an event"));
    producer.flush().expect("kafka has them");
}

/// The commands of each order, in the order of their partition.
async fn commands(stage: &Stage) -> BTreeMap<String, Vec<OrderCommand>> {
    let mut commands: BTreeMap<String, Vec<OrderCommand>> = BTreeMap::new();
    for command in output::commands(&stage.deployment).await.expect("the topic") {
        commands.entry(command.order_id.clone()).or_default().push(command);
    }
    commands
}

/// Kind, entity and attempt of each.
fn asked(commands: &[OrderCommand]) -> Vec<(&str, &str, u32)> {
    commands.iter().map(|command| (command.kind.as_str(), command.entity_id.as_str(), command.attempt)).collect()
}

async fn reaches(stage: &Stage, order: &str, wanted: impl Fn(&str, &[String]) -> bool) {
    patience::until(&format!("{order} to get there"), async || {
        let rows: Vec<(String, String, Vec<String>)> =
            stage.rows("select order_id, status::text, attention from orders").await;
        Ok(rows.iter().any(|(id, status, attention)| id == order && wanted(status, attention)))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_asks_once_for_each_thing_it_owes_and_ends_with_the_answers() {
    let stage = stage("asked", "15m", 5).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    send(&mut producer, &secured("ord"));
    stage.all_published().await;
    send(&mut producer, &[cancel("ord")]);
    stage.all_published().await;
    let sent = commands(&stage).await;
    assert_eq!(asked(&sent["ord"]), [("RELEASE_INVENTORY", "res-1", 1), ("VOID_PAYMENT", "auth-1", 1)]);
    let void = &sent["ord"][1];
    assert_eq!((void.amount_minor, void.currency.as_deref()), (Some(500), Some("EUR")));
    assert_eq!(void.reason, Some(CancelReason::Customer));
    assert_eq!(void.cause.as_ref().expect("a fact").kind, "CANCEL_REQUESTED");
    let pieces: Vec<(&str, i64)> = sent["ord"][0].lines.iter().map(|p| (p.line_id.as_str(), p.quantity)).collect();
    assert_eq!(pieces, [("1", 2)]);
    // Answers come twice, under the same id and under another.
    send(&mut producer, &[voided("ord", 70), voided("ord", 70), voided("ord", 71), released("ord", 72)]);
    reaches(&stage, "ord", |status, _| status == "CANCELLED").await;
    stage.all_published().await;
    assert_eq!(commands(&stage).await["ord"].len(), 2, "an answer that comes twice asks nothing");
    assert!(metric(&worker, "orderstream_commands_total{kind=\"VOID_PAYMENT\",attempt=\"first\"}").await >= 1.0);
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_question_leaves_nothing_to_ask() {
    let stage = stage("before", "15m", 5).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    send(&mut producer, &secured("ord"));
    send(&mut producer, &[voided("ord", 50), released("ord", 51)]);
    stage.all_published().await;
    send(&mut producer, &[cancel("ord")]);
    reaches(&stage, "ord", |status, _| status == "CANCELLED").await;
    stage.all_published().await;
    assert!(commands(&stage).await.is_empty());
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_answers_is_sent_again_then_a_person_is_asked_and_the_answer_ends_it_all() {
    let stage = stage("silence", "1s", 3).await;
    let mut worker = stage.worker("first");
    let mut producer = stage.producer().await;
    send(&mut producer, &secured("ord"));
    stage.all_published().await;
    send(&mut producer, &[cancel("ord"), released("ord", 61)]);
    // The attempts go on in another life.
    patience::until("a second attempt", async || {
        Ok(commands(&stage).await.get("ord").is_some_and(|sent| sent.iter().any(|command| command.attempt == 2)))
    })
    .await
    .expect("it is sent again");
    worker.kill().expect("killed");
    let worker = stage.worker("second");
    reaches(&stage, "ord", |_, attention| attention == ["command_unanswered"]).await;
    stage.all_published().await;
    let sent = commands(&stage).await;
    let voids: Vec<&OrderCommand> =
        sent["ord"].iter().filter(|command| command.kind == ObligationKind::VoidPayment).collect();
    let attempts: Vec<u32> = voids.iter().map(|void| void.attempt).collect();
    assert_eq!(attempts, [1, 2, 3], "each attempt once, in order, over a kill");
    let ids: BTreeSet<&str> = voids.iter().map(|void| void.command_id.as_str()).collect();
    assert_eq!(ids.len(), 1, "one command, three attempts");
    assert!(voids[1].cause.is_none(), "no fact caused the second");
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let raised = told.iter().filter(|told| !told.view.attention.is_empty()).collect::<Vec<_>>();
    assert_eq!(raised.len(), 1);
    assert_eq!(metric(&worker, "orderstream_commands_given_up_total").await, 1.0);
    assert!(raised[0].envelope.cause.is_none());
    send(&mut producer, &[voided("ord", 90)]);
    reaches(&stage, "ord", |status, attention| status == "CANCELLED" && attention.is_empty()).await;
    stage.all_published().await;
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_command_topic_nothing_is_sent_and_the_debt_is_counted_all_the_same() {
    let stage = Stage::new("debts", 1).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    send(&mut producer, &secured("ord"));
    send(&mut producer, &[cancel("ord")]);
    reaches(&stage, "ord", |status, _| status == "CANCELLING").await;
    let rows: Vec<(Json, bool)> = stage.rows("select commands, next_deadline is null from orders").await;
    let pursued: Vec<&str> = rows[0].0.as_array().expect("a list").iter().filter_map(|p| p["kind"].as_str()).collect();
    assert_eq!((pursued, rows[0].1), (vec!["RELEASE_INVENTORY", "VOID_PAYMENT"], true));
    patience::until("the metric to count them", async || {
        Ok(metric(&worker, "orderstream_obligations{kind=\"VOID_PAYMENT\"}").await >= 1.0)
    })
    .await
    .expect("counted");
    stage.finish([worker]).await;
}
