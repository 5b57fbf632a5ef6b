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

/// The rules with spans for every sampled trace.
fn traced_rules() -> Rules {
    let topics =
        [(Source::Payment, "payments"), (Source::Order, "orders")].map(|(source, name)| (source, name.to_owned()));
    let tracer = Some(Tracer::new(uuid::Uuid::nil(), "group", 100));
    Rules { topics: InputTopics::new(topics.to_vec()), tracer, ..rules() }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn with_spans_each_record_names_its_own_as_its_parent_and_that_the_one_of_its_cause() {
    let mut decided = decided(&cancelled(traced(6)), order(), &ground(10), &traced_rules()).decided;
    let lane = decided.lanes.remove(0);
    let [processing] = &lane.spans[..] else { panic!("one record, {:?}", lane.spans) };
    let (own, published) = processing.told();
    assert_eq!((own.name.as_str(), hex(&own.parent_span_id)), ("process orders", "0000000000000007".to_owned()));
    let named: Vec<String> = lane.emitted.iter().map(|record| texts(record)[0].1.to_owned()).collect();
    let trace = "00000000000000000000000000000007";
    let ours: Vec<String> = published.iter().map(|span| format!("00-{trace}-{}-01", hex(&span.span_id))).collect();
    assert_eq!((named.len(), &named), (2, &ours));
    for span in published {
        assert_eq!((hex(&span.trace_id), &span.parent_span_id), (trace.to_owned(), &own.span_id));
    }
}

#[test]
fn with_spans_a_trace_that_is_not_sampled_is_handed_on_as_it_is_and_time_has_none() {
    let mut headers = traced(6);
    let parent = "00-00000000000000000000000000000007-0000000000000007-00";
    headers[0].1 = Some(parent.into());
    for (batch, traceparent) in [(cancelled(headers), Some(parent)), (cancelled(Vec::new()), None), (visit(DUE), None)]
    {
        let mut decided = decided(&batch, order(), &ground(10), &traced_rules()).decided;
        let lane = decided.lanes.remove(0);
        assert!(lane.spans.is_empty() && lane.spans.capacity() == 0);
        for record in &lane.emitted {
            assert_eq!(texts(record).first().map(|(_, value)| *value), traceparent);
        }
    }
}

#[test]
fn a_record_that_is_refused_or_says_nothing_new_has_a_span_without_publications() {
    let mut refused = cancelled(traced(6));
    refused.lanes[0].items[0].decoded = Err(Refusal::new(Reason::BadAvro, "it says hunter2"));
    let mut twice = cancelled(traced(6));
    let again = cancelled(traced(6)).lanes.remove(0).items.remove(0);
    twice.lanes[0].items.push(again);
    for (batch, expected) in [(refused, vec![0]), (twice, vec![2, 0])] {
        let decided = decided(&batch, order(), &ground(10), &traced_rules()).decided;
        let spans = &decided.lanes[0].spans;
        assert_eq!(spans.iter().map(|processing| processing.told().1.len()).collect::<Vec<_>>(), expected);
        assert!(!format!("{spans:?}").contains("hunter2"));
    }
}

#[test]
fn a_batch_that_is_decided_again_publishes_the_same_bytes() {
    let rules = Rules { cloud_events: Some(CloudEvents::from_source("/test")), ..traced_rules() };
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
