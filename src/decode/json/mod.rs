//! Events as flat JSON: how scenarios and files say them, and how the journal keeps them.
//!
//! The same records as on the wire, with the topic beside them, through the same checks. Invariant: reading what
//! [`to_json`] wrote gives an equal event. From a person's file an unknown field is an error, because it is a typing
//! mistake; from Avro it is a newer producer.

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::ids::Timestamp;
use crate::order::event::GivenUp;
use crate::order::names::named;
use crate::order::{Body, Event, Source};

use crate::decode::check::{self, Origin};
use crate::decode::inventory::InventoryEvent;
use crate::decode::order::OrderEvent;
use crate::decode::payment::PaymentEvent;
use crate::decode::refusal::{Reason, Refusal};
use crate::decode::shipping::ShippingEvent;
use crate::decode::wire::{Line, Symbol, Text, record};

/// An event as it is written: flat, with the name of its topic.
#[derive(Clone, Copy, Debug)]
pub struct Flat<'a>(pub &'a Event);

/// The flat JSON of an event.
#[must_use]
pub fn to_json(event: &Event) -> String {
    serde_json::to_string(&Flat(event)).expect("a record of texts and numbers can always be written")
}

/// Reads the flat JSON that [`to_json`] wrote, an internal event's too.
///
/// # Errors
/// What does not read as an event of ours: then somebody else wrote it.
pub fn from_journal(json: &[u8]) -> Result<Event, Refusal> {
    let record: TopicRecord = serde_json::from_slice(json)
        .map_err(|error| Refusal::new(Reason::BadValue, format!("not an event: {error}")))?;
    match record {
        TopicRecord::Payment(record) => record.check_from(Origin::Journal),
        TopicRecord::Inventory(record) => record.check_from(Origin::Journal),
        TopicRecord::Shipping(record) => record.check_from(Origin::Journal),
        TopicRecord::Order(record) => record.check_from(Origin::Journal),
        TopicRecord::Deadline(record) => record.check_from(Origin::Journal),
    }
}

/// Reads one event from JSON that a person or a test wrote.
///
/// # Errors
/// What is missing, mistyped, misspelt or out of bounds; the field is always named.
pub fn from_json(value: Value, now: Timestamp) -> Result<Event, Refusal> {
    let Value::Object(mut fields) = value else {
        return Err(Refusal::new(Reason::BadValue, format!("`{value}` is not an event: use a JSON object")));
    };
    let topic = fields.remove("topic").ok_or_else(|| Refusal::missing("topic", "every event"))?;
    match topic.as_str().and_then(|topic| topic.parse().ok()) {
        Some(Source::Payment) => typed::<PaymentEvent>(&fields, PaymentEvent::FIELDS)?.check(now),
        Some(Source::Inventory) => typed::<InventoryEvent>(&fields, InventoryEvent::FIELDS)?.check(now),
        Some(Source::Shipping) => typed::<ShippingEvent>(&fields, ShippingEvent::FIELDS)?.check(now),
        Some(Source::Order) => typed::<OrderEvent>(&fields, OrderEvent::FIELDS)?.check(now),
        Some(Source::Deadline) | None => {
            Err(Refusal::bad_value("topic", topic, "use one of payment, inventory, shipping, order"))
        }
    }
}

/// The record of a JSON object: every field known, every field of its type.
fn typed<R: DeserializeOwned>(fields: &Map<String, Value>, known: &[&'static str]) -> Result<R, Refusal> {
    check_names(fields, known, &["event_id", "order_id", "kind", "occurred_at"], "")?;
    let lines = fields.get("lines").and_then(Value::as_array).into_iter().flatten();
    for (index, line) in lines.enumerate() {
        if let Value::Object(line) = line {
            check_names(line, Line::FIELDS, &["line_id", "quantity"], &format!("lines[{index}]."))?;
        }
    }
    R::deserialize(&Value::Object(fields.clone())).map_err(|error| mistyped::<R>(fields, &error))
}

/// Checks that an object has no field that is not known, and every one that is required.
fn check_names(
    fields: &Map<String, Value>,
    known: &[&'static str],
    required: &[&'static str],
    path: &str,
) -> Result<(), Refusal> {
    for name in fields.keys() {
        check_name(name, known, path)?;
    }
    match required.iter().find(|name| fields.get(**name).is_none_or(Value::is_null)) {
        Some(name) => {
            Err(Refusal::missing(format!("{path}{name}"), if path.is_empty() { "every event" } else { "every line" }))
        }
        None => Ok(()),
    }
}

fn check_name(name: &str, known: &[&'static str], path: &str) -> Result<(), Refusal> {
    if known.contains(&name) {
        return Ok(());
    }
    let likeness = |field: &&&str| strsim::jaro_winkler(name, field);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let nearest = nearest.map_or(String::new(), |nearest| format!(": did you mean `{path}{nearest}`?"));
    let field = format!("{path}{name}");
    let text = format!("`{field}` is not a field of this topic's events{nearest}");
    Err(Refusal { reason: Reason::BadValue, field: Some(field.into()), text })
}

/// The refusal of an object that does not read as a record: names the first field that does not even read alone.
fn mistyped<R: DeserializeOwned>(fields: &Map<String, Value>, error: &serde_json::Error) -> Refusal {
    let reads_alone = |name: &String, value: &Value| {
        let mut alone = Map::from_iter([
            ("event_id".to_owned(), Value::from("")),
            ("order_id".to_owned(), Value::from("")),
            ("occurred_at".to_owned(), Value::from(0)),
        ]);
        alone.insert(name.clone(), value.clone());
        R::deserialize(Value::Object(alone)).is_ok()
    };
    match fields.iter().find(|(name, value)| !reads_alone(name, value)) {
        Some((name, value)) => Refusal::bad_value(name.clone(), value, error),
        None => Refusal::new(Reason::BadValue, error.to_string()),
    }
}

/// A record with the name of its topic.
#[derive(Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "lowercase")]
enum TopicRecord {
    Payment(PaymentEvent),
    Inventory(InventoryEvent),
    Shipping(ShippingEvent),
    Order(OrderEvent),
    Deadline(DeadlineEvent),
}

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let record = match &event.body {
            Body::Payment(payment) => TopicRecord::Payment(PaymentEvent::of(event, payment)),
            Body::Inventory(inventory) => TopicRecord::Inventory(InventoryEvent::of(event, inventory)),
            Body::Shipping(shipping) => TopicRecord::Shipping(ShippingEvent::of(event, shipping)),
            Body::Order(ordering) => TopicRecord::Order(OrderEvent::of(event, ordering)),
            Body::Fired(deadline) => TopicRecord::Deadline(DeadlineEvent::of(event, *deadline)),
        };
        record.serialize(serializer)
    }
}

record! {
    /// The internal fact of a deadline that gave the order up. Only ever in the journal.
    pub struct DeadlineEvent of FiredKind {
        /// Which deadline.
        name: Option<Text>,
    }
}

named! {
    /// The one kind of a deadline's record.
    pub enum FiredKind, "deadline kind" {
        /// It fired.
        Fired = "FIRED",
    }
}

impl Symbol for FiredKind {
    fn of_symbol(symbol: &str) -> Option<Self> {
        symbol.parse().ok()
    }

    fn symbol(&self) -> &'static str {
        self.as_str()
    }
}

impl DeadlineEvent {
    fn check_from(&self, origin: Origin) -> Result<Event, Refusal> {
        let kind = check::known(&self.kind, "deadline")?;
        let name: Option<GivenUp> = check::name("name", self.name.as_ref())?;
        let deadline = check::needed("name", name, &kind)?;
        self.envelope().event(origin, Body::Fired(deadline))
    }

    fn of(event: &Event, deadline: GivenUp) -> Self {
        Self { name: Some(deadline.as_str().into()), ..Self::with_envelope_of(event, FiredKind::Fired) }
    }
}
