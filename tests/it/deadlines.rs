//! Deadlines fire: within seconds, on any lane, each by its policy, however many there are.
//!
//! `deadlines_held` is about those that must not. One partition a topic unless a test is about lanes, so that everything is in the
//! way of everything.

use std::collections::BTreeMap;

use orderstream_harness::output;
use orderstream_harness::produce::{Manner, Producer};
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use crate::events::{captured, event, now_micros, sound};
use crate::patience;
use crate::stage::{GOODBYE, Stage};
use crate::under_load::metric;

const SECOND: i64 = 1_000_000;

/// An order that is to be paid by `due`, placed a minute ago.
pub fn placed(order: &str, due: i64) -> Json {
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let terms = json!({"total_minor": 500, "currency": "EUR", "lines": lines, "payment_due_at": due});
    occurred(event(Input::Order, "PLACED", order, 0, &terms), now_micros() - 60 * SECOND)
}

/// The payment of an order, made half a minute ago.
pub fn paid(order: &str) -> Json {
    occurred(captured(order, "cap-1"), now_micros() - 30 * SECOND)
}

pub fn occurred(mut event: Json, at: i64) -> Json {
    event["occurred_at"] = at.into();
    event
}

pub fn in_seconds(seconds: i64) -> i64 {
    now_micros() + seconds * SECOND
}

/// Every order's status and why it is cancelled.
pub async fn orders(stage: &Stage) -> BTreeMap<String, (String, Option<String>)> {
    let rows: Vec<(String, String, Option<String>)> =
        stage.rows("select order_id, status::text, cancel_reason from orders").await;
    rows.into_iter().map(|(order, status, reason)| (order, (status, reason))).collect()
}

pub async fn status(stage: &Stage, order: &str) -> Option<String> {
    orders(stage).await.remove(order).map(|(status, _)| status)
}

pub async fn reaches(stage: &Stage, order: &str, wanted: &str) {
    patience::until(&format!("{order} to be {wanted}"), async || {
        Ok(status(stage, order).await.as_deref() == Some(wanted))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

pub fn send(producer: &mut Producer, events: &[Json]) {
    events.iter().for_each(|event| producer.send_json(event).expect("an event"));
    producer.flush().expect("kafka has them");
}

pub async fn transactional(stage: &Stage) -> Producer {
    let manner = Manner { transactional_id: Some(format!("upstream-{}", uuid::Uuid::new_v4())), ..Manner::default() };
    Producer::open_as(&stage.deployment.stack, &stage.deployment.topics, manner).await.expect("a producer")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_in_time_is_given_up_within_seconds_and_told_once() {
    let stage = Stage::new("due", 1).await;
    let worker = stage.worker("worker");
    send(&mut stage.producer().await, &[placed("unpaid", in_seconds(2)), placed("paid", in_seconds(2)), paid("paid")]);
    reaches(&stage, "unpaid", "CANCELLED").await;
    stage.all_published().await;
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let told: Vec<_> = told.iter().filter(|told| told.envelope.order_id == "unpaid").collect();
    assert_eq!(told.len(), 2, "placed and given up: {told:?}");
    let cause = told[1].envelope.cause.as_ref().expect("a deadline");
    assert!(cause.event_id.starts_with("deadline:payment_due::"), "{cause:?}");
    assert_eq!((cause.kind.as_str(), &cause.topic, cause.offset), ("FIRED", &None, None));
    assert_eq!(orders(&stage).await["unpaid"].1.as_deref(), Some("payment_expired"));
    assert_ne!(status(&stage, "paid").await.as_deref(), Some("CANCELLED"));
    assert!(metric(&worker, "orderstream_deadlines_fired_total{name=\"payment_due\"}").await >= 1.0);
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_lane_that_is_never_idle_a_deadline_fires_all_the_same() {
    let mut stage = Stage::new("never_idle", 1).await;
    stage.reconfigure(|config| {
        config.set("worker.batch_max_records", 2);
    });
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    // What follows in the payment topic never stops; the order topic ends with the marker of a transaction.
    let mut upstream = transactional(&stage).await;
    upstream.begin().expect("a transaction");
    send(&mut upstream, &[placed("unpaid", in_seconds(2))]);
    upstream.commit().expect("committed");
    let mut sent = 0;
    patience::until("the order to be given up under load", async || {
        let applied: Vec<(i64,)> =
            stage.rows("select next_offset from checkpoints where topic like '%-payments'").await;
        // The worker is seconds behind all the time: by when it reaches the ends that it was shown, there are others.
        while sent < applied.first().map_or(0, |(offset,)| *offset) + 1_000 {
            producer.send_json(&sound(Input::Payment, &format!("other-{sent}")))?;
            sent += 1;
        }
        producer.flush()?;
        Ok(status(&stage, "unpaid").await.as_deref() == Some("CANCELLED"))
    })
    .await
    .expect("it fires while events come");
    stage.all_published().await;
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deadlines_at_once_are_worked_off_in_batches_between_which_events_pass() {
    let mut stage = Stage::new("many", 2).await;
    stage.reconfigure(|config| {
        config.set("worker.batch_max_records", 100);
    });
    let worker = stage.worker("first");
    let mut producer = stage.producer().await;
    let due = in_seconds(20);
    let placed: Vec<Json> = (0..3_000).map(|n| placed(&format!("unpaid-{n}"), due)).collect();
    send(&mut producer, &placed);
    stage.all_published().await;
    let overdue = async || {
        let rows: Vec<(i64,)> = stage.rows("select count(*) from orders where next_deadline < now()").await;
        rows[0].0
    };
    let cancelled = async || {
        let rows: Vec<(i64,)> = stage.rows("select count(*) from orders where status = 'CANCELLED'").await;
        rows[0].0
    };
    let mut passed_meanwhile = false;
    let mut count = 0;
    patience::until("all of them to be given up", async || {
        count += 1;
        let order = format!("other-{count}");
        send(&mut producer, &[sound(Input::Payment, &order)]);
        patience::until("an event to pass", async || Ok(status(&stage, &order).await.is_some())).await?;
        let (overdue, cancelled) = (overdue().await, cancelled().await);
        passed_meanwhile |= overdue > 0 && cancelled > 0;
        Ok(cancelled == 3_000)
    })
    .await
    .expect("all are worked off");
    assert!(passed_meanwhile, "no event was applied while some had fired and some were due");
    worker.stop(GOODBYE).await.expect("exit code 0");
    let sizes: Vec<(i32,)> = stage.rows("select max(events) from journal").await;
    assert!(sizes[0].0 <= 200, "a batch of {} entries", sizes[0].0);
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_deadline_fires_by_its_policy() {
    let mut stage = Stage::new("others", 1).await;
    stage.reconfigure(|config| {
        config.set("policy.payment_retry_window", "3s").set("policy.rejection_grace", "2s");
    });
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    let now = now_micros();
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let at_now = |topic, kind, order, more: Json| occurred(event(topic, kind, order, 0, &more), now);
    send(
        &mut producer,
        &[
            at_now(Input::Payment, "DECLINED", "declined", json!({"authorization_id": "a"})),
            at_now(Input::Inventory, "REJECTED", "rejected", json!({"reservation_id": "r", "lines": lines})),
            at_now(
                Input::Inventory,
                "RESERVED",
                "held",
                json!({"reservation_id": "r", "lines": lines, "expires_at": in_seconds(2)}),
            ),
            at_now(
                Input::Payment,
                "AUTHORIZED",
                "authorized",
                json!({"authorization_id": "a", "amount_minor": 500, "currency": "EUR", "expires_at": in_seconds(2)}),
            ),
        ],
    );
    reaches(&stage, "declined", "CANCELLED").await;
    reaches(&stage, "rejected", "CANCELLED").await;
    patience::until("stock and money to lapse", async || {
        let rows: Vec<(String, String)> =
            stage.rows("select inventory::text, payment::text from orders where order_id in ('held', 'authorized') order by order_id").await;
        Ok(rows == [("NONE".to_owned(), "EXPIRED".to_owned()), ("EXPIRED".to_owned(), "UNPAID".to_owned())])
    })
    .await
    .expect("both expire");
    assert_eq!(orders(&stage).await["declined"].1.as_deref(), Some("payment_failed"));
    assert_eq!(orders(&stage).await["rejected"].1.as_deref(), Some("out_of_stock"));
    stage.finish([worker]).await;
}
