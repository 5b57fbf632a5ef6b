//! What must hold of any bytes whatever: of framing, of each topic's records, of a fold.
//!
//! Each target panics where it does not. Invariant: an input means the same in every run, so that a crash can be kept as a test.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::allocations::peak;
use crate::consume::record::Record;
use crate::decode::avro::INPUT_SCHEMAS;
use crate::decode::framing::{self, Framed, SCHEMA_ID_HEADER};
use crate::decode::stocked::{self, DECODER, Form, NOW};
use crate::decode::{Decoded, Format, Formats, Reason, Refusal, json};
use crate::decode::{inventory::InventoryEvent, order::OrderEvent, payment::PaymentEvent, shipping::ShippingEvent};
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::decision::Order;
use crate::order::explain::explain;
use crate::order::{Body, Event, Facts, Merged, Policy, Shell, Source, Status, View, derive, fire_due};

/// What decoding may hold at a time: so many bytes for each byte of the body, and so many beside.
const HELD_PER_BYTE: usize = 256;
const HELD_BESIDE: usize = 64 << 10;
/// The input topics, in the order of a first byte that chooses one.
const TOPICS: [Source; 4] = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order];
/// The most events of one fold.
const EVENTS_MAX: usize = 48;

/// A value, with or without a schema id in a header. The first byte is the header's length, 255 for none; nothing at all is a null.
pub fn framing(input: &[u8]) {
    let (header, value) = match input.split_first() {
        None => (None, None),
        Some((255, value)) => (None, Some(value)),
        Some((length, rest)) => {
            let (header, value) = rest.split_at(rest.len().min(usize::from(*length)));
            (Some(header), Some(value))
        }
    };
    let record = record(Source::Payment, b"order-1", value, header);
    match framing::unframe(&record) {
        Ok(Framed { schema, body }) => {
            let mut framed = Vec::new();
            framing::frame(schema, &mut framed);
            let value = value.expect("a null has no frame");
            match header {
                Some(header) => assert_eq!((header, value), (&framed[..], body)),
                None => assert_eq!(value, [&framed, body].concat()),
            }
        }
        Err(refusal) => assert_eq!(refusal.reason, Reason::BadFraming),
    }
    let _ = DECODER.try_decode(&record, NOW);
}

/// A body of a topic. The first byte chooses the form of its writer's schema.
pub fn decode(source: Source, input: &[u8]) {
    let Some((form, body)) = input.split_first() else { return };
    let form = Form::ALL[usize::from(*form) % Form::ALL.len()];
    let read = bounded(source, form, body);
    if form == Form::Ours {
        let roundabout = bounded(source, Form::Roundabout, body);
        assert_eq!(reasons(&read), reasons(&roundabout), "the two routes differ: {read:?}, {roundabout:?}");
    }
    let Ok((order_id, checked)) = read else { return };
    let mut value = Vec::new();
    framing::frame(stocked::id(source, form), &mut value);
    value.extend_from_slice(body);
    match (DECODER.try_decode(&record(source, order_id.as_bytes(), Some(&value), None), NOW), &checked) {
        (Decoded::Event(event), Ok(expected)) => assert_eq!(event, *expected),
        (Decoded::Refused(refusal), Err(expected)) => assert_eq!(refusal, *expected),
        (decoded, _) => panic!("{decoded:?} instead of {checked:?}"),
    }
    if let Ok(event) = checked {
        let json = json::to_json(&event);
        assert_eq!(json::from_journal(json.as_bytes()).as_ref(), Ok(&event), "{json}");
        let value = serde_json::from_str(&json).expect("we wrote it");
        assert_eq!(json::from_json(value, NOW).as_ref(), Ok(&event), "{json}");
    }
}

/// A value of a topic of JSON. The first byte chooses the topic.
pub fn in_json(input: &[u8]) {
    let Some((topic, value)) = input.split_first() else { return };
    let source = TOPICS[usize::from(*topic) % TOPICS.len()];
    LazyLock::force(&DECODER);
    let (read, held) = peak(|| stocked::read_json(value, source));
    assert!(held <= HELD_BESIDE + HELD_PER_BYTE * value.len(), "{held} bytes held for a value of {}", value.len());
    match read {
        Ok(event) => {
            let decoder = DECODER.clone().reading(Formats::all(Format::Json));
            let record = record(source, event.order_id.as_str().as_bytes(), Some(value), None);
            let decoded = decoder.try_decode(&record, NOW);
            assert!(matches!(&decoded, Decoded::Event(same) if *same == event), "{decoded:?} instead of {event:?}");
            let json = json::to_json(&event);
            assert_eq!(stocked::read_json(json.as_bytes(), source).as_ref(), Ok(&event), "{json}");
            // What a parser reads that knows nothing of us, without what a newer producer says, is the same to a fold.
            if let Ok(plain) = serde_json::from_slice(value) {
                let plain = without_others(plain, source);
                assert_eq!(json::from_json(plain.clone(), NOW).as_ref(), Ok(&event), "{plain}");
            }
        }
        Err(refusal) => {
            assert!(refusal.text.len() < 2_000 && !refusal.text.chars().any(char::is_control), "{}", refusal.text);
        }
    }
}

/// The members that are ours, with the topic.
fn without_others(mut event: serde_json::Value, source: Source) -> serde_json::Value {
    let (_, schema) = INPUT_SCHEMAS.into_iter().find(|(of, _)| *of == source).expect("an input topic");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("a schema file is JSON");
    let fields = schema["fields"].as_array().expect("a record has fields");
    let members = event.as_object_mut().expect("an event is an object");
    members.retain(|name, _| fields.iter().any(|field| field["name"] == name.as_str()));
    members.insert("topic".to_owned(), source.as_str().into());
    let lines = members.get_mut("lines").and_then(serde_json::Value::as_array_mut);
    for line in lines.into_iter().flatten().filter_map(serde_json::Value::as_object_mut) {
        line.retain(|name, _| ["line_id", "sku", "quantity"].contains(&name.as_str()));
    }
    event
}

/// A record as it was read, by its order's id, and what the checks make of it.
type Read = Result<(String, Result<Event, Refusal>), Refusal>;

fn bounded(source: Source, form: Form, body: &[u8]) -> Read {
    // The schemas are parsed once, and not for this body.
    LazyLock::force(&DECODER);
    let (read, held) = peak(|| read(source, form, body));
    assert!(held <= HELD_BESIDE + HELD_PER_BYTE * body.len(), "{held} bytes held for a body of {}", body.len());
    read
}

fn read(source: Source, form: Form, body: &[u8]) -> Read {
    let (_, writer) = stocked::writer(source, form);
    match source {
        Source::Payment => writer.read::<PaymentEvent>(body).map(|read| (read.order_id.to_string(), read.check(NOW))),
        Source::Inventory => {
            writer.read::<InventoryEvent>(body).map(|read| (read.order_id.to_string(), read.check(NOW)))
        }
        Source::Shipping => writer.read::<ShippingEvent>(body).map(|read| (read.order_id.to_string(), read.check(NOW))),
        Source::Order => writer.read::<OrderEvent>(body).map(|read| (read.order_id.to_string(), read.check(NOW))),
        Source::Deadline => unreachable!("no target of that"),
    }
}

/// What two ways of reading must agree in: the event, or why there is none. The words of the Avro library may differ.
fn reasons(read: &Read) -> Result<(&str, Result<&Event, &Refusal>), Reason> {
    match read {
        Ok((order_id, checked)) => Ok((order_id, checked.as_ref())),
        Err(refusal) => Err(refusal.reason),
    }
}

/// Events of one order: each a byte that chooses the topic, two of length, and a body under our schema.
pub fn fold(input: &[u8]) {
    let events = events(input);
    if events.is_empty() {
        return;
    }
    let facts = merged(events.iter());
    assert_eq!(merged(events.iter().rev()), facts, "backwards");
    assert_eq!(merged(events.iter().chain(&events)), facts, "twice");
    let (first, second) = events.split_at(events.len() / 2);
    assert_eq!(stored(&merged(first)), merged(first), "stored");
    let mut halves = stored(&merged(second));
    first.iter().for_each(|event| _ = halves.merge(event));
    assert_eq!(halves, facts, "in two halves");
    for event in &events {
        assert_ne!(facts.clone().merge(event), Merged::Changed, "heard before");
    }
    for shell in [Shell::Trust, Shell::Wait] {
        let policy = Policy { shell, ..Policy::default() };
        said(&events, &policy);
        let mut facts = facts.clone();
        timed(&mut facts, &policy, &events[0].order_id);
    }
}

fn events(mut input: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((&[topic, high, low], rest)) = input.split_first_chunk::<3>() {
        let (body, behind) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes([high, low]))));
        input = behind;
        let source = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order][usize::from(topic) % 4];
        if let Ok((_, Ok(event))) = read(source, Form::Ours, body) {
            events.push(event);
        }
        if events.len() == EVENTS_MAX {
            break;
        }
    }
    events
}

fn merged<'e>(events: impl IntoIterator<Item = &'e Event>) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        let _ = facts.merge(event);
    }
    facts
}

fn stored(facts: &Facts) -> Facts {
    let json = serde_json::to_string(facts).expect("facts are JSON");
    serde_json::from_str(&json).expect("facts that we stored")
}

/// Hears the events one by one: a change is said exactly when the view differs, under the next version.
fn said(events: &[Event], policy: &Policy) {
    let mut order = Order::default();
    for event in events {
        let (before, version) = (order.view.clone(), order.version);
        let (merged, change) = order.apply(event, policy);
        assert_eq!(change.is_some(), order.view != before, "{merged:?}");
        assert_eq!(order.version, version + i64::from(change.is_some()));
    }
    let view = derive(&order.facts, policy);
    assert_eq!(order.view.as_ref(), Some(&view));
    shaped(&view);
    let json = serde_json::to_string(&view).expect("a view is JSON");
    assert_eq!(serde_json::from_str::<View>(&json).expect("a view we wrote"), view);
    assert_eq!(Status::ALL[explain(&order.facts, policy).rule - 1], view.status);
}

/// Lets all time pass: what fires does so once, and is a fact like any other.
fn timed(facts: &mut Facts, policy: &Policy, order_id: &OrderId) {
    let fired = fire_due(facts, policy, Timestamp(i64::MAX), order_id);
    assert!(fire_due(facts, policy, Timestamp(i64::MAX), order_id).is_empty(), "fired twice");
    for fired in fired {
        assert_ne!(facts.merge(&fired.event), Merged::Changed, "a fact like any other");
        let json = json::to_json(&fired.event);
        let body = json::from_journal(json.as_bytes()).expect("we wrote it").body;
        assert!(matches!(body, Body::Fired(_)) == matches!(fired.event.body, Body::Fired(_)), "{json}");
    }
    shaped(&derive(facts, policy));
    assert_eq!(stored(facts), *facts);
}

fn shaped(view: &View) {
    assert!(view.lines.is_sorted_by(|a, b| a.line_id < b.line_id), "lines sorted, each once");
    assert!(view.owed.is_sorted_by(|a, b| (a.kind(), a.id()) < (b.kind(), b.id())), "owed sorted, each once");
    let amounts = [view.authorized_minor, view.captured_minor, view.refunded_minor, view.charged_back_minor];
    assert!(amounts.iter().all(|amount| amount.0 >= 0), "no amount below 0");
    let is_cancelled = matches!(view.status, Status::Cancelled | Status::Cancelling);
    assert_eq!(is_cancelled, view.cancel_reason.is_some(), "a reason says the status");
    assert!(view.owed.is_empty() || view.status == Status::Cancelling, "who owes is cancelling");
}

fn record(source: Source, key: &[u8], value: Option<&[u8]>, header: Option<&[u8]>) -> Record {
    let header = header.map(|value| (SCHEMA_ID_HEADER.to_owned(), Some(Bytes::copy_from_slice(value))));
    Record {
        source,
        lane: Lane(0),
        offset: 0,
        timestamp: NOW,
        key: Some(Bytes::copy_from_slice(key)),
        value: value.map(Bytes::copy_from_slice),
        headers: Ok(header.into_iter().collect()),
    }
}
