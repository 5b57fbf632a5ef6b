//! A small deployment in which everything is right, for tests that break one thing at a time.
//!
//! One lane, one order, five events: three change the order, one is sent twice, one comes too late to matter.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderstream::decode::json::from_json;
use orderstream::decode::refusal::Reason;
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::{Event, Facts, Merged, Policy, Source, View, derive};
use orderstream::persist::journal_format::{AppliedEntry, Outcome, Place};
use serde_json::json;

use super::input_log::{InputPartition, InputRecord, Refused};
use super::outputs::LastWord;
use super::progress::{Progress, event_id};
use super::replay::UnpackedRow;
use super::stored::StoredOrder;
use crate::output::{Cause, Envelope, StatusChanged};
use crate::topic_log::Extent;
use crate::topics::{Input, Topics};

pub const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

/// The order.
pub fn order() -> OrderId {
    OrderId::from("ord-1")
}

/// The topics.
pub fn topics() -> Topics {
    Topics::with_prefix("")
}

/// Its events, in the order of their arrival.
pub fn events() -> Vec<Event> {
    let event = |topic: &str, id: &str, kind: &str, at: i64, more: serde_json::Value| {
        let mut json =
            json!({"topic": topic, "event_id": id, "order_id": "ord-1", "kind": kind, "occurred_at": NOW.0 + at});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        from_json(json, NOW).unwrap()
    };
    let lines = json!([{"line_id": "1", "quantity": 2, "sku": "MUG"}]);
    let placed = json!({"total_minor": 5000, "currency": "EUR", "lines": lines});
    let authorized = json!({"authorization_id": "auth-1", "amount_minor": 5000, "currency": "EUR"});
    let early = json!({"authorization_id": "auth-1", "amount_minor": 10, "currency": "EUR"});
    vec![
        event("order", "e1", "PLACED", 0, placed),
        event("payment", "e2", "AUTHORIZED", 20, authorized.clone()),
        event("inventory", "e3", "RESERVED", 30, json!({"reservation_id": "res-1", "lines": lines})),
        event("payment", "e2", "AUTHORIZED", 20, authorized),
        event("payment", "e4", "AUTHORIZED", 10, early),
    ]
}

fn input(event: &Event) -> Input {
    match event.topic() {
        Source::Payment => Input::Payment,
        Source::Inventory => Input::Inventory,
        Source::Shipping => Input::Shipping,
        Source::Order | Source::Deadline => Input::Order,
    }
}

/// What went in: each event in its topic's partition 0, and behind the payments one record that must be refused.
pub fn inputs() -> Vec<InputPartition> {
    let mut partitions: Vec<InputPartition> = Vec::new();
    for (role, topic) in topics().inputs() {
        let of_role = events().into_iter().filter(|event| input(event) == role);
        let mut records: Vec<InputRecord> =
            of_role.zip(0..).map(|(event, offset)| InputRecord { offset, judged: Ok(event), entries: 0 }).collect();
        if role == Input::Payment {
            records.push(InputRecord { offset: 3, judged: Err(refused()), entries: 0 });
        }
        let end = records.last().map_or(0, |record| record.offset + 1);
        let extent = Extent { beginning: 0, end };
        partitions.push(InputPartition { input: role, topic: topic.to_owned(), lane: 0, extent, records });
    }
    partitions
}

/// The record that must be refused.
pub fn refused() -> Refused {
    Refused {
        reason: Reason::BadAvro,
        timestamp_millis: Some(7),
        key: Some(Bytes::from_static(b"ord-1")),
        value: Some(Bytes::from_static(b"\0\0\0\0\x01nonsense")),
        headers: Vec::new(),
    }
}

/// The journal row that a worker writes of it, and the order behind it.
pub fn row() -> (UnpackedRow, Progress) {
    let mut progress = Progress { rows: vec![1], ..Progress::default() };
    let mut row = UnpackedRow { lane: 0, seq: 1, entries: Vec::new(), changes: Vec::new() };
    let mut offsets: BTreeMap<Input, i64> = BTreeMap::new();
    for event in events() {
        let next = offsets.entry(input(&event)).or_default();
        let offset = *next;
        *next += 1;
        let outcome = match progress.facts.merge(&event) {
            Merged::Changed => Outcome::Applied,
            Merged::Duplicate => Outcome::Duplicate,
            Merged::Stale => Outcome::Stale,
        };
        let view = derive(&progress.facts, &Policy::default());
        if progress.view.as_ref() != Some(&view) {
            progress.version += 1;
            let previous = progress.view.replace(view.clone());
            row.changes.push(change(&event, offset, progress.version, previous, view, &progress.facts));
        }
        row.entries.push(AppliedEntry {
            place: place(event.topic(), offset, event.occurred_at),
            outcome,
            order_id: Some(order()),
            version: Some(progress.version),
            status: progress.view.as_ref().map(|view| view.status),
            sent: Vec::new(),
            event: Some(event),
        });
    }
    row.entries.push(AppliedEntry {
        place: place(Source::Payment, 3, Timestamp(7_000)),
        outcome: Outcome::DeadLetter(Reason::BadAvro),
        order_id: Some(order()),
        version: None,
        status: None,
        sent: Vec::new(),
        event: None,
    });
    (row, progress)
}

fn place(source: Source, offset: i64, record_timestamp: Timestamp) -> Place {
    Place { source, offset: Some(offset), record_timestamp: Some(record_timestamp), letter: None }
}

fn change(
    event: &Event,
    offset: i64,
    version: i64,
    previous: Option<View>,
    view: View,
    facts: &Facts,
) -> StatusChanged {
    let topic = topics().input(input(event)).map(str::to_owned);
    let skus = facts.skus().into_iter().map(|(line, sku)| (line.to_string(), sku.to_string())).collect();
    StatusChanged {
        envelope: Envelope {
            event_id: event_id("ord-1", version).to_string(),
            order_id: "ord-1".to_owned(),
            order_version: version,
            previous_status: previous.map(|view| view.status),
            cause: Some(Cause {
                event_id: event.event_id.to_string(),
                topic,
                partition: Some(0),
                offset: Some(offset),
                kind: event.kind().to_owned(),
            }),
            correlation_id: None,
            occurred_at: event.occurred_at.0,
            changed_at: NOW.0,
        },
        view,
        skus,
    }
}

/// The order's row.
pub fn stored() -> StoredOrder {
    let (_, progress) = row();
    StoredOrder {
        order_id: order(),
        version: progress.version,
        view: progress.view.unwrap(),
        facts: progress.facts,
        journal_rows: progress.rows,
    }
}

/// What was last said of it.
pub fn last_word() -> LastWord {
    let stored = stored();
    LastWord { version: stored.version, view: stored.view }
}
