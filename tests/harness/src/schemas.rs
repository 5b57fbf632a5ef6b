//! The schemas of the input topics, as they stand in `schemas/` and as a later release might have them.
//!
//! Carried in the program, so that what is sent and what is checked follow the files of this very revision.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use crate::topics::Input;
use crate::traffic::NEWER_KIND;

/// The schema of an input topic, as text.
#[must_use]
pub fn of(input: Input) -> &'static str {
    match input {
        Input::Payment => include_str!("../../../schemas/PaymentEvent.avsc"),
        Input::Inventory => include_str!("../../../schemas/InventoryEvent.avsc"),
        Input::Shipping => include_str!("../../../schemas/ShippingEvent.avsc"),
        Input::Order => include_str!("../../../schemas/OrderEvent.avsc"),
    }
}

/// The same schema as a later release might have it: with one kind more.
#[must_use]
pub fn newer(input: Input) -> String {
    let mut schema: Json = parsed(input);
    let kind = kind_field(&schema);
    let symbols = &mut schema["fields"][kind]["type"]["symbols"];
    symbols.as_array_mut().expect("an enum has symbols").push(NEWER_KIND.into());
    schema.to_string()
}

/// The same schema with one optional field more, as producers may write before anybody registered it.
#[must_use]
pub fn later(input: Input) -> String {
    let mut schema: Json = parsed(input);
    let field = json!({"name": "channel", "type": ["null", "string"], "default": null, "doc": "Where it was bought."});
    schema["fields"].as_array_mut().expect("a record has fields").push(field);
    schema.to_string()
}

/// The kinds of an input topic in the order of their numbers.
#[must_use]
pub fn kinds(input: Input) -> Vec<String> {
    let schema = parsed(input);
    let symbols = schema["fields"][kind_field(&schema)]["type"]["symbols"].as_array().expect("an enum has symbols");
    symbols.iter().filter_map(|symbol| symbol.as_str().map(str::to_owned)).collect()
}

/// The fields of an input topic's schema in the order in which they are written.
#[must_use]
pub fn fields(input: Input) -> Vec<String> {
    let schema = parsed(input);
    let fields = schema["fields"].as_array().expect("a record has fields").iter();
    fields.filter_map(|field| field["name"].as_str().map(str::to_owned)).collect()
}

/// Whether an input topic's schema has a field of that name.
#[must_use]
pub fn has_field(input: Input, name: &str) -> bool {
    static FIELDS: LazyLock<[HashSet<String>; 4]> =
        LazyLock::new(|| Input::ALL.map(|input| fields(input).into_iter().collect()));
    FIELDS[input as usize].contains(name)
}

fn parsed(input: Input) -> Json {
    serde_json::from_str(of(input)).expect("the schemas of this repository are JSON")
}

fn kind_field(schema: &Json) -> usize {
    let fields = schema["fields"].as_array().expect("a record has fields");
    fields.iter().position(|field| field["name"] == "kind").expect("every event has a kind")
}
