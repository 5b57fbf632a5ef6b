//! The entry of decode: one record in, an event, a refusal, or the wish for a schema out.
//!
//! Synchronous as long as the schema is known, which is all but the first time; only a look-up waits for the network, and the
//! pipeline decides how long. A topic that is set to JSON needs no schema. Invariant: what a record comes to depends on the record, on its schema and on the time that is
//! passed in, never on whether the registry could be reached.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::consume::record::{HeadersLost, Record};
use crate::ids::{SchemaId, Timestamp};
use crate::order::{Event, Source};

use super::avro::{WriterSchema, record_of};
use super::format::{Format, Formats, setting};
use super::framing::{Framed, unframe};
use super::inventory::InventoryEvent;
use super::json;
use super::order::OrderEvent;
use super::payment::PaymentEvent;
use super::refusal::{Quoted, Reason, Refusal};
use super::registry::{Answer, Registry, RegistryError};
use super::schemas::{Known, Lookup, Schemas, judged};
use super::shipping::ShippingEvent;

/// What a record comes to.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// An event that passed every check of DOMAIN sections 2-5.
    Event(Event),
    /// A record that is ill for good, and why.
    Refused(Refusal),
    /// Not decidable yet: this id has to be fetched first.
    NeedsSchema(SchemaId),
}

/// Turns records into events. Cheap to clone; all clones know the same schemas.
#[derive(Clone, Debug)]
pub struct Decoder {
    schemas: Arc<Schemas>,
    record_max_bytes: usize,
    formats: Formats,
}

impl Decoder {
    /// Decodes with the schemas of this registry, of which at most `schemas_max` are kept; records of more than
    /// `record_max_bytes` (key, value and headers) are refused. All topics are in Avro: see [`Self::reading`].
    #[must_use]
    pub fn new(registry: Registry, schemas_max: usize, record_max_bytes: usize) -> Self {
        Self { schemas: Arc::new(Schemas::new(registry, schemas_max)), record_max_bytes, formats: Formats::default() }
    }

    /// The same for topics in these forms.
    #[must_use]
    pub fn reading(self, formats: Formats) -> Self {
        Self { formats, ..self }
    }

    /// Decodes a record, as far as that goes without asking anybody.
    #[must_use]
    pub fn try_decode(&self, record: &Record, now: Timestamp) -> Decoded {
        match self.decode(record, now) {
            Ok(decoded) => decoded,
            Err(refusal) => Decoded::Refused(refusal),
        }
    }

    /// Asks the registry for a schema that [`Self::try_decode`] needs.
    ///
    /// # Errors
    /// The registry gave no answer that makes sense: try again, for as long as it takes.
    pub async fn fetch(&self, id: SchemaId) -> Result<Lookup, RegistryError> {
        self.schemas.fetch(id).await
    }

    /// Takes the registry's answer to the question for an id, as somebody else got it.
    pub(super) fn learn(&self, id: SchemaId, answer: &Answer, now: Timestamp) {
        match judged(answer) {
            Some(known) => self.schemas.keep(id, known),
            None => self.give_up(id, now),
        }
    }

    /// Ends the wait for an id that [`Lookup::Unknown`] was the answer for: for a minute from `now`, records of it are refused
    /// with `unknown_schema`, and the registry is not asked again.
    pub fn give_up(&self, id: SchemaId, now: Timestamp) {
        self.schemas.give_up(id, now);
    }

    fn decode(&self, record: &Record, now: Timestamp) -> Result<Decoded, Refusal> {
        let key = self.key_of(record)?;
        let event = match self.formats.of(record.source) {
            Format::Avro => {
                let Framed { schema, body } = unframe(record).map_err(|refusal| or_is_json(refusal, record))?;
                // Registries count from 1 in 32 bits with a sign. Some answer a greater id with no word of their own, and what is
                // no answer would be waited for without end.
                if i32::try_from(schema.0).is_err() {
                    return Err(Refusal::unknown_schema(schema));
                }
                match self.schemas.known(schema, now) {
                    None => return Ok(Decoded::NeedsSchema(schema)),
                    Some(Known::Readable(writer)) => read(&writer, schema, record.source, body, now)?,
                    Some(Known::Foreign(text)) => {
                        return Err(foreign(format!("schema {schema} cannot be read: {text}")));
                    }
                    Some(Known::GivenUp(_)) => return Err(Refusal::unknown_schema(schema)),
                }
            }
            Format::Json => json::topic::read(record.value.as_deref(), record.source, now)?,
        };
        if event.order_id.as_str() == key {
            return Ok(Decoded::Event(event));
        }
        let (key, order_id) = (Quoted(key), Quoted(event.order_id.as_str()));
        let text = format!("the key `{key}` is not the order_id `{order_id}`: use the order_id as key");
        Err(Refusal::new(Reason::KeyMismatch, text))
    }

    /// What can be said of a record without its value: its headers, its size and its key.
    fn key_of<'r>(&self, record: &'r Record) -> Result<&'r str, Refusal> {
        if let Err(lost) = record.headers {
            return Err(without_headers(lost));
        }
        let size = record.size_bytes();
        if size > self.record_max_bytes {
            let text = format!("the record has {size} bytes, more than the {} allowed", self.record_max_bytes);
            return Err(Refusal::new(Reason::TooLarge, text));
        }
        let Some(key) = record.key.as_deref() else {
            return Err(Refusal::new(Reason::NoKey, "the record has no key: use the order_id as key".to_owned()));
        };
        str::from_utf8(key).map_err(|_| {
            let text = format!("the key of {} bytes is not UTF-8: use the order_id as key", key.len());
            Refusal::new(Reason::KeyMismatch, text)
        })
    }
}

/// The refusal of a value that has no frame of Avro, with the setting that would make it right if it looks like JSON.
fn or_is_json(refusal: Refusal, record: &Record) -> Refusal {
    let begins = record.value.as_deref().and_then(|value| value.trim_ascii_start().first());
    if begins != Some(&b'{') {
        return refusal;
    }
    let setting = setting(record.source);
    let text = format!("{}; or if this topic is to carry JSON, set {setting} = \"json\" and replay", refusal.text);
    Refusal { text, ..refusal }
}

/// Where headers are missing that may name the schema, nobody can tell what the value is. JSON needs none, but is refused as well:
/// what becomes of a record does not hang on the form of its topic.
fn without_headers(lost: HeadersLost) -> Refusal {
    let (reason, remedy) = match lost {
        HeadersLost::TooMany => (Reason::TooLarge, "have its producer send fewer"),
        HeadersLost::Broken => (Reason::BadFraming, "find out which producer writes them"),
    };
    let text = format!(
        "the record has {lost}, and the Kafka client hands over none of them: {remedy}; it is kept without its headers \
         and can be replayed so"
    );
    Refusal::new(reason, text)
}

fn read(
    writer: &WriterSchema,
    schema: SchemaId,
    source: Source,
    body: &[u8],
    now: Timestamp,
) -> Result<Event, Refusal> {
    if writer.source() != source {
        let carried = record_of(source).unwrap_or("nothing");
        let written = record_of(writer.source()).unwrap_or("nothing");
        let text = format!("schema {schema} is `{written}`, but the {source} topic carries `{carried}`");
        return Err(foreign(text));
    }
    match source {
        Source::Payment => writer.read::<PaymentEvent>(body)?.check(now),
        Source::Inventory => writer.read::<InventoryEvent>(body)?.check(now),
        Source::Shipping => writer.read::<ShippingEvent>(body)?.check(now),
        Source::Order => writer.read::<OrderEvent>(body)?.check(now),
        Source::Deadline => Err(foreign("a deadline's fact comes from no topic".to_owned())),
    }
}

fn foreign(text: String) -> Refusal {
    Refusal::new(Reason::BadAvro, text)
}
