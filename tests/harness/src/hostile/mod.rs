//! The corpus of hostile records: what somebody could send who is careless, broken or means no good, and what must become of it.
//!
//! Pure: bytes from a list, each with the reason it must be refused with, or that it is applied all the same. `framing` has what
//! stands before a body, `bodies` what an Avro body can be made to say, `values` what is well-formed and wrong, `sizes` what is
//! too much, `schemas` what a writer's schema can be, `json` what a topic of JSON can be sent. Invariant: a record that must be applied has an order of its own, and no
//! other names that order.

mod bodies;
mod framing;
mod json;
mod schemas;
mod sizes;
mod values;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::avro::{Encoder, flat_event};
use crate::produce::RawRecord;
use crate::registry::{InputSchemas, Registry};
use crate::topics::Input;

pub use schemas::{Foreign, under_foreign_schemas};

/// When everything occurred, in microseconds: in October 2025, so nothing is in the future.
pub const BEGIN: i64 = 1_760_000_000_000_000;
/// The largest record that a worker takes in whose face this is thrown.
pub const RECORD_MAX_BYTES: usize = 1 << 20;

/// What must become of a record: the reason code it is refused with, or none where it is applied.
pub type Fate = Option<&'static str>;

/// A hostile record.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is wrong with it.
    pub name: String,
    /// The topic that it is sent to.
    pub input: Input,
    /// Key, value and headers.
    pub record: RawRecord,
    /// The order that it belongs to or pretends to.
    pub order: String,
    /// What must become of it.
    pub fate: Fate,
}

/// The corpus in the making, for topics of one form.
#[derive(Debug)]
pub struct Corpus {
    form: Form,
    cases: Vec<Case>,
}

/// How the values of sound events are written.
#[derive(Debug)]
enum Form {
    /// In Avro, with the schemas of the input topics as a registry knows them.
    Avro(Box<[Encoder; Input::ALL.len()]>),
    /// In JSON.
    Json,
}

impl Corpus {
    /// Registers the input topics' schemas under names with this prefix.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn registered(registry: &Registry, prefix: &str) -> Result<Self> {
        let mut ids = Vec::new();
        for input in Input::ALL {
            ids.push(registry.register_input(input, &format!("{prefix}{input}")).await?);
        }
        Ok(Self::of(|input| ids[input as usize]))
    }

    fn of(ids: impl Fn(Input) -> InputSchemas) -> Self {
        let encoders = Input::ALL.map(|input| Encoder::new(input, ids(input)));
        Self { form: Form::Avro(Box::new(encoders)), cases: Vec::new() }
    }

    /// The records for topics that are set to JSON.
    #[must_use]
    pub fn in_json() -> Self {
        Self { form: Form::Json, cases: Vec::new() }
    }

    /// All records: in Avro those under the schemas of this release.
    #[must_use]
    pub fn cases(mut self) -> Vec<Case> {
        match self.form {
            Form::Avro(_) => {
                framing::add(&mut self);
                bodies::add(&mut self);
            }
            Form::Json => json::add(&mut self),
        }
        values::add(&mut self);
        sizes::add(&mut self);
        self.cases
    }

    fn ids(&self, input: Input) -> InputSchemas {
        match &self.form {
            Form::Avro(encoders) => encoders[input as usize].schemas(),
            Form::Json => unreachable!("what is about schemas is only made in Avro"),
        }
    }

    /// The bytes of an event: framed Avro, or the text that the event is.
    fn value(&self, event: &Json) -> Vec<u8> {
        let Form::Avro(encoders) = &self.form else { return event.to_string().into_bytes() };
        let event = flat_event(event).expect("an event of the corpus");
        let mut bytes = Vec::new();
        encoders[event.topic as usize].write(&event, &mut bytes).expect("a kind of its topic");
        bytes
    }

    /// The reason for a value that is cut off or has something behind it.
    fn torn(&self) -> &'static str {
        match self.form {
            Form::Avro(_) => "bad_avro",
            Form::Json => "bad_framing",
        }
    }

    /// The id of the next order.
    fn order(&self) -> String {
        format!("hostile-{}", self.cases.len())
    }

    /// Adds a record of the next order, with that order as its key.
    fn add(&mut self, input: Input, name: impl Into<String>, fate: Fate, value: Option<Vec<u8>>) {
        let record = RawRecord { key: Some(self.order().into()), value, ..RawRecord::default() };
        self.add_record(input, name, fate, record);
    }

    fn add_record(&mut self, input: Input, name: impl Into<String>, fate: Fate, record: RawRecord) {
        let order = self.order();
        self.cases.push(Case { name: format!("{input}: {}", name.into()), input, record, order, fate });
    }

    /// Adds a sound event of the next order, changed.
    fn add_event(&mut self, input: Input, name: &str, fate: Fate, change: impl FnOnce(&mut Json)) {
        let mut event = sound(input, &self.order());
        change(&mut event);
        let value = self.value(&event);
        self.add(input, name, fate, Some(value));
    }

    /// Adds the bytes of a sound event of the next order, changed.
    fn add_bytes(&mut self, input: Input, name: &str, fate: Fate, change: impl FnOnce(&mut Vec<u8>)) {
        let mut value = self.value(&sound(input, &self.order()));
        change(&mut value);
        self.add(input, name, fate, Some(value));
    }
}

/// An event of that topic in which nothing is wrong, and which alone makes an order.
#[must_use]
pub fn sound(input: Input, order: &str) -> Json {
    let kind = match input {
        Input::Payment => "CAPTURED",
        Input::Inventory => "BACKORDERED",
        Input::Shipping => "DISPATCHED",
        Input::Order => "PLACED",
    };
    whole(input, kind, order)
}

/// An event of that kind with every field that any kind of its topic needs.
fn whole(input: Input, kind: &str, order: &str) -> Json {
    let lines = json!([{"line_id": "1", "quantity": 2, "sku": "MUG"}, {"line_id": "2", "quantity": 1}]);
    let mut event = match input {
        Input::Payment => json!({
            "authorization_id": "auth-1", "capture_id": "cap-1", "refund_id": "ref-1", "dispute_id": "dis-1",
            "review_id": "rev-1", "amount_minor": 500, "currency": "EUR",
        }),
        Input::Inventory => json!({"reservation_id": "res-1", "lines": lines}),
        Input::Shipping => json!({"shipment_id": "shp-1", "return_id": "ret-1", "lines": lines, "accepted": true}),
        Input::Order => json!({"total_minor": 500, "currency": "EUR", "lines": lines, "hold_id": "hold-1"}),
    };
    event["topic"] = json!(input);
    event["event_id"] = format!("evt-{order}").into();
    event["order_id"] = order.into();
    event["kind"] = kind.into();
    event["occurred_at"] = BEGIN.into();
    event
}
