//! The column `emitted`: every record that a batch publishes, ready to send.
//!
//! Written once by the batch, read by the relay of a later owner and by nobody else on the path. Invariant: key, value and headers
//! come back byte for byte.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FormatError, compress, decompress};
use crate::consume::record::Header;
use crate::ids::Timestamp;

/// The format that this release writes and reads.
pub(super) const VERSION: u8 = 1;

/// One record that a batch publishes, ready to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmittedRecord {
    /// The output topic's name.
    pub topic: Arc<str>,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes, framed.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
    /// The record's timestamp; `None` lets the producer take the time of sending.
    pub timestamp: Option<Timestamp>,
}

/// What a header weighs on the wire beside its name and value, at most.
const HEADER_OVERHEAD_BYTES: usize = 10;

impl EmittedRecord {
    /// What the record weighs against the limits on bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| HEADER_OVERHEAD_BYTES + name.len() + value.as_ref().map_or(0, Bytes::len))
            .sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}

/// The bytes of the column `emitted`.
#[must_use]
pub fn write_emitted(records: &[EmittedRecord]) -> Vec<u8> {
    const BESIDE_ITS_BYTES: usize = 40;
    let mut plain = Vec::with_capacity(records.iter().map(|record| record.size_bytes() + BESIDE_ITS_BYTES).sum());
    plain.push(VERSION);
    let plain = postcard::to_extend(records, plain).expect("postcard writes these types to memory");
    compress(&plain)
}

/// Reads the column `emitted`.
///
/// # Errors
/// Damage, or a version that this release does not know.
pub fn read_emitted(bytes: &[u8]) -> Result<Vec<EmittedRecord>, FormatError> {
    let plain = decompress(bytes)?;
    match plain.split_first() {
        Some((&VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
        other => Err(FormatError::Version(other.map(|(version, _)| *version))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EmittedRecord {
        EmittedRecord {
            topic: "order-status".into(),
            key: Some(Bytes::from_static(b"ord-1")),
            value: None,
            headers: vec![("a".to_owned(), Some(Bytes::from_static(b"\x00\xff"))), ("b".to_owned(), None)],
            timestamp: Some(Timestamp(1_760_000_000_000_000)),
        }
    }

    #[test]
    fn emitted_records_come_back_byte_for_byte() {
        let records = vec![record(), EmittedRecord { key: None, value: Some(Bytes::from(vec![7; 5000])), ..record() }];
        assert_eq!(read_emitted(&write_emitted(&records)).unwrap(), records);
        assert_eq!(read_emitted(&write_emitted(&[])).unwrap(), vec![]);
    }

    #[test]
    fn a_version_that_nobody_knows_is_an_error() {
        assert!(matches!(read_emitted(&compress(&[9, 0])), Err(FormatError::Version(Some(9)))));
    }
}
