//! Schemas against a real registry: what is registered is found, read, and guarded against change.

use std::time::{Duration, SystemTime};

use orderstream::decode::{Access, Decoder, Lookup, Registry};
use orderstream::ids::SchemaId;
use orderstream::order::Source;
use orderstream::publish::schemas::{SchemaError, TopicSchema, look_up, register};

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
