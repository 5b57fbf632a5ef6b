//! What `orderstream fold` reads, prints and refuses, without starting a process.
//!
//! The three forms of input, the arguments, and for every refusal its text and its exit code.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::cli::exit::Exit;
use crate::order::View;

const PLACED: &str = r#"{"topic": "order", "event_id": "e1", "order_id": "o", "kind": "PLACED", "occurred_at": 1000000, "total_minor": 500, "currency": "EUR", "payment_due_at": 60000000}"#;
const CAPTURED: &str = r#"{"topic": "payment", "event_id": "e2", "order_id": "o", "kind": "CAPTURED", "occurred_at": 2000000, "capture_id": "c1", "amount_minor": 500, "currency": "EUR"}"#;

fn folded(args: &FoldArgs, stdin: &str) -> Result<Value, FoldError> {
    let mut out = Vec::new();
    run(args, stdin.as_bytes(), &mut out)?;
    assert!(out.ends_with(b"}\n"), "one object on lines of its own");
    Ok(serde_json::from_slice(&out).expect("JSON"))
}

fn status(args: &FoldArgs, stdin: &str) -> String {
    let view = folded(args, stdin).expect("a view");
    view["status"].as_str().expect("a status").to_owned()
}

/// The text and the exit code of an input that is refused.
fn refused(stdin: &str) -> (String, Exit) {
    let error = folded(&FoldArgs::default(), stdin).expect_err(stdin);
    (error.to_string(), error.exit_code())
}

/// A file that is gone when the test ends.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("orderstream-fold-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("a temporary file");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn events_are_read_as_an_array_as_lines_and_one_alone() {
    let forms = [format!("[{PLACED},{CAPTURED}]"), format!("{PLACED}\n\n{CAPTURED}\n"), format!("{PLACED} {CAPTURED}")];
    for form in forms {
        let view: View =
            serde_json::from_value(folded(&FoldArgs::default(), &form).expect("a view")).expect("its shape");
        assert_eq!((view.status.as_str(), view.captured_minor.0), ("AWAITING_STOCK", 500));
    }
    let pretty =
        serde_json::to_string_pretty(&json!(serde_json::from_str::<Value>(PLACED).expect("JSON"))).expect("JSON");
    assert_eq!(status(&FoldArgs::default(), &pretty), "PENDING");
    assert_eq!(status(&FoldArgs::default(), "[]"), "PENDING");
}

#[test]
fn a_case_brings_its_own_policy_and_times() {
    let case = format!(
        r#"{{"name": "n", "events": [{PLACED}], "until": 60000000, "after": [{CAPTURED}], "expect": {{}}, "emits": []}}"#
    );
    let args = FoldArgs { emits: true, ..FoldArgs::default() };
    let result = folded(&args, &case).expect("a result");
    assert_eq!(result["emits"], json!(["PENDING", "CANCELLED", "CANCELLING"]));
    assert_eq!(result["view"]["attention"], json!(["paid_before_deadline"]));
    let early = FoldArgs { until: instant::parse("1970-01-01T00:00:59Z").ok(), ..FoldArgs::default() };
    assert_eq!(status(&early, &case), "AWAITING_STOCK", "the argument goes before the case");
}

#[test]
fn a_policy_is_read_from_its_file() {
    let shell = CAPTURED;
    assert_eq!(status(&FoldArgs::default(), shell), "AWAITING_STOCK");
    let file = File::with("policy.json", br#"{"shell": "wait"}"#);
    assert_eq!(status(&FoldArgs { policy: Some(file.0.clone()), ..FoldArgs::default() }, shell), "PENDING");
    for bad in [&br#"{"shel": "wait"}"#[..], br#"{"payment_window": -1}"#, br#"{"shell": "never"}"#, b"\xff"] {
        let file = File::with("bad-policy.json", bad);
        let error = folded(&FoldArgs { policy: Some(file.0.clone()), ..FoldArgs::default() }, shell).expect_err("bad");
        assert_eq!(error.exit_code(), Exit::DataErr, "{error}");
    }
}

#[test]
fn a_bad_event_is_named_by_its_place_its_id_and_its_field() {
    let bad = CAPTURED.replace("\"amount_minor\": 500, ", "");
    let list = format!("[{PLACED},{bad}]");
    let text = "events[1], event \"e2\": `amount_minor` is missing: CAPTURED needs it";
    assert_eq!(refused(&list), (text.to_owned(), Exit::DataErr));
    let text = "line 3, event \"e2\": `amount_minor` is missing: CAPTURED needs it";
    assert_eq!(refused(&format!("{PLACED}\n\n{bad}")), (text.to_owned(), Exit::DataErr));
    let case = format!(r#"{{"events": [], "after": [{PLACED}, {{"kind": 1}}]}}"#);
    let text = "after[1], event null: `topic` is missing: every event needs it";
    assert_eq!(refused(&case), (text.to_owned(), Exit::DataErr));
}

#[test]
fn two_orders_are_an_error_that_names_both() {
    let other = CAPTURED.replace(r#""order_id": "o""#, r#""order_id": "p""#);
    let text = "line 2 is of order `p`, but the first event is of order `o`: fold one order at a time";
    assert_eq!(refused(&format!("{PLACED}\n{other}")), (text.to_owned(), Exit::DataErr));
}

#[test]
fn what_is_no_json_is_refused_with_the_line() {
    let (text, exit) = refused(&format!("{PLACED}\n{{"));
    assert!(text.contains("standard input") && text.contains("line 2"), "{text}");
    assert_eq!(exit, Exit::DataErr);
    let (text, _) = refused(r#"{"events": [], "untill": 5}"#);
    assert!(text.contains("untill") && text.contains("`until`"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_and_one_that_is_no_text_end_differently() {
    let gone = FoldArgs { file: Some("no/such/file".into()), ..FoldArgs::default() };
    let error = folded(&gone, "").expect_err("no file");
    assert!(error.to_string().starts_with("`no/such/file` cannot be read: "), "{error}");
    assert_eq!(error.exit_code(), Exit::NoInput);
    let binary = File::with("binary", b"\xff\xfe");
    let error = folded(&FoldArgs { file: Some(binary.0.clone()), ..FoldArgs::default() }, "").expect_err("no text");
    assert_eq!(error.exit_code(), Exit::DataErr);
    let file = File::with("events.json", format!("[{PLACED}]").as_bytes());
    assert_eq!(status(&FoldArgs { file: Some(file.0.clone()), ..FoldArgs::default() }, ""), "PENDING");
    assert_eq!(status(&FoldArgs { file: Some("-".into()), ..FoldArgs::default() }, PLACED), "PENDING");
}

#[test]
fn an_order_that_grows_without_end_is_refused_as_a_worker_would() {
    let reserved = |number: usize| {
        let lines: Vec<Value> = (0..1_000).map(|line| json!({"line_id": line.to_string(), "quantity": 1})).collect();
        json!({"topic": "inventory", "event_id": format!("e{number}"), "order_id": "o", "kind": "RESERVED",
            "occurred_at": 1, "reservation_id": format!("s{number}"), "lines": lines})
    };
    let events: Vec<Value> = (0..11).map(reserved).collect();
    let (text, exit) = refused(&json!(events).to_string());
    assert!(text.starts_with("with events[10] the order has too many facts"), "{text}");
    assert_eq!(exit, Exit::DataErr);
}
