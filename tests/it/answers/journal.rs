//! The journal exported, and folded again by `verify`: what somebody changed behind the worker's back is named.

use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::{assert_says, said, stage_with_orders, text};
use crate::stage::Stage;

#[tokio::test]
async fn the_journal_is_exported_line_by_line() {
    let stage = stage_with_orders("export").await;
    let lines = |arguments: &[&str]| -> Vec<Json> {
        let exported = text(&stage, &[&["journal", "export"], arguments].concat());
        exported.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    };
    let all = lines(&[]);
    assert_eq!(all.len(), 8, "{all:#?}");
    let place = |entry: &Json| (entry["lane"].as_i64(), entry["seq"].as_i64());
    assert!(all.is_sorted_by_key(place));
    let refused: Vec<&Json> = all.iter().filter(|entry| entry["outcome"] == "dead_letter").collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|entry| entry["reason"] == "bad_framing" && entry["event"] == Json::Null));
    let names: Vec<&String> = all[0].as_object().expect("an object").keys().collect();
    assert!(all.iter().all(|entry| entry.as_object().expect("an object").keys().eq(names.iter().copied())));

    assert_eq!(lines(&["--order", "ord-paid"]).len(), 3);
    let of_lanes = [lines(&["--lane", "0"]), lines(&["--lane", "1"])].concat();
    assert_eq!(of_lanes, all);
    assert_eq!(lines(&["--from", "2020-01-01", "--to", "2099-12-31T00:00:00Z"]), all);
    assert!(lines(&["--to", "2020-01-01"]).is_empty() && lines(&["--lane", "7"]).is_empty());

    let file = stage.config_path().with_file_name("journal.jsonl");
    let path = file.to_str().expect("a path of ours is text");
    assert_eq!(text(&stage, &["journal", "export", "-o", "jsonl", path]), "");
    assert_eq!(std::fs::read_to_string(&file).expect("the file").lines().count(), 8);
    assert_eq!(
        text(&stage, &["journal", "export", "-o", "json"]),
        text(&stage, &["journal", "export", "-o", "jsonl"]),
        "lines under either name"
    );
    let (_, error) = said(&stage, &["journal", "export", "/nowhere/at/all.jsonl"], 75);
    assert_says(&error, &["`/nowhere/at/all.jsonl` cannot be written"]);
    let (_, error) = said(&stage, &["journal", "export", "--from", "2026-01-02", "--to", "2026-01-01"], 64);
    assert_says(&error, &["--from `2026-01-02T00:00:00Z`", "the other way round"]);
    assert_says(
        &said(&stage, &["journal", "export", "--from", "monday"], 64).1,
        &["`monday` is neither an instant nor a time ago"],
    );
    assert_a_reader_may_leave(&stage);
    stage.strike().await;
}

fn assert_a_reader_may_leave(stage: &Stage) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    command.env_clear().args(["journal", "export", "--config"]).arg(stage.config_path());
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[tokio::test]
async fn verify_names_what_somebody_changed_behind_the_workers_back() {
    let stage = stage_with_orders("verify").await;
    assert_says(&text(&stage, &["verify"]), &["3 orders (0 archived) compared with 8 entries", "all equal"]);
    assert_says(&text(&stage, &["verify", "--orders-per-pass", "1"]), &["3 orders", "all equal"]);
    assert_says(&text(&stage, &["verify", "--order", "ord-paid"]), &["1 order", "3 entries", "all equal"]);
    said(&stage, &["verify", "--order", "ord-unknown"], 66);

    stage.execute("create table kept_orders as select * from orders").await;
    stage.execute("create table kept_journal as select * from journal").await;
    stage.execute("update orders set captured_minor = 1, version = 9 where order_id = 'ord-owed'").await;
    let (out, _) = said(&stage, &["verify"], 65);
    assert_says(
        &out,
        &[
            "order ord-owed: captured_minor: stored 1, from the journal 500",
            "order ord-owed: version: stored 9, from the journal 2",
            "1 order differs, 2 findings",
        ],
    );
    said(&stage, &["verify", "--order", "ord-owed"], 65);
    said(&stage, &["verify", "--order", "ord-paid"], 0);
    let report: Json =
        serde_json::from_str(&said(&stage, &["verify", "-o", "json", "--limit", "1"], 65).0).expect("JSON");
    assert_eq!((&report["different_orders"], &report["finding_count"]), (&json!(1), &json!(2)));
    assert_eq!(report["findings"][0]["order_id"], "ord-owed");
    stage.execute("delete from orders where order_id in ('ord-owed', 'ord-letter')").await;
    assert_says(
        &said(&stage, &["verify"], 65).0,
        &["order ord-owed: the journal speaks of it, and it has no row", "2 orders differ"],
    );
    stage.execute("delete from orders; insert into orders select * from kept_orders").await;

    // A row that was replaced by another one, one that is no row, and one that is gone.
    stage.execute("update journal j set applied = k.applied from kept_journal k where k.lane = j.lane and k.seq = 1 and j.seq = 2").await;
    let (out, _) = said(&stage, &["verify"], 65);
    assert_says(
        &out,
        &[
            "order ord-owed: version: stored 2, from the journal 1",
            "order ord-paid: event `ord-paid-PLACED-0` of journal row",
            "is written down as applied and is duplicate",
        ],
    );
    stage.execute("update journal set applied = 'nonsense' where seq = 2").await;
    let (out, _) = said(&stage, &["verify"], 65);
    assert_says(&out, &["/2: it cannot be read", "zstd", "not compared"]);
    said(&stage, &["order", "history", "ord-paid"], 70);
    stage.execute("delete from journal where seq = 2").await;
    assert_says(&said(&stage, &["verify"], 65).0, &["/2: it is missing"]);
    stage.execute("delete from journal; insert into journal select * from kept_journal").await;
    assert_says(&text(&stage, &["verify"]), &["all equal"]);
    stage.execute("update lanes set last_seq = last_seq + 1").await;
    assert_says(&said(&stage, &["verify"], 65).0, &["lane 0: last_seq is", "lane 1: last_seq is", "no order differs"]);
    stage.strike().await;
}

#[tokio::test]
async fn a_view_of_another_policy_would_change_and_is_no_damage() {
    let mut stage = stage_with_orders("outdated").await;
    stage.reconfigure(|config| {
        config.set("policy.shell", "trust");
    });
    let shells = text(&stage, &["verify"]);
    assert_says(&shells, &["all equal", "derived under another release or policy", "`orderstream rederive`"]);
    assert_says(&text(&stage, &["order", "history", "ord-letter"]), &["under this release and configuration"]);
    stage.strike().await;
}
