//! Headers from end to end: the trace of an input record on all that it causes, and CloudEvents where they are wanted.

use orderstream_harness::produce::{Producer, RawRecord};
use orderstream_harness::topic_log::{LogReader, LogRecord};
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use crate::events::event;
use crate::stage::Stage;

const FIRST: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SECOND: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const HOSTILE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y";

fn send(stage: &Stage, producer: &mut Producer, event: &Json, traceparent: &str) {
    let input = if event["topic"] == "order" { Input::Order } else { Input::Payment };
    let record = RawRecord {
        topic: stage.deployment.topics.input(input).expect("it is there").to_owned(),
        key: event["order_id"].as_str().map(|id| id.as_bytes().to_vec()),
        value: Some(producer.encode(event).expect("an event")),
        headers: vec![
            ("traceparent".to_owned(), Some(traceparent.into())),
            ("tracestate".to_owned(), Some(b"shop=1".to_vec())),
        ],
        ..RawRecord::default()
    };
    producer.send_raw(&record).expect("sent");
}

fn records(stage: &Stage, topic: &str) -> Vec<LogRecord> {
    let mut records = LogReader::on(&stage.deployment.stack.brokers).expect("a reader").read_all(topic).expect("read");
    records.sort_by_key(|record| (record.key.clone(), record.offset));
    records
}

#[tokio::test]
async fn what_a_record_causes_carries_its_trace_and_is_a_cloud_event_where_that_is_wanted() {
    let stage = Stage::with("headers", 2, |config| {
        config.send_commands().set("topics.cloud_events_source", "/it");
    })
    .await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let money = json!({"authorization_id": "auth-1", "amount_minor": 500, "currency": "EUR"});
    send(&stage, &mut producer, &event(Input::Payment, "AUTHORIZED", "a", 0, &money), FIRST);
    send(&stage, &mut producer, &event(Input::Payment, "AUTHORIZED", "b", 0, &money), HOSTILE);
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    send(&stage, &mut producer, &event(Input::Order, "CANCEL_REQUESTED", "a", 1, &json!({})), SECOND);
    // What is no event stays as it came, header for header.
    let broken = RawRecord {
        topic: stage.deployment.topics.payment.clone(),
        key: Some(b"c".to_vec()),
        value: Some(b"{}".to_vec()),
        headers: vec![("traceparent".to_owned(), Some(HOSTILE.into()))],
        ..RawRecord::default()
    };
    producer.send_raw(&broken).expect("sent");
    producer.flush().expect("kafka has it");
    stage.all_published().await;

    let topics = &stage.deployment.topics;
    let statuses = records(&stage, &topics.status);
    let traces: Vec<_> = statuses.iter().map(|r| (r.header("traceparent"), r.header("tracestate"))).collect();
    assert_eq!(traces, [(Some(FIRST), Some("shop=1")), (Some(SECOND), Some("shop=1")), (None, None)]);
    for status in &statuses {
        assert_eq!(status.header("ce_type"), Some("orderstream.v1.OrderStatusChanged"));
        assert_eq!(status.header("ce_subject").map(str::as_bytes), status.key.as_deref());
        assert_eq!(status.header("ce_source"), Some("/it"));
    }
    let commands = records(&stage, topics.command.as_deref().expect("it is configured"));
    let headers: Vec<_> = commands.iter().map(|r| (r.header("traceparent"), r.header("ce_type"))).collect();
    assert_eq!(headers, [(Some(SECOND), Some("orderstream.v1.OrderCommand"))]);
    let letters = records(&stage, topics.dead_letter.as_deref().expect("it is configured"));
    assert_eq!(letters.iter().map(|letter| letter.header("traceparent")).collect::<Vec<_>>(), [Some(HOSTILE)]);
    assert!(letters[0].header("ce_type").is_none(), "a dead letter is the record, and no event of ours");
    stage.finish([worker]).await;
}
