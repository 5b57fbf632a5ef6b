//! A writer's schema without references: every named type stands where it is used.
//!
//! Decoding then needs no table of names, and a schema that contains itself - whose bodies could nest without end - is found
//! here, once, instead of on the stack of whoever decodes. Invariant: what comes out holds no `Schema::Ref` and is bounded.

use apache_avro::Schema;
use apache_avro::schema::{Name, NamesRef, UnionSchema};

/// How deep types may nest in a writer's schema, and values in a field of JSON.
pub(super) const DEPTH_MAX: usize = 32;
/// How many types a writer's schema may consist of once references are replaced.
const TYPES_MAX: usize = 4_000;

/// Puts the named types of `schema`, and of the `referenced` schemas that it uses, where they are used.
///
/// # Errors
/// A text that says which type is recursive, unknown, or too much.
pub fn flatten(schema: &Schema, referenced: &[Schema]) -> Result<Schema, String> {
    let mut names = NamesRef::new();
    for referenced in referenced {
        define(referenced, &mut names);
    }
    define(schema, &mut names);
    let mut flattening = Flattening { names, open: Vec::new(), types: 0 };
    flattening.flat(schema, 0)
}

struct Flattening<'n> {
    names: NamesRef<'n>,
    /// The records that the current type is inside of.
    open: Vec<Name>,
    types: usize,
}

impl Flattening<'_> {
    fn flat(&mut self, schema: &Schema, depth: usize) -> Result<Schema, String> {
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(format!("it consists of more than {TYPES_MAX} types"));
        }
        if depth > DEPTH_MAX {
            return Err(format!("its types nest deeper than {DEPTH_MAX}"));
        }
        match schema {
            Schema::Ref { name } => self.named(name, depth),
            Schema::Record(record) => {
                self.open.push(record.name.clone());
                let mut flat = record.clone();
                for field in &mut flat.fields {
                    field.schema = self.flat(&field.schema, depth + 1)?;
                }
                self.open.pop();
                Ok(Schema::Record(flat))
            }
            Schema::Array(array) => {
                let mut flat = array.clone();
                *flat.items = self.flat(&array.items, depth + 1)?;
                Ok(Schema::Array(flat))
            }
            Schema::Map(map) => {
                let mut flat = map.clone();
                *flat.types = self.flat(&map.types, depth + 1)?;
                Ok(Schema::Map(flat))
            }
            Schema::Union(union) => {
                let variants: Result<Vec<Schema>, String> =
                    union.variants().iter().map(|variant| self.flat(variant, depth + 1)).collect();
                UnionSchema::new(variants?).map(Schema::Union).map_err(|error| error.to_string())
            }
            leaf => Ok(leaf.clone()),
        }
    }

    fn named(&mut self, name: &Name, depth: usize) -> Result<Schema, String> {
        if self.open.contains(name) {
            return Err(format!("its type `{name}` contains itself"));
        }
        let definition = *self.names.get(name).ok_or_else(|| format!("its type `{name}` is not defined"))?;
        self.flat(definition, depth)
    }
}

/// Collects what is defined where; the order of definitions does not matter. The JSON parser bounds the depth.
fn define<'s>(schema: &'s Schema, names: &mut NamesRef<'s>) {
    match schema {
        Schema::Ref { .. } => return,
        Schema::Array(array) => define(&array.items, names),
        Schema::Map(map) => define(&map.types, names),
        Schema::Union(union) => union.variants().iter().for_each(|variant| define(variant, names)),
        Schema::Record(record) => record.fields.iter().for_each(|field| define(&field.schema, names)),
        _ => {}
    }
    if let Some(name) = schema.name() {
        names.insert(name.clone(), schema);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flattened(json: &str, referenced: &[&str]) -> Result<Schema, String> {
        let (schema, referenced) = Schema::parse_str_with_list(json, referenced).expect("schemas of these tests");
        flatten(&schema, &referenced)
    }

    #[test]
    fn a_type_that_is_used_twice_stands_in_both_places() {
        let flat = flattened(
            r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
                {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X"]}},
                {"name": "b", "type": ["null", "E"]}]}"#,
            &[],
        );
        let text = format!("{:?}", flat.expect("a flat schema"));
        assert_eq!(text.matches("EnumSchema").count(), 2, "{text}");
        assert!(!text.contains("Ref {"), "{text}");
    }

    #[test]
    fn types_of_referenced_schemas_are_found_in_any_order() {
        let line = r#"{"type": "record", "name": "n.Line", "fields": [{"name": "of", "type": "n.Unit"}]}"#;
        let unit = r#"{"type": "enum", "name": "n.Unit", "symbols": ["PIECE"]}"#;
        let main = r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
            {"name": "lines", "type": {"type": "array", "items": "Line"}}]}"#;
        for referenced in [[line, unit], [unit, line]] {
            let text = format!("{:?}", flattened(main, &referenced).expect("a flat schema"));
            assert!(text.contains("PIECE") && !text.contains("Ref {"), "{text}");
        }
    }

    #[test]
    fn a_schema_that_contains_itself_is_refused() {
        let list = r#"{"type": "record", "name": "List", "fields": [
            {"name": "next", "type": ["null", {"type": "array", "items": "List"}]}]}"#;
        assert_eq!(flattened(list, &[]), Err("its type `List` contains itself".to_owned()));
    }

    #[test]
    fn a_schema_that_grows_without_end_is_refused() {
        let mut fields = vec![r#"{"name": "f0", "type": {"type": "record", "name": "R0", "fields": []}}"#.to_owned()];
        for n in 1..20 {
            fields.push(format!(
                r#"{{"name": "f{n}", "type": {{"type": "record", "name": "R{n}", "fields": [
                    {{"name": "a", "type": "R{0}"}}, {{"name": "b", "type": "R{0}"}}]}}}}"#,
                n - 1
            ));
        }
        let bomb = format!(r#"{{"type": "record", "name": "Bomb", "fields": [{}]}}"#, fields.join(","));
        let error = flattened(&bomb, &[]).expect_err("a bomb");
        assert!(error.contains("more than 4000 types"), "{error}");
    }

    #[test]
    fn a_schema_that_nests_too_deep_is_refused() {
        let deep = (0..40).fold(r#""long""#.to_owned(), |inner, _| format!(r#"{{"type": "array", "items": {inner}}}"#));
        let deep = format!(r#"{{"type": "record", "name": "Deep", "fields": [{{"name": "a", "type": {deep}}}]}}"#);
        let error = flattened(&deep, &[]).expect_err("a deep schema");
        assert!(error.contains("deeper than 32"), "{error}");
    }
}
