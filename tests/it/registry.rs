//! Schemas against a real registry: what is registered is found, read, and guarded against change.

use std::time::{Duration, SystemTime};

use orderstream::decode::{Access, Decoder, Lookup, Registry};
use orderstream::ids::SchemaId;
use orderstream::order::Source;
use orderstream::publish::schemas::{SchemaError, TopicSchema, look_up, register};
use orderstream_harness::registry::Registry as Front;
use serde_json::{Value as Json, json};

use super::stage::Stage;

/// The registry of the local stack.
fn registry() -> Registry {
    let url = std::env::var("REGISTRY_URL")
        .expect("REGISTRY_URL says where the registry is: run `make up` and source target/stack/env");
    Registry::new(Access::to(&url, Duration::from_secs(5))).expect("a usable URL")
}

/// A topic of this test's own.
fn topic(name: &str) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos();
    format!("it-{now}-{name}")
}

fn schemas() -> Vec<TopicSchema> {
    let inputs = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order];
    let inputs = inputs.into_iter().filter_map(|source| TopicSchema::of_input(source, &topic(source.as_str())));
    inputs.chain([TopicSchema::of_status(&topic("status")), TopicSchema::of_commands(&topic("commands"))]).collect()
}

#[tokio::test]
async fn what_was_registered_has_one_id_and_before_that_none() {
    let registry = registry();
    for schema in schemas() {
        let error = look_up(&registry, &schema).await.expect_err("not registered yet");
        assert!(matches!(error, SchemaError::NotRegistered { .. }), "{error}");
        assert!(error.to_string().contains("run `orderstream schema register`"), "{error}");
        let id = register(&registry, &schema).await.expect("registered");
        assert_eq!(register(&registry, &schema).await, Ok(id));
        assert_eq!(look_up(&registry, &schema).await, Ok(id));
    }
}

#[tokio::test]
async fn workers_that_start_together_register_together() {
    let registry = registry();
    let schema = TopicSchema::of_status(&topic("together"));
    let attempts = (0..6).map(|_| {
        let (registry, schema) = (registry.clone(), schema.clone());
        tokio::spawn(async move { register(&registry, &schema).await })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut ids = Vec::new();
    for attempt in attempts {
        match attempt.await.expect("no panic") {
            Ok(id) => ids.push(id),
            // A conflict over the compatibility rule: a worker tries again.
            Err(error) => assert!(matches!(error, SchemaError::Registry(_)), "{error}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(look_up(&registry, &schema).await, Ok(ids[0]));
}

#[tokio::test]
async fn a_subject_takes_nothing_that_its_readers_could_not_read() {
    let registry = registry();
    let topic = topic("strict");
    register(&registry, &TopicSchema::of_status(&topic)).await.expect("registered");
    let error = register(&registry, &TopicSchema::of_commands(&topic)).await.expect_err("another record");
    assert!(matches!(error, SchemaError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn the_decoder_finds_a_schema_by_its_id_and_knows_when_there_is_none() {
    let registry = registry();
    let schema = TopicSchema::of_input(Source::Payment, &topic("decoder")).expect("an input");
    let id = register(&registry, &schema).await.expect("registered");
    let decoder = Decoder::new(registry, 10, 1_000);
    assert_eq!(decoder.fetch(id).await, Ok(Lookup::Found));
    assert_eq!(decoder.fetch(SchemaId(999_999_999)).await, Ok(Lookup::Unknown));
}

#[tokio::test]
async fn a_wrong_path_is_an_outage_and_no_unknown_id() {
    let url = std::env::var("REGISTRY_URL").expect("REGISTRY_URL says where the registry is");
    let elsewhere =
        Registry::new(Access::to(&format!("{url}/elsewhere"), Duration::from_secs(5))).expect("a usable URL");
    let decoder = Decoder::new(elsewhere, 10, 1_000);
    let error = decoder.fetch(SchemaId(1)).await.expect_err("nothing is there");
    assert!(error.to_string().contains("404"), "{error}");
}

#[tokio::test]
async fn a_check_of_the_schemas_names_what_does_not_go_together_with_ours_and_what_to_do() {
    let stage = Stage::bare("schema_check").await;
    let topics = &stage.deployment.topics;
    let front = Front::at(&stage.deployment.stack.registry).expect("a usable URL");
    let check = |arguments: &[&str]| {
        let output = stage.program.output(&stage.config_path(), &[&["schema", "check"], arguments].concat());
        let output = output.expect("it starts");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(check(&[]).0, Some(0), "nothing is registered, so nothing is apart");

    // What consumers cannot read with ours, and what we cannot read of a producer's.
    let mut status: Json = serde_json::from_str(TopicSchema::of_status(&topics.status).text).expect("JSON");
    let field = json!({"name": "warehouse", "type": "string"});
    status["fields"].as_array_mut().expect("a record").push(field);
    let mut payment: Json =
        serde_json::from_str(TopicSchema::of_input(Source::Payment, &topics.payment).expect("an input").text)
            .expect("JSON");
    payment["fields"].as_array_mut().expect("a record").retain(|field| field["name"] != "order_id");
    let subjects = [format!("{}-value", topics.status), format!("{}-value", topics.payment)];
    for (subject, schema) in subjects.iter().zip([&status, &payment]) {
        front.register(subject, &schema.to_string()).await.expect("the first one of a subject breaks nothing");
    }
    let (code, said) = check(&[]);
    assert_eq!(code, Some(65), "{said}");
    let line = |subject: &str| said.lines().find(|line| line.starts_with(subject)).unwrap_or_default();
    for (subject, words) in subjects.iter().zip([
        ["warehouse", "whoever registered it must take it back, or use another topic"],
        ["order_id", "have producers write with a schema that ours can be read from"],
    ]) {
        let line = line(subject);
        assert!(line.contains("version 1 does not go together with"), "{said}");
        words.iter().for_each(|word| assert!(line.contains(word), "`{word}` is not said of {subject}:\n{said}"));
    }
    let (code, said) = check(&["-o", "json"]);
    let listed: Json = serde_json::from_str(&said).expect("JSON");
    let listed = listed.as_array().expect("a list");
    let apart = listed.iter().filter(|listed| listed["apart"][0]["remedy"].is_string());
    let apart: Vec<&str> = apart.filter_map(|listed| listed["subject"].as_str()).collect();
    assert_eq!((code, apart), (Some(65), vec![subjects[1].as_str(), subjects[0].as_str()]));
    stage.strike().await;
}
