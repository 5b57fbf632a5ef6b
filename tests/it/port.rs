//! The only port: `/metrics` and nothing else, every metric of the table, and numbers that add up.

use std::collections::{BTreeMap, BTreeSet};

use orderstream::metrics::{Kind, TABLE};
use orderstream_harness::output;
use orderstream_harness::traffic::{Shape, Traffic};
use orderstream_harness::worker::Worker;
use reqwest::{Client, Method, StatusCode};

use super::events::now_micros;
use super::stage::{GOODBYE, Stage};
use super::under_load::metric;

async fn ask(worker: &Worker, method: Method, path: &str) -> (StatusCode, Option<String>, String) {
    let request = Client::new().request(method, format!("http://{}{path}", worker.metrics()));
    let answer = request.send().await.expect("an answer");
    let allow = answer.headers().get("allow").map(|value| value.to_str().expect("text").to_owned());
    (answer.status(), allow, answer.text().await.expect("a body"))
}

/// The ports that a process listens on, as the kernel says.
fn listening_ports(pid: u32) -> BTreeSet<u16> {
    let folder = format!("/proc/{pid}/fd");
    let descriptors = std::fs::read_dir(folder).expect("a process of ours");
    let sockets: BTreeSet<String> = descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let tables =
        ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let ports = lines.filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN; the local address is hexadecimal, its port behind the colon.
        let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        (*fields.get(3)? == "0A" && sockets.contains(*fields.get(9)?)).then_some(port)
    });
    ports.collect()
}

#[tokio::test]
async fn only_get_and_head_of_metrics_are_served_on_the_only_port() {
    let stage = Stage::new("port", 1).await;
    let worker = stage.worker("w");
    stage.until("the port to be open", async || Ok(metric(&worker, "orderstream_lanes_owned").await > 0.0)).await;

    let (status, _, body) = ask(&worker, Method::GET, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for metric in TABLE {
        let row = metric.row();
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        for line in [format!("# TYPE {} {kind}\n", row.name), format!("# HELP {} {}\n", row.name, row.help)] {
            assert_eq!(body.matches(&line).count(), 1, "{line}");
        }
    }
    let (status, _, body) = ask(&worker, Method::HEAD, "/metrics").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    for path in ["/", "/metrics/", "/health", "/ready", "/metrics/x", "/debug/pprof"] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert_eq!(ask(&worker, method.clone(), path).await.0, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let (status, allow, _) = ask(&worker, method.clone(), "/metrics").await;
        assert_eq!((status, allow.as_deref()), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD")), "{method}");
    }
    assert_eq!(listening_ports(worker.pid()), BTreeSet::from([worker.metrics().port()]));
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

/// The values of a metric's series, by one of its labels.
fn by_label(text: &str, name: &str, label: &str) -> BTreeMap<String, u64> {
    let mut values: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(&format!("{name}{{"))) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let labelled = series.split(&format!("{label}=\"")).nth(1).expect(series);
        let number: f64 = value.parse().expect("a number");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are small whole numbers")]
        let number = number as u64;
        *values.entry(labelled.split('"').next().unwrap_or_default().to_owned()).or_default() += number;
    }
    values.retain(|_, value| *value > 0);
    values
}

fn expect(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().filter(|(_, count)| *count > 0).map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[tokio::test]
async fn counters_add_up_to_what_went_in_and_came_out() {
    let stage = Stage::new("counters", 2).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let shape = Shape { duplicates: 0.1, malformed: 0.05, ..Shape::usual(100, 3, now_micros()) };
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    for planned in Traffic::new(shape) {
        if producer.send(&planned).expect("sent") {
            *sent.entry(planned.input.to_string()).or_default() += 1;
        }
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let verdict = stage.check().await;
    let outcomes = &verdict.totals.outcomes;
    let told = output::status_events(&stage.deployment).await.expect("status events").len() as u64;
    let letters = output::dead_letters(&stage.deployment).expect("dead letters").len() as u64;
    stage
        .until("the last transaction to be counted", async || {
            #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
            let expected = (told + letters) as f64;
            Ok(metric(&worker, "orderstream_records_published_total{").await >= expected)
        })
        .await;

    let (_, _, text) = ask(&worker, Method::GET, "/metrics").await;
    assert_eq!(by_label(&text, "orderstream_records_consumed_total", "topic"), sent);
    assert_eq!(by_label(&text, "orderstream_events_total", "topic"), sent);
    let expected = [
        ("applied", outcomes.applied),
        ("duplicate", outcomes.duplicate),
        ("stale", outcomes.stale),
        ("dead_letter", outcomes.refused()),
    ];
    assert_eq!(by_label(&text, "orderstream_events_total", "outcome"), expect(&expected));
    assert_eq!(outcomes.sum(), sent.values().sum::<u64>());
    assert_eq!(by_label(&text, "orderstream_dead_letters_total", "reason"), outcomes.dead_letters);
    let published = expect(&[("status", told), ("dead_letter", letters)]);
    assert_eq!(by_label(&text, "orderstream_records_published_total", "topic"), published);
    assert!(text.contains(&format!("\norderstream_status_events_total {told}\n")), "{told} status events");
    assert!(text.contains("\norderstream_lanes_owned 2\n"));
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
