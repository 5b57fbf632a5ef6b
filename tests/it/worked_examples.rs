//! Worked examples of `tests/scenarios` through real Kafka and Postgres: moved in time so that what is to fire is just due, and what is
//! not to fire is far away.
//!
//! Those with deadlines are sent while no worker runs: whatever the order in which it then reads them, nothing may fire before all
//! of it is read. An example that depends on time in another way is left to the tests of the pure core.

use std::collections::BTreeMap;

use orderstream::decode::json::from_json;
use orderstream::ids::Timestamp;
use orderstream::order::policy::Micros;
use orderstream::order::{Event, Facts, Policy, Shell, View, deadlines, derive, fire_due};
use orderstream_harness::output::{self, StatusChanged};
use orderstream_harness::produce::Producer;
use serde_json::{Value as Json, json};

use crate::events::now_micros;
use crate::stage::{GOODBYE, Stage};

/// Nothing but what an example waits for is due before the test is long over, in microseconds.
const LONG: i64 = 30 * 60 * 1_000_000;
/// An event may be so far ahead of the clock, less an hour, in microseconds.
const AHEAD: i64 = 23 * 60 * 60 * 1_000_000;

/// One worked example, under an order id of its own.
struct Case {
    name: String,
    events: Vec<Json>,
    until: Option<i64>,
    after: Vec<Json>,
    expect: View,
    emits: Vec<String>,
}

/// The examples of both files that have this policy, each moved in time so that its `until`, or else its last event, is at `now`.
fn cases(policy: &Json, now: i64) -> Vec<Case> {
    let files = [include_str!("../scenarios/named.json"), include_str!("../scenarios/random.json")];
    let all = files.iter().flat_map(|file| serde_json::from_str::<Vec<Json>>(file).expect("scenarios"));
    let of_policy = all.filter(|case| case.get("policy").unwrap_or(&Json::Null) == policy);
    of_policy.enumerate().map(|(number, case)| Case::read(&case, number, now)).collect()
}

impl Case {
    fn read(case: &Json, number: usize, now: i64) -> Self {
        let listed = |name: &str| case[name].as_array().cloned().unwrap_or_default();
        let until = case["until"].as_i64();
        let last = listed("events").iter().filter_map(|event| event["occurred_at"].as_i64()).max();
        let shift = now - until.or(last).unwrap_or(now);
        let moved = |name: &str| -> Vec<Json> {
            let mut events = listed(name);
            for event in &mut events {
                event["order_id"] = format!("case-{number}").into();
                for field in ["occurred_at", "expires_at", "payment_due_at"] {
                    if let Some(at) = event.get_mut(field).filter(|at| at.is_i64()) {
                        *at = (at.as_i64().expect("a time") + shift).into();
                    }
                }
            }
            events
        };
        Self {
            name: case["name"].as_str().expect("a name").to_owned(),
            events: moved("events"),
            until: until.map(|until| until + shift),
            after: moved("after"),
            expect: serde_json::from_value(case["expect"].clone()).expect("a view"),
            emits: serde_json::from_value(case["emits"].clone()).expect("statuses"),
        }
    }

    /// The view once everything has fired that is to fire; none where something else would fire too, or an event is too far ahead.
    fn when_fired(&self, policy: &Policy) -> Option<View> {
        let until = self.until?;
        let is_quiet = |facts: &Facts| {
            deadlines(facts, policy).iter().all(|deadline| !deadline.holds || deadline.due.0 > until + LONG)
        };
        let occurred = self.events.iter().chain(&self.after).filter_map(|event| event["occurred_at"].as_i64());
        let mut facts = folded(Facts::default(), &self.events);
        let order = event(self.events.first()?).order_id;
        fire_due(&mut facts, policy, Timestamp(until), &order);
        // What comes after arrives in any order.
        let subsets = (0..1_u32 << self.after.len()).map(|members| {
            let some = self.after.iter().enumerate().filter(|(place, _)| members & (1 << place) != 0);
            folded(facts.clone(), &some.map(|(_, event)| event.clone()).collect::<Vec<_>>())
        });
        (subsets.into_iter().all(|facts| is_quiet(&facts)) && occurred.max()? < until + AHEAD)
            .then(|| derive(&facts, policy))
    }

    /// Whether nothing fires while its events arrive in the order given.
    fn is_timeless(&self, policy: &Policy, now: i64) -> bool {
        (1..=self.events.len()).all(|count| {
            let facts = folded(Facts::default(), &self.events[..count]);
            deadlines(&facts, policy).iter().all(|deadline| deadline.due.0 > now + LONG)
        })
    }
}

fn event(json: &Json) -> Event {
    from_json(json.clone(), Timestamp(i64::MAX)).expect("an event")
}

fn folded(mut facts: Facts, events: &[Json]) -> Facts {
    for json in events {
        let _ = facts.merge(&event(json));
    }
    facts
}

fn send<'a>(producer: &mut Producer, events: impl Iterator<Item = &'a Json>) {
    events.for_each(|event| producer.send_json(event).expect("an event"));
    producer.flush().expect("kafka has them");
}

#[tokio::test]
async fn worked_examples_come_out_of_real_servers_as_they_say() {
    // What money means for an order that was never placed is the examples' own choice; and nobody gives up on them.
    let stage = Stage::with("scenarios", 3, |config| {
        config.set("policy.shell", "trust");
        config.set("policy.payment_retry_window", "300d").set("policy.rejection_grace", "300d");
    })
    .await;
    let worker = stage.worker("w");
    let now = now_micros();
    let cases: Vec<Case> = cases(&Json::Null, now)
        .into_iter()
        .filter(|case| case.until.is_none() && case.is_timeless(&stage.deployment.policy, now))
        .collect();
    assert!(cases.len() >= 50, "a sample that says something: {}", cases.len());
    let mut producer = stage.producer().await;
    // All cases go one event further at a time, so that the events of each arrive in the order given.
    for step in 0..cases.iter().map(|case| case.events.len()).max().unwrap_or(0) {
        send(&mut producer, cases.iter().filter_map(|case| case.events.get(step)));
        stage.all_published().await;
    }

    let mut told: BTreeMap<String, Vec<StatusChanged>> = BTreeMap::new();
    for event in output::status_events(&stage.deployment).await.expect("status events") {
        told.entry(event.envelope.order_id.clone()).or_default().push(event);
    }
    let stored = stored_views(&stage).await;
    for case in &cases {
        let order = event(&case.events[0]).order_id.to_string();
        let events = told.remove(&order).unwrap_or_default();
        let emits: Vec<&str> = events.iter().map(|event| event.view.status.as_str()).collect();
        assert_eq!(emits, case.emits, "{}", case.name);
        assert_eq!(events.last().map(|event| &event.view), Some(&case.expect), "{}", case.name);
        assert_eq!(stored.get(&order), Some(&case.expect), "{}", case.name);
    }
    assert!(told.is_empty(), "orders that nobody sent: {told:?}");
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worked_examples_whose_deadlines_fire_come_out_of_real_servers_as_they_say() {
    let policy = Policy { shell: Shell::Trust, ..Policy::default() };
    with_deadlines("deadlines", &Json::Null, policy, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worked_examples_whose_deadlines_fire_by_a_policy_of_their_own_come_out_as_they_say() {
    let hours = |hours: i64| hours * 60 * 60 * 1_000_000;
    let written = json!({
        "payment_window": hours(2), "payment_retry_window": hours(3), "rejection_grace": hours(2)
    });
    let window = |hours: u32| Micros::from_seconds(hours * 60 * 60);
    let policy = Policy {
        payment_window: Some(window(2)),
        payment_retry_window: window(3),
        rejection_grace: window(2),
        ..Policy::default()
    };
    with_deadlines("windows", &written, policy, 15).await;
}

/// Sends the examples of a policy, lets a worker read them, waits until what is to fire has fired, sends what comes after, and compares.
async fn with_deadlines(test: &str, written: &Json, policy: Policy, at_least: usize) {
    let seconds = |micros: Micros| format!("{}s", micros.get() / 1_000_000);
    let stage = Stage::with(test, 3, |config| {
        config.set("policy.shell", "trust");
        config.set("policy.payment_retry_window", seconds(policy.payment_retry_window));
        config.set("policy.rejection_grace", seconds(policy.rejection_grace));
        policy.payment_window.into_iter().for_each(|window| _ = config.set("policy.payment_window", seconds(window)));
    })
    .await;
    assert_eq!(stage.deployment.policy, policy);
    let cases = cases(written, now_micros());
    let cases: Vec<(Case, View)> =
        cases.into_iter().filter_map(|case| case.when_fired(&policy).map(|view| (case, view))).collect();
    assert!(cases.len() >= at_least, "a sample that says something: {}", cases.len());
    let mut producer = stage.producer().await;
    send(&mut producer, cases.iter().flat_map(|(case, _)| &case.events));
    let worker = stage.worker("w");
    stage
        .until("everything to fire that is due", async || {
            let stored = stored_views(&stage).await;
            let is_there =
                |(case, fired): &(Case, View)| stored.get(event(&case.events[0]).order_id.as_str()) == Some(fired);
            let missing: Vec<&str> =
                cases.iter().filter(|case| !is_there(case)).map(|(case, _)| case.name.as_str()).collect();
            anyhow::ensure!(missing.is_empty(), "{} are not there yet: {missing:?}", missing.len());
            Ok(true)
        })
        .await;
    send(&mut producer, cases.iter().flat_map(|(case, _)| &case.after));
    stage.all_published().await;
    let stored = stored_views(&stage).await;
    for (case, _) in &cases {
        let order = event(&case.events[0]).order_id;
        assert_eq!(stored.get(order.as_str()), Some(&case.expect), "{}", case.name);
    }
    stage.finish([worker]).await;
}

async fn stored_views(stage: &Stage) -> BTreeMap<String, View> {
    let rows: Vec<(String, Json)> = stage
        .rows(
            "select order_id, jsonb_build_object(
                        'status', status, 'payment', payment, 'inventory', inventory, 'fulfilment', fulfilment,
                        'returns', returns, 'flags', flags, 'attention', attention, 'cancel_reason', cancel_reason,
                        'currency', currency, 'total_minor', total_minor, 'authorized_minor', authorized_minor,
                        'captured_minor', captured_minor, 'refunded_minor', refunded_minor,
                        'charged_back_minor', charged_back_minor, 'lines', lines, 'owed', owed)
               from orders",
        )
        .await;
    rows.into_iter().map(|(order, view)| (order, serde_json::from_value(view).expect("a view"))).collect()
}
