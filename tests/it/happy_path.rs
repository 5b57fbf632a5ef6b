//! What the product is for: events of three or four topics go in, each order's status events come out, the database agrees.

use std::collections::BTreeMap;

use orderstream::order::Status;
use orderstream_harness::output::{self, Envelope, StatusChanged};
use orderstream_harness::topic_log::{LogReader, LogRecord};
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use super::events::{BEGIN, event, now_micros};
use super::stage::{GOODBYE, Stage};

/// The namespace of status events' ids, as the contract says it (schemas/OrderStatusChanged.avsc).
const NAMESPACE: uuid::Uuid = uuid::uuid!("846bb82d-a2f8-5626-a8f9-c1841bedd825");

/// An order from its placing to its delivery, with the events in the order in which they are sent; one is sent again.
fn story(order: &str) -> Vec<Json> {
    let lines = json!([{"line_id": "1", "quantity": 2, "sku": "MUG"}]);
    let authorized = json!({"authorization_id": "auth-1", "amount_minor": 5000, "currency": "EUR"});
    let captured = json!({
        "authorization_id": "auth-1", "capture_id": "cap-1", "amount_minor": 5000, "currency": "EUR",
        "correlation_id": "flow-7", "producer": "payments-service"
    });
    let parcel = json!({"shipment_id": "shp-1", "lines": lines});
    vec![
        event(Input::Order, "PLACED", order, 0, &json!({"total_minor": 5000, "currency": "EUR", "lines": lines})),
        event(Input::Payment, "AUTHORIZED", order, 10, &authorized),
        event(Input::Inventory, "RESERVED", order, 20, &json!({"reservation_id": "res-1", "lines": lines})),
        event(Input::Payment, "AUTHORIZED", order, 10, &authorized),
        event(Input::Payment, "CAPTURED", order, 30, &captured),
        event(Input::Shipping, "PICKED", order, 40, &parcel),
        event(Input::Shipping, "DISPATCHED", order, 50, &parcel),
        event(Input::Shipping, "DELIVERED", order, 60, &parcel),
    ]
}

/// Sends each event when the one before it is published: three topics have no order between them.
async fn send_one_by_one(stage: &Stage, events: &[Json]) {
    let mut producer = stage.producer().await;
    for event in events {
        producer.send_json(event).expect("an event");
        producer.flush().expect("kafka has it");
        stage.all_published().await;
    }
}

fn records(stage: &Stage, topic: &str) -> Vec<LogRecord> {
    LogReader::on(&stage.deployment.stack.brokers).expect("a reader").read_all(topic).expect("the topic is read")
}

/// Status and cause of each event.
fn told(events: &[StatusChanged]) -> Vec<(i64, Option<&str>, &str, &str)> {
    let told = events.iter().map(|event| {
        let Envelope { order_version, previous_status, cause, .. } = &event.envelope;
        let kind = cause.as_ref().map_or("", |cause| &cause.kind);
        (*order_version, previous_status.map(Status::as_str), event.view.status.as_str(), kind)
    });
    told.collect()
}

#[tokio::test]
async fn an_order_is_told_from_its_placing_to_its_delivery_through_all_four_topics() {
    let stage = Stage::new("happy_path", 4).await;
    let worker = stage.worker("w");
    let began = now_micros();
    send_one_by_one(&stage, &story("ord-1")).await;

    let events = output::status_events(&stage.deployment).await.expect("status events");
    let expected = [
        (1, None, "PENDING", "PLACED"),
        (2, Some("PENDING"), "AWAITING_STOCK", "AUTHORIZED"),
        (3, Some("AWAITING_STOCK"), "CONFIRMED", "RESERVED"),
        (4, Some("CONFIRMED"), "CONFIRMED", "CAPTURED"),
        (5, Some("CONFIRMED"), "IN_FULFILMENT", "PICKED"),
        (6, Some("IN_FULFILMENT"), "SHIPPED", "DISPATCHED"),
        (7, Some("SHIPPED"), "COMPLETED", "DELIVERED"),
    ];
    assert_eq!(told(&events), expected);
    assert_envelope_of_the_capture(&stage, &events[3].envelope, began);
    assert_eq!(serde_json::to_value(&events[6].view).expect("JSON"), delivered());
    assert_eq!(events[6].skus, BTreeMap::from([("1".to_owned(), "MUG".to_owned())]));

    let lane = records(&stage, &stage.deployment.topics.payment)[0].partition;
    for record in records(&stage, &stage.deployment.topics.status) {
        assert_eq!((record.key.as_deref(), record.partition), (Some(&b"ord-1"[..]), lane), "as its inputs");
    }
    assert_row(&stage, lane).await;
    let verdict = stage.check().await;
    let outcomes = verdict.totals.outcomes;
    assert_eq!((outcomes.applied, outcomes.duplicate, outcomes.stale, outcomes.refused()), (7, 1, 0, 0));
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

fn assert_envelope_of_the_capture(stage: &Stage, envelope: &Envelope, began: i64) {
    let cause = envelope.cause.as_ref().expect("a cause");
    let payments = records(stage, &stage.deployment.topics.payment);
    let capture = payments.last().expect("the capture was the last payment");
    assert_eq!(cause.event_id, "ord-1-CAPTURED-30");
    assert_eq!(cause.topic.as_deref(), Some(stage.deployment.topics.payment.as_str()));
    assert_eq!((cause.partition, cause.offset), (Some(capture.partition), Some(capture.offset)));
    assert_eq!(envelope.event_id, uuid::Uuid::new_v5(&NAMESPACE, b"ord-1:4").to_string());
    assert_eq!(envelope.order_id, "ord-1");
    assert_eq!(envelope.correlation_id.as_deref(), Some("flow-7"));
    assert_eq!(envelope.occurred_at, BEGIN + 30_000_000);
    assert!((began..=now_micros()).contains(&envelope.changed_at), "{}", envelope.changed_at);
}

/// The view of the delivered order.
fn delivered() -> Json {
    json!({
        "status": "COMPLETED", "payment": "PAID", "inventory": "RESERVED", "fulfilment": "DELIVERED", "returns": "NONE",
        "flags": [], "attention": [], "cancel_reason": null, "currency": "EUR", "total_minor": 5000,
        "authorized_minor": 0, "captured_minor": 5000, "refunded_minor": 0, "charged_back_minor": 0,
        "lines": [{"line_id": "1", "ordered": 2, "reserved": 2, "shipped": 2, "delivered": 2, "returned": 0}],
        "owed": []
    })
}

async fn assert_row(stage: &Stage, lane: i32) {
    type Row = (String, i64, i32, String, String, String, String, i64, i64, i64);
    let rows: Vec<Row> = stage
        .rows(
            "select order_id, version, home_lane, status::text, payment::text, inventory::text, fulfilment::text,
                    total_minor, captured_minor, authorized_minor
               from orders",
        )
        .await;
    let text = |text: &str| text.to_owned();
    let expected = (text("ord-1"), 7, lane, text("COMPLETED"), text("PAID"), text("RESERVED"), text("DELIVERED"));
    let (id, version, home, status, payment, inventory, fulfilment) = expected;
    assert_eq!(rows, [(id, version, home, status, payment, inventory, fulfilment, 5000, 5000, 0)]);
}

#[tokio::test]
async fn an_order_without_an_order_topic_is_told_from_three() {
    let stage = Stage::with("three_topics", 2, |config| {
        config.unset("topics.order");
    })
    .await;
    let worker = stage.worker("w");
    let story: Vec<Json> = story("ord-1").into_iter().filter(|event| event["topic"] != "order").collect();
    send_one_by_one(&stage, &story).await;

    let events = output::status_events(&stage.deployment).await.expect("status events");
    let expected = [
        (1, None, "AWAITING_STOCK", "AUTHORIZED"),
        (2, Some("AWAITING_STOCK"), "CONFIRMED", "RESERVED"),
        (3, Some("CONFIRMED"), "CONFIRMED", "CAPTURED"),
        (4, Some("CONFIRMED"), "IN_FULFILMENT", "PICKED"),
        (5, Some("IN_FULFILMENT"), "SHIPPED", "DISPATCHED"),
        (6, Some("SHIPPED"), "COMPLETED", "DELIVERED"),
    ];
    assert_eq!(told(&events), expected);
    assert_eq!(events[5].view.total_minor, None, "nobody said what the order costs");
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
