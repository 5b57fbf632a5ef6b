//! `orderstream health`: what probes are told of a worker that starts, works, is frozen, stops, or was killed.

use orderstream_harness::proxy::Link;
use orderstream_harness::worker::Worker;

use super::stage::{GOODBYE, Stage};

const NOT_ALIVE: i32 = 69;
const NOT_YET: i32 = 75;

/// The exit code of a probe, and its line.
fn asked(stage: &Stage, question: &str, of: Option<&Worker>) -> (i32, String) {
    let pid = of.map(|worker| worker.pid().to_string());
    let mut words = vec!["health", question, "--limit", "3s"];
    words.extend(pid.iter().flat_map(|pid| ["--pid", pid]));
    let output = stage.program.output(&stage.config_path(), &words).expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("no signal"), String::from_utf8(said).expect("text"))
}

fn assert_says(stage: &Stage, question: &str, of: Option<&Worker>, code: i32, word: &str) {
    let (ended, said) = asked(stage, question, of);
    assert!(ended == code && said.contains(word), "{question}: {ended} instead of {code}, or without `{word}`: {said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
}

async fn until(stage: &Stage, question: &str, of: Option<&Worker>, code: i32) {
    let what = format!("`health {question}` to end with {code}");
    stage.until(&what, async || Ok(asked(stage, question, of).0 == code)).await;
}

#[tokio::test]
async fn probes_are_told_of_every_state_of_a_worker_and_why() {
    let mut stage = Stage::new("health", 1).await.with_short_sessions();
    let (database, url) = Link::in_place_of(stage.database.url()).expect("a link");
    let directory = stage.logs().join("heartbeats");
    std::fs::create_dir(&directory).expect("a directory");
    let files = || std::fs::read_dir(&directory).expect("it is there").count();
    stage.config.set("database.url", url);
    stage.config.set("worker.heartbeat_directory", directory.to_str().expect("text"));
    stage.configure();
    assert_says(&stage, "live", None, NOT_ALIVE, "there is no heartbeat at");

    // It waits for a server that is away: alive, and neither started nor ready.
    database.cut();
    let first = stage.worker("first");
    until(&stage, "live", None, 0).await;
    assert_says(&stage, "startup", None, NOT_YET, "still looking at its servers");
    assert_says(&stage, "ready", None, NOT_YET, "still looking at its servers");
    database.mend();
    until(&stage, "ready", None, 0).await;
    assert_says(&stage, "ready", None, 0, "with 1 lane");
    assert_says(&stage, "startup", None, 0, "yes");

    // A second one beside it gets no lane of the one that there is, and is ready all the same.
    let second = stage.worker("second");
    until(&stage, "ready", Some(&second), 0).await;
    until(&stage, "ready", Some(&first), 0).await;
    assert_says(&stage, "live", None, NOT_ALIVE, "say which with --pid");
    let lanes = [&first, &second].map(|worker| asked(&stage, "ready", Some(worker)).1.contains("with 1 lane"));
    assert_ne!(lanes[0], lanes[1], "one of them has the lane");

    first.freeze().expect("it runs");
    until(&stage, "live", Some(&first), NOT_ALIVE).await;
    assert_says(&stage, "live", Some(&first), NOT_ALIVE, "has written no heartbeat for");
    assert_says(&stage, "live", Some(&second), 0, "yes");
    first.thaw().expect("it is frozen");
    until(&stage, "live", Some(&first), 0).await;
    until(&stage, "ready", Some(&first), 0).await;

    // Whoever leaves well takes his file with him; what a killed one leaves is told, and swept by the next.
    first.stop(GOODBYE).await.expect("a good end");
    assert_eq!(files(), 1, "a file a worker that is there");
    let mut second = second;
    second.kill().expect("it runs");
    until(&stage, "live", None, NOT_ALIVE).await;
    assert_says(&stage, "live", None, NOT_ALIVE, "hangs or was killed");
    let third = stage.worker("third");
    until(&stage, "ready", None, 0).await;
    assert_eq!(files(), 1, "what the killed one left is gone");
    third.stop(GOODBYE).await.expect("a good end");
    assert_eq!(files(), 0);
    stage.strike().await;
}
