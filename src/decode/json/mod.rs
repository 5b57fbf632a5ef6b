//! Events as flat JSON: how scenarios and files say them, how the journal keeps them, and how topics that are set to JSON carry
//! them.
//!
//! The same records as in Avro, with the topic beside them, through the same checks. Invariant: reading what
//! [`to_json`] wrote gives an equal event. From a person's file an unknown field is an error, because it is a typing
//! mistake; from a topic it is a newer producer, in JSON as in Avro.

mod object;
#[cfg(test)]
mod tests;
pub(in crate::decode) mod topic;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

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
use crate::decode::wire::{Symbol, Text, record};

use object::{Members, Node, Unknown};

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
    let Some(mut members) = Node::members(&value) else {
        return Err(Refusal::new(Reason::BadValue, format!("`{value}` is not an event: use a JSON object")));
    };
    let topic = take_topic(&mut members)?.ok_or_else(|| Refusal::missing("topic", "every event"))?;
    match topic.as_str().and_then(|topic| topic.parse().ok()) {
        Some(source) if source != Source::Deadline => event(source, &members, Unknown::Refused, now),
        Some(_) | None => Err(Refusal::bad_value("topic", topic, "use one of payment, inventory, shipping, order")),
    }
}

/// Takes the member that names the topic from the others, if it is among them.
fn take_topic<'a, N: Node<'a>>(members: &mut Members<'a, N>) -> Result<Option<N>, Refusal> {
    let place = |members: &Members<'a, N>| members.iter().position(|(name, _)| name == "topic");
    let Some(first) = place(members) else { return Ok(None) };
    let (_, topic) = members.remove(first);
    if place(members).is_some() { Err(object::twice("topic", "")) } else { Ok(Some(topic)) }
}

/// The event that these members make on that topic.
fn event<'a, N: Node<'a>>(
    source: Source,
    members: &Members<'a, N>,
    unknown: Unknown,
    now: Timestamp,
) -> Result<Event, Refusal> {
    match source {
        Source::Payment => object::read::<PaymentEvent, N>(members, unknown)?.check(now),
        Source::Inventory => object::read::<InventoryEvent, N>(members, unknown)?.check(now),
        Source::Shipping => object::read::<ShippingEvent, N>(members, unknown)?.check(now),
        Source::Order => object::read::<OrderEvent, N>(members, unknown)?.check(now),
        Source::Deadline => Err(Refusal::new(Reason::BadValue, "a deadline's fact comes from no topic")),
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
