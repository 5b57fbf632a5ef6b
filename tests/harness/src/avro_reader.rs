//! Avro bytes to JSON, the slow and general way: through apache-avro's `Value`, with the schema that the record names.
//!
//! What the checker reads with. Shares no code with the product's decoder, so that the two would have to be wrong alike.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value as Json};

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

/// Readers for all schemas of a registry that were asked for; making one costs more than reading a record.
pub struct Readers<'s>(HashMap<u32, (&'s str, GenericDatumReader<'s>, GenericDatumWriter<'s>)>);

impl<'s> Readers<'s> {
    /// Readers for these schemas. One that is no record can be read by nobody, and is left out.
    pub(crate) fn of(schemas: impl Iterator<Item = (u32, &'s Schema)>) -> Self {
        let readers = schemas.filter_map(|(id, schema)| {
            let Schema::Record(record) = schema else { return None };
            let reader = GenericDatumReader::builder(schema).build().ok()?;
            Some((id, (record.name.name(), reader, GenericDatumWriter::builder(schema).build().ok()?)))
        });
        Self(readers.collect())
    }

    /// The fields of a framed record of that name.
    ///
    /// # Errors
    /// Why there are none.
    pub fn read(&self, name: &str, (id, body): (u32, &[u8])) -> Result<Map<String, Json>, Unreadable> {
        let (found, reader, writer) = self.0.get(&id).ok_or(Unreadable::UnknownSchema)?;
        if *found != name {
            return Err(Unreadable::Avro);
        }
        let mut left = body;
        let value = reader.read_value(&mut left).map_err(|_| Unreadable::Avro)?;
        // apache-avro reads an optional field that is cut off as null: what was read must take as many bytes as were given.
        let mut again = Vec::with_capacity(body.len());
        writer.write_value_ref(&mut again, &value).map_err(|_| Unreadable::Avro)?;
        match Json::try_from(value) {
            Ok(Json::Object(fields)) if left.is_empty() && again.len() <= body.len() => Ok(fields),
            _ => Err(Unreadable::Avro),
        }
    }
}
