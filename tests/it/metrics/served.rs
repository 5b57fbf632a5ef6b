//! A real Prometheus scrapes a real worker: rules and panels are evaluated there, and the scrape is what the table promises.
//!
//! Promtool is Debian's; `deploy/local/setup.sh` installs it. Invariant: whatever the table has is seen to move, here or by the test
//! that makes the fault.

use std::process::{Command, Stdio};

use anyhow::ensure;
use orderstream::metrics::{Kind, PROCESS_METRICS, TABLE, series_at_most};
use orderstream_harness::topics::Input;
use orderstream_harness::worker::Worker;
use serde_json::{Value as Json, json};

use super::prometheus::Prometheus;
use super::{DASHBOARDS, RULES, expressions_of, expressions_of_rules, place, text_of};
use crate::asking::letters;
use crate::events::{event, sound};
use crate::stage::{GOODBYE, Stage};

const LANES: i32 = 2;
const LANES_OF_METRICS: usize = 2;

/// Counters that only a fault or much time moves, each with the test that moves it and looks at it.
const OF_FAULTS: [(&str, &str); 14] = [
    (
        "commands_given_up_total",
        "commands::a_command_that_nobody_answers_is_sent_again_then_a_person_is_asked_and_the_answer_ends_it_all",
    ),
    ("dead_letters_removed_total", "upkeep::dead_letters_go_long_after_they_were_resolved_and_stay_while_they_are_not"),
    ("deadlines_fired_total", "deadlines::an_order_that_is_not_paid_in_time_is_given_up_within_seconds_and_told_once"),
    (
        "deadlines_refused_total",
        "rederive::an_order_that_the_database_refuses_loses_its_mark_and_is_tried_again_when_it_is_marked_again",
    ),
    ("fenced_transactions_total", "takeover::a_lane_that_another_claimed_is_given_up_at_the_next_batch_and_taken_anew"),
    (
        "journal_partitions_dropped_total",
        "upkeep::an_old_day_of_the_journal_is_dropped_when_kafka_says_that_it_is_published_and_not_before",
    ),
    (
        "journal_rows_reloaded_total",
        "takeover::a_transaction_left_open_by_a_kill_is_ended_by_the_next_owner_and_published_once",
    ),
    ("orders_off_lane_total", "off_lane::two_producers_with_different_partitioners_lose_no_update_and_are_counted"),
    ("positions_lost_total", "takeover::a_group_that_was_deleted_is_made_good_from_the_database_and_counted"),
    (
        "producer_recycles_total",
        "takeover::an_open_transaction_that_nobody_ended_is_refused_by_the_generation_it_was_begun_under",
    ),
    ("retries_total", "setup::a_registry_that_goes_away_holds_up_the_lane_that_needs_it_and_no_other"),
    ("spans_dropped_total", "spans::a_receiver_that_takes_nothing_costs_spans_and_nothing_else"),
    ("spans_exported_total", "spans::an_order_is_told_from_the_record_that_came_to_the_records_that_were_published"),
    (
        "tenures_ended_total",
        "takeover::a_process_that_wakes_up_in_its_transaction_after_a_takeover_publishes_nothing_of_it",
    ),
];

async fn scrape(worker: &Worker) -> String {
    let answer = reqwest::get(format!("http://{}/metrics", worker.metrics())).await.expect("an answer");
    answer.text().await.expect("a body")
}

/// Traffic that moves every metric that needs no fault: orders, one that owes something, malformed records, a replayed one.
async fn move_everything(stage: &Stage) {
    stage.send_flawed(100, 91).await;
    let mut producer = stage.producer().await;
    producer.send_json(&sound(Input::Payment, "owed")).expect("an event");
    producer.send_json(&event(Input::Order, "CANCEL_REQUESTED", "owed", 9, &json!({}))).expect("an event");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let refused = stage.number("select min(id) from dead_letters where state = 'open'").await;
    // What is wrong with it is so still: the answer says that, and does not matter here.
    let said = letters(stage, &format!("replay {refused} --yes"));
    assert_ne!(said.code, 64, "{said:?}");
}

/// The metrics of the table that a scrape does not show as something that happened.
fn unmoved(text: &str) -> Vec<&'static str> {
    let rows = TABLE.iter().map(|metric| metric.row());
    let moved = |name: &str| {
        let samples = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' ')));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).any(|value| value > 0.0)
    };
    let there = |name: &str| {
        text.lines().any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")))
    };
    let is_missing = |name: &str, kind: Kind| match kind {
        Kind::Counter => !moved(name),
        Kind::Gauge => !there(name),
        Kind::Histogram => !moved(&format!("{name}_count")),
    };
    rows.filter(|row| is_missing(row.name, row.kind)).map(|row| row.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_a_worker_and_evaluates_every_rule_and_every_panel() {
    let stage = Stage::with("prometheus", LANES, |config| {
        config.send_commands();
    })
    .await;
    let worker = stage.worker("w");
    let (logs, rules, target) = (stage.logs(), place(RULES), [worker.metrics()]);
    let (prometheus, ()) = tokio::join!(Prometheus::start(&logs, &rules, &target), move_everything(&stage));

    let excused = OF_FAULTS.map(|(name, _)| format!("orderstream_{name}"));
    let mut missing = Vec::new();
    stage
        .until("every metric to show something", async || {
            missing = unmoved(&scrape(&worker).await);
            missing.retain(|name| !excused.iter().any(|excused| excused == name));
            ensure!(missing.is_empty(), "{missing:?}");
            Ok(true)
        })
        .await;
    let text = scrape(&worker).await;
    let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert!(series <= series_at_most(LANES_OF_METRICS), "{series} series");
    assert_eq!(text.lines().filter(|line| line.starts_with("process_")).count(), PROCESS_METRICS.len());
    lint(&text);

    stage.until("all rules to be evaluated", async || all_healthy(&prometheus.rules().await?)).await;
    for (query, expected) in [
        ("sum(orderstream_lanes_owned)", f64::from(LANES)),
        ("count(max by (job, lane) (orderstream_lane_owned) == 1)", f64::from(LANES)),
        ("max by (job) (orderstream_lanes) - on (job) sum by (job) (orderstream_lanes_owned)", 0.0),
        ("sum(orderstream_obligations{kind=\"REFUND_PAYMENT\"}) > bool 0", 1.0),
    ] {
        stage.until(query, async || Ok((prometheus.number(query).await? - expected).abs() < 1e-9)).await;
    }
    for (place, expression) in DASHBOARDS.into_iter().flat_map(expressions_of) {
        let expression =
            expression.replace("$__rate_interval", "1m").replace("$job", "orderstream").replace("$lane", "0");
        let evaluated = prometheus.ask("query", &[("query", &expression)]).await;
        evaluated.unwrap_or_else(|error| panic!("{place}: {error:#}"));
    }

    assert_eq!(prometheus.state_of("OrderstreamNoWorker").await.expect("a state"), "inactive");
    worker.stop(GOODBYE).await.expect("a good end");
    // It fires after two minutes; `super::firing` waits for that, with hurried rules.
    stage
        .until("the missing worker to be noticed", async || {
            Ok(prometheus.state_of("OrderstreamNoWorker").await? == "pending")
        })
        .await;
    prometheus.end();
    stage.strike().await;
}

/// Whether every rule was evaluated; one that failed is an error that says why.
fn all_healthy(rules: &[Json]) -> anyhow::Result<bool> {
    let expected = expressions_of_rules().len();
    ensure!(rules.len() == expected, "{} of {expected} rules", rules.len());
    for rule in rules {
        assert_ne!(rule["health"], "err", "{}: {}", rule["name"], rule["lastError"]);
    }
    Ok(rules.iter().all(|rule| rule["health"] == "ok"))
}

/// What Prometheus' own reviewer of metrics says of a scrape.
fn lint(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool is installed: `deploy/local/setup.sh chaos` does it");
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn promtool_accepts_configuration_and_rules_and_each_alert_fires_and_stays_silent_when_it_should() {
    for arguments in [
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts.test.yaml"],
    ] {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).current_dir(place("deploy/prometheus"));
        let output = promtool.output().expect("promtool is installed: `deploy/local/setup.sh chaos` does it");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
    let (alerts, tests) = (text_of(RULES), text_of("deploy/prometheus/alerts.test.yaml"));
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        // From one name of an alert to the next.
        let cases: Vec<&str> =
            tests.split("alertname: ").skip(1).filter(|case| case.starts_with(&format!("{alert}\n"))).collect();
        let is_silent = |case: &&&str| case.contains("exp_alerts: []");
        let silent = cases.iter().filter(is_silent).count();
        assert!(silent > 0 && silent < cases.len(), "{alert} has no case that fires, or none that does not");
    }
}

#[test]
fn what_only_a_fault_moves_is_looked_at_by_the_test_that_makes_the_fault() {
    for (name, test) in OF_FAULTS {
        let (module, function) = test.rsplit_once("::").expect("the path of a test");
        let text = text_of(&format!("tests/it/{module}.rs"));
        assert!(text.contains(&format!("fn {function}(")), "there is no test `{test}`");
        assert!(text.contains(&format!("orderstream_{name}")), "{module} does not look at {name}");
        assert!(TABLE.iter().any(|metric| metric.row().name == format!("orderstream_{name}")), "{name}");
    }
}
