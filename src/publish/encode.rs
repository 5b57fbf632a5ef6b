//! From what was decided to the bytes that consumers read: `OrderStatusChanged` and `OrderCommand` (DOMAIN section 9).
//!
//! The values go into the Avro writer as they are, without a value tree between. Invariant: the same decision becomes the same
//! bytes, so a batch that is repeated publishes nothing else than the first time.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;

use crate::decode::framing;
use crate::ids::SchemaId;

pub use super::values::{Cause, Hyphenated, OrderCommand, OrderLine, OrderStatusChanged, Owed, OwedLine, Symbol};

/// The schema of what goes to the status topic, as it is registered.
pub const STATUS_SCHEMA: &str = include_str!("../../schemas/OrderStatusChanged.avsc");
/// The schema of what goes to the command topic, as it is registered.
pub const COMMAND_SCHEMA: &str = include_str!("../../schemas/OrderCommand.avsc");

static STATUS: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(STATUS_SCHEMA).expect("an embedded schema is valid: a test parses it"));
static COMMAND: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(COMMAND_SCHEMA).expect("an embedded schema is valid: a test parses it"));

/// Something that the schema has no place for: a bug of ours, never the input's fault.
#[derive(Debug, thiserror::Error)]
#[error("`{record}` cannot be encoded: {text}")]
pub struct EncodeError {
    record: &'static str,
    text: String,
}

/// Turns decisions into records' values, framed for the registry.
pub struct Encoder {
    status: Framing,
    command: Option<Framing>,
}

impl Encoder {
    /// Encodes under these schema ids; without an id for commands, commands are an error.
    #[must_use]
    pub fn new(status: SchemaId, command: Option<SchemaId>) -> Self {
        Self { status: Framing::new(status, &STATUS), command: command.map(|id| Framing::new(id, &COMMAND)) }
    }

    /// Appends the value of a status record to `out`.
    ///
    /// # Errors
    /// A symbol that the schema does not have; `out` is as it was before.
    pub fn encode_status(&self, change: &OrderStatusChanged<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.status.append(change, out).map_err(|text| EncodeError { record: "OrderStatusChanged", text })
    }

    /// Appends the value of a command record to `out`.
    ///
    /// # Errors
    /// No schema id for commands, or a symbol that the schema does not have; `out` is as it was before.
    pub fn encode_command(&self, command: &OrderCommand<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let framing = self.command.as_ref().ok_or_else(|| "no command topic is configured".to_owned());
        let appended = framing.and_then(|framing| framing.append(command, out));
        appended.map_err(|text| EncodeError { record: "OrderCommand", text })
    }
}

struct Framing {
    id: SchemaId,
    writer: GenericDatumWriter<'static>,
}

impl Framing {
    fn new(id: SchemaId, schema: &'static Schema) -> Self {
        let writer = GenericDatumWriter::builder(schema).human_readable(false).build();
        Self { id, writer: writer.expect("an embedded schema defines all it refers to: a test encodes with each") }
    }

    fn append(&self, record: &impl Serialize, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        framing::frame(self.id, out);
        match self.writer.write_ser(out, record) {
            Ok(_) => Ok(()),
            Err(error) => {
                out.truncate(start);
                Err(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::*;

    const T: i64 = 1_760_000_000_000_000;

    fn told() -> OrderStatusChanged<'static> {
        OrderStatusChanged {
            event_id: Hyphenated(uuid!("4a87d2e7-b9d8-5cd5-a1c7-c16f2d9a5d61")),
            order_id: "order-1",
            order_version: 1,
            status: Symbol("AWAITING_STOCK"),
            previous_status: None,
            payment: Symbol("AUTHORIZED"),
            inventory: Symbol("NONE"),
            fulfilment: Symbol("NOT_STARTED"),
            returns: Symbol("NONE"),
            flags: vec![],
            attention: vec![],
            cancel_reason: None,
            currency: Some("EUR"),
            total_minor: None,
            authorized_minor: 12_999,
            captured_minor: 0,
            refunded_minor: 0,
            charged_back_minor: 0,
            lines: vec![],
            owed: vec![],
            cause: None,
            correlation_id: Some("flow-1"),
            occurred_at: T,
            changed_at: T + 1_500,
        }
    }

    fn release() -> OrderCommand<'static> {
        OrderCommand {
            command_id: Hyphenated(uuid!("0b5a1d27-7b5c-5a4d-9d0c-5a2b8f3e6c11")),
            order_id: "order-1",
            kind: Symbol("RELEASE_INVENTORY"),
            entity_id: "res-1",
            amount_minor: None,
            currency: None,
            lines: vec![OwedLine { line_id: "1", quantity: 2 }],
            reason: Some("customer"),
            attempt: 2,
            issued_at: T,
            cause: None,
        }
    }

    #[test]
    fn what_cannot_be_encoded_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let unknown = OrderStatusChanged { returns: Symbol("TELEPORTED"), ..told() };
        let encoder = Encoder::new(SchemaId(1), None);
        let error = encoder.encode_status(&unknown, &mut out).expect_err("no such symbol");
        assert!(error.to_string().contains("TELEPORTED"), "{error}");
        let error = encoder.encode_command(&release(), &mut out).expect_err("no id");
        assert_eq!(error.to_string(), "`OrderCommand` cannot be encoded: no command topic is configured");
        assert_eq!(out, b"before");
        encoder.encode_status(&told(), &mut out).expect("encoded");
        assert_eq!(out[..11], *b"before\0\0\0\0\x01", "behind what was there");
    }
}
