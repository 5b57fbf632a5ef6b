//! Clients that are not ours, against the real servers: the examples of `deploy/examples`, each as an integrator would run it, the
//! programs that `deploy/first-event.md` shows, and every golden input through the serializers of others.
//!
//! `deploy/local/clients.sh` builds what they need. Invariant: a client that is missing is a failure, and none outlives its test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use orderstream_harness::database::Database;
use orderstream_harness::output;
use orderstream_harness::positions;
use orderstream_harness::produce::RawRecord;
use orderstream_harness::topic_log::{LogReader, Partition};
use orderstream_harness::topics::Input;
use regex::Regex;
use serde_json::{Value as Json, json};

use crate::events::{event, now_micros};
use crate::patience::{self, PATIENCE};
use crate::stage::{GOODBYE, Stage};

const LANGUAGES: [&str; 4] = ["python", "java", "go", "rust"];

/// A deployment that asks for what is owed, under the names that clients know: a prefix and the usual ones.
async fn stage(test: &str) -> Stage {
    Stage::with(test, 2, |config| {
        config.send_commands();
    })
    .await
}

fn prefix(stage: &Stage) -> &str {
    stage.deployment.topics.status.strip_suffix("order-status").expect("the usual name behind a prefix")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of a client, with the stage's addresses. It ends with the thread that starts it.
fn client(stage: &Stage, program: &Path) -> Command {
    let remedy = "run `deploy/local/clients.sh`, and `cargo build --examples`";
    assert!(program.exists(), "`{}` is not there: {remedy}", program.display());
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.env("KAFKA_BROKERS", &stage.deployment.stack.brokers).env("REGISTRY_URL", &stage.deployment.stack.registry);
    command.env("TOPIC_PREFIX", prefix(stage)).env("RUST_BACKTRACE", "0");
    command
}

/// The example in a language: `producer` or `consumer`.
fn example(language: &str, which: &str) -> PathBuf {
    match language {
        "rust" => Path::new(env!("CARGO_BIN_EXE_orderstream")).with_file_name("examples").join(which),
        _ => repository().join(format!("target/clients/{language}-{which}")),
    }
}

fn run(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A consumer that runs, and the lines that it prints.
struct Consuming {
    child: Child,
    group: String,
    lines: Receiver<String>,
}

impl Consuming {
    fn start(stage: &Stage, language: &str, run: u32, database: &str) -> Self {
        let group = format!("{}{language}-{run}", prefix(stage));
        let mut command = client(stage, &example(language, "consumer"));
        command.env("CONSUMER_GROUP", &group).env("CONSUMER_DATABASE", database);
        Self::of(command, group)
    }

    fn of(mut command: Command, group: String) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, group, lines }
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|error| panic!("`{}` prints no other line: {error}", self.group))
    }

    /// Waits until its group has committed all records, ends it, and gives back what it printed.
    async fn everything(mut self, stage: &Stage) -> Vec<String> {
        let ends = ends(stage);
        let partitions: Vec<Partition> = ends.keys().cloned().collect();
        patience::until(&format!("`{}` to have read everything", self.group), async || {
            let ended = self.child.try_wait()?;
            assert!(ended.is_none(), "`{}` ended with {ended:?}", self.group);
            let committed = positions::committed(&stage.deployment.stack.brokers, &self.group, &partitions)?;
            Ok(ends.iter().all(|(partition, end)| committed.get(partition).is_some_and(|c| c.offset >= *end)))
        })
        .await
        .expect("it reads on");
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self.lines.iter().map(|line| identity(&serde_json::from_str(&line).expect("a line is JSON"))).collect()
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Where the last record of each partition of the output topics ends; markers of transactions behind it are no records.
fn ends(stage: &Stage) -> BTreeMap<Partition, i64> {
    let reader = LogReader::on(&stage.deployment.stack.brokers).expect("a reader");
    let mut ends = BTreeMap::new();
    for topic in stage.deployment.topics.outputs() {
        for record in reader.read_all(topic).expect("the topic is read") {
            let partition = Partition { topic: topic.to_owned(), number: record.partition };
            ends.insert(partition, record.offset + 1);
        }
    }
    ends
}

/// What a line says it is about, in one word.
fn identity(line: &Json) -> String {
    let value = &line["value"];
    match line["topic"].as_str().expect("a topic") {
        "order-status" => format!("{} {}", value["order_id"].as_str().expect("an order"), value["order_version"]),
        "order-commands" => value["command_id"].as_str().expect("an id").to_owned(),
        _ => line["headers"]["orderstream-reason"].as_str().expect("a reason").to_owned(),
    }
}

/// All that was sent, sorted, as [`identity`] says it; read by ourselves.
async fn sent(stage: &Stage) -> Vec<String> {
    let statuses = output::status_events(&stage.deployment).await.expect("status events");
    let commands = output::commands(&stage.deployment).await.expect("commands");
    let letters = output::dead_letters(&stage.deployment).expect("dead letters");
    let mut all: Vec<String> = statuses
        .iter()
        .map(|event| format!("{} {}", event.envelope.order_id, event.envelope.order_version))
        .chain(commands.iter().map(|command| command.command_id.to_string()))
        .chain(letters.iter().map(|letter| letter.header("orderstream-reason").expect("a reason").to_owned()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn the_examples_of_every_language_tell_an_order_and_do_each_thing_that_comes_of_it_once() {
    let stage = stage("examples").await;
    let worker = stage.worker("w");
    for language in LANGUAGES {
        let mut producer = client(&stage, &example(language, "producer"));
        producer.arg(format!("of-{language}"));
        assert_eq!(run(producer).lines().count(), 5, "{language}: five events");
    }
    let mut broken = stage.producer().await;
    let (topic, key) = (stage.deployment.topics.payment.clone(), Some(b"broken".to_vec()));
    broken.send_raw(&RawRecord { topic, key, value: Some(b"{}".to_vec()), ..RawRecord::default() }).expect("sent");
    broken.flush().expect("kafka has it");
    stage.all_published().await;

    let expected = sent(&stage).await;
    // Of each order five versions and three things owed, and the record that was refused.
    assert_eq!((expected.len(), expected.iter().collect::<BTreeSet<_>>().len()), (4 * 8 + 1, 4 * 8 + 1));
    let mut databases = BTreeMap::new();
    for language in LANGUAGES {
        let name = format!("{}_{language}", stage.database.name());
        let database = Database::create(&stage.deployment.stack, &name).await;
        databases.insert(language, database.expect("a database of the consumer's own"));
    }
    // Without what only our own client understands of the URL.
    let plain = |language: &str| databases[language].url().split('?').next().unwrap_or_default().to_owned();
    let address = |language: &str| match language {
        "python" => stage.logs().join("consumer.sqlite").display().to_string(),
        "java" => jdbc(&plain(language)),
        _ => plain(language),
    };
    // In the second run nothing is left of the group: everything is read again, and nothing done again.
    for (run, expected) in [(1, expected), (2, Vec::new())] {
        let all = LANGUAGES.map(|language| (language, Consuming::start(&stage, language, run, &address(language))));
        for (language, consuming) in all {
            let mut done = consuming.everything(&stage).await;
            done.sort();
            assert_eq!(done, expected, "{language}, run {run}");
        }
    }
    for database in databases.values() {
        database.drop().await.expect("nobody is connected any more");
    }
    stage.finish([worker]).await;
}

/// `postgres://user:password@host/name`, as Java wants it.
fn jdbc(url: &str) -> String {
    let (credentials, place) = url.trim_start_matches("postgres://").split_once('@').expect("with credentials");
    let (user, password) = credentials.split_once(':').expect("a user and a password");
    format!("jdbc:postgresql://{place}?user={user}&password={password}")
}

fn python(stage: &Stage, script: &str, argument: &str) -> String {
    let mut command = client(stage, &repository().join("target/clients/python/bin/python"));
    command.arg(repository().join("tests/golden").join(script)).arg(argument);
    run(command)
}

/// The programs in Python that the page for producers shows, with the stage's servers, topics and group in the place of its own.
fn shown(stage: &Stage) -> Vec<String> {
    let page = std::fs::read_to_string(repository().join("deploy/first-event.md")).expect("the page");
    let (stack, topics) = (&stage.deployment.stack, &stage.deployment.topics);
    let servers = [("127.0.0.1:29092", &stack.brokers), ("http://127.0.0.1:28081/apis/ccompat/v7", &stack.registry)];
    let group = format!("{}first-look", prefix(stage));
    let of_each =
        [vec![("payments", &topics.payment)], vec![("order-status", &topics.status), ("my-first-look", &group)]];
    let blocks: Vec<&str> = page.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), of_each.len(), "a program that no test runs");
    let exchanged = blocks.iter().zip(of_each).map(|(block, own)| {
        servers.into_iter().chain(own).fold((*block).to_owned(), |program, (theirs, ours)| {
            assert!(program.contains(&format!("\"{theirs}\"")), "a program of the page does not say `{theirs}`");
            program.replace(&format!("\"{theirs}\""), &format!("\"{ours}\""))
        })
    });
    exchanged.collect()
}

/// A program in Python, which prints without delay.
fn in_python(stage: &Stage, program: &str) -> Command {
    let mut command = client(stage, &repository().join("target/clients/python/bin/python"));
    command.args(["-u", "-c", program]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_that_the_page_for_producers_shows_do_what_it_says() {
    let stage = stage("first_event").await;
    let worker = stage.worker("w");
    let [producer, consumer]: [String; 2] = shown(&stage).try_into().expect("two programs");
    let place =
        Regex::new(&format!(r"^{}, partition \d, offset 0\n$", regex::escape(&stage.deployment.topics.payment)));
    let printed = run(in_python(&stage, &producer));
    assert!(place.expect("a pattern").is_match(&printed), "{printed}");

    let reading = Consuming::of(in_python(&stage, &consumer), "the page's consumer".to_owned());
    let first = reading.line();
    assert!(first.starts_with("order-1 1 PENDING AUTHORIZED {'event_id': '"), "{first}");
    assert!(first.contains("'offset': 0, 'kind': 'AUTHORIZED'"), "{first}");
    let mut others = stage.producer().await;
    let lines = json!([{"line_id": "1", "quantity": 1}]);
    for (topic, kind, more, comes) in [
        (Input::Order, "PLACED", json!({"total_minor": 12999, "currency": "EUR", "lines": lines}), "2 AWAITING_STOCK"),
        (Input::Inventory, "RESERVED", json!({"reservation_id": "res-1", "lines": lines}), "3 CONFIRMED"),
    ] {
        let mut event = event(topic, kind, "order-1", 0, &more);
        event["occurred_at"] = now_micros().into();
        others.send_json(&event).expect("an event");
        others.flush().expect("kafka has it");
        let line = reading.line();
        assert!(line.starts_with(&format!("order-1 {comes} AUTHORIZED {{")), "{line}");
    }
    drop(reading);

    let without: Vec<&str> = producer.lines().filter(|line| !line.contains("\"currency\"")).collect();
    run(in_python(&stage, &without.join("\n").replace("order-1", "order-2")));
    stage.all_published().await;
    let letters = output::dead_letters(&stage.deployment).expect("dead letters");
    let said: Vec<_> = letters
        .iter()
        .map(|letter| ["reason", "explanation"].map(|what| letter.header(&format!("orderstream-{what}"))))
        .collect();
    assert_eq!(said, [[Some("missing_field"), Some("`currency` is missing: an amount_minor needs it")]]);
    stage.finish([worker]).await;
}

#[tokio::test]
async fn every_golden_input_goes_through_the_serializers_of_others_and_all_that_comes_out_through_their_readers() {
    let stage = stage("golden").await;
    let worker = stage.worker("w");
    python(&stage, "make.py", "--check");
    python(&stage, "through.py", "send");
    stage.all_published().await;
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in python(&stage, "through.py", "read").lines() {
        let line: Json = serde_json::from_str(line).expect("a line is JSON");
        let (key, topic) = (line["key"].as_str().expect("a key"), line["topic"].as_str().expect("a topic"));
        let what = if topic == "order-dead-letters" { &line["reason"] } else { &line["value"]["status"] };
        read.entry(key.to_owned()).or_default().push(what.as_str().unwrap_or(topic).to_owned());
    }
    let vectors: Vec<Json> = serde_json::from_str(include_str!("../golden/inputs.json")).expect("vectors are JSON");
    for (number, vector) in vectors.iter().enumerate() {
        let came =
            ["confluent", "fastavro"].map(|writer| read.remove(&format!("{writer}-{number}")).unwrap_or_default());
        assert_eq!(came[0], came[1], "{vector}");
        match vector["refused"].as_str() {
            // The times in the vectors are of the past: nothing is in the future any more.
            Some("occurred_in_future") => assert!(!came[0].is_empty(), "{vector}"),
            Some(reason) => assert_eq!(came[0], [reason], "{vector}"),
            None => assert!(came[0].len() <= 2 && !came[0].contains(&"bad_avro".to_owned()), "{vector}: {came:?}"),
        }
    }
    assert!(read.is_empty(), "nobody sent these: {read:?}");
    // Every event was applied or refused, and folds to what was told.
    let verdict = stage.check().await;
    let refused = vectors.iter().filter(|v| v["refused"].is_string() && v["refused"] != "occurred_in_future").count();
    let outcomes = verdict.totals.outcomes;
    assert_eq!((outcomes.applied, outcomes.refused()), (2 * (vectors.len() - refused) as u64, 2 * refused as u64));
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
