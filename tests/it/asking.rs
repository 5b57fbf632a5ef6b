//! Asking `orderstream dead-letters`: runs the command and keeps all that it said; and five letters to ask it about.

use orderstream_harness::produce::RawRecord;
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::NEWER_KIND;
use serde_json::Value as Json;

use super::events::{captured, sound};
use super::letters::{Sender, raw};
use super::stage::{GOODBYE, Stage};

/// The year 2100.
pub const FAR_AHEAD: i64 = 4_102_444_800_000_000;

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The answer of a command that was asked for JSON and ended with this code.
    pub fn json(&self, code: i32) -> Json {
        assert_eq!(self.code, code, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `dead-letters` with these arguments, to its end.
pub fn letters(stage: &Stage, arguments: &str) -> Said {
    let arguments: Vec<&str> = ["dead-letters"].into_iter().chain(arguments.split_whitespace()).collect();
    let output = stage.program.output(&stage.config_path(), &arguments).expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

/// Five dead letters of five reasons beside a good order, made by a worker that has left. The order of the first is there.
pub async fn five_letters(stage: &Stage) -> Sender {
    let mut sender = Sender::on(stage).await;
    let worker = stage.worker("w");
    sender.good(stage, &sound(Input::Order, "ord-1"));
    let value = |event: &Json| sender.producer.encode(event).expect("an event");
    let mut ahead = captured("ord-1", "cap-1");
    ahead["occurred_at"] = FAR_AHEAD.into();
    let mut unnamed = captured("ord-2", "cap-1");
    unnamed.as_object_mut().expect("an object").remove("capture_id");
    let mut newer = sound(Input::Shipping, "ord-3");
    newer["kind"] = NEWER_KIND.into();
    let mut unknown = value(&sound(Input::Inventory, "ord-4"));
    unknown[1..5].copy_from_slice(&[0x7f, 0xff, 0xff, 0xf0]);
    let evil = vec![("trace\u{1b}[2J".to_owned(), Some(b"\x1b]0;hi".to_vec())), ("none".to_owned(), None)];
    let records = [
        (Input::Payment, "occurred_in_future", raw("ord-1", Some(value(&ahead)))),
        (Input::Payment, "missing_field", raw("ord-2", Some(value(&unnamed)))),
        (Input::Shipping, "unknown_kind", raw("ord-3", Some(value(&newer)))),
        (Input::Inventory, "unknown_schema", raw("ord-4", Some(unknown))),
        (Input::Order, "bad_framing", RawRecord { headers: evil, ..raw("ord-5", None) }),
    ];
    for (input, reason, record) in records {
        sender.bad(stage, input, reason, record);
        // One after the other, so that their numbers follow.
        sender.assert_kept(stage).await;
    }
    worker.stop(GOODBYE).await.expect("a good end");
    sender
}
