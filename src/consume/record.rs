//! One record as Kafka gave it, owned, with nothing understood yet: the arrow from `consume` to `decode`.
//!
//! The only place that turns an offset into the next one. Invariant: `next_offset` is always one past the record, so whoever
//! stores it never re-reads the record and never skips the one behind it.

use std::fmt;

use bytes::Bytes;

use crate::ids::{Lane, NextOffset, Timestamp};
use crate::order::Source;

/// A header of a record: its key and, unless it was null, its value.
pub type Header = (String, Option<Bytes>);

/// What a header weighs beside its name and value: what it takes in memory. On the wire an empty one takes two bytes, so a record
/// of a megabyte can have half a million of them.
const HEADER_WEIGHT_BYTES: usize = 64;

/// Of a record with more headers librdkafka hands over none (a constant of its own, `rd_kafka_msg_headers_parse`).
pub const HEADERS_MAX: usize = 100_000;

/// One record of an input topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which input topic it came from.
    pub source: Source,
    /// Its partition, which is its lane.
    pub lane: Lane,
    /// Where it stands in its partition.
    pub offset: i64,
    /// When it was produced, as the record says; 0 where it does not say.
    pub timestamp: Timestamp,
    /// The key's bytes; `None` where there was no key.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` for a tombstone.
    pub value: Option<Bytes>,
    /// The headers in their order, or why they cannot be had.
    pub headers: Result<Vec<Header>, HeadersLost>,
}

/// Why the headers that a record has cannot be had: librdkafka hands over none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadersLost {
    /// There are more than it hands over.
    TooMany,
    /// Their bytes do not make headers.
    Broken,
}

impl fmt::Display for HeadersLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {HEADERS_MAX} headers"),
            Self::Broken => f.write_str("headers that cannot be read"),
        }
    }
}

impl Record {
    /// The offset to read next once this record is applied.
    #[must_use]
    pub fn next_offset(&self) -> NextOffset {
        NextOffset(self.offset + 1)
    }

    /// What the record weighs against the limits on bytes: key, value and headers, each with 64 bytes of its own.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers().iter().map(|(name, value)| header_weight(name, value.as_ref())).sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }

    /// The headers that could be had.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        self.headers.as_deref().unwrap_or_default()
    }

    /// The value of the first header of that name, if there is one and it is not null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers().iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_ref())
    }
}

fn header_weight(name: &str, value: Option<&Bytes>) -> usize {
    HEADER_WEIGHT_BYTES + name.len() + value.map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_weighs_at_least_what_it_takes_in_memory() {
        assert!(header_weight("", None) >= size_of::<Header>());
    }
}
