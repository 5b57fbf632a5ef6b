//! The way of spans to a receiver that takes them, refuses them, or is not there: every span is counted once, and nobody waits.
//!
//! The receiver is a thread with a socket. Metrics are of the whole process, so each test looks at how much they grew, and at
//! reasons that no other test moves at the same time.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use uuid::Uuid;

use super::endpoint::{Endpoint, Pushed};
use super::exporter::{Exporter, Who};
use super::otlp::{PartialSuccess, Request, Response};
use super::queue::Spans;
use super::tracer::{Processing, Read, Tracer};
use crate::config::{Config, Environment};
use crate::consume::record::Record;
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::Source;
use crate::publish::trace::Trace;

/// One at a time: they look at the same counters.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a receiver was sent: its head, in small letters, and its body.
type Push = (String, Vec<u8>);

/// A receiver that gives these answers, one a request, and the last one from then on.
fn receiver(answers: &'static [(&'static str, &'static [u8])]) -> (String, Receiver<Push>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (sender, pushes) = channel();
    std::thread::spawn(move || {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept() else { return };
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
            stream.read_exact(&mut body).expect("a body as long as it says");
            let (status, answer) = answers.get(number).or(answers.last()).expect("an answer");
            let said = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            // Told before it is answered, so that whoever has the answer finds it told.
            if sender.send((head, body)).is_err() {
                return;
            }
            let _ = stream.get_mut().write_all(&[said.as_bytes(), answer].concat());
        }
    });
    (url, pushes)
}

fn endpoint(url: &str, more: &str) -> Endpoint {
    let text = format!(
        "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://u@d/d\"\n[telemetry]\notlp_endpoint = \"{url}\"\n{more}"
    );
    let config = Config::read(Some(("o.toml", &text)), &Environment::default()).expect("a configuration");
    Endpoint::of(&config.telemetry).expect("it is usable").expect("it is configured")
}

fn who() -> Who {
    Who { service: "shop".to_owned(), instance: "w1".to_owned() }
}

/// A record that publishes one status event.
fn processing() -> Processing {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let record = Record {
        source: Source::Payment,
        lane: Lane(0),
        offset: 1,
        timestamp: Timestamp(1),
        key: None,
        value: None,
        headers: Ok(vec![("traceparent".to_owned(), Some(parent.into()))]),
    };
    let trace = Trace::of(record.headers()).expect("a trace");
    let read = Read { topic: "payments", record: &record, consumed_at: Instant::now(), replayed: None };
    let mut processing = Tracer::new(Uuid::nil(), "g", 100).begin(&trace, read).expect("it is sampled");
    let publication = processing.publication("order-status", &OrderId::from("o"), format_args!("1"));
    processing.publishes(publication);
    processing
}

/// So many records, from their commit to Kafka's.
fn tell(spans: &Spans, records: usize) {
    for _ in 0..records {
        spans.published(spans.committed(vec![processing()]));
    }
}

/// Exported, then dropped by reason: queue_full, unreachable, refused, given_up.
fn counted() -> [u64; 5] {
    let text = crate::metrics::render(&crate::metrics::install());
    let value = |series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}")).parse().expect("a count")
    };
    let dropped = |reason: &str| value(&format!("orderstream_spans_dropped_total{{reason=\"{reason}\"}}"));
    let [full, unreachable, refused, given_up] = ["queue_full", "unreachable", "refused", "given_up"].map(dropped);
    [value("orderstream_spans_exported_total"), full, unreachable, refused, given_up]
}

fn grown_since(before: [u64; 5]) -> [u64; 5] {
    let now = counted();
    std::array::from_fn(|at| now[at] - before[at])
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock only keeps tests apart, each on a runtime of its own")]
async fn spans_are_pushed_with_who_they_are_from_and_the_secret_headers() {
    let _alone = alone();
    let before = counted();
    let (url, pushes) = receiver(&[("200 OK", b"")]);
    let endpoint = endpoint(&url, "otlp_headers = \"authorization=Bearer%20s3cret\"\n");
    assert!(!format!("{endpoint:?}").contains("s3cret"));
    let (spans, exporter) = Exporter::to(endpoint, who(), 100);
    tell(&spans, 2);
    exporter.finish(LONG).await;
    let (head, body) = pushes.recv().expect("a push");
    assert!(
        head.starts_with("post /v1/traces http/1.1\r\n") && head.contains("content-type: application/x-protobuf\r\n")
    );
    assert!(head.contains("authorization: bearer s3cret\r\n"), "{head}");
    let request = Request::decode(&*body).expect("the protocol");
    let [of_process] = &request.resource_spans[..] else { panic!("{request:?}") };
    let resource = format!("{:?}", of_process.resource);
    assert!(
        resource.contains("service.name") && resource.contains("\"shop\"") && resource.contains("\"w1\""),
        "{resource}"
    );
    let names: Vec<&str> = of_process.scope_spans[0].spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["process payments", "publish order-status"].repeat(2));
    for span in &of_process.scope_spans[0].spans {
        assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
    assert_eq!(grown_since(before), [4, 0, 0, 0, 0]);
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock only keeps tests apart, each on a runtime of its own")]
async fn a_receiver_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let _alone = alone();
    let before = counted();
    let (url, pushes) = receiver(&[("503 Busy", b""), ("429 Slowly", b""), ("200 OK", b"")]);
    let (spans, exporter) = Exporter::to(endpoint(&url, ""), who(), 100);
    tell(&spans, 1);
    exporter.finish(LONG).await;
    assert_eq!((pushes.try_iter().count(), grown_since(before)), (3, [2, 0, 0, 0, 0]));

    let (url, pushes) = receiver(&[("401 Who", b"")]);
    let (spans, exporter) = Exporter::to(endpoint(&url, ""), who(), 100);
    tell(&spans, 1);
    exporter.finish(LONG).await;
    assert_eq!((pushes.try_iter().count(), grown_since(before)), (1, [2, 0, 0, 2, 0]));
}

#[tokio::test]
async fn what_answers_mean_is_told_with_a_remedy_and_no_redirect_is_followed() {
    for (answer, part) in [
        ("401 Who", "status 401 Unauthorized: correct telemetry.otlp_headers"),
        ("404 Where", "without /v1/traces"),
        ("307 There\r\nlocation: http://127.0.0.1:9/", "status 307 Temporary Redirect: write the base URL"),
        ("400 What", "look into its log"),
    ] {
        let answers: &'static [(&str, &[u8])] = Box::leak(Box::new([(answer, &b""[..])]));
        let (url, _pushes) = receiver(answers);
        let Pushed::Refused(text) = endpoint(&url, "").push("x".into()).await else { panic!("{answer}") };
        assert!(text.contains(part), "{text}");
    }
    const FOR_EVER: &[(&str, &[u8])] = &[("429 Slowly\r\nretry-after: 18446744073709551615", b"")];
    let (url, _pushes) = receiver(FOR_EVER);
    let Pushed::Away(text) = endpoint(&url, "").push("x".into()).await else { panic!("it asks for ever") };
    assert!(text.contains("status 429 Too Many Requests: look at how busy it is"), "{text}");
    let partial =
        Response { partial_success: Some(PartialSuccess { rejected_spans: 3, error_message: "too old".to_owned() }) };
    let answers: &'static [(&str, &[u8])] = Box::leak(Box::new([("200 OK", &*partial.encode_to_vec().leak())]));
    let (url, _pushes) = receiver(answers);
    assert_eq!(endpoint(&url, "").push("x".into()).await, Pushed::Taken { refused: 3, why: "too old".to_owned() });
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock only keeps tests apart, each on a runtime of its own")]
async fn nobody_there_costs_the_spans_after_the_time_that_is_set_and_a_full_queue_those_that_come_then() {
    let _alone = alone();
    let before = counted();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it was bound");
    let more = "otlp_timeout = \"100ms\"\n";
    let (spans, exporter) = Exporter::to(endpoint(&format!("http://{nobody}"), more), who(), 3);
    // The task does not run before somebody awaits, so the places are all there are.
    tell(&spans, 5);
    assert_eq!(grown_since(before), [0, 7, 0, 0, 0]);
    exporter.finish(LONG).await;
    assert_eq!(grown_since(before), [0, 7, 3, 0, 0]);
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock only keeps tests apart, each on a runtime of its own")]
async fn a_receiver_that_says_nothing_holds_no_shutdown_up_and_a_chunk_that_is_given_up_is_counted() {
    let _alone = alone();
    let before = counted();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let (spans, exporter) = Exporter::to(endpoint(&url, ""), who(), 100);
    drop(spans.committed(vec![processing()]));
    assert_eq!(grown_since(before), [0, 0, 0, 0, 1], "its publication; its own span waits");
    exporter.finish(Duration::from_millis(50)).await;
    assert_eq!(grown_since(before), [0, 0, 0, 0, 2]);
}
