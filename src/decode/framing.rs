//! Confluent's wire format: which schema a body was written with, and where the body begins.
//!
//! The first step of decode, the last of encode. Two forms come in: the magic byte 0 and four bytes of schema id before the
//! body, or the same five bytes in the header `__value_schema_id` with the body alone as the value. We write the first.
//! Nothing here looks into the body.

use crate::consume::record::Record;
use crate::ids::SchemaId;

use super::refusal::{Reason, Refusal};

/// The header that Confluent's header serializers put the schema id into.
pub const SCHEMA_ID_HEADER: &str = "__value_schema_id";
/// How many bytes stand before the body.
pub const PREFIX_BYTES: usize = 5;

/// The magic byte before a numeric schema id.
const ID_MAGIC: u8 = 0;
/// The magic byte before a schema GUID (Confluent Platform 8); only ever in the header.
const GUID_MAGIC: u8 = 1;

/// A record's value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The id of the writer's schema.
    pub schema: SchemaId,
    /// The Avro bytes.
    pub body: &'a [u8],
}

/// Takes a record's value apart.
///
/// # Errors
/// `bad_framing`, for a value that is null, too short, or does not say its schema in a way that we know.
pub fn unframe(record: &Record) -> Result<Framed<'_>, Refusal> {
    unframe_value(record.value.as_deref(), record.header(SCHEMA_ID_HEADER).map(|header| &**header))
}

/// Takes a value apart that came with this header [`SCHEMA_ID_HEADER`], if with any.
///
/// # Errors
/// As [`unframe`].
pub fn unframe_value<'v>(value: Option<&'v [u8]>, header: Option<&[u8]>) -> Result<Framed<'v>, Refusal> {
    let Some(value) = value else {
        return Err(bad("the value is null: an event has a value, and nothing is deleted by a tombstone"));
    };
    if let Some(header) = header {
        return Ok(Framed { schema: header_id(header)?, body: value });
    }
    match value.split_first_chunk::<PREFIX_BYTES>() {
        Some((&[ID_MAGIC, a, b, c, d], body)) => {
            Ok(Framed { schema: SchemaId(u32::from_be_bytes([a, b, c, d])), body })
        }
        Some(([magic, ..], _)) => Err(bad(format!(
            "the value begins with byte {magic:#04x} instead of the magic byte 0: write it with a Confluent serializer"
        ))),
        None => Err(bad(format!("the value has {} bytes: even its schema id needs {PREFIX_BYTES}", value.len()))),
    }
}

/// Writes what stands before the body of that schema.
pub fn frame(schema: SchemaId, out: &mut Vec<u8>) {
    out.push(ID_MAGIC);
    out.extend_from_slice(&schema.0.to_be_bytes());
}

fn header_id(header: &[u8]) -> Result<SchemaId, Refusal> {
    match *header {
        [ID_MAGIC, a, b, c, d] => Ok(SchemaId(u32::from_be_bytes([a, b, c, d]))),
        [GUID_MAGIC, ..] if header.len() == 17 => Err(bad(format!(
            "the header `{SCHEMA_ID_HEADER}` names the schema by GUID: set the producer's value.schema.id.serializer to \
             PrefixSchemaIdSerializer"
        ))),
        _ => Err(bad(format!(
            "the header `{SCHEMA_ID_HEADER}` has {} bytes that are no schema id: it must be a byte 0 and four bytes of id",
            header.len()
        ))),
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadFraming, text.into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{Lane, Timestamp};
    use crate::order::Source;

    fn record(value: Option<&'static [u8]>, header: Option<&'static [u8]>) -> Record {
        Record {
            source: Source::Payment,
            lane: Lane(0),
            offset: 0,
            timestamp: Timestamp(0),
            key: None,
            value: value.map(Bytes::from_static),
            headers: Ok(header
                .map(|value| (SCHEMA_ID_HEADER.to_owned(), Some(Bytes::from_static(value))))
                .into_iter()
                .collect()),
        }
    }

    #[test]
    fn a_prefix_that_was_written_is_read_again() {
        let mut value = Vec::new();
        frame(SchemaId(0xDEAD_BEEF), &mut value);
        value.extend_from_slice(b"body");
        let mut record = record(None, None);
        record.value = Some(Bytes::from(value));
        let framed = unframe(&record).expect("our own framing");
        assert_eq!(framed, Framed { schema: SchemaId(0xDEAD_BEEF), body: b"body" });
    }

    #[test]
    fn with_the_id_in_the_header_the_whole_value_is_the_body() {
        let record = record(Some(b"\0\0\0\0\x09"), Some(&[0, 0, 0, 0, 7]));
        let framed = unframe(&record).expect("the header form");
        assert_eq!(framed, Framed { schema: SchemaId(7), body: b"\0\0\0\0\x09" });
    }

    #[test]
    fn an_empty_body_is_a_body() {
        assert_eq!(unframe(&record(Some(&[0, 0, 0, 0, 1]), None)).expect("framed").body, b"");
    }

    #[test]
    fn whatever_else_comes_is_bad_framing_and_says_why() {
        let guid: &[u8] = &[1; 17];
        for (value, header, says) in [
            (None, None, "null"),
            (Some(&b""[..]), None, "has 0 bytes"),
            (Some(&[0, 0, 0, 1]), None, "has 4 bytes"),
            (Some(b"{\"kind\":1}"), None, "byte 0x7b"),
            (Some(b"body"), Some(guid), "by GUID"),
            (Some(b"body"), Some(&guid[..16]), "has 16 bytes"),
            (Some(b"body"), Some(&[]), "has 0 bytes"),
            (Some(b"body"), Some(&[0, 0, 0, 0, 1, 0]), "has 6 bytes"),
        ] {
            let refusal = unframe(&record(value, header)).expect_err("not framed");
            assert_eq!(refusal.reason, Reason::BadFraming);
            assert!(refusal.text.contains(says), "`{}` does not say `{says}`", refusal.text);
        }
    }
}
