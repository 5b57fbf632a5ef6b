//! `orderstream tap`: what it shows is what is there, and nobody notices that it looked.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::output;
use orderstream_harness::produce::{Manner, Producer};
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::{Shape, Traffic};
use serde_json::Value as Json;

use super::asking::Said;
use super::events::{captured, now_micros, sound};
use super::stage::Stage;
use super::under_load::metric;

/// Runs `tap` with these arguments to its end.
fn tap(stage: &Stage, arguments: &str) -> Said {
    let arguments: Vec<&str> = ["tap"].into_iter().chain(arguments.split_whitespace()).collect();
    let output = stage.program.output(&stage.config_path(), &arguments).expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

/// Everything that there is of these topics, as JSON.
fn all(stage: &Stage, arguments: &str) -> Vec<Json> {
    let said = tap(stage, &format!("{arguments} --until-end -o json"));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.err.contains("trying again"), "the end of a partition is no trouble: {said:?}");
    let lines: Vec<Json> = said.out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let records = if lines.len() == 1 { "record" } else { "records" };
    assert!(said.err.contains(&format!("{} {records} shown", lines.len())), "{}", said.err);
    lines
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Where a record is, or where a dead letter says that it was.
fn place(at: &Json) -> (String, i64, i64) {
    (text(&at["topic"]), at["partition"].as_i64().expect("a partition"), at["offset"].as_i64().expect("an offset"))
}

#[tokio::test]
async fn everything_that_went_in_and_came_out_is_shown_and_no_worker_notices() {
    let stage = Stage::with("tap_all", 3, |config| {
        config.set("topics.command", format!("tap-all-{}-commands", uuid::Uuid::new_v4().simple()));
    })
    .await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let shape = Shape { duplicates: 0.1, malformed: 0.1, ..Shape::usual(40, 5, now_micros()) };
    let mut sent = 0;
    for planned in Traffic::new(shape) {
        sent += usize::from(producer.send(&planned).expect("sent"));
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let rebalances = metric(&worker, "orderstream_rebalances_total{").await;

    let lines = all(&stage, "");
    let of = |role: &'static str| lines.iter().filter(move |line| line["role"] == role);
    assert_eq!(Input::ALL.into_iter().map(|input| of(input.as_str()).count()).sum::<usize>(), sent);
    let told: BTreeSet<(String, i64)> = output::status_events(&stage.deployment)
        .await
        .expect("status events")
        .iter()
        .map(|event| (event.envelope.order_id.clone(), event.envelope.order_version))
        .collect();
    let number = |value: &Json| value.as_i64().expect("a number");
    let version = |line: &Json| (text(&line["value"]["order_id"]), number(&line["value"]["order_version"]));
    assert_eq!(of("status").map(version).collect::<BTreeSet<_>>(), told);
    assert_eq!(of("command").count(), output::commands(&stage.deployment).await.expect("commands").len());
    let letters: BTreeSet<_> = of("dead_letter").map(|line| place(&line["dead_letter"])).collect();
    assert_eq!(letters.len(), output::dead_letters(&stage.deployment).expect("dead letters").len());
    let refused = lines.iter().filter(|line| line["role"] != "dead_letter" && !line["problem"].is_null());
    assert_eq!(refused.map(place).collect::<BTreeSet<_>>(), letters, "a tap judges as a worker does");
    // A dead letter keeps the time that its record had.
    let times: Vec<String> =
        lines.iter().filter(|line| line["role"] != "dead_letter").map(|line| text(&line["timestamp"])).collect();
    assert!(times.is_sorted(), "merged by time");

    let (order, last) = told.iter().max_by_key(|(_, version)| version).expect("an order").clone();
    let mine = all(&stage, &format!("status --order {order}"));
    assert_eq!(
        mine.iter().map(version).collect::<Vec<_>>(),
        (1..=last).map(|v| (order.clone(), v)).collect::<Vec<_>>()
    );
    assert_eq!(all(&stage, &format!("status --order {order} --all-partitions")), mine);
    let of_kind = all(&stage, "status dead-letter --kind confirmed --kind bad_framing");
    let expected = lines.iter().filter(|line| line["kind"] == "CONFIRMED" || line["kind"] == "bad_framing");
    assert_eq!(of_kind.len(), expected.count());

    assert_eq!(metric(&worker, "orderstream_rebalances_total{").await.to_bits(), rebalances.to_bits());
    stage.finish([worker]).await;
}

/// A tap that runs beside the test.
fn begin(stage: &Stage, arguments: &str) -> Child {
    let mut command = Command::new(stage.program.path());
    command.arg("tap").args(arguments.split_whitespace()).arg("--config").arg(stage.config_path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

#[tokio::test]
async fn records_are_shown_once_they_are_committed_until_somebody_has_seen_enough() {
    let stage = Stage::new("tap_follow", 1).await;
    let manner = Manner { transactional_id: Some(format!("{}-tap", stage.deployment.group)), ..Manner::default() };
    let mut upstream =
        Producer::open_as(&stage.deployment.stack, &stage.deployment.topics, manner).await.expect("a producer");
    upstream.begin().expect("a transaction");
    upstream.send_json(&captured("ord-1", "cap-1")).expect("sent");
    upstream.send_json(&sound(Input::Shipping, "ord-1")).expect("sent");
    upstream.flush().expect("kafka has it");
    assert_eq!(all(&stage, "").len(), 0, "nothing is committed");
    assert_eq!(all(&stage, "--isolation uncommitted").len(), 2);

    let mut one = begin(&stage, "payment --from beginning --count 1");
    let mut endless = begin(&stage, "--from beginning --headers");
    let mut lines = BufReader::new(endless.stdout.take().expect("piped")).lines();
    upstream.commit().expect("committed");
    let shown: BTreeSet<String> = (0..2).map(|_| lines.next().expect("a line").expect("text")).collect();
    let shows = |words: &[&str]| shown.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(shows(&["payment", "0@0", "ord-1", "CAPTURED", "capture_id=cap-1 amount_minor=500", "{}"]), "{shown:?}");
    assert!(shows(&["shipping", "DISPATCHED", "lines=1×2"]), "{shown:?}");
    assert_eq!(one.wait().expect("it ends").code(), Some(0), "it has shown one");
    let pid = libc::pid_t::try_from(endless.id()).expect("a process id");
    // SAFETY: the process is a child of ours that was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    assert_eq!(endless.wait().expect("it ends").code(), Some(130));
    let mut said = String::new();
    endless.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("2 records shown, 2 records read"), "{said}");

    upstream.begin().expect("a transaction");
    upstream.send_json(&captured("ord-2", "cap-2")).expect("sent");
    upstream.flush().expect("kafka has it");
    upstream.abort().expect("aborted");
    assert_eq!(all(&stage, "payment").len(), 1, "the end is reached behind what was aborted");
    assert_eq!(all(&stage, "payment --from 1").len(), 0);
    assert_eq!(all(&stage, "payment --from 1 --isolation uncommitted").len(), 1);
    stage.strike().await;
}

#[tokio::test]
async fn what_is_not_there_is_named_with_its_remedy_and_an_exit_code() {
    let mut stage = Stage::new("tap_errors", 1).await;
    let said = tap(&stage, "--topic no-such-topic --until-end");
    assert!(said.code == 78 && said.err.contains("`no-such-topic` does not exist"), "{said:?}");
    let said = tap(&stage, "payments");
    assert!(said.code == 64 && said.err.contains("`payments` is no role"), "{said:?}");
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("sent");
    producer.flush().expect("kafka has it");
    let said = tap(&stage, "payment --from 99 --until-end");
    assert!(said.code == 0 && said.err.contains("partition 0 has no such offset: it is read from 1"), "{said:?}");

    let usual = stage.config.clone();
    let mut with = |change: &dyn Fn(&mut ConfigFile)| {
        stage.config = usual.clone();
        change(&mut stage.config);
        stage.configure();
        tap(&stage, "payment --until-end")
    };
    let said = with(&|config| _ = config.set("registry.url", "http://127.0.0.1:9"));
    assert!(said.code == 69 && said.err.contains("the schema registry at `http://127.0.0.1:9`"), "{said:?}");
    let said = with(&|config| _ = config.set("kafka.brokers", "127.0.0.1:9"));
    assert!(said.code == 69 && said.err.contains("kafka: "), "{said:?}");
    let said = with(&|config| _ = config.set("topics.payment", "not-made-yet"));
    assert!(said.code == 78 && said.err.contains("`not-made-yet` does not exist: create it"), "{said:?}");
    stage.config = usual;
    stage.configure();
    stage.strike().await;
}
