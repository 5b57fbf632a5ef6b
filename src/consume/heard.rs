//! A record of any topic, as a person who looks is given it: with the topic's name, whatever the topic.
//!
//! Beside the path, where a [`Record`] is always of an input topic. Invariant: nothing is understood here and nothing left out;
//! headers that cannot be had are said to be missing.

use std::sync::Arc;

use bytes::Bytes;
use rdkafka::Timestamp as Stamp;
use rdkafka::message::{BorrowedMessage, Message};

use super::headers;
use super::record::{Header, HeadersLost, Record};
use crate::ids::{Lane, Timestamp};
use crate::order::Source;

/// A record of any topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: Lane,
    /// Where it stands in it.
    pub offset: i64,
    /// The record's timestamp, where it has one.
    pub timestamp: Option<Timestamp>,
    /// The key's bytes, where there is one.
    pub key: Option<Bytes>,
    /// The value's bytes; none for a tombstone.
    pub value: Option<Bytes>,
    /// The headers, or why they cannot be had.
    pub headers: Result<Vec<Header>, HeadersLost>,
}

impl Heard {
    pub(super) fn of(topic: Arc<str>, message: &BorrowedMessage<'_>) -> Self {
        let timestamp = match message.timestamp() {
            Stamp::NotAvailable => None,
            Stamp::CreateTime(millis) | Stamp::LogAppendTime(millis) => Some(Timestamp(millis.saturating_mul(1_000))),
        };
        Self {
            topic,
            partition: Lane(message.partition()),
            offset: message.offset(),
            timestamp,
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers: headers::read(message),
        }
    }

    /// The same as a worker would be given it from this input topic.
    #[must_use]
    pub fn as_input(&self, source: Source) -> Record {
        Record {
            source,
            lane: self.partition,
            offset: self.offset,
            timestamp: self.timestamp.unwrap_or(Timestamp(0)),
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.clone(),
        }
    }

    /// The value of the first header of that name, if there is one and it is not null.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        let headers = self.headers.as_deref().unwrap_or_default();
        headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_ref())
    }
}
