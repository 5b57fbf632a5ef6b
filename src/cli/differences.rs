//! What differs between two values of ours, field by field, by their JSON forms.
//!
//! For answers that a program reads, and for `verify`. Invariant: values that differ have a difference, whatever fields a later
//! release adds to them.

use serde::Serialize;
use serde_json::Value;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its name.
    pub field: String,
    /// What it was, or is in the first of the two; null where it is not there.
    pub before: Value,
    /// What it became, or is in the second.
    pub after: Value,
}

/// The fields of two objects that differ, in the order of their names.
#[must_use]
pub fn between(before: &impl Serialize, after: &impl Serialize) -> Vec<Difference> {
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let value = |fields: &serde_json::Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
    let both = names.into_iter().map(|name| (name, value(&before, name), value(&after, name)));
    let differing = both.filter(|(_, before, after)| before != after);
    differing.map(|(field, before, after)| Difference { field: field.clone(), before, after }).collect()
}

fn fields(value: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("only structs are compared, and each is a JSON object: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_differ_or_are_missing_are_named_with_both_values() {
        let found = between(&json!({"a": 1, "b": 2, "d": [1]}), &json!({"a": 1, "b": 3, "c": null, "d": [1]}));
        assert_eq!(found, [Difference { field: "b".to_owned(), before: 2.into(), after: 3.into() }]);
        let gone = between(&json!({"a": 1}), &json!({}));
        assert_eq!(gone, [Difference { field: "a".to_owned(), before: 1.into(), after: Value::Null }]);
    }
}
