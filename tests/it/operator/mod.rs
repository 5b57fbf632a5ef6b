//! Errors of operators: each is answered as documented, stop or go on, with a sentence that says what is wrong and what to do.
//!
//! | errors | file |
//! |---|---|
//! | the database restored from an older backup | [`restored`] |
//! | the group's offsets moved, deleted; strangers in the group | [`offsets`] |
//! | input topics made again, emptied | [`inputs`] |
//! | input topics added, widened | [`growth`] |
//! | output topics made again, widened | [`outputs`] |
//! | the wrong database, two deployments in one group | [`deployments`] |
//!
//! [`broken_off`] kills the commands that set things right at known moments. More of them are in `takeover`, `protocol` and `setup`. `deploy/runbooks` has the same errors as pages.

mod broken_off;
mod deployments;
mod growth;
mod inputs;
mod offsets;
mod outputs;
mod restored;
mod runbooks;

use std::collections::{BTreeMap, BTreeSet};

use orderstream_harness::output;
use orderstream_harness::worker::Worker;
use serde_json::Value as Json;

use crate::stage::{GOODBYE, Stage};

/// Something that a person has to set right.
const CONFIG: i32 = 78;
/// Somebody is at work: try again.
const TRY_AGAIN: i32 = 75;

/// Runs a command that must end with this code; what it printed and what it said.
fn command(stage: &Stage, arguments: &[&str], code: i32) -> (String, String) {
    let output = stage.program.output(&stage.config_path(), arguments).expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{printed}\n{said}");
    (printed, said)
}

/// The same for a command that answers in JSON.
fn answer(stage: &Stage, arguments: &[&str], code: i32) -> Json {
    let (printed, said) = command(stage, &[arguments, &["-o", "json"]].concat(), code);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}\n{said}"))
}

/// Asserts that a text says all of this.
fn says(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(text.contains(word), "`{word}` is not in:\n{text}"));
}

/// A deployment that has published something and whose worker left in good order.
async fn at_rest(test: &str, partitions: i32, seed: u64) -> Stage {
    let stage = Stage::new(test, partitions).await.with_short_sessions();
    stage.send(100, seed).await;
    let worker = stage.worker("before");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage
}

/// Waits until a worker has logged something.
async fn logs(stage: &Stage, worker: &mut Worker, word: &str) {
    stage
        .until(&format!("the log to say `{word}`"), async || {
            worker.must_run()?;
            Ok(worker.log()?.contains(word))
        })
        .await;
}

/// The highest version of every order that was published, each version once.
async fn published(stage: &Stage) -> BTreeMap<String, i64> {
    let events = output::status_events(&stage.deployment).await.expect("the topic can be read");
    let said: Vec<(String, i64)> =
        events.into_iter().map(|event| (event.envelope.order_id, event.envelope.order_version)).collect();
    assert_eq!(said.iter().collect::<BTreeSet<_>>().len(), said.len(), "a version was published twice");
    let mut highest = BTreeMap::new();
    for (order, version) in said {
        let known = highest.entry(order).or_insert(version);
        *known = version.max(*known);
    }
    highest
}

/// The version of every order in the database.
async fn stored(stage: &Stage) -> BTreeMap<String, i64> {
    stage.rows::<(String, i64)>("select order_id, version from orders").await.into_iter().collect()
}

/// What every order means, whatever its version.
async fn meanings(stage: &Stage) -> BTreeSet<(String, String)> {
    let query = "select order_id, concat_ws('/', status, payment, inventory, fulfilment, returns, flags, total_minor, authorized_minor,
                        captured_minor, refunded_minor, charged_back_minor, lines, owed) from orders";
    stage.rows(query).await.into_iter().collect()
}

/// What another deployment, with a database and outputs of its own, makes of the same input.
async fn meanings_afresh(stage: &Stage) -> BTreeSet<(String, String)> {
    let mut twin = Stage::bare("twin").await;
    let inputs: Vec<(String, String)> =
        stage.deployment.topics.inputs().map(|(role, topic)| (role.to_string(), topic.to_owned())).collect();
    twin.reconfigure(|config| {
        for (role, topic) in inputs {
            config.set(&format!("topics.{role}"), topic);
        }
    });
    let outputs: Vec<(&str, i32)> = twin.deployment.topics.outputs().map(|topic| (topic, 1)).collect();
    let brokers = &twin.deployment.stack.brokers;
    orderstream_harness::topics::create_named(brokers, &outputs, 1).await.expect("topics");
    twin.run_command(&["migrate"]);
    twin.run_command(&["schema", "register"]);
    let worker = twin.worker("twin");
    twin.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    let meanings = meanings(&twin).await;
    let names: Vec<&str> = outputs.iter().map(|(topic, _)| *topic).collect();
    orderstream_harness::topics::delete(brokers, &names).await.expect("topics are deleted");
    twin.database.drop().await.expect("dropped");
    meanings
}

/// Nobody marked anything any more, and every order's last word is what the database has.
async fn all_told(stage: &Stage) {
    stage.until("every mark to be taken", async || Ok(stage.number("select count(*) from marks").await == 0)).await;
    stage.all_published().await;
    assert_eq!(published(stage).await, stored(stage).await);
    stage.run_command(&["verify"]);
}
