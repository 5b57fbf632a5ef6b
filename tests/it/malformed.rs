//! Records that cannot be applied: each is kept, byte for byte and once, with its reason, and stops nothing.

use orderstream::consume::record::HEADERS_MAX;
use orderstream_harness::output;
use orderstream_harness::produce::{Producer, RawRecord};
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::NEWER_KIND;
use serde_json::{Value as Json, json};

use super::asking::letters;
use super::events::{captured, event, sound};
use super::letters::{Sender, raw, table};
use super::stage::{GOODBYE, Stage};

/// The largest record that workers of these tests take.
const RECORD_MAX_BYTES: usize = 64 << 10;
/// The year 2100.
const FAR_AHEAD: i64 = 4_102_444_800_000_000;

/// One way, or several, for each reason that comes from outside.
fn flawed(input: Input, producer: &Producer) -> Vec<(&'static str, RawRecord)> {
    let order = format!("bad-{input}");
    let whole = producer.encode(&sound(input, &order)).expect("an event");
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = whole.clone();
        change(&mut value);
        raw(&order, Some(value))
    };
    let event = |change: &dyn Fn(&mut Json)| {
        let mut event = sound(input, &order);
        change(&mut event);
        raw(&order, Some(producer.encode(&event).expect("encoded")))
    };
    let foreign = if input == Input::Payment { Input::Shipping } else { Input::Payment };
    let foreign = producer.encode(&sound(foreign, &order)).expect("an event");
    let needed = match input {
        Input::Payment => "capture_id",
        Input::Inventory => "reservation_id",
        Input::Shipping => "shipment_id",
        Input::Order => "total_minor",
    };
    let headers = vec![
        ("trace".to_owned(), Some(b"\x00\xff".to_vec())),
        ("trace".to_owned(), None),
        (String::new(), Some(Vec::new())),
    ];
    let guid = vec![("__value_schema_id".to_owned(), Some(vec![1; 17]))];
    let under = |order: String| {
        let mut event = sound(input, &order);
        event["event_id"] = "evt-1".into();
        raw(&order, Some(producer.encode(&event).expect("encoded")))
    };
    vec![
        ("no_key", RawRecord { key: None, headers: headers.clone(), ..raw("", Some(whole.clone())) }),
        ("key_mismatch", raw("somebody-else", Some(whole.clone()))),
        ("key_mismatch", RawRecord { key: Some(vec![0xff, 0xfe, 0x00]), ..raw("", Some(whole.clone())) }),
        ("bad_framing", RawRecord { headers, ..raw(&order, None) }),
        ("bad_framing", raw(&order, Some(Vec::new()))),
        ("bad_framing", changed(&|value| value[0] = b'{')),
        ("bad_framing", RawRecord { headers: guid, ..raw(&order, Some(whole[5..].to_vec())) }),
        ("unknown_schema", changed(&|value| value[1..5].copy_from_slice(&[0x7f, 0xff, 0xff, 0xf0]))),
        ("bad_avro", changed(&|value| value.truncate(whole.len() / 2))),
        ("bad_avro", changed(&|value| value.extend_from_slice(&[0, 0]))),
        ("bad_avro", raw(&order, Some(foreign))),
        ("unknown_kind", event(&|event| event["kind"] = NEWER_KIND.into())),
        ("missing_field", event(&|event| _ = event.as_object_mut().expect("an object").remove(needed))),
        ("bad_value", event(&|event| event["event_id"] = "x".repeat(129).into())),
        ("bad_value", event(&|event| event["reason"] = "nul \0".into())),
        ("bad_value", under("nul \0".to_owned())),
        ("bad_value", under("x".repeat(129))),
        ("bad_value", under(String::new())),
        ("occurred_in_future", event(&|event| event["occurred_at"] = FAR_AHEAD.into())),
        ("too_large", event(&|event| event["reason"] = "x".repeat(RECORD_MAX_BYTES).into())),
    ]
}

#[tokio::test]
async fn a_malformed_record_of_every_reason_is_kept_as_it_came_and_the_good_ones_around_it_are_applied() {
    let stage = Stage::with("malformed", 1, |config| {
        config.set("worker.record_max_bytes", "64KiB");
    })
    .await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    for input in Input::ALL {
        let flawed = flawed(input, &sender.producer);
        for (number, (reason, record)) in flawed.into_iter().enumerate() {
            sender.good(&stage, &sound(input, &format!("good-{input}-{number}")));
            sender.good_by_header(&stage, &sound(input, &format!("header-{input}-{number}")));
            // The last one ends its partition: nothing behind it can carry the offset past it.
            sender.bad(&stage, input, reason, record);
        }
    }
    sender.assert_kept(&stage).await;
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.outcomes.refused(), sender.letters.len() as u64);
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn without_a_dead_letter_topic_refused_records_are_kept_in_the_table() {
    let stage = Stage::with("no_dead_letter_topic", 1, |config| {
        config.unset("topics.dead_letter").unset("topics.order");
    })
    .await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    sender.good(&stage, &sound(Input::Payment, "good"));
    sender.bad(&stage, Input::Payment, "bad_framing", raw("bad", None));
    sender.producer.flush().expect("kafka has it");
    stage.all_published().await;
    assert_eq!(table(&stage).await, sender.letters.iter().cloned().collect::<Vec<_>>());
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_record_with_more_headers_than_the_client_hands_over_is_refused_and_can_be_replayed_without_them() {
    let stage = Stage::new("too_many_headers", 1).await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    let value = sender.producer.encode(&captured("many", "cap-1")).expect("an event");
    let headers = vec![("h".to_owned(), None); HEADERS_MAX + 1];
    sender.bad(&stage, Input::Payment, "too_large", RawRecord { headers, ..raw("many", Some(value)) });
    sender.assert_kept(&stage).await;
    let said = output::dead_letters(&stage.deployment).expect("the topic");
    assert_eq!(said[0].header("orderstream-headers-left-out"), Some("more than 100000 headers"));
    let shown = letters(&stage, "show 1");
    assert!(shown.out.contains("have its producer send fewer"), "{shown:?}");
    let replayed = letters(&stage, "replay 1 --yes --note sound --as ann -o json").json(0);
    assert_eq!(replayed["applied"], 1);
    assert_eq!(stage.number("select count(*) from orders where order_id = 'many'").await, 1);
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn an_event_whose_status_event_would_be_too_large_is_refused_and_holds_nothing_up() {
    let stage = Stage::with("too_large", 1, |config| {
        config.set("worker.emitted_record_max_bytes", "2KiB");
    })
    .await;
    let mut sender = Sender::on(&stage).await;
    let lines: Vec<Json> = (0..400).map(|line| json!({"line_id": format!("line-{line}"), "quantity": 1})).collect();
    let long = json!({"total_minor": 500, "currency": "EUR", "lines": lines});
    let long = |order: &str| event(Input::Order, "PLACED", order, 5, &long);
    for order in ["long", "short"] {
        sender.good(&stage, &sound(Input::Order, "short"));
        let value = sender.producer.encode(&long(order)).expect("an event");
        sender.bad(&stage, Input::Order, "too_large", raw(order, Some(value)));
    }
    sender.good(&stage, &captured("long", "cap-1"));
    sender.good(&stage, &captured("short", "cap-1"));
    sender.producer.flush().expect("kafka has it");
    // All of it waits when the worker starts, so what is refused stands between events of the same batch.
    let worker = stage.worker("w");
    stage.all_published().await;

    assert_eq!(table(&stage).await, sender.letters.iter().cloned().collect::<Vec<_>>(), "the table has all of it");
    let published = output::dead_letters(&stage.deployment).expect("the topic");
    let keys: Vec<Option<&[u8]>> = published.iter().map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [Some(&b"long"[..]), Some(b"short")]);
    for record in &published {
        assert_eq!((record.header("orderstream-reason"), &record.value), (Some("too_large"), &None));
        assert!(record.header("orderstream-value-left-out").is_some(), "{record:?}");
    }
    // Each order is what its other events make of it.
    let rows: Vec<(String, Option<i64>, i64, i64)> =
        stage.rows("select order_id, total_minor, captured_minor, version from orders order by order_id").await;
    let versions = |order: &str| rows.iter().find(|row| row.0 == order).map(|row| (row.1, row.2));
    assert_eq!(versions("long"), Some((None, 500)));
    assert_eq!(versions("short"), Some((Some(500), 500)));
    assert_versions(&stage, &rows.iter().map(|row| (row.0.as_str(), row.3)).collect::<Vec<_>>()).await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

/// Each of these orders is told in versions from 1 to the one given, each once.
async fn assert_versions(stage: &Stage, orders: &[(&str, i64)]) {
    let mut told: Vec<(String, i64)> = output::status_events(&stage.deployment)
        .await
        .expect("status events")
        .into_iter()
        .map(|event| (event.envelope.order_id, event.envelope.order_version))
        .collect();
    told.sort();
    let expected = orders.iter().flat_map(|(order, last)| (1..=*last).map(|version| ((*order).to_owned(), version)));
    let mut expected: Vec<(String, i64)> = expected.collect();
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_event_that_would_give_an_order_too_many_facts_is_refused_and_what_it_repeats_is_not() {
    let stage = Stage::with("facts_per_order", 1, |config| {
        config.set("worker.facts_per_order", 10);
    })
    .await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    for capture in 0..8 {
        sender.good(&stage, &captured("many", &format!("cap-{capture}")));
    }
    // The order is stored now; the rest finds it there.
    sender.producer.flush().expect("kafka has it");
    stage.all_published().await;
    for capture in 8..10 {
        sender.good(&stage, &captured("many", &format!("cap-{capture}")));
    }
    for capture in 10..12 {
        let value = sender.producer.encode(&captured("many", &format!("cap-{capture}"))).expect("an event");
        sender.bad(&stage, Input::Payment, "too_large", raw("many", Some(value)));
    }
    sender.good(&stage, &captured("many", "cap-3"));
    sender.good(&stage, &captured("other", "cap-1"));
    sender.assert_kept(&stage).await;
    let captured: Vec<(String, i64)> =
        stage.rows("select order_id, captured_minor from orders order by order_id").await;
    assert_eq!(captured, [("many".to_owned(), 5_000), ("other".to_owned(), 500)]);
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_refused_alone() {
    let stage = Stage::new("apply_failed", 1).await;
    stage
        .execute(
            "alter table orders add constraint no_eggs check (order_id <> 'eggs');
             alter table orders add constraint no_fortune check (captured_minor < 1000);",
        )
        .await;
    let mut sender = Sender::on(&stage).await;
    // All of it waits when the worker starts, so it is one batch.
    for number in 0..20 {
        sender.good(&stage, &captured(&format!("good-{number}"), "cap-1"));
        sender.good(&stage, &captured("rich", "cap-1"));
        if number % 7 == 3 {
            let value = sender.producer.encode(&captured("eggs", &format!("cap-{number}"))).expect("an event");
            sender.bad(&stage, Input::Payment, "apply_failed", raw("eggs", Some(value)));
        }
    }
    let value = sender.producer.encode(&captured("rich", "cap-2")).expect("an event");
    sender.bad(&stage, Input::Payment, "apply_failed", raw("rich", Some(value)));
    let worker = stage.worker("w");
    sender.assert_kept(&stage).await;
    let rich: Vec<(i64, i64)> = stage.rows("select captured_minor, version from orders where order_id = 'rich'").await;
    assert_eq!(rich, [(500, 1)], "as it was before the record that the database refuses");
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_record_that_can_not_even_be_kept_stops_the_worker_and_is_not_lost() {
    let stage = Stage::new("unkeepable", 1).await;
    stage.execute("alter table dead_letters add constraint no_spam check (order_id is distinct from 'spam')").await;
    let mut sender = Sender::on(&stage).await;
    sender.good(&stage, &captured("good", "cap-1"));
    sender.bad(&stage, Input::Payment, "bad_framing", raw("spam", None));
    sender.producer.flush().expect("kafka has it");
    let said = ["no_spam", "SQLSTATE 23514"];
    stage.ends(&mut stage.worker("w1"), 70, &said).await;
    stage.execute("alter table dead_letters drop constraint no_spam").await;
    let worker = stage.worker("w2");
    sender.assert_kept(&stage).await;
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
