//! What a fold reads: events in any of three forms, and a policy.
//!
//! Invariant: every event that comes out of here passed the same checks as one from Kafka, except that no clock is asked
//! (a file may be about any time), and all are of one order.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{FoldArgs, FoldError, Place};
use crate::decode::json;
use crate::ids::Timestamp;
use crate::order::{Event, Policy};

/// What is to be folded.
#[derive(Debug)]
pub(super) struct Input {
    pub events: Vec<(Place, Event)>,
    pub policy: Policy,
    pub until: Option<Timestamp>,
    pub after: Vec<(Place, Event)>,
}

/// One case of a scenario file. What it expects is not looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default, rename = "name")]
    _name: IgnoredAny,
    events: Vec<Value>,
    #[serde(default)]
    policy: Policy,
    until: Option<Timestamp>,
    #[serde(default)]
    after: Vec<Value>,
    #[serde(default, rename = "expect")]
    _expect: IgnoredAny,
    #[serde(default, rename = "emits")]
    _emits: IgnoredAny,
}

impl Input {
    pub fn read(args: &FoldArgs, mut stdin: impl Read) -> Result<Self, FoldError> {
        let path = args.file.as_deref().filter(|path| *path != Path::new("-"));
        let name = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
        let bytes = path.map_or_else(|| read_all(&mut stdin), fs::read);
        let bytes = bytes.map_err(|source| FoldError::Unreadable { path: name.clone(), source })?;
        let text = String::from_utf8(bytes).map_err(|error| FoldError::Malformed {
            path: name.clone(),
            what: "UTF-8",
            problem: error.utf8_error().to_string(),
        })?;
        let mut input = Self::parse(&text, &name)?;
        if let Some(path) = &args.policy {
            input.policy = policy(path)?;
        }
        input.until = args.until.or(input.until);
        one_order(&input)?;
        Ok(input)
    }

    fn parse(text: &str, name: &str) -> Result<Self, FoldError> {
        let malformed = |problem: serde_json::Error| FoldError::Malformed {
            path: name.to_owned(),
            what: "a JSON array of events, JSON lines, or a scenario",
            problem: problem.to_string(),
        };
        let mut values = values(text).map_err(malformed)?;
        if let [(_, Value::Object(object))] = values.as_slice()
            && object.contains_key("events")
        {
            let case: Case = serde_json::from_str(text).map_err(malformed)?;
            return Ok(Self {
                events: events("events", case.events)?,
                policy: case.policy,
                until: case.until,
                after: events("after", case.after)?,
            });
        }
        if let [(_, Value::Array(array))] = values.as_mut_slice() {
            let array = std::mem::take(array);
            return Ok(Self::of(events("events", array)?));
        }
        let lines = values.into_iter().map(|(line, value)| event(Place::Line(line), value));
        lines.collect::<Result<_, _>>().map(Self::of)
    }

    fn of(events: Vec<(Place, Event)>) -> Self {
        Self { events, policy: Policy::default(), until: None, after: Vec::new() }
    }
}

fn read_all(stdin: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The JSON values of a text, each with the line on which it begins.
fn values(text: &str) -> Result<Vec<(usize, Value)>, serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter();
    let mut values = Vec::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let from = stream.byte_offset();
        let begin = from + text[from..].len() - text[from..].trim_start().len();
        line += text[counted..begin].matches('\n').count();
        counted = begin;
        match stream.next() {
            Some(value) => values.push((line, value?)),
            None => return Ok(values),
        }
    }
}

fn events(list: &'static str, values: Vec<Value>) -> Result<Vec<(Place, Event)>, FoldError> {
    let values = values.into_iter().enumerate();
    values.map(|(index, value)| event(Place::List(list, index), value)).collect()
}

fn event(place: Place, value: Value) -> Result<(Place, Event), FoldError> {
    let event_id = value.get("event_id").cloned().unwrap_or_default();
    let event = json::from_json(value, Timestamp(i64::MAX));
    event.map(|event| (place, event)).map_err(|refusal| FoldError::BadEvent { place, event_id, refusal })
}

fn policy(path: &Path) -> Result<Policy, FoldError> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|source| FoldError::Unreadable { path: name.clone(), source })?;
    let malformed = |problem: serde_json::Error| FoldError::Malformed {
        path: name,
        what: "a policy",
        problem: problem.to_string(),
    };
    serde_json::from_slice(&bytes).map_err(malformed)
}

fn one_order(input: &Input) -> Result<(), FoldError> {
    let mut events = input.events.iter().chain(&input.after);
    let Some((_, first)) = events.next() else { return Ok(()) };
    match events.find(|(_, event)| event.order_id != first.order_id) {
        None => Ok(()),
        Some((place, event)) => {
            Err(FoldError::TwoOrders { place: *place, order: first.order_id.clone(), other: event.order_id.clone() })
        }
    }
}
