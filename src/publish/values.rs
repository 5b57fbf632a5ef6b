//! The values of what we publish, as they stand in the bytes: `OrderStatusChanged` and `OrderCommand` (DOMAIN section 9).
//!
//! They borrow from what was decided. Their fields have the names and the order of the files in `schemas/`, which say what each
//! means: a field in another order costs a copy, one that the schema does not have is an error in every test that encodes.

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// A symbol of one of the schema's enums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol(pub &'static str);

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // An index that no enum has, so that the Avro writer looks the symbol up by its name.
        serializer.serialize_unit_variant("", u32::MAX, self.0)
    }
}

/// The value of a status record: `schemas/OrderStatusChanged.avsc`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct OrderStatusChanged<'a> {
    #[serde(serialize_with = "hyphenated")]
    pub event_id: Uuid,
    pub order_id: &'a str,
    pub order_version: i64,
    pub status: Symbol,
    pub previous_status: Option<Symbol>,
    pub payment: Symbol,
    pub inventory: Symbol,
    pub fulfilment: Symbol,
    pub returns: Symbol,
    pub flags: Vec<&'static str>,
    pub attention: Vec<&'static str>,
    pub cancel_reason: Option<&'static str>,
    pub currency: Option<&'a str>,
    pub total_minor: Option<i64>,
    pub authorized_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    pub charged_back_minor: i64,
    pub lines: Vec<OrderLine<'a>>,
    pub owed: Vec<Owed<'a>>,
    pub cause: Option<Cause<'a>>,
    pub correlation_id: Option<&'a str>,
    pub occurred_at: i64,
    pub changed_at: i64,
}

/// One line of a status record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct OrderLine<'a> {
    pub line_id: &'a str,
    pub sku: Option<&'a str>,
    pub ordered: i64,
    pub reserved: i64,
    pub shipped: i64,
    pub delivered: i64,
    pub returned: i64,
}

/// One thing that is owed, in a status record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct Owed<'a> {
    pub kind: Symbol,
    pub id: &'a str,
    pub amount_minor: Option<i64>,
    pub currency: Option<&'a str>,
    pub lines: Vec<OwedLine<'a>>,
}

/// One line that is to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct OwedLine<'a> {
    pub line_id: &'a str,
    pub quantity: i64,
}

/// The fact that led to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct Cause<'a> {
    pub event_id: &'a str,
    pub topic: Option<&'a str>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub kind: &'a str,
}

/// The value of a command record: `schemas/OrderCommand.avsc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
pub struct OrderCommand<'a> {
    #[serde(serialize_with = "hyphenated")]
    pub command_id: Uuid,
    pub order_id: &'a str,
    pub kind: Symbol,
    pub entity_id: &'a str,
    pub amount_minor: Option<i64>,
    pub currency: Option<&'a str>,
    pub lines: Vec<OwedLine<'a>>,
    pub reason: Option<&'static str>,
    pub attempt: i32,
    pub issued_at: i64,
    pub cause: Option<Cause<'a>>,
}

fn hyphenated<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}
