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

pub use super::values::{Cause, OrderCommand, OrderLine, OrderStatusChanged, Owed, OwedLine, Symbol};

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
    use serde_json::Value;
    use uuid::uuid;

    use super::*;

    const T: i64 = 1_760_000_000_000_000;

    /// The golden vectors for one record: the bytes of another implementation, in hex.
    fn vectors(record: &str) -> Vec<String> {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/vectors/outputs.json")).expect("vectors are JSON");
        let of_record = vectors.iter().filter(|vector| vector["record"] == record);
        of_record.map(|vector| vector["hex"].as_str().expect("hex").to_owned()).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn encoder(id: u32) -> Encoder {
        Encoder::new(SchemaId(id), Some(SchemaId(id)))
    }

    fn awaiting_stock() -> OrderStatusChanged<'static> {
        OrderStatusChanged {
            event_id: uuid!("4a87d2e7-b9d8-5cd5-a1c7-c16f2d9a5d61"),
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
            lines: vec![line("*", None, [1, 0, 0, 0, 0])],
            owed: vec![],
            cause: Some(Cause {
                event_id: "evt-1",
                topic: Some("payments"),
                partition: Some(3),
                offset: Some(1 << 32),
                kind: "AUTHORIZED",
            }),
            correlation_id: Some("flow-1"),
            occurred_at: T,
            changed_at: T + 1_500,
        }
    }

    fn cancelling() -> OrderStatusChanged<'static> {
        let fired = "deadline:payment_due::1760000000000000";
        OrderStatusChanged {
            order_version: 300,
            status: Symbol("CANCELLING"),
            previous_status: Some(Symbol("CONFIRMED")),
            payment: Symbol("PAID"),
            inventory: Symbol("RESERVED"),
            fulfilment: Symbol("IN_PROGRESS"),
            flags: vec!["on_hold", "in_review"],
            attention: vec!["currency_mismatch"],
            cancel_reason: Some("payment_expired"),
            total_minor: Some(12_999),
            authorized_minor: 0,
            captured_minor: 12_999,
            refunded_minor: 1,
            charged_back_minor: 2,
            lines: vec![line("1", Some("SKU-1"), [2, 2, 1, 1, 1]), line("2", None, [1, 0, 0, 0, 0])],
            owed: vec![
                Owed {
                    kind: Symbol("REFUND_PAYMENT"),
                    amount_minor: Some(12_999),
                    currency: Some("USD"),
                    ..owed("cap-1")
                },
                Owed { lines: vec![OwedLine { line_id: "1", quantity: 2 }], ..owed("res-1") },
            ],
            cause: Some(Cause { event_id: fired, topic: None, partition: None, offset: None, kind: "FIRED" }),
            correlation_id: None,
            ..awaiting_stock()
        }
    }

    fn line(
        line_id: &'static str,
        sku: Option<&'static str>,
        [ordered, reserved, shipped, delivered, returned]: [i64; 5],
    ) -> OrderLine<'static> {
        OrderLine { line_id, sku, ordered, reserved, shipped, delivered, returned }
    }

    fn owed(id: &'static str) -> Owed<'static> {
        Owed { kind: Symbol("RELEASE_INVENTORY"), id, amount_minor: None, currency: None, lines: vec![] }
    }

    fn release() -> OrderCommand<'static> {
        OrderCommand {
            command_id: uuid!("0b5a1d27-7b5c-5a4d-9d0c-5a2b8f3e6c11"),
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
    fn a_status_is_the_bytes_that_another_implementation_makes_of_it() {
        for (id, change, vector) in [(1, awaiting_stock(), 0), (2, cancelling(), 1)] {
            let mut out = b"before".to_vec();
            encoder(id).encode_status(&change, &mut out).expect("encoded");
            assert_eq!(hex(&out[6..]), vectors("OrderStatusChanged")[vector]);
        }
    }

    #[test]
    fn a_command_is_the_bytes_that_another_implementation_makes_of_it() {
        let cause = Cause {
            event_id: "evt-9",
            topic: Some("payments"),
            partition: Some(0),
            offset: Some(0),
            kind: "REVIEW_REJECTED",
        };
        let void = OrderCommand {
            kind: Symbol("VOID_PAYMENT"),
            entity_id: "auth-1",
            amount_minor: Some(12_999),
            currency: Some("EUR"),
            lines: vec![],
            reason: Some("fraud"),
            attempt: 1,
            cause: Some(cause),
            ..release()
        };
        for (id, command, vector) in [(3, release(), 0), (4, void, 1)] {
            let mut out = Vec::new();
            encoder(id).encode_command(&command, &mut out).expect("encoded");
            assert_eq!(hex(&out), vectors("OrderCommand")[vector]);
        }
    }

    #[test]
    fn what_cannot_be_encoded_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let unknown = OrderStatusChanged { returns: Symbol("TELEPORTED"), ..awaiting_stock() };
        let error = encoder(1).encode_status(&unknown, &mut out).expect_err("no such symbol");
        assert!(error.to_string().contains("TELEPORTED"), "{error}");
        let error = Encoder::new(SchemaId(1), None).encode_command(&release(), &mut out).expect_err("no id");
        assert_eq!(error.to_string(), "`OrderCommand` cannot be encoded: no command topic is configured");
        assert_eq!(out, b"before");
    }
}
