//! Input topics that are set to JSON: the same orders as in Avro, with no schema registry for what comes in.

use std::collections::BTreeMap;
use std::time::Duration;

use orderstream::consume::record::Record;
use orderstream::decode::{Access, Decoded, Decoder, Format, Formats, Registry};
use orderstream::ids::{Lane, Timestamp};
use orderstream::order::Source;
use orderstream::publish::schemas::{SchemaError, TopicSchema, look_up};
use orderstream_harness::output;
use orderstream_harness::produce::RawRecord;
use orderstream_harness::registry_front::Front;
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use super::asking::{Said, letters};
use super::events::{captured, event, now_micros, sound};
use super::letters::{Sender, raw};
use super::patience;
use super::stage::{GOODBYE, Stage};

/// Wrong input: some letters were refused again.
const DATA: i32 = 65;

async fn stage_with(test: &str, inputs: &[Input]) -> Stage {
    Stage::with(test, 1, |config| {
        for input in inputs {
            config.set(&format!("topics.{input}_format"), "json");
        }
    })
    .await
}

fn run(stage: &Stage, arguments: &str) -> Said {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = stage.program.output(&stage.config_path(), &arguments).expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

/// Each order's status, what was captured of it, and how many versions it has.
async fn orders(stage: &Stage) -> BTreeMap<String, (String, i64, i64)> {
    let rows: Vec<(String, String, i64, i64)> =
        stage.rows("select order_id, status::text, captured_minor::bigint, version::bigint from orders").await;
    rows.into_iter().map(|(order, status, captured, version)| (order, (status, captured, version))).collect()
}

/// A record of JSON for each reason that can come from outside.
fn flawed(input: Input) -> Vec<(&'static str, RawRecord)> {
    let order = format!("bad-{input}");
    let text = sound(input, &order).to_string();
    let value = |text: &str| raw(&order, Some(text.as_bytes().to_vec()));
    let changed = |field: &str, to: Json| {
        let mut event = sound(input, &order);
        event[field] = to;
        value(&event.to_string())
    };
    let headers = vec![("trace".to_owned(), Some(b"\x00\xff".to_vec())), ("trace".to_owned(), None)];
    vec![
        ("no_key", RawRecord { key: None, headers: headers.clone(), ..value(&text) }),
        ("key_mismatch", RawRecord { key: Some(b"somebody-else".to_vec()), ..value(&text) }),
        ("bad_framing", RawRecord { headers, ..raw(&order, None) }),
        ("bad_framing", value("")),
        ("bad_framing", value(&format!("\0\0\0\0\x07{text}"))),
        ("bad_framing", value(&format!("\u{feff}{text}"))),
        ("bad_framing", value(&text[..text.len() / 2])),
        ("unknown_kind", changed("kind", "TELEPORTED".into())),
        ("missing_field", changed("occurred_at", Json::Null)),
        ("bad_value", changed("occurred_at", 1.5.into())),
        ("bad_value", changed("event_id", "x".repeat(129).into())),
        ("occurred_in_future", changed("occurred_at", 4_102_444_800_000_000_i64.into())),
    ]
}

#[test]
fn the_example_of_the_page_for_producers_is_an_event() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/first-event.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section =
        page.split("\n## JSON instead of Avro\n").nth(1).expect("its section").split("\n## ").next().expect("an end");
    let example = section.lines().find_map(|line| line.strip_prefix("    {")).expect("an example");
    let nobody = Registry::new(Access::to("http://127.0.0.1:1", Duration::from_millis(100))).expect("a usable URL");
    let decoder = Decoder::new(nobody, 1, 1 << 20).reading(Formats::all(Format::Json));
    let record = Record {
        source: Source::Payment,
        lane: Lane(0),
        offset: 0,
        timestamp: Timestamp(0),
        key: Some("order-1".into()),
        value: Some(format!("{{{example}").into()),
        headers: Ok(Vec::new()),
    };
    let decoded = decoder.try_decode(&record, Timestamp(now_micros()));
    let Decoded::Event(event) = decoded else { panic!("{decoded:?}") };
    assert_eq!((event.event_id.as_str(), event.kind()), ("evt-1", "AUTHORIZED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_json_are_applied_end_to_end_and_what_is_wrong_with_them_is_kept_with_its_reason() {
    let mut stage = stage_with("json", &Input::ALL).await;
    let registry = stage.deployment.stack.registry.clone();
    let front = Front::before(&registry).expect("a port");
    stage.config.set("registry.url", front.url());
    stage.configure();
    let worker = stage.worker("w");
    let mut sender = Sender::in_json(&stage);
    let lines = json!([{"line_id": "1", "quantity": 1}]);
    for order in ["one", "two"] {
        sender.good(
            &stage,
            &event(Input::Order, "PLACED", order, 0, &json!({"total_minor": 500, "currency": "EUR", "lines": lines})),
        );
        sender.good(&stage, &captured(order, "cap-1"));
        sender.good(&stage, &event(Input::Inventory, "RESERVED", order, 2, &json!({"reservation_id": "res-1"})));
    }
    sender.assert_kept(&stage).await;
    // The worker is at work, and from here on it has nobody to ask.
    drop(front);
    stage.config.set("registry.url", registry.as_str());
    stage.configure();
    sender.good(&stage, &event(Input::Shipping, "DISPATCHED", "one", 3, &json!({"shipment_id": "shp-1"})));
    // A newer producer says more, and does not say the topic.
    let mut newer = captured("three", "cap-1");
    newer["channel"] = json!({"app": [1, null]});
    _ = newer.as_object_mut().expect("an object").remove("topic");
    sender.applied(&stage, Input::Payment, "three", raw("three", Some(newer.to_string().into_bytes())));
    for input in Input::ALL {
        for (number, (reason, record)) in flawed(input).into_iter().enumerate() {
            sender.good(&stage, &sound(input, &format!("good-{input}-{number}")));
            // The last one ends its partition: nothing behind it can carry the offset past it.
            sender.bad(&stage, input, reason, record);
        }
    }
    sender.assert_kept(&stage).await;
    let orders = orders(&stage).await;
    assert_eq!(orders["one"], ("SHIPPED".to_owned(), 500, 4));
    assert_eq!(orders["two"], ("CONFIRMED".to_owned(), 500, 3));
    assert_eq!((orders["three"].1, orders["three"].2), (500, 1));
    let told = output::status_events(&stage.deployment).await.expect("status events");
    assert_eq!(told.iter().filter(|event| event.envelope.order_id == "one").count(), 4);
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.outcomes.refused(), sender.letters.len() as u64);
    worker.stop(GOODBYE).await.expect("a good end");

    let ours = Registry::new(Access::to(&registry, Duration::from_secs(5))).expect("a usable URL");
    for (source, input) in
        [Source::Payment, Source::Inventory, Source::Shipping, Source::Order].into_iter().zip(Input::ALL)
    {
        let topic = stage.deployment.topics.input(input).expect("a topic of the test");
        let schema = TopicSchema::of_input(source, topic).expect("an input");
        let error = look_up(&ours, &schema).await.expect_err("nobody registered it");
        assert!(matches!(error, SchemaError::NotRegistered { .. }), "{error}");
    }
    let status = format!("{}-value", stage.deployment.topics.status);
    let listed = run(&stage, "schema list -o json").json(0);
    let subjects: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|one| one["subject"].as_str()).collect();
    assert_eq!(subjects, [status.as_str()]);
    assert_eq!(run(&stage, "schema check").code, 0);
    let checked = run(&stage, "check -o json");
    let about_inputs =
        Input::ALL.map(|input| format!("{}-value", stage.deployment.topics.input(input).expect("a topic")));
    assert!(about_inputs.iter().all(|subject| !checked.out.contains(subject)), "{checked:?}");
    assert!(checked.out.contains(&status), "{checked:?}");
    stage.strike().await;
}

#[tokio::test]
async fn a_record_in_the_other_form_says_which_setting_it_is_and_is_replayed_once_that_is_changed() {
    let mut stage = stage_with("json_mixed", &[Input::Payment]).await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    let in_avro = sender.producer.encode(&captured("one", "cap-1")).expect("an event");
    sender.bad(&stage, Input::Payment, "bad_framing", raw("one", Some(in_avro)));
    let in_json = sound(Input::Shipping, "two").to_string();
    sender.bad(&stage, Input::Shipping, "bad_framing", raw("two", Some(in_json.into_bytes())));
    sender.assert_kept(&stage).await;
    let tapped = run(&stage, "tap payment shipping dead-letter --until-end -o json");
    let lines: Vec<Json> = tapped.out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let said = |role: &str| {
        let line = lines.iter().find(|line| line["role"] == role).expect("a record of it");
        line["problem"]["explanation"].as_str().expect("a text").to_owned()
    };
    assert!(said("payment").contains("or set it to \"avro\" and replay"), "{tapped:?}");
    assert!(said("shipping").contains("set topics.shipping_format = \"json\" and replay"), "{tapped:?}");
    assert_eq!(letters(&stage, "replay --yes").code, DATA, "the settings are what they were");

    worker.stop(GOODBYE).await.expect("a good end");
    stage.reconfigure(|config| {
        config.set("topics.payment_format", "avro").set("topics.shipping_format", "json");
    });
    let worker = stage.worker("x");
    let id = stage.number("select id from dead_letters where topic like '%shipping'").await;
    let shown = letters(&stage, &format!("show {id} -o json")).json(0);
    assert_eq!((&shown["verdict"]["now"], &shown["contents"]["schema_id"]), (&json!("an event"), &Json::Null));
    assert_eq!(shown["contents"]["event"]["shipment_id"], "shp-1");
    assert!(
        letters(&stage, &format!("show {id}")).out.contains("contents, as JSON\n  {\n    \"topic\": \"shipping\",\n")
    );
    let replayed = letters(&stage, "replay --yes -o json").json(0);
    assert_eq!(replayed["applied"], 2);
    let more = sound(Input::Shipping, "two").to_string().replace("-3\"", "-4\"").replace("shp-1", "shp-2");
    sender.applied(&stage, Input::Shipping, "two", raw("two", Some(more.into_bytes())));
    sender.good(&stage, &captured("two", "cap-1"));
    sender.producer.flush().expect("kafka has it");
    patience::until("all to be applied", async || {
        let orders = orders(&stage).await;
        Ok(orders.contains_key("one") && orders.get("two").is_some_and(|(_, captured, _)| *captured == 500))
    })
    .await
    .expect("applied");
    stage.all_published().await;
    let tapped = run(&stage, "tap shipping --order two --until-end -o json");
    let last: Json = serde_json::from_str(tapped.out.lines().last().expect("a record")).expect("a JSON line");
    assert_eq!((&last["value"]["shipment_id"], &last["kind"]), (&json!("shp-2"), &json!("DISPATCHED")));
    assert_eq!((&last["schema_id"], &last["problem"]), (&Json::Null, &Json::Null));
    let history = run(&stage, "order history two");
    assert!(history.code == 0 && history.out.contains("DISPATCHED"), "{history:?}");
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
