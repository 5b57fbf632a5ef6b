//! The corpus of hostile records, first through decode alone, then through real servers and a real worker.
//!
//! Each is applied or a dead letter, as the corpus says; none takes more memory or time than its length allows, and none holds up
//! the good ones around it.

use std::time::Duration;

use bytes::Bytes;
use orderstream::consume::record::{HEADERS_MAX, Record};
use orderstream::decode::{Decoded, Decoder, Format, Formats, Lookup};
use orderstream::ids::{Lane, Timestamp};
use orderstream::order::Source;
use orderstream_harness::hostile::{Case, Corpus, RECORD_MAX_BYTES, sound, under_foreign_schemas};
use orderstream_harness::registry::Registry;
use orderstream_harness::topics::Input;

use crate::allocations::used;
use crate::events::now_micros;
use crate::letters::{Sender, raw};
use crate::stage::{GOODBYE, Stage, local_stack};

/// What decoding may hold at a time: so many bytes for each byte of the record, and so many beside.
const HELD_PER_BYTE: usize = 64;
const HELD_BESIDE: usize = 64 << 10;
/// The processor's time that a record may take, of a build without optimisation: far more than any does.
const CPU: Duration = Duration::from_secs(2);

/// The corpus, with its schemas registered under names that nobody else has.
async fn corpus(registry: &Registry, prefix: &str) -> Vec<Case> {
    Corpus::registered(registry, prefix).await.expect("the registry takes our schemas").cases()
}

/// Events under schemas that are not ours.
async fn foreign(registry: &Registry, prefix: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, foreign) in under_foreign_schemas().iter().enumerate() {
        let subject = format!("{prefix}foreign-{number}-value");
        let id = registry.register(&subject, &foreign.schema.to_string()).await.expect("the registry takes the schema");
        cases.push(foreign.case(&format!("foreign-{number}"), id));
    }
    cases
}

fn record(case: &Case) -> Record {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes::from);
    let source = match case.input {
        Input::Payment => Source::Payment,
        Input::Inventory => Source::Inventory,
        Input::Shipping => Source::Shipping,
        Input::Order => Source::Order,
    };
    Record {
        source,
        lane: Lane(0),
        offset: 0,
        timestamp: Timestamp(0),
        key: bytes(&case.record.key),
        value: bytes(&case.record.value),
        headers: Ok(case.record.headers.iter().map(|(name, value)| (name.clone(), bytes(value))).collect()),
    }
}

/// Asks for the record's schema, if it is not known yet; one that nobody knows is given up.
async fn learn(decoder: &Decoder, record: &Record, now: Timestamp) {
    if let Decoded::NeedsSchema(id) = decoder.try_decode(record, now)
        && decoder.fetch(id).await.expect("the registry answers") == Lookup::Unknown
    {
        decoder.give_up(id, now);
    }
}

#[tokio::test]
async fn every_hostile_record_comes_to_its_fate_in_memory_and_time_that_its_length_bounds() {
    let stack = local_stack();
    let registry = Registry::at(&stack.registry).expect("a usable URL");
    let prefix = format!("it-{}-hostile-", now_micros());
    let cases = [corpus(&registry, &prefix).await, foreign(&registry, &prefix).await].concat();
    let access = orderstream::decode::Access::to(&stack.registry, Duration::from_secs(10));
    let ours = orderstream::decode::Registry::new(access);
    let decoder = Decoder::new(ours.expect("a usable URL"), 1_000, RECORD_MAX_BYTES);
    let now = Timestamp(now_micros());
    for case in &cases {
        learn(&decoder, &record(case), now).await;
    }
    let seen = fates(&decoder, &cases, now);
    assert!(seen > 2_000, "only {seen}");
}

#[test]
fn every_hostile_record_in_json_comes_to_its_fate_without_any_registry() {
    let nobody = orderstream::decode::Access::to("http://127.0.0.1:1", Duration::from_millis(100));
    let nobody = orderstream::decode::Registry::new(nobody).expect("a usable URL");
    let decoder = Decoder::new(nobody, 1, RECORD_MAX_BYTES).reading(Formats::all(Format::Json));
    let seen = fates(&decoder, &Corpus::in_json().cases(), Timestamp(now_micros()));
    assert!(seen > 1_000, "only {seen}");
}

/// Decodes all of them: each comes to what the corpus says, in memory and time that its length bounds. Returns how many there are.
fn fates(decoder: &Decoder, cases: &[Case], now: Timestamp) -> usize {
    let mut wrong = Vec::new();
    let (mut dearest, mut slowest) = ((0, ""), (Duration::ZERO, ""));
    for case in cases {
        let record = record(case);
        let (decoded, used) = used(|| decoder.try_decode(&record, now));
        let fate = match &decoded {
            Decoded::Event(event) => (event.order_id.as_str() == case.order).then_some("applied"),
            Decoded::Refused(refusal) => Some(refusal.reason.as_str()),
            Decoded::NeedsSchema(_) => None,
        };
        if fate != Some(case.fate.unwrap_or("applied")) {
            wrong.push(format!("{} must be {:?} and is {decoded:?}", case.name, case.fate));
        }
        if let Decoded::Refused(refusal) = &decoded
            && refusal.text.chars().any(char::is_control)
        {
            wrong.push(format!("{}: its text has control characters: {:?}", case.name, refusal.text));
        }
        if used.peak_bytes > HELD_BESIDE + HELD_PER_BYTE * record.size_bytes() || used.cpu > CPU {
            wrong.push(format!("{} of {} bytes takes {used:?}", case.name, record.size_bytes()));
        }
        dearest = dearest.max((used.peak_bytes, &case.name));
        slowest = slowest.max((used.cpu, &case.name));
    }
    println!("{} records; dearest {dearest:?}, slowest {slowest:?}", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    cases.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_record_is_applied_or_kept_byte_for_byte_and_holds_nobody_up() {
    let stage = Stage::new("hostile", 1).await;
    let registry = Registry::at(&stage.deployment.stack.registry).expect("a usable URL");
    let mut sender = Sender::on(&stage).await;
    let worker = stage.worker("w");
    let prefix = stage.deployment.topics.payment.clone();
    // A reader that skips no block never looks at a block's size, and the checker's is one. It is told of no headers either.
    let (lenient, cases): (Vec<Case>, Vec<Case>) = corpus(&registry, &prefix)
        .await
        .into_iter()
        .partition(|case| case.name.contains("a block whose size") || case.record.headers.len() > HEADERS_MAX);
    send(&mut sender, &stage, &cases);
    sender.assert_kept(&stage).await;
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.outcomes.refused(), sender.letters.len() as u64);
    // What is written with another schema than ours, the checker can not read; the fates are compared all the same.
    send(&mut sender, &stage, &[lenient, foreign(&registry, &prefix).await].concat());
    sender.assert_kept(&stage).await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_record_in_json_is_applied_or_kept_byte_for_byte_and_holds_nobody_up() {
    let stage = Stage::with("hostile_json", 1, |config| {
        for input in Input::ALL {
            config.set(&format!("topics.{input}_format"), "json");
        }
    })
    .await;
    let mut sender = Sender::in_json(&stage);
    let worker = stage.worker("w");
    // The checker's parser takes a name that is there twice and whatever is alike to ours, and does not take numbers and texts of
    // others that no program could hold; and it has a limit of its own on lists in each other. It is told of no more headers than a
    // worker.
    let is_beyond = |case: &Case| {
        let names = ["twice", "that are one", "ours", "another type", "beyond all", "a number of", "no Unicode"];
        let deep = ["33 lists in each other", "400000 lists in each other"];
        names.iter().chain(&deep).any(|words| case.name.contains(words)) || case.record.headers.len() > HEADERS_MAX
    };
    let (beyond, cases): (Vec<Case>, Vec<Case>) = Corpus::in_json().cases().into_iter().partition(is_beyond);
    send(&mut sender, &stage, &cases);
    sender.assert_kept(&stage).await;
    let verdict = stage.check().await;
    assert_eq!(verdict.totals.outcomes.refused(), sender.letters.len() as u64);
    send(&mut sender, &stage, &beyond);
    sender.assert_kept(&stage).await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

/// Sends the cases with good events among them, and last of all a bad one on each topic: nothing behind it can carry its offset past it.
fn send(sender: &mut Sender, stage: &Stage, cases: &[Case]) {
    for (number, case) in cases.iter().enumerate() {
        if number % 20 == 0 {
            sender.good(stage, &sound(case.input, &format!("good-{number}-of-{}", cases.len())));
        }
        sender.hostile(stage, case);
    }
    for input in Input::ALL {
        sender.bad(stage, input, "bad_framing", raw("last", None));
    }
}
