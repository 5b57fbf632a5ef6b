//! From a body and its writer's schema to one of our flat structs.
//!
//! A schema is judged once, when it is fetched: whose record it is, and how its bodies are read. Each body then passes the
//! guard before the Avro library sees it. Invariant: no bytes whatever make this panic, allocate more than a small multiple of
//! their length, or take longer than their length allows.

use std::borrow::Cow;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{RecordSchema, ResolvedSchema};
use serde::de::DeserializeOwned;

use crate::order::Source;

use super::refusal::{Reason, Refusal};
use super::resolution::{Route, route};
use super::{flatten, guard};

/// The most that the Avro library may allocate at once. The guard refuses what would need it; this is the second fence.
const ALLOCATION_MAX_BYTES: usize = 64 << 20;
/// How much of a library's words goes into an error; they like to quote whole schemas.
const QUOTE_MAX_CHARS: usize = 300;

/// The schemas of what we read, as they are registered: source, and the text of its file in `schemas/`.
pub const INPUT_SCHEMAS: [(Source, &str); 4] = [
    (Source::Payment, include_str!("../../schemas/PaymentEvent.avsc")),
    (Source::Inventory, include_str!("../../schemas/InventoryEvent.avsc")),
    (Source::Shipping, include_str!("../../schemas/ShippingEvent.avsc")),
    (Source::Order, include_str!("../../schemas/OrderEvent.avsc")),
];

static OURS: LazyLock<Vec<Ours>> = LazyLock::new(|| {
    apache_avro::util::max_allocation_bytes(ALLOCATION_MAX_BYTES);
    INPUT_SCHEMAS.iter().map(|&(source, text)| Ours::parse(source, text)).collect()
});

/// One of the records that we understand.
#[derive(Debug)]
struct Ours {
    source: Source,
    schema: Schema,
}

impl Ours {
    fn parse(source: Source, text: &str) -> Self {
        let schema = Schema::parse_str(text).expect("an embedded schema is valid: a test parses each");
        let schema = flatten::flatten(&schema, &[]).expect("an embedded schema is not recursive: a test flattens each");
        Self { source, schema }
    }

    fn record(&self) -> &RecordSchema {
        match &self.schema {
            Schema::Record(record) => record,
            _ => unreachable!("an embedded schema is a record: a test reads each"),
        }
    }
}

/// A producer's schema of one of our records.
#[derive(Debug)]
pub struct WriterSchema {
    ours: &'static Ours,
    /// Without references, so that no body needs a table of names.
    theirs: Schema,
    route: Route,
}

impl WriterSchema {
    /// Judges a schema from the registry.
    ///
    /// # Errors
    /// A text that says what it is, or which field does not fit.
    pub fn judge(schema: &Schema, referenced: &[Schema]) -> Result<Self, String> {
        let Schema::Record(record) = schema else {
            return Err("it is no record".to_owned());
        };
        let name = record.name.name();
        let ours = OURS.iter().find(|ours| ours.record().name.name() == name).ok_or_else(|| {
            let names: Vec<&str> = OURS.iter().map(|ours| ours.record().name.name()).collect();
            format!("it is the record `{}`, and we read {}", record.name, names.join(", "))
        })?;
        let theirs = flatten::flatten(schema, referenced)?;
        let Schema::Record(flat) = &theirs else {
            return Err("it is no record".to_owned());
        };
        let route = route(ours.record(), flat)?;
        Ok(Self { ours, theirs, route })
    }

    /// The topic whose record it is.
    #[must_use]
    pub fn source(&self) -> Source {
        self.ours.source
    }

    /// How its bodies are read.
    #[must_use]
    pub fn route(&self) -> Route {
        self.route
    }

    /// Reads one body. `T` is the flat struct of this schema's record.
    ///
    /// # Errors
    /// `bad_avro`, when the bytes are not exactly one datum of the schema, or one that `T` cannot be.
    pub fn read<T: DeserializeOwned>(&self, mut body: &[u8]) -> Result<T, Refusal> {
        guard::check(&self.theirs, body).map_err(|flaw| bad(flaw.to_string()))?;
        let read = match self.route {
            Route::Direct => self.read_direct(&mut body),
            Route::Resolved => self.read_resolved(&mut body),
        };
        let event = read.map_err(|error| bad(shortened(&error.to_string())))?;
        // The guard and the library agree on every type, or one of them is wrong; then no event is better than half of one.
        match body {
            [] => Ok(event),
            rest => Err(bad(format!("{} bytes were not read", rest.len()))),
        }
    }

    fn read_direct<T: DeserializeOwned>(&self, body: &mut &[u8]) -> Result<T, apache_avro::Error> {
        // A reader schema must not be set here: apache-avro 0.22 panics on it. What is resolved, is by serde's attributes.
        GenericDatumReader::builder(&self.theirs)
            .resolved_writer_schemata(ResolvedSchema::new_with_schemata(Vec::new())?)
            .human_readable(false)
            .build()?
            .read_deser(body)
    }

    fn read_resolved<T: DeserializeOwned>(&self, body: &mut &[u8]) -> Result<T, apache_avro::Error> {
        let value = GenericDatumReader::builder(&self.theirs)
            .resolved_writer_schemata(ResolvedSchema::new_with_schemata(Vec::new())?)
            .reader_schema(&self.ours.schema)
            .resolved_reader_schemata(ResolvedSchema::new_with_schemata(Vec::new())?)
            .human_readable(false)
            .build()?
            .read_value(body)?;
        apache_avro::from_value(&value)
    }
}

/// The name of the record that a topic carries; none for the source that has no topic.
#[must_use]
pub fn record_of(source: Source) -> Option<&'static str> {
    OURS.iter().find(|ours| ours.source == source).map(|ours| ours.record().name.name())
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadAvro, text.into())
}

/// As much of somebody else's text as an error can carry.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTE_MAX_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{} …", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
