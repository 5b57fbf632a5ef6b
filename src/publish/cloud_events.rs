//! The headers that make a CloudEvent of what we publish: binary mode of the Kafka protocol binding, version 1.0.
//!
//! A setting, since they weigh about as much as the record itself. Invariant: each value is computed from the record, none from the
//! time of sending, so a record that is made again has the headers that it had.

use bytes::Bytes;

use super::values::{OrderCommand, OrderStatusChanged};
use crate::consume::record::Header;

/// Writes the headers.
#[derive(Clone, Debug)]
pub struct CloudEvents {
    source: Bytes,
}

impl CloudEvents {
    /// With this `ce_source`: a URI-reference that names the deployment.
    #[must_use]
    pub fn from_source(source: &str) -> Self {
        Self { source: Bytes::copy_from_slice(source.as_bytes()) }
    }

    /// The headers of a status event. Its `ce_id` is its `event_id`.
    #[must_use]
    pub fn of_status(&self, told: &OrderStatusChanged<'_>) -> Vec<Header> {
        let name = "orderstream.v1.OrderStatusChanged";
        self.headers(name, told.event_id.to_string(), told.changed_at, told.order_id)
    }

    /// The headers of a command. Its `ce_id` is the `command_id` and the attempt: a repeated command is another event, and whoever
    /// drops events by their id must not drop it.
    #[must_use]
    pub fn of_command(&self, told: &OrderCommand<'_>) -> Vec<Header> {
        let id = format!("{}-{}", told.command_id, told.attempt);
        self.headers("orderstream.v1.OrderCommand", id, told.issued_at, told.order_id)
    }

    fn headers(&self, name: &'static str, id: String, micros: i64, order_id: &str) -> Vec<Header> {
        let header = |key: &str, value: Bytes| -> Header { (key.to_owned(), Some(value)) };
        vec![
            header("ce_specversion", Bytes::from_static(b"1.0")),
            header("ce_type", Bytes::from_static(name.as_bytes())),
            header("ce_source", self.source.clone()),
            header("ce_id", id.into()),
            header("ce_time", rfc3339(micros).into()),
            header("ce_subject", Bytes::copy_from_slice(order_id.as_bytes())),
            header("content-type", Bytes::from_static(b"application/vnd.apache.avro")),
        ]
    }
}

/// The database's clock stays within what can be written; what did not would be held at the end of time.
fn rfc3339(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}
