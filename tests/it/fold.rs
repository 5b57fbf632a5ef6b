//! `orderstream fold` as a user meets it: a process that reads a file or standard input and needs no server.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};

use super::events::{captured, event, sound};
use orderstream_harness::topics::Input;

/// The program in an environment without any server.
fn fold(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    command.arg("fold").args(arguments).env_clear();
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    // A program that refuses its arguments reads nothing.
    _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// What a good fold prints.
fn folded(arguments: &[&str], stdin: &str) -> Json {
    let output = fold(arguments, stdin);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What a bad fold says; it prints nothing else.
fn refused(arguments: &[&str], stdin: &str, code: i32) -> String {
    let output = fold(arguments, stdin);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    said
}

/// A file that is gone when the test ends.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("it-fold-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("a temporary file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of ours is text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

fn cases(text: &str) -> Vec<Json> {
    serde_json::from_str(text).expect("a file of scenarios")
}

fn assert_agrees(case: &Json) {
    let result = folded(&["--emits"], &case.to_string());
    assert_eq!(result["view"], case["expect"], "{}", case["name"]);
    assert_eq!(result["emits"], case["emits"], "{}", case["name"]);
}

#[test]
fn fold_agrees_with_every_named_case() {
    cases(include_str!("../scenarios/named.json")).iter().for_each(assert_agrees);
}

#[test]
fn fold_agrees_with_a_sample_of_the_random_cases() {
    cases(include_str!("../scenarios/random.json")).iter().step_by(20).for_each(assert_agrees);
}

#[test]
fn events_come_as_an_array_as_lines_from_a_file_or_from_standard_input() {
    let events = [sound(Input::Order, "o"), captured("o", "cap-1")];
    let array = json!(events).to_string();
    let lines = format!("{}\n\n{}\n", events[0], events[1]);
    let file = File::with("lines.jsonl", &lines);
    let view = folded(&[], &array);
    assert_eq!((&view["status"], &view["captured_minor"]), (&json!("AWAITING_STOCK"), &json!(500)));
    for (arguments, stdin) in [(vec!["-"], &*array), (vec![], &*lines), (vec!["-"], &*lines), (vec![file.path()], "")] {
        assert_eq!(folded(&arguments, stdin), view, "{arguments:?}");
    }
    assert_eq!(folded(&["-o", "json"], &lines), view, "the form that it has anyway");
    assert!(refused(&["-o", "text"], &lines, 64).contains("json"));
    assert_eq!(folded(&["--emits"], &lines)["emits"], json!(["PENDING", "AWAITING_STOCK"]));
}

#[test]
fn a_policy_from_a_file_goes_before_the_cases_own() {
    let shell = captured("o", "cap-1").to_string();
    assert_eq!(folded(&[], &shell)["status"], "AWAITING_STOCK");
    let file = File::with("policy.json", r#"{"shell": "wait"}"#);
    let waits = folded(&["--policy", file.path()], &shell);
    assert_ne!(waits["status"], "AWAITING_STOCK", "{waits}");
    let case = json!({"events": [captured("o", "cap-1")], "policy": {"shell": "trust"}}).to_string();
    assert_eq!(folded(&["--policy", file.path()], &case), waits);
    let unknown = File::with("typo.json", r#"{"shel": "wait"}"#);
    let said = refused(&["--policy", unknown.path()], &shell, 65);
    assert!(said.contains("typo.json") && said.contains("shel"), "{said}");
}

#[test]
fn until_is_microseconds_or_rfc_3339() {
    let due = 1_760_000_100_000_000_i64;
    let placed = json!({"total_minor": 500, "currency": "EUR", "payment_due_at": due});
    let placed = event(Input::Order, "PLACED", "o", 0, &placed).to_string();
    // 2025-10-09T08:55:00Z is `due`.
    let before = [(due - 1).to_string(), "2025-10-09T08:54:59Z".to_owned()];
    let then = [due.to_string(), "2025-10-09T08:55:00Z".to_owned(), "2025-10-09T10:55:00+02:00".to_owned()];
    for until in before {
        assert_eq!(folded(&["--until", &until], &placed)["status"], "PENDING", "{until}");
    }
    for until in then {
        assert_eq!(folded(&["--until", &until], &placed)["status"], "CANCELLED", "{until}");
    }
    assert!(refused(&["--until", "tomorrow"], &placed, 64).contains("`tomorrow` is not an instant"));
}

#[test]
fn a_bad_event_is_refused_by_its_place_its_id_and_its_field() {
    let good = sound(Input::Order, "o");
    let mut without = captured("o", "cap-1");
    without.as_object_mut().expect("an object").remove("amount_minor");
    let mut negative = captured("o", "cap-2");
    negative["amount_minor"] = (-1).into();
    let unknown = event(Input::Payment, "TELEPORTED", "o", 3, &json!({}));
    let misspelt = event(Input::Payment, "VOIDED", "o", 3, &json!({"authorisation_id": "a"}));
    for (bad, words) in [
        (&without, ["o-cap-1", "`amount_minor` is missing"]),
        (&negative, ["o-cap-2", "`amount_minor` is `-1`"]),
        (&unknown, ["o-TELEPORTED-3", "TELEPORTED"]),
        (&misspelt, ["o-VOIDED-3", "authorisation_id"]),
    ] {
        let in_array = refused(&[], &json!([good, bad]).to_string(), 65);
        let in_lines = refused(&[], &format!("{good}\n{bad}\n"), 65);
        assert!(in_array.contains("events[1]") && in_lines.contains("line 2"), "{in_array}{in_lines}");
        for word in words {
            assert!(in_array.contains(word) && in_lines.contains(word), "`{word}` is not in:\n{in_array}{in_lines}");
        }
    }
}

#[test]
fn what_is_no_events_of_one_order_is_refused() {
    assert!(refused(&[], "[{]", 65).contains("standard input"));
    let two = json!([sound(Input::Order, "o"), sound(Input::Payment, "p")]).to_string();
    assert!(refused(&[], &two, 65).contains("is of order `p`"));
    assert!(refused(&["/nowhere/events.json"], "", 66).contains("/nowhere/events.json"));
    assert!(refused(&["--polices", "x"], "", 64).contains("--polic"));
}
