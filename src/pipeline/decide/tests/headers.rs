//! The headers of what a batch publishes: the trace of the record that caused it, and what makes a CloudEvent of it.

use super::*;
use crate::consume::record::Header;

const TRACESTATE: &[u8] = b"vendor=1";

/// A trace that a number names.
pub(super) fn traced(number: usize) -> Vec<Header> {
    let parent = format!("00-{:032x}-{:016x}-01", number + 1, number + 1);
    vec![
        ("traceparent".to_owned(), Some(parent.into())),
        ("own".to_owned(), Some("x".into())),
        ("tracestate".to_owned(), Some(TRACESTATE.into())),
    ]
}

/// The order `o` is cancelled by a record with these headers.
fn cancelled(headers: Vec<Header>) -> Batch {
    let mut batch = visit(DUE - 1);
    let record = Record {
        source: Source::Order,
        lane: Lane(0),
        offset: 3,
        timestamp: Timestamp(1),
        key: Some("o".into()),
        value: None,
        headers: Ok(headers),
    };
    let decoded = Ok(Box::new(event("order", "CANCEL_REQUESTED", DUE - 3, &serde_json::json!({}))));
    batch.lanes[0].items.push(Item { record, consumed_at: Instant::now(), decoded, letter: None });
    batch.lanes[0].visits.clear();
    batch
}

fn order() -> Locked {
    locked(&[placed(), reserved(DUE + 100 * RETRY)])
}

fn emitted(batch: &Batch, rules: &Rules) -> Vec<EmittedRecord> {
    decided(batch, order(), &ground(10), rules).decided.lanes.remove(0).emitted
}

/// The headers' names and values as text.
fn texts(record: &EmittedRecord) -> Vec<(&str, &str)> {
    let headers = record.headers.iter();
    headers.map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_deref().unwrap()).unwrap())).collect()
}

#[test]
fn all_that_a_record_causes_is_part_of_its_trace_and_what_time_causes_of_none() {
    let records = emitted(&cancelled(traced(6)), &rules());
    assert_eq!(records.iter().map(|record| &*record.topic).collect::<Vec<_>>(), ["status", "commands"]);
    let parent = "00-00000000000000000000000000000007-0000000000000007-01";
    for record in &records {
        assert_eq!(texts(record), [("traceparent", parent), ("tracestate", "vendor=1")]);
    }
    let by_time = emitted(&visit(DUE), &rules());
    assert_eq!(by_time.iter().map(|record| record.headers.len()).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn a_batch_that_is_decided_again_publishes_the_same_bytes() {
    let rules = Rules { cloud_events: Some(CloudEvents::from_source("/test")), ..rules() };
    let batch = cancelled(traced(6));
    let (first, second) = (emitted(&batch, &rules), emitted(&batch, &rules));
    assert_eq!(first[0].headers.len(), 9);
    let written = crate::persist::journal_format::write_emitted(&first);
    assert_eq!(written, crate::persist::journal_format::write_emitted(&second));
    assert_eq!(crate::persist::journal_format::read_emitted(&written).unwrap(), first);
}

#[test]
fn a_record_of_no_trace_has_no_headers_at_all() {
    for headers in [Vec::new(), vec![("traceparent".to_owned(), Some("hostile".into()))]] {
        for record in emitted(&cancelled(headers), &rules()) {
            assert_eq!((record.headers.len(), record.headers.capacity()), (0, 0));
        }
    }
}

#[test]
fn a_trace_is_left_out_before_it_makes_a_record_too_large() {
    let plain = emitted(&cancelled(Vec::new()), &rules());
    let rules = Rules { emitted_record_max_bytes: plain[0].size_bytes(), ..rules() };
    assert!(plain[1].size_bytes() <= rules.emitted_record_max_bytes);
    assert_eq!(emitted(&cancelled(traced(6)), &rules), plain, "as if there was no trace");
}

#[test]
fn a_cloud_event_says_what_it_is_by_the_record_alone() {
    let rules = Rules { cloud_events: Some(CloudEvents::from_source("/orderstream/shop")), ..rules() };
    let records = emitted(&cancelled(Vec::new()), &rules);
    let version = order().order.version + 1;
    let event_id = crate::publish::names::event_id("o", version).to_string();
    let command_id = format!("{}-1", crate::publish::names::command_id("o", "RELEASE_INVENTORY", "r"));
    let expected = |name, id| {
        [
            ("ce_specversion", "1.0"),
            ("ce_type", name),
            ("ce_source", "/orderstream/shop"),
            ("ce_id", id),
            ("ce_time", "2025-10-09T08:53:20.000099Z"),
            ("ce_subject", "o"),
            ("content-type", "application/vnd.apache.avro"),
        ]
    };
    assert_eq!(texts(&records[0]), expected("orderstream.v1.OrderStatusChanged", &event_id));
    assert_eq!(texts(&records[1]), expected("orderstream.v1.OrderCommand", &command_id));
    // On the wire a header is its name and value, and a length of one byte for each.
    let weight = texts(&records[0]).iter().map(|(name, value)| 2 + name.len() + value.len()).sum::<usize>();
    assert_eq!(weight, 222, "what the setting says it costs");
}
