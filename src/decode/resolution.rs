//! Whether, and how, what a producer wrote with its schema can be read as our record: the rules of Avro's schema resolution.
//!
//! Decided once per schema, so that a body can only be wrong in itself. Nearly every producer writes our types with fields
//! added or left out, and its bodies go straight into our structs. The rest goes the long way round, through the library's
//! own values. Invariant: a type that would change a meaning (milliseconds for microseconds) fits neither way.

use apache_avro::Schema;
use apache_avro::schema::{RecordSchema, UnionSchema};

/// How bodies of a schema get into our struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Straight from the bytes, with the writer's schema alone.
    Direct,
    /// Through a value tree that the library resolves against our schema: about ten times slower.
    Resolved,
}

/// Tells how bodies of `theirs` are read as `ours`. Both hold no references.
///
/// # Errors
/// A text that names the field and both types where they do not fit.
pub fn route(ours: &RecordSchema, theirs: &RecordSchema) -> Result<Route, String> {
    record(ours, theirs, "")
}

fn record(ours: &RecordSchema, theirs: &RecordSchema, path: &str) -> Result<Route, String> {
    let mut slowest = direct_if(ours.name.name() == theirs.name.name());
    for field in &ours.fields {
        let path = format!("{path}{}", field.name);
        match theirs.fields.iter().find(|their| their.name == field.name) {
            Some(their) => slowest = slowest.max(fit(&field.schema, &their.schema, &path)?),
            None if field.default.is_some() => {}
            None => return Err(format!("it lacks the field `{path}`, which has no default")),
        }
    }
    let added = theirs.fields.iter().filter(|their| !ours.lookup.contains_key(&their.name));
    for field in added {
        slowest = slowest.max(skipping(&field.schema));
    }
    Ok(slowest)
}

fn fit(ours: &Schema, theirs: &Schema, path: &str) -> Result<Route, String> {
    match (ours, theirs) {
        (Schema::Record(our), Schema::Record(their)) => record(our, their, &format!("{path}.")),
        (Schema::Array(our), Schema::Array(their)) => fit(&our.items, &their.items, &format!("{path}[]")),
        (Schema::Enum(_), Schema::Enum(_))
        | (Schema::Boolean, Schema::Boolean)
        | (Schema::Int, Schema::Int)
        | (Schema::Long, Schema::Long)
        | (Schema::TimestampMicros, Schema::TimestampMicros | Schema::Long)
        | (Schema::String, Schema::String | Schema::Uuid(apache_avro::schema::UuidSchema::String)) => Ok(Route::Direct),
        (Schema::Long, Schema::Int) | (Schema::String, Schema::Bytes) => Ok(Route::Resolved),
        (Schema::Union(our), their) => nullable(our, their, path),
        (our, Schema::Union(their)) => any_branch(our, their, path),
        _ => Err(format!("its field `{path}` is {} where we need {}", called(theirs), called(ours))),
    }
}

/// Ours is a null or one other type, as every optional field is.
fn nullable(ours: &UnionSchema, theirs: &Schema, path: &str) -> Result<Route, String> {
    let Some(content) = ours.variants().iter().find(|variant| **variant != Schema::Null) else {
        return Err(format!("our field `{path}` has no type but null"));
    };
    let Schema::Union(union) = theirs else {
        return fit(content, theirs, path).map(|_| Route::Resolved);
    };
    let mut slowest = direct_if(union.variants().len() == 2 && union.is_nullable());
    for variant in union.variants().iter().filter(|variant| **variant != Schema::Null) {
        slowest = slowest.max(fit(content, variant, path)?);
    }
    Ok(slowest)
}

/// Theirs is a union where ours is not: a body of a branch that fits can be read, any other is refused when it comes.
fn any_branch(ours: &Schema, theirs: &UnionSchema, path: &str) -> Result<Route, String> {
    let fits = theirs.variants().iter().any(|variant| fit(ours, variant, path).is_ok());
    if fits { Ok(Route::Resolved) } else { Err(format!("its field `{path}` is a union without {}", called(ours))) }
}

/// How a field that we do not know is passed over: apache-avro 0.22 cannot ignore an enum or a record on the direct route
/// (its identifiers answer `deserialize_ignored_any` with an error).
fn skipping(theirs: &Schema) -> Route {
    match theirs {
        Schema::Enum(_) | Schema::Record(_) => Route::Resolved,
        Schema::Array(array) => skipping(&array.items),
        Schema::Map(map) => skipping(&map.types),
        Schema::Union(union) => union.variants().iter().map(skipping).max().unwrap_or(Route::Direct),
        _ => Route::Direct,
    }
}

fn direct_if(usual: bool) -> Route {
    if usual { Route::Direct } else { Route::Resolved }
}

fn called(schema: &Schema) -> String {
    match schema {
        Schema::Record(record) => format!("a record `{}`", record.name),
        Schema::Enum(of) => format!("an enum `{}`", of.name),
        Schema::Array(_) => "an array".to_owned(),
        Schema::Map(_) => "a map".to_owned(),
        Schema::Union(_) => "a union".to_owned(),
        other => format!("{:?}", apache_avro::schema::SchemaKind::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The route for one field `f` of the given types.
    fn route_of(ours: &str, theirs: &str) -> Result<Route, String> {
        let ours = format!(r#"{{"name": "f", "type": {ours}}}"#);
        let theirs = format!(r#"{{"name": "f", "type": {theirs}}}"#);
        route_between(&ours, &theirs)
    }

    fn route_between(our_fields: &str, their_fields: &str) -> Result<Route, String> {
        let parse = |fields: &str| {
            let json = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
            match Schema::parse_str(&json).expect("a schema of these tests") {
                Schema::Record(record) => record,
                other => panic!("{other:?} is no record"),
            }
        };
        route(&parse(our_fields), &parse(their_fields))
    }

    const MICROS: &str = r#"{"type": "long", "logicalType": "timestamp-micros"}"#;
    const MILLIS: &str = r#"{"type": "long", "logicalType": "timestamp-millis"}"#;
    const KIND: &str = r#"{"type": "enum", "name": "Kind", "symbols": ["UNKNOWN", "A"], "default": "UNKNOWN"}"#;
    const OTHER_KIND: &str = r#"{"type": "enum", "name": "Art", "symbols": ["B", "A"]}"#;

    #[test]
    fn our_own_types_take_the_direct_route() {
        for (ours, theirs) in [
            (r#""string""#, r#""string""#),
            (r#""string""#, r#"{"type": "string", "logicalType": "uuid"}"#),
            (r#""string""#, r#"{"type": "string", "avro.java.string": "String"}"#),
            (r#"["null", "string"]"#, r#"["null", "string"]"#),
            (r#"["null", "string"]"#, r#"["string", "null"]"#),
            (MICROS, MICROS),
            (MICROS, r#""long""#),
            (KIND, OTHER_KIND),
        ] {
            assert_eq!(route_of(ours, theirs), Ok(Route::Direct), "{ours} from {theirs}");
        }
    }

    #[test]
    fn what_avro_promotes_takes_the_long_route() {
        for (ours, theirs) in [
            (r#""long""#, r#""int""#),
            (r#""string""#, r#""bytes""#),
            (r#"["null", "string"]"#, r#""string""#),
            (r#"["null", "long"]"#, r#"["null", "int", "long"]"#),
            (r#""string""#, r#"["null", "string"]"#),
        ] {
            assert_eq!(route_of(ours, theirs), Ok(Route::Resolved), "{ours} from {theirs}");
        }
    }

    #[test]
    fn a_type_that_means_something_else_is_refused_with_the_fields_name() {
        for (ours, theirs, says) in [
            (r#""string""#, r#""long""#, "its field `f` is Long where we need String"),
            (MICROS, MILLIS, "its field `f` is TimestampMillis where we need TimestampMicros"),
            (KIND, r#""string""#, "its field `f` is String where we need an enum `Kind`"),
            (r#"["null", "long"]"#, r#"["null", "double"]"#, "its field `f` is Double where we need Long"),
            (r#""long""#, r#"["null", "string"]"#, "its field `f` is a union without Long"),
        ] {
            let error = route_of(ours, theirs).expect_err("no fit");
            assert!(error.contains(says), "`{error}` does not say `{says}`");
        }
    }

    #[test]
    fn a_field_may_be_missing_if_ours_has_a_default() {
        let ours = r#"{"name": "f", "type": "long"}, {"name": "g", "type": ["null", "long"], "default": null}"#;
        assert_eq!(route_between(ours, r#"{"name": "f", "type": "long"}"#), Ok(Route::Direct));
        let error = route_between(ours, r#"{"name": "g", "type": ["null", "long"]}"#).expect_err("f is missing");
        assert_eq!(error, "it lacks the field `f`, which has no default");
    }

    #[test]
    fn a_field_may_be_added_and_with_an_enum_or_a_record_in_it_the_route_is_long() {
        let ours = r#"{"name": "f", "type": "long"}"#;
        let with = |added: &str| format!(r#"{{"name": "x", "type": {added}}}, {ours}"#);
        let map = r#"{"type": "map", "values": ["null", "double"]}"#;
        assert_eq!(route_between(ours, &with(map)), Ok(Route::Direct));
        let nested = format!(r#"["null", {{"type": "array", "items": {OTHER_KIND}}}]"#);
        assert_eq!(route_between(ours, &with(&nested)), Ok(Route::Resolved));
        let record = r#"{"type": "record", "name": "Card", "fields": []}"#;
        assert_eq!(route_between(ours, &with(record)), Ok(Route::Resolved));
    }

    #[test]
    fn a_field_of_a_nested_record_is_named_by_its_path() {
        let lines = |quantity: &str| {
            format!(
                r#"{{"type": "array", "items": {{"type": "record", "name": "Line", "fields": [
                    {{"name": "quantity", "type": {quantity}}}]}}}}"#
            )
        };
        let error = route_of(&lines(r#""int""#), &lines(r#""double""#)).expect_err("no fit");
        assert_eq!(error, "its field `f[].quantity` is Double where we need Int");
    }
}
