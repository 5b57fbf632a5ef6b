//! What we publish, against the golden vectors of `tests/golden`: the bytes that another implementation makes of the same values.
//!
//! The values come from the vectors' JSON, so a new vector needs no line here. Invariant: every symbol that a record can have
//! stands in some vector.

use bytes::Bytes;
use serde_json::Value as Json;
use uuid::Uuid;

use super::dead_letter::{Origin, dead_letter};
use super::encode::{COMMAND_SCHEMA, Encoder, STATUS_SCHEMA};
use super::names;
use super::values::{Cause, Hyphenated, OrderCommand, OrderLine, OrderStatusChanged, Owed, OwedLine, Symbol};
use crate::consume::record::{Header, Record};
use crate::decode::{Reason, Refusal};
use crate::ids::{Lane, SchemaId, Timestamp};
use crate::order::Source;

fn vectors(text: &str) -> Vec<Json> {
    serde_json::from_str(text).expect("vectors are JSON")
}

fn outputs() -> Vec<Json> {
    vectors(include_str!("../../tests/golden/outputs.json"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &Json) -> Option<Bytes> {
    let hex = hex.as_str()?;
    Some((0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect())
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Json) -> i64 {
    value.as_i64().expect("a number")
}

/// Codes are constants of the program; those of a vector live as long.
fn code(value: &Json) -> &'static str {
    text(value).to_owned().leak()
}

fn list<'a, T>(value: &'a Json, each: impl Fn(&'a Json) -> T) -> Vec<T> {
    value.as_array().expect("an array").iter().map(each).collect()
}

fn status(fields: &Json) -> OrderStatusChanged<'_> {
    let symbol = |name: &str| Symbol(code(&fields[name]));
    let amount = |name: &str| number(&fields[name]);
    OrderStatusChanged {
        event_id: Hyphenated(names::event_id(text(&fields["order_id"]), amount("order_version"))),
        order_id: text(&fields["order_id"]),
        order_version: amount("order_version"),
        status: symbol("status"),
        previous_status: fields["previous_status"].as_str().map(|_| symbol("previous_status")),
        payment: symbol("payment"),
        inventory: symbol("inventory"),
        fulfilment: symbol("fulfilment"),
        returns: symbol("returns"),
        flags: list(&fields["flags"], code),
        attention: list(&fields["attention"], code),
        cancel_reason: fields["cancel_reason"].as_str().map(|_| code(&fields["cancel_reason"])),
        currency: fields["currency"].as_str(),
        total_minor: fields["total_minor"].as_i64(),
        authorized_minor: amount("authorized_minor"),
        captured_minor: amount("captured_minor"),
        refunded_minor: amount("refunded_minor"),
        charged_back_minor: amount("charged_back_minor"),
        lines: list(&fields["lines"], line),
        owed: list(&fields["owed"], owed),
        cause: cause(&fields["cause"]),
        correlation_id: fields["correlation_id"].as_str(),
        occurred_at: amount("occurred_at"),
        changed_at: amount("changed_at"),
    }
}

fn line(line: &Json) -> OrderLine<'_> {
    OrderLine {
        line_id: text(&line["line_id"]),
        sku: line["sku"].as_str(),
        ordered: number(&line["ordered"]),
        reserved: number(&line["reserved"]),
        shipped: number(&line["shipped"]),
        delivered: number(&line["delivered"]),
        returned: number(&line["returned"]),
    }
}

fn owed(owed: &Json) -> Owed<'_> {
    Owed {
        kind: Symbol(code(&owed["kind"])),
        id: text(&owed["id"]),
        amount_minor: owed["amount_minor"].as_i64(),
        currency: owed["currency"].as_str(),
        lines: list(&owed["lines"], piece),
    }
}

fn piece(piece: &Json) -> OwedLine<'_> {
    OwedLine { line_id: text(&piece["line_id"]), quantity: number(&piece["quantity"]) }
}

fn cause(cause: &Json) -> Option<Cause<'_>> {
    cause.is_object().then(|| Cause {
        event_id: text(&cause["event_id"]),
        topic: cause["topic"].as_str(),
        partition: cause["partition"].as_i64().map(|partition| i32::try_from(partition).expect("an int")),
        offset: cause["offset"].as_i64(),
        kind: text(&cause["kind"]),
    })
}

fn command(fields: &Json) -> OrderCommand<'_> {
    let (order_id, kind, entity_id) = (text(&fields["order_id"]), code(&fields["kind"]), text(&fields["entity_id"]));
    OrderCommand {
        command_id: Hyphenated(names::command_id(order_id, kind, entity_id)),
        order_id,
        kind: Symbol(kind),
        entity_id,
        amount_minor: fields["amount_minor"].as_i64(),
        currency: fields["currency"].as_str(),
        lines: list(&fields["lines"], piece),
        reason: fields["reason"].as_str().map(|_| code(&fields["reason"])),
        attempt: i32::try_from(number(&fields["attempt"])).expect("an int"),
        issued_at: number(&fields["issued_at"]),
        cause: cause(&fields["cause"]),
    }
}

#[test]
fn every_record_is_the_bytes_that_another_implementation_makes_of_it() {
    for vector in outputs() {
        let (fields, mut value) = (&vector["fields"], Vec::new());
        let id = SchemaId(u32::try_from(number(&vector["schema_id"])).expect("an id"));
        let encoder = Encoder::new(id, Some(id));
        let own_id = match text(&vector["record"]) {
            "OrderStatusChanged" => encoder.encode_status(&status(fields), &mut value).map(|()| "event_id"),
            _ => encoder.encode_command(&command(fields), &mut value).map(|()| "command_id"),
        };
        assert_eq!(hex(&value), text(&vector["hex"]), "{fields}");
        // The encoded one was computed here, the one in the vector by somebody else.
        let own_id = text(&fields[own_id.expect("encoded")]);
        assert!(own_id.parse::<Uuid>().is_ok_and(|id| value.windows(36).any(|w| w == id.to_string().as_bytes())));
        assert_eq!(vector["key"], fields["order_id"]);
    }
}

/// All enums of a schema with their symbols, but UNKNOWN, which is never sent.
fn enums(schema: &Json, found: &mut Vec<(String, Vec<String>)>) {
    match schema {
        Json::Object(object) => {
            if let Some(symbols) = object.get("symbols") {
                let symbols = list(symbols, text).into_iter().skip(1).map(str::to_owned).collect();
                found.push((text(&object["name"]).to_owned(), symbols));
            }
            object.values().for_each(|part| enums(part, found));
        }
        Json::Array(parts) => parts.iter().for_each(|part| enums(part, found)),
        _ => {}
    }
}

#[test]
fn every_symbol_of_every_record_stands_in_a_vector() {
    let field = |name: &str| match name {
        "OrderStatus" => "status",
        "PaymentStatus" => "payment",
        "InventoryStatus" => "inventory",
        "FulfilmentStatus" => "fulfilment",
        "ReturnsStatus" => "returns",
        "CommandKind" => "kind",
        other => panic!("`{other}` is a new enum: say here which field has it, and add it to tests/golden/make.py"),
    };
    for (record, schema) in [("OrderStatusChanged", STATUS_SCHEMA), ("OrderCommand", COMMAND_SCHEMA)] {
        let mut found = Vec::new();
        enums(&serde_json::from_str(schema).expect("a schema is JSON"), &mut found);
        // What is owed has the kinds of commands; the vectors of commands have all of them.
        found.retain(|(name, _)| record == "OrderCommand" || name != "CommandKind");
        assert!(!found.is_empty());
        let of_record: Vec<Json> = outputs().into_iter().filter(|vector| vector["record"] == record).collect();
        for (name, symbols) in found {
            for symbol in symbols {
                let is_there = of_record.iter().any(|vector| vector["fields"][field(&name)] == *symbol);
                assert!(is_there, "{record}: no vector has the {name} {symbol}");
            }
        }
    }
}

fn headers(value: &Json) -> Vec<Header> {
    list(value, |header| (text(&header[0]).to_owned(), bytes(&header[1])))
}

#[test]
fn a_dead_letter_has_the_headers_that_the_vectors_say_and_is_else_the_record() {
    for vector in vectors(include_str!("../../tests/golden/dead_letters.json")) {
        let refused = &vector["refused"];
        let record = Record {
            source: Source::Payment,
            lane: Lane(i32::try_from(number(&refused["partition"])).expect("an int")),
            offset: number(&refused["offset"]),
            timestamp: Timestamp(number(&refused["timestamp_micros"])),
            key: bytes(&refused["key"]),
            value: bytes(&refused["value"]),
            headers: Ok(headers(&refused["headers"])),
        };
        let reason: Reason = serde_json::from_value(vector["reason"].clone()).expect("a reason");
        let origin = Origin {
            topic: text(&refused["topic"]),
            schema_id: crate::decode::framing::unframe(&record).ok().map(|framed| framed.schema),
            attempts: 1,
            refused_at: Timestamp(number(&vector["refused_at_micros"])),
        };
        let refusal = Refusal::new(reason, text(&vector["explanation"]));
        let letter = dead_letter("dead", (&record, &refusal), origin, 1000);
        assert_eq!(letter.headers, headers(&vector["headers"]));
        assert_eq!((letter.key, letter.value, letter.timestamp), (record.key, record.value, Some(record.timestamp)));
    }
}
