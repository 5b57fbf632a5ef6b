//! The values of what we publish, as they stand in the bytes: `OrderStatusChanged` and `OrderCommand` (DOMAIN section 9).
//!
//! They borrow from what was decided. Each is written by position, as Avro does: no field is looked up by its name, which took half of the
//! time. Invariant: a record has the name, and its fields the names and the order, of the files in `schemas/`, which say what each
//! means; a test compares them one by one.

use std::fmt;

use serde::ser::SerializeTupleStruct;
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

/// An id that is written as text, with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hyphenated(pub Uuid);

impl Serialize for Hyphenated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Display for Hyphenated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Declares a record whose fields are written one after the other.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident<'a> { $( pub $field:ident: $type:ty, )* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the schema file documents each field; a second text would drift")]
        pub struct $name<'a> { $( pub $field: $type, )* }

        impl $name<'_> {
            /// The names of its fields, in their order.
            const FIELDS: &'static [&'static str] = &[$( stringify!($field) ),*];
        }

        impl Serialize for $name<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut record = serializer.serialize_tuple_struct(stringify!($name), Self::FIELDS.len())?;
                $( record.serialize_field(&self.$field)?; )*
                record.end()
            }
        }
    };
}

record! {
    /// The value of a status record: `schemas/OrderStatusChanged.avsc`.
    pub struct OrderStatusChanged<'a> {
        pub event_id: Hyphenated,
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
}

record! {
    /// One line of a status record.
    pub struct OrderLine<'a> {
        pub line_id: &'a str,
        pub sku: Option<&'a str>,
        pub ordered: i64,
        pub reserved: i64,
        pub shipped: i64,
        pub delivered: i64,
        pub returned: i64,
    }
}

record! {
    /// One thing that is owed, in a status record.
    pub struct Owed<'a> {
        pub kind: Symbol,
        pub id: &'a str,
        pub amount_minor: Option<i64>,
        pub currency: Option<&'a str>,
        pub lines: Vec<OwedLine<'a>>,
    }
}

record! {
    /// One line that is to be released.
    pub struct OwedLine<'a> {
        pub line_id: &'a str,
        pub quantity: i64,
    }
}

record! {
    /// The fact that led to a record.
    pub struct Cause<'a> {
        pub event_id: &'a str,
        pub topic: Option<&'a str>,
        pub partition: Option<i32>,
        pub offset: Option<i64>,
        pub kind: &'a str,
    }
}

record! {
    /// The value of a command record: `schemas/OrderCommand.avsc`.
    pub struct OrderCommand<'a> {
        pub command_id: Hyphenated,
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
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::publish::encode::{COMMAND_SCHEMA, STATUS_SCHEMA};

    /// Each record of a schema: its name, and the names of its fields.
    fn records(schema: &Json, found: &mut Vec<(String, Vec<String>)>) {
        let text = |of: &Json| of.as_str().expect("a name is a text").to_owned();
        match schema {
            Json::Array(branches) => branches.iter().for_each(|branch| records(branch, found)),
            Json::Object(schema) => {
                if let Some(fields) = schema.get("fields").and_then(Json::as_array) {
                    found.push((text(&schema["name"]), fields.iter().map(|field| text(&field["name"])).collect()));
                    fields.iter().for_each(|field| records(&field["type"], found));
                }
                schema.get("items").into_iter().for_each(|items| records(items, found));
            }
            _ => {}
        }
    }

    fn written(schema: &str) -> Vec<(String, Vec<String>)> {
        let mut found = Vec::new();
        records(&serde_json::from_str(schema).expect("a schema file is JSON"), &mut found);
        found
    }

    #[test]
    fn a_record_has_the_fields_of_its_schema_in_their_order() {
        let line = ("OwedLine", OwedLine::FIELDS);
        let status = [
            ("OrderStatusChanged", OrderStatusChanged::FIELDS),
            ("OrderLine", OrderLine::FIELDS),
            ("Owed", Owed::FIELDS),
            line,
            ("Cause", Cause::FIELDS),
        ];
        let command = [("OrderCommand", OrderCommand::FIELDS), line, ("Cause", Cause::FIELDS)];
        for (schema, ours) in [(STATUS_SCHEMA, &status[..]), (COMMAND_SCHEMA, &command[..])] {
            let ours: Vec<(String, Vec<String>)> = ours
                .iter()
                .map(|(name, fields)| ((*name).to_owned(), fields.iter().map(|field| (*field).to_owned()).collect()))
                .collect();
            assert_eq!(written(schema), ours);
        }
    }
}
