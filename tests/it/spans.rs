//! Spans from end to end: what a receiver hears of an order, and that nobody waits for one.

use orderstream_harness::otlp_receiver::{OtlpReceiver, Span};
use orderstream_harness::produce::{Producer, RawRecord};
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics::Input;
use orderstream_harness::worker::Worker;
use serde_json::{Value as Json, json};

use crate::events::event;
use crate::patience;
use crate::stage::Stage;
use crate::under_load::metric;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CAUSE: &str = "00f067aa0ba902b7";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// A stage whose workers push spans to this receiver, and send commands.
async fn stage_with(test: &str, receiver: &OtlpReceiver, more: &[(&str, &str)]) -> Stage {
    Stage::with(test, 1, |config| {
        config.send_commands().set("telemetry.otlp_endpoint", receiver.url());
        for (name, value) in more {
            config.set(name, *value);
        }
    })
    .await
}

fn record(stage: &Stage, input: Input, order: &str, value: Vec<u8>, traceparent: &str) -> RawRecord {
    RawRecord {
        topic: stage.deployment.topics.input(input).expect("it is there").to_owned(),
        key: Some(order.as_bytes().to_vec()),
        value: Some(value),
        headers: vec![
            ("traceparent".to_owned(), Some(traceparent.into())),
            ("tracestate".to_owned(), Some(b"shop=1".to_vec())),
        ],
        ..RawRecord::default()
    }
}

fn send(stage: &Stage, producer: &mut Producer, input: Input, event: &Json, traceparent: &str) {
    let value = producer.encode(event).expect("an event");
    let order = event["order_id"].as_str().expect("an order").to_owned();
    producer.send_raw(&record(stage, input, &order, value, traceparent)).expect("sent");
    producer.flush().expect("kafka has it");
}

fn authorized(order: &str) -> Json {
    let money = json!({"authorization_id": "auth-1", "amount_minor": 500, "currency": "EUR"});
    event(Input::Payment, "AUTHORIZED", order, 0, &money)
}

/// The one span of that name and order.
fn one<'a>(spans: &'a [Span], name: &str, order: &str) -> &'a Span {
    let of_it = |span: &&Span| {
        span.name == name && span.attributes.get("messaging.kafka.message.key").is_some_and(|key| key == order)
    };
    let found: Vec<&Span> = spans.iter().filter(of_it).collect();
    let [span] = found[..] else { panic!("{} spans `{name}` of `{order}`: {spans:#?}", found.len()) };
    span
}

/// What the records of a topic name as their trace.
fn traceparents(stage: &Stage, topic: &str) -> Vec<(String, String)> {
    let log = LogReader::on(&stage.deployment.stack.brokers).expect("a reader");
    let records = log.read_all(topic).expect("read");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let traced = records.iter().map(|record| {
        let key = record.key.as_deref().map(text).unwrap_or_default();
        (key, record.header("traceparent").unwrap_or_default().to_owned())
    });
    traced.collect()
}

#[tokio::test]
async fn an_order_is_told_from_the_record_that_came_to_the_records_that_were_published() {
    let receiver = OtlpReceiver::start().expect("a receiver");
    let stage = stage_with("spans", &receiver, &[("telemetry.service_name", "shop-orders")]).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let sampled = format!("00-{TRACE}-{CAUSE}-01");
    send(&stage, &mut producer, Input::Payment, &authorized("a"), &sampled);
    send(&stage, &mut producer, Input::Payment, &authorized("b"), UNSAMPLED);
    stage.all_published().await;
    send(&stage, &mut producer, Input::Order, &event(Input::Order, "CANCEL_REQUESTED", "a", 1, &json!({})), UNSAMPLED);
    producer.send_raw(&record(&stage, Input::Payment, "c", b"no event".to_vec(), &sampled)).expect("sent");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let awaited = patience::until("three spans", async || Ok(receiver.spans().len() >= 3));
    awaited
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {:#?}\n{}", receiver.spans(), worker.log().expect("a log")));

    let topics = stage.deployment.topics.clone();
    let spans = receiver.spans();
    let process = format!("process {}", topics.payment);
    let (own, publication) = (one(&spans, &process, "a"), one(&spans, &format!("publish {}", topics.status), "a"));
    let refused = one(&spans, &process, "c");
    for span in [own, publication, refused] {
        assert_eq!((span.trace_id.as_str(), span.trace_state.as_str()), (TRACE, "shop=1"), "{span:?}");
        assert_eq!(span.resource["service.name"], "shop-orders");
        assert!(span.times.0 > 0 && span.times.0 <= span.times.1, "{span:?}");
    }
    assert_eq!((own.parent_span_id.as_str(), refused.parent_span_id.as_str()), (CAUSE, CAUSE));
    assert_eq!((&publication.parent_span_id, publication.times.0), (&own.span_id, own.times.1));
    let says = |span: &Span, expected: &[(&str, &str)]| {
        for (name, value) in expected {
            assert_eq!(span.attributes.get(*name).map(String::as_str), Some(*value), "{name} of {span:#?}");
        }
    };
    says(
        own,
        &[
            ("messaging.system", "kafka"),
            ("messaging.destination.name", &topics.payment),
            ("messaging.destination.partition.id", "0"),
            ("messaging.kafka.offset", "0"),
            ("messaging.consumer.group.name", &stage.deployment.group),
            ("messaging.message.id", "a-AUTHORIZED-0"),
            ("orderstream.event.kind", "AUTHORIZED"),
            ("orderstream.outcome", "applied"),
            ("orderstream.order.version", "1"),
        ],
    );
    says(refused, &[("orderstream.outcome", "dead_letter"), ("error.type", "bad_framing")]);
    assert_eq!((own.is_error, publication.is_error, refused.is_error), (false, false, true));

    // What was published names our span; the trace that nobody samples goes on as it came.
    let pair = |order: &str, parent: &str| (order.to_owned(), parent.to_owned());
    let behind_ours = format!("00-{TRACE}-{}-01", publication.span_id);
    let mut told = traceparents(&stage, &topics.status);
    told.sort();
    let mut expected = [pair("a", &behind_ours), pair("a", UNSAMPLED), pair("b", UNSAMPLED)];
    expected.sort();
    assert_eq!(told, expected);
    let commands = traceparents(&stage, topics.command.as_deref().expect("it is configured"));
    assert_eq!(commands, [pair("a", UNSAMPLED)]);
    let letters = traceparents(&stage, topics.dead_letter.as_deref().expect("it is configured"));
    assert_eq!(letters, [pair("c", &sampled)], "a dead letter is the record as it came");
    stage.finish([worker]).await;
    assert_eq!(receiver.spans().len(), 3, "the stop pushes nothing twice");
}

#[tokio::test]
async fn the_last_spans_are_pushed_when_a_worker_stops() {
    let receiver = OtlpReceiver::start().expect("a receiver");
    receiver.answer(503);
    let stage = stage_with("last_spans", &receiver, &[]).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    send(&stage, &mut producer, Input::Payment, &authorized("a"), &format!("00-{TRACE}-{CAUSE}-01"));
    stage.all_published().await;
    let pushed = patience::until("a push", async || Ok(receiver.pushes() > 0));
    pushed.await.unwrap_or_else(|error| panic!("{error:#}"));
    receiver.answer(200);
    stage.finish([worker]).await;
    assert_eq!(receiver.spans().len(), 2);
}

/// Waits until so many spans were counted.
async fn counted(worker: &Worker, series: &str, at_least: f64) {
    let what = format!("{series} to be {at_least}");
    let counted = patience::until(&what, async || Ok(metric(worker, series).await >= at_least));
    counted.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log().unwrap_or_default()));
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_costs_spans_and_nothing_else() {
    let receiver = OtlpReceiver::start().expect("a receiver");
    receiver.answer(503);
    let stage = stage_with("no_receiver", &receiver, &[("telemetry.otlp_timeout", "200ms")]).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let sampled = format!("00-{TRACE}-{CAUSE}-01");
    send(&stage, &mut producer, Input::Payment, &authorized("a"), &sampled);
    stage.all_published().await;
    counted(&worker, "orderstream_spans_dropped_total{reason=\"unreachable\"", 2.0).await;
    assert!(metric(&worker, "orderstream_retries_total{cause=\"otlp\"").await >= 1.0);

    receiver.answer(401);
    send(&stage, &mut producer, Input::Payment, &authorized("b"), &sampled);
    stage.all_published().await;
    counted(&worker, "orderstream_spans_dropped_total{reason=\"refused\"", 2.0).await;

    receiver.answer(200);
    send(&stage, &mut producer, Input::Payment, &authorized("c"), &sampled);
    stage.all_published().await;
    counted(&worker, "orderstream_spans_exported_total", 2.0).await;
    let log = worker.log().expect("a log");
    assert_eq!(log.matches("spans are dropped: ").count(), 1, "once a minute:\n{log}");
    let warning = "answers with status 503 Service Unavailable: look at how busy it is";
    assert!(log.contains(warning) && log.contains("spans are pushed again"), "{log}");
    let keys: Vec<String> =
        receiver.spans().iter().map(|span| span.attributes["orderstream.order.id"].clone()).collect();
    assert_eq!(keys, ["c", "c"]);
    stage.finish([worker]).await;
}

#[tokio::test]
async fn a_check_pushes_nothing_and_warns_of_a_receiver_that_would_take_nothing() {
    let receiver = OtlpReceiver::start().expect("a receiver");
    let stage = stage_with("check_receiver", &receiver, &[]).await;
    let look = |status: u16| -> (Option<i32>, Json) {
        receiver.answer(status);
        let output = stage.program.output(&stage.config_path(), &["check", "-o", "json"]).expect("it runs");
        let answer: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let rows = answer["checks"].as_array().expect("a list");
        let of_it: Vec<&Json> = rows.iter().filter(|row| row["part"] == "telemetry").collect();
        assert_eq!(of_it.len(), 1, "{rows:#?}");
        (output.status.code(), of_it[0].clone())
    };
    let (code, row) = look(200);
    assert_eq!(row["verdict"], "ok", "{row}");
    let (refused_code, refused) = look(403);
    assert_eq!((refused_code, refused["verdict"].as_str()), (code, Some("warning")), "{refused}");
    assert_eq!(refused["remedy"], "correct telemetry.otlp_headers");
    assert!(receiver.spans().is_empty() && receiver.pushes() == 2);
    stage.strike().await;
}
