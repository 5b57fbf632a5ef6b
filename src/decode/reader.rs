//! Values of any topic, one after the other, for a person who looks: each under the schema that it was written with.
//!
//! Like `inspect`, beside the path, but it keeps the schemas that it met. Invariant: a value that cannot be read is a refusal with
//! a reason; only a registry that does not answer is an error.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::consume::record::Record;
use crate::ids::{SchemaId, Timestamp};
use crate::order::Source;

use super::format::{Format, Formats};
use super::framing::{Framed, unframe_value};
use super::inspect::{Contents, Layout, of_json};
use super::refusal::{Reason, Refusal};
use super::registry::{Answer, Registry, RegistryError};
use super::{Decoded, Decoder};

/// How long an id is believed not to exist.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// What is known of a schema id.
#[derive(Debug)]
enum Known {
    Layout(Layout),
    Unreadable(String),
    Unknown(Instant),
}

/// Reads values, and keeps what it learned about their schemas.
#[derive(Debug)]
pub struct Reader {
    registry: Registry,
    decoder: Decoder,
    formats: Formats,
    known: HashMap<SchemaId, Known>,
    capacity: usize,
}

impl Reader {
    /// With the schemas of this registry, of which at most `schemas_max` are kept; an input of more than `record_max_bytes` is
    /// judged as a worker judges it whose input topics are in these forms.
    #[must_use]
    pub fn new(registry: Registry, schemas_max: usize, record_max_bytes: usize, formats: Formats) -> Self {
        let decoder = Decoder::new(registry.clone(), schemas_max, record_max_bytes).reading(formats);
        Self { registry, decoder, formats, known: HashMap::new(), capacity: schemas_max.max(1) }
    }

    /// Takes a value apart that was written for this input topic, or for none of them, and came with this header
    /// [`super::framing::SCHEMA_ID_HEADER`], if with any. Asks the registry for a schema that is new.
    ///
    /// # Errors
    /// The registry gave no answer that makes sense. The inner error is the value's own fault.
    pub async fn contents(
        &mut self,
        input: Option<Source>,
        value: Option<&[u8]>,
        header: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Result<Contents, Refusal>, RegistryError> {
        match input.filter(|source| self.formats.of(*source) == Format::Json) {
            Some(source) => Ok(of_json(value, source)),
            None => self.of_avro(value, header, now).await,
        }
    }

    async fn of_avro(
        &mut self,
        value: Option<&[u8]>,
        header: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Result<Contents, Refusal>, RegistryError> {
        let Framed { schema: id, body } = match unframe_value(value, header) {
            Ok(framed) => framed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // As in the decoder: no registry gives such an id out, and some answer it with no word of their own.
        if i32::try_from(id.0).is_err() {
            return Ok(Err(Refusal::unknown_schema(id)));
        }
        self.learn(id, now).await?;
        Ok(match self.known.get(&id) {
            Some(Known::Layout(layout)) => layout
                .contents(id, body)
                .map_err(|text| Refusal::new(Reason::BadAvro, format!("under schema {id}, {text}"))),
            Some(Known::Unreadable(text)) => Err(Refusal::new(Reason::BadAvro, format!("under schema {id}, {text}"))),
            Some(Known::Unknown(_)) | None => Err(Refusal::unknown_schema(id)),
        })
    }

    /// Why a worker would refuse a record whose schema was met, if it would.
    #[must_use]
    pub fn refusal(&self, record: &Record, now: Timestamp) -> Option<Refusal> {
        match self.decoder.try_decode(record, now) {
            Decoded::Refused(refusal) => Some(refusal),
            Decoded::Event(_) | Decoded::NeedsSchema(_) => None,
        }
    }

    async fn learn(&mut self, id: SchemaId, now: Timestamp) -> Result<(), RegistryError> {
        match self.known.get(&id) {
            Some(Known::Unknown(since)) if since.elapsed() > UNKNOWN_FOR => {}
            Some(_) => return Ok(()),
            None => {}
        }
        let answer = self.registry.schema(id).await?;
        self.decoder.learn(id, &answer, now);
        if self.known.len() >= self.capacity {
            // Ids come from outside; whatever is wanted again can be asked for again.
            self.known.clear();
        }
        let known = match answer {
            Answer::Unknown => Known::Unknown(Instant::now()),
            Answer::Unusable(text) => Known::Unreadable(text),
            Answer::Schema(schema, referenced) => {
                Layout::of(&schema, &referenced).map_or_else(Known::Unreadable, Known::Layout)
            }
        };
        self.known.insert(id, known);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::canned::{self, Sent};

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

    fn reader(answers: Vec<Sent>) -> Reader {
        Reader::new(canned::registry(answers).0, 10, 1_000, Formats::default().with(Source::Order, Format::Json))
    }

    fn numbers() -> Sent {
        let schema = json!({"type": "record", "name": "Numbers", "fields": [{"name": "n", "type": "long"}]});
        canned::schema(&schema)
    }

    #[tokio::test]
    async fn a_schema_is_asked_for_once_and_read_under_as_often_as_it_comes() {
        let mut reader = reader(vec![numbers()]);
        for (byte, number) in [(2, 1), (4, 2), (6, 3)] {
            let contents = reader.contents(Some(Source::Payment), Some(&[0, 0, 0, 0, 7, byte]), None, NOW).await;
            let contents = contents.expect("asked once").expect("a value");
            assert_eq!((contents.schema_id(), contents.fields[0].value.clone()), (Some(SchemaId(7)), json!(number)));
        }
        let by_header = reader.contents(Some(Source::Payment), Some(&[8]), Some(&[0, 0, 0, 0, 7]), NOW).await;
        assert_eq!(by_header.expect("known").expect("a value").fields[0].value, json!(4));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_a_refusal_and_a_registry_that_is_away_an_error() {
        let mut reader = reader(vec![numbers(), canned::unknown()]);
        for (value, reason) in [
            (None, Reason::BadFraming),
            (Some(&b"{}"[..]), Reason::BadFraming),
            (Some(&[0, 0, 0, 0, 7][..]), Reason::BadAvro),
            (Some(&[0, 0, 0, 0, 7, 2, 2][..]), Reason::BadAvro),
            (Some(&[0, 0, 0, 0, 8, 2][..]), Reason::UnknownSchema),
            (Some(&[0, 0xff, 0, 0, 0, 2][..]), Reason::UnknownSchema),
        ] {
            let contents = reader.contents(None, value, None, NOW).await.expect("the registry answers");
            assert_eq!(contents.expect_err("no value").reason, reason, "{value:?}");
        }
        assert!(
            reader.contents(Some(Source::Payment), Some(&[0, 0, 0, 0, 9, 2]), None, NOW).await.is_err(),
            "nobody answers any more"
        );
    }

    #[tokio::test]
    async fn a_topic_of_json_is_read_without_the_registry_and_the_others_as_before() {
        let mut reader = reader(vec![]);
        let json = Some(&br#"{"kind": "PLACED"}"#[..]);
        let contents = reader.contents(Some(Source::Order), json, None, NOW).await.expect("nobody is asked");
        let contents = contents.expect("an object");
        assert_eq!((contents.schema_id(), contents.fields[0].value.clone()), (None, json!("PLACED")));
        for elsewhere in [Some(Source::Payment), None] {
            let refusal =
                reader.contents(elsewhere, json, None, NOW).await.expect("nobody is asked").expect_err("JSON");
            assert_eq!(refusal.reason, Reason::BadFraming);
        }
    }
}
