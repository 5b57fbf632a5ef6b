//! Avro bytes to JSON, the slow and general way: through apache-avro's `Value`, with the schema that the record names.
//!
//! What the checker reads with. Shares no code with the product's decoder, so that the two would have to be wrong alike.

use anyhow::Result;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value as Json};

use crate::registry::SchemaCache;

/// The header that may carry the schema id instead of the value's first bytes.
const SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// Why bytes say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They do not say which schema they follow.
    Framing,
    /// The registry does not know the schema.
    UnknownSchema,
    /// They do not follow it, or it is not the one to be expected.
    Avro,
}

/// A value taken apart: the id of its schema, and its body.
///
/// # Errors
/// It does not say its schema.
pub fn framed<'a>(value: Option<&'a [u8]>, header: Option<&[u8]>) -> Result<(u32, &'a [u8]), Unreadable> {
    let value = value.ok_or(Unreadable::Framing)?;
    let id = |bytes: &[u8]| match *bytes {
        [0, a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(Unreadable::Framing),
    };
    match header {
        Some(header) => Ok((id(header)?, value)),
        None => {
            let (prefix, body) = value.split_at_checked(5).ok_or(Unreadable::Framing)?;
            Ok((id(prefix)?, body))
        }
    }
}

/// The schema id header among these.
pub fn schema_id_header<'a>(mut headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Option<&'a [u8]> {
    headers.find(|(name, _)| *name == SCHEMA_ID_HEADER).and_then(|(_, value)| value)
}

/// The fields of a framed record of that name.
///
/// # Errors
/// Why there are none.
pub fn read(schemas: &SchemaCache, name: &str, (id, body): (u32, &[u8])) -> Result<Map<String, Json>, Unreadable> {
    let schema = schemas.get(id).ok_or(Unreadable::UnknownSchema)?;
    match schema {
        Schema::Record(record) if record.name.name() == name => fields(schema, body).ok_or(Unreadable::Avro),
        _ => Err(Unreadable::Avro),
    }
}

fn fields(schema: &Schema, body: &[u8]) -> Option<Map<String, Json>> {
    let mut left = body;
    let value = GenericDatumReader::builder(schema).build().ok()?.read_value(&mut left).ok()?;
    // apache-avro reads an optional field that is cut off as null: what was read must take as many bytes as were given.
    let again = GenericDatumWriter::builder(schema).build().ok()?.write_value_to_vec(value.clone()).ok()?;
    match Json::try_from(value).ok()? {
        Json::Object(fields) if left.is_empty() && again.len() <= body.len() => Some(fields),
        _ => None,
    }
}
