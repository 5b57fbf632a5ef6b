//! Alerts that a real Prometheus fires since something really goes wrong, and ends when it is over.
//!
//! Invariant: the rules are the shipped ones, hurried by arithmetic alone: what they write as minutes are seconds here. Thresholds
//! and ages that stand in expressions as numbers stay as they are.

use orderstream_harness::produce::{Manner, Partitioner, Producer, RawRecord};
use orderstream_harness::topics::{self, Input};
use rdkafka::admin::AdminOptions;
use regex::{Captures, Regex};

use super::prometheus::Prometheus;
use super::{RULES, text_of};
use crate::events::sound;
use crate::stage::{GOODBYE, Stage};
use crate::under_load::lanes_of;

const LANES: i32 = 2;
/// Those that faults are made for here.
const ALERTS: [&str; 4] = [DOWN, LETTERS, OFF_LANE, POSITIONS];
/// Fires when a server starts that has not scraped anybody for two seconds, so what counts is whether it fires now.
const NO_WORKER: &str = "OrderstreamNoWorker";
const DOWN: &str = "OrderstreamWorkerDown";
const LETTERS: &str = "OrderstreamDeadLettersArriving";
const OFF_LANE: &str = "OrderstreamOrdersOffLane";
const POSITIONS: &str = "OrderstreamPositionsLost";

/// The rules with every wait and every window a sixtieth.
fn hurried(rules: &str) -> String {
    let wait = Regex::new(r"(?m)^( +for: \d+)([hm])$").expect("a pattern");
    let window = Regex::new(r"\[(\d+)([hm])(?::(\d+)([hm]))?\]").expect("a pattern");
    assert_eq!(wait.find_iter(rules).count(), rules.matches("\n        for: ").count(), "each wait is hurried");
    assert_eq!(window.find_iter(rules).count(), rules.matches('[').count(), "each window is hurried");
    let shorter = |unit: &str| if unit == "h" { "m" } else { "s" };
    let rules = wait.replace_all(rules, |wait: &Captures<'_>| format!("{}{}", &wait[1], shorter(&wait[2])));
    let hurried = window.replace_all(&rules, |window: &Captures<'_>| {
        let step = window.get(3).map(|step| format!(":{}{}", step.as_str(), shorter(&window[4]))).unwrap_or_default();
        format!("[{}{}{step}]", &window[1], shorter(&window[2]))
    });
    hurried.into_owned()
}

#[test]
fn minutes_become_seconds_and_nothing_else_changes() {
    let rules = "- expr: increase(a_5m[10m]) > 60 * 5\n        for: 2m\n- expr: b[1h] + c[14m:1m]\n        for: 1h\n";
    let expected =
        "- expr: increase(a_5m[10s]) > 60 * 5\n        for: 2s\n- expr: b[1m] + c[14s:1s]\n        for: 1m\n";
    assert_eq!(hurried(rules), expected);
}

/// Waits until an alert with these labels has fired.
async fn fires(stage: &Stage, prometheus: &Prometheus, alert: &str, labels: &str) {
    stage.until(&format!("{alert} to fire"), async || prometheus.has_fired(alert, labels).await).await;
}

async fn ends(stage: &Stage, prometheus: &Prometheus, alert: &str) {
    let is_over = async || Ok(prometheus.state_of(alert).await? == "inactive");
    stage.until(&format!("{alert} to end"), is_over).await;
}

async fn assert_silent(prometheus: &Prometheus, alerts: &[&str]) {
    for alert in alerts {
        assert!(!prometheus.has_fired(alert, "").await.expect("an answer"), "{alert} fired before its fault");
    }
}

/// Ten records that are no Avro, for one lane.
async fn send_rubbish(stage: &Stage) {
    let mut producer = stage.producer().await;
    let topic = stage.deployment.topics.input(Input::Payment).expect("a topic of the test").to_owned();
    for number in 0..10 {
        let value = Some(format!("rubbish {number}").into_bytes());
        let record = RawRecord { topic: topic.clone(), key: Some("ord".into()), value, ..RawRecord::default() };
        producer.send_raw(&record).expect("sent");
    }
    producer.flush().expect("kafka has it");
}

/// Payments go by murmur2, the goods of the same orders by CRC32.
async fn send_in_two_lanes(stage: &Stage) {
    let mut java = stage.producer().await;
    let manner = Manner { partitioner: Partitioner::Crc32, ..Manner::default() };
    let opened = Producer::open_as(&stage.deployment.stack, &stage.deployment.topics, manner).await;
    let mut librdkafka = opened.expect("a producer");
    for order in (0..40).map(|number| format!("ord-{number}")) {
        java.send_json(&sound(Input::Payment, &order)).expect("an event");
        librdkafka.send_json(&sound(Input::Inventory, &order)).expect("an event");
    }
    java.flush().expect("kafka has it");
    librdkafka.flush().expect("kafka has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_fire_when_something_really_goes_wrong_and_end_when_it_is_over() {
    let stage = Stage::new("firing", LANES).await.with_short_sessions();
    let rules = stage.logs().join("alerts.yaml");
    std::fs::write(&rules, hurried(&text_of(RULES))).expect("the test's folder");
    let (stays, mut goes) = (stage.worker("stays"), stage.worker("goes"));
    let share = async || Ok(lanes_of(&stays).await == 1 && lanes_of(&goes).await == 1);
    stage.until("each worker to have a lane", share).await;
    let (address, lost) = (stays.metrics(), format!(", instance=\"{}\"", goes.metrics()));
    let prometheus = Prometheus::start(&stage.logs(), &rules, &[address, goes.metrics()]).await;

    ends(&stage, &prometheus, NO_WORKER).await;
    assert_silent(&prometheus, &ALERTS).await;
    send_rubbish(&stage).await;
    fires(&stage, &prometheus, LETTERS, ", severity=\"warning\", reason=\"bad_framing\"").await;
    assert_silent(&prometheus, &[DOWN, OFF_LANE, POSITIONS]).await;
    send_in_two_lanes(&stage).await;
    fires(&stage, &prometheus, OFF_LANE, "").await;
    ends(&stage, &prometheus, LETTERS).await;
    stage.all_published().await;

    assert_silent(&prometheus, &[DOWN, POSITIONS]).await;
    goes.kill().expect("it is killed");
    fires(&stage, &prometheus, DOWN, &lost).await;
    stage.until("the other to have its lane", async || Ok(lanes_of(&stays).await == LANES)).await;
    let is_named = prometheus.has_fired(DOWN, &format!(", instance=\"{address}\"")).await.expect("an answer");
    assert!(!is_named, "the worker that stays is not down");

    ends(&stage, &prometheus, NO_WORKER).await;
    stays.stop(GOODBYE).await.expect("a good end");
    let fires_now = async || Ok(prometheus.state_of(NO_WORKER).await? == "firing");
    stage.until("nobody to own a lane, and to be told", fires_now).await;

    assert_silent(&prometheus, &[POSITIONS]).await;
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let deleted = admin.delete_groups(&[&stage.deployment.group], &AdminOptions::new()).await.expect("kafka answers");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    let again = stage.program.start_at(&stage.config_path(), "again", &stage.logs(), address).expect("it starts");
    fires(&stage, &prometheus, POSITIONS, "").await;
    ends(&stage, &prometheus, NO_WORKER).await;
    ends(&stage, &prometheus, OFF_LANE).await;

    prometheus.end();
    again.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
