//! What an input record must come to: an event, or a refusal with a reason.
//!
//! Reads the bytes by the general way and asks the product only for the rules of DOMAIN sections 2-5 (`decode::json`). Size,
//! key, framing and schema are judged here.

use orderstream::decode::json;
use orderstream::decode::refusal::Reason;
use orderstream::ids::Timestamp;
use orderstream::order::Event;
use serde_json::{Map, Value as Json};

use crate::avro_reader::{self, Readers, Unreadable};
use crate::schemas;
use crate::topics::Input;

/// A record as far as judging goes.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The header that may name the schema.
    pub schema_id_header: Option<&'a [u8]>,
    /// Bytes of all headers together, 64 for each beside its name and value.
    pub header_bytes: usize,
}

/// Judges records.
pub struct Judge<'a> {
    readers: &'a Readers<'a>,
    now: Timestamp,
    record_max_bytes: usize,
    in_json: &'a [Input],
}

impl<'a> Judge<'a> {
    /// A judge with readers for these schemas, for whom it is `now`.
    #[must_use]
    pub fn new(readers: &'a Readers<'a>, now: Timestamp, record_max_bytes: usize) -> Self {
        Self { readers, now, record_max_bytes, in_json: &[] }
    }

    /// The same where these topics carry JSON.
    #[must_use]
    pub fn with_json_on(self, in_json: &'a [Input]) -> Self {
        Self { in_json, ..self }
    }

    /// What the record must come to.
    ///
    /// # Errors
    /// Why it must be refused.
    pub fn judge(&self, input: Input, record: &Evidence<'_>) -> Result<Event, Reason> {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        if length(record.key) + length(record.value) + record.header_bytes > self.record_max_bytes {
            return Err(Reason::TooLarge);
        }
        let key = record.key.ok_or(Reason::NoKey)?;
        let key = str::from_utf8(key).map_err(|_| Reason::KeyMismatch)?;
        let fields = if self.in_json.contains(&input) {
            members(input, record.value)?
        } else {
            let framed = avro_reader::framed(record.value, record.schema_id_header).map_err(reason)?;
            self.readers.read(record_name(input), framed).map_err(reason)?
        };
        let event = json::from_json(flat(input, fields), self.now).map_err(|refusal| refusal.reason)?;
        if event.order_id.as_str() == key { Ok(event) } else { Err(Reason::KeyMismatch) }
    }
}

fn reason(why: Unreadable) -> Reason {
    match why {
        Unreadable::Framing => Reason::BadFraming,
        Unreadable::UnknownSchema => Reason::UnknownSchema,
        Unreadable::Avro => Reason::BadAvro,
    }
}

/// The members of a value that is JSON, as a parser sees it to which a name that is there twice is there once.
fn members(input: Input, value: Option<&[u8]>) -> Result<Map<String, Json>, Reason> {
    let Ok(Json::Object(members)) = serde_json::from_slice(value.unwrap_or_default()) else {
        return Err(Reason::BadFraming);
    };
    let strayed = members.get("topic").is_some_and(|topic| topic != input.as_str());
    if strayed { Err(Reason::BadValue) } else { Ok(members) }
}

fn record_name(input: Input) -> &'static str {
    match input {
        Input::Payment => "PaymentEvent",
        Input::Inventory => "InventoryEvent",
        Input::Shipping => "ShippingEvent",
        Input::Order => "OrderEvent",
    }
}

/// The flat form: with the topic, without fields that only a newer producer has, and without those that say nothing.
fn flat(input: Input, mut fields: Map<String, Json>) -> Json {
    fields.retain(|name, value| !value.is_null() && schemas::has_field(input, name));
    fields.insert("topic".to_owned(), input.as_str().into());
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use apache_avro::Schema;

    use super::*;
    use crate::avro::Encoder;
    use crate::registry::InputSchemas;
    use crate::traffic::{Flaw, Planned, Shape, Traffic};

    const NOW: i64 = 1_760_000_000_000_000;
    const RECORD_MAX_BYTES: usize = 4_096;

    fn ids(input: Input) -> InputSchemas {
        let number = input as u32;
        InputSchemas { current: 10 + number, newer: 20 + number, later: 30 + number }
    }

    /// All schemas but those that are registered later.
    fn schemas() -> Vec<(u32, Schema)> {
        let parsed = |text: &str| Schema::parse_str(text).unwrap();
        let of = |input: Input| {
            [(ids(input).current, parsed(schemas::of(input))), (ids(input).newer, parsed(&schemas::newer(input)))]
        };
        Input::ALL.into_iter().flat_map(of).collect()
    }

    fn judged(judge: &Judge<'_>, planned: &Planned) -> Result<Event, Reason> {
        let mut value = Vec::new();
        let encoder = Encoder::new(planned.input, ids(planned.input));
        let has_value = encoder.write_flawed(&planned.event, planned.flaw, &mut value).unwrap();
        let evidence = Evidence {
            key: planned.key.as_deref().map(str::as_bytes),
            value: has_value.then_some(&value),
            schema_id_header: None,
            header_bytes: 0,
        };
        judge.judge(planned.input, &evidence)
    }

    #[test]
    fn every_flaw_is_refused_with_its_reason_and_nothing_else_is() {
        let schemas = schemas();
        let readers = Readers::of(schemas.iter().map(|(id, schema)| (*id, schema)));
        let judge = Judge::new(&readers, Timestamp(NOW), RECORD_MAX_BYTES);
        let shape = Shape { malformed: 0.05, record_max_bytes: RECORD_MAX_BYTES, ..Shape::usual(400, 1, NOW) };
        let mut flaws = HashSet::new();
        for planned in Traffic::new(shape) {
            let judged = judged(&judge, &planned);
            match planned.flaw {
                Some(flaw) => {
                    assert_eq!(judged.map_err(Reason::as_str).unwrap_err(), flaw.reason(), "{flaw:?}");
                    flaws.insert(flaw);
                }
                None => assert_eq!(judged.unwrap().event_id.as_str(), planned.event.event_id),
            }
        }
        assert_eq!(flaws.len(), Flaw::ALL.len());
    }

    #[test]
    fn what_came_too_early_is_refused_at_first_and_fine_when_its_time_has_come() {
        let early = schemas();
        let mut late = early.clone();
        let later = |input: Input| (ids(input).later, Schema::parse_str(&schemas::later(input)).unwrap());
        late.extend(Input::ALL.into_iter().map(later));
        let readers = [&early, &late].map(|schemas| Readers::of(schemas.iter().map(|(id, schema)| (*id, schema))));
        let shape = Shape { repairable: 0.05, ahead: 5, ..Shape::undisturbed(300, 1, NOW) };
        let mut flaws = HashSet::new();
        for planned in Traffic::new(shape) {
            let [at_first, later] = [(&readers[0], NOW), (&readers[1], NOW + 5)]
                .map(|(readers, now)| judged(&Judge::new(readers, Timestamp(now), RECORD_MAX_BYTES), &planned));
            assert_eq!(at_first.err().map(Reason::as_str), planned.flaw.map(Flaw::reason));
            assert_eq!(later.unwrap().event_id.as_str(), planned.event.event_id);
            flaws.extend(planned.flaw);
        }
        assert_eq!(flaws.len(), Flaw::EARLY.len());
    }
}
