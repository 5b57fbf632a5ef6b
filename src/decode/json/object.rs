//! From the members of a JSON object to one of our flat structs.
//!
//! For objects of files, which a parser has read, and of records, which stand there as text. Invariant: each name once, each
//! field of its type, and a refusal has the path of its field. A name of our own that is misspelt is never passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::decode::avro::shortened;
use crate::decode::flatten::DEPTH_MAX;
use crate::decode::refusal::{Quoted, Reason, Refusal};
use crate::decode::wire::{Line, Mistyped, Object};

/// The members of an object in the order in which they stand there.
pub(in crate::decode) type Members<'a, N> = Vec<(Cow<'a, str>, N)>;

/// What becomes of a name that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is refused: a person wrote it, and mistyped.
    Refused,
    /// It is passed over, as one that a newer producer's Avro schema has. But one that is ours in other letters, `amountMinor`,
    /// is refused: no release will ever have two names that alike, and an optional field would be lost without a word.
    PassedOver,
}

/// A value of an object, however it is held.
pub(super) trait Node<'a>: Copy + fmt::Display + IntoDeserializer<'a, serde_json::Error> {
    /// Its members, if it is an object.
    fn members(self) -> Option<Members<'a, Self>>;
    /// Its elements, if it is a list.
    fn elements(self) -> Option<Vec<Self>>;
    /// Whether it says nothing.
    fn says_null(self) -> bool;
    /// Whether more than [`DEPTH_MAX`] lists and objects stand in each other.
    fn nests_too_deep(self) -> bool;
}

impl<'a> Node<'a> for &'a Value {
    fn members(self) -> Option<Members<'a, Self>> {
        Some(self.as_object()?.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value)).collect())
    }

    fn elements(self) -> Option<Vec<Self>> {
        Some(self.as_array()?.iter().collect())
    }

    fn says_null(self) -> bool {
        self.is_null()
    }

    /// The parser that made it has a bound of its own.
    fn nests_too_deep(self) -> bool {
        false
    }
}

impl<'a> Node<'a> for &'a RawValue {
    fn members(self) -> Option<Members<'a, Self>> {
        members_of(self.get()).ok()
    }

    fn elements(self) -> Option<Vec<Self>> {
        serde_json::from_str(self.get()).ok()
    }

    fn says_null(self) -> bool {
        self.get() == "null"
    }

    fn nests_too_deep(self) -> bool {
        if !self.get().starts_with(['[', '{']) {
            return false;
        }
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        for byte in self.get().bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = !in_text,
                b'[' | b'{' if !in_text => depth += 1,
                b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_MAX {
                return true;
            }
        }
        false
    }
}

/// The members of a text that is one object and nothing else.
///
/// # Errors
/// What keeps it from being one, and where.
pub(in crate::decode) fn members_of(text: &str) -> Result<Members<'_, &RawValue>, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let members = parser.deserialize_map(MembersVisitor)?;
    parser.end()?;
    Ok(members)
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Members<'a, &'a RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// A name, borrowed where it stands in the text without escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a record: one of our flat structs, from its members.
///
/// # Errors
/// What is missing, mistyped, misspelt or there twice.
pub(super) fn read<'a, R: Object, N: Node<'a>>(members: &Members<'a, N>, unknown: Unknown) -> Result<R, Refusal> {
    let known = ours::<R, N>(members, unknown, "")?;
    let lines = known.iter().find(|(name, _)| *name == "lines").and_then(|(_, lines)| lines.elements());
    for (index, line) in lines.into_iter().flatten().enumerate() {
        let path = format!("lines[{index}]");
        let members = line.members();
        let members = members.ok_or_else(|| Refusal::bad_value(path.clone(), line, "write an object for each line"))?;
        let known = ours::<Line, N>(&members, unknown, &format!("{path}."))?;
        // The list is read as a whole below; here alone it is known which of its lines is wrong.
        check_types::<Line, N>(&known, &format!("{path}."))?;
    }
    let fields = MapDeserializer::new(known.iter().copied());
    R::deserialize(fields).map_err(|error| match check_types::<R, N>(&known, "") {
        Err(refusal) => refusal,
        Ok(()) => Refusal::new(Reason::BadValue, shortened(&without_place(&error))),
    })
}

/// Those members that we have a field for: each name once, none that is refused, all that are required.
fn ours<'a, R: Object, N: Node<'a>>(
    members: &Members<'a, N>,
    unknown: Unknown,
    path: &str,
) -> Result<Vec<(&'static str, N)>, Refusal> {
    let mut known: Vec<(&'static str, N)> = Vec::with_capacity(members.len().min(R::FIELDS.len()));
    let mut others: Vec<&str> = Vec::new();
    for (name, value) in members {
        if value.nests_too_deep() {
            let field = format!("{path}{}", Quoted(name));
            let text = format!("`{field}` nests deeper than {DEPTH_MAX}: leave it out, nothing of ours is deep");
            return Err(Refusal { reason: Reason::BadValue, field: Some(field.into()), text });
        }
        match R::FIELDS.iter().find(|field| **field == name.as_ref()) {
            Some(field) if known.iter().any(|(earlier, _)| earlier == field) => return Err(twice(name, path)),
            Some(field) => known.push((field, *value)),
            None => {
                check_other(name, R::FIELDS, unknown, path)?;
                others.push(name);
            }
        }
    }
    others.sort_unstable();
    if let Some(pair) = others.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(twice(pair[0], path));
    }
    let says = |field: &str| known.iter().any(|(name, value)| *name == field && !value.says_null());
    match R::REQUIRED.iter().find(|field| !says(field)) {
        Some(field) => Err(Refusal::missing(format!("{path}{field}"), R::NEEDED_BY)),
        None => Ok(known),
    }
}

/// Checks a name that is none of ours.
fn check_other(name: &str, fields: &[&'static str], unknown: Unknown, path: &str) -> Result<(), Refusal> {
    let nearest = match unknown {
        Unknown::PassedOver => match alike(name, fields) {
            Some(field) => Some(field),
            None => return Ok(()),
        },
        Unknown::Refused => {
            let likeness = |field: &&&str| strsim::jaro_winkler(name, field);
            fields.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).copied()
        }
    };
    let nearest = nearest.map_or(String::new(), |nearest| format!(": did you mean `{path}{nearest}`?"));
    let field = format!("{path}{}", Quoted(name));
    let text = format!("`{field}` is not a field of this topic's events{nearest}");
    Err(Refusal { reason: Reason::BadValue, field: Some(field.into()), text })
}

/// The field that a name is but for case and for what stands between words.
fn alike(name: &str, fields: &[&'static str]) -> Option<&'static str> {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    fields.iter().find(|field| field.bytes().filter(|byte| *byte != b'_').eq(letters.bytes())).copied()
}

/// The refusal of a name that stands in its object again.
pub(super) fn twice(name: &str, path: &str) -> Refusal {
    let field = format!("{path}{}", Quoted(name));
    let text = format!("`{field}` is there twice, and nobody can tell which of the two is meant: write it once");
    Refusal { reason: Reason::BadValue, field: Some(field.into()), text }
}

/// Checks every field's type by itself, for a refusal that names the one that is wrong.
fn check_types<'a, R: Object, N: Node<'a>>(known: &[(&'static str, N)], path: &str) -> Result<(), Refusal> {
    known.iter().try_for_each(|(name, value)| {
        R::check_type(name, value.into_deserializer()).map_err(|Mistyped { error, wanted }| {
            // That it is of another type, its value shows already; what else is wrong with it, only the parser says.
            let why = if error.is_data() { String::new() } else { format!("{}: ", without_place(&error)) };
            Refusal::bad_value(format!("{path}{name}"), value, format_args!("{why}write {wanted}"))
        })
    })
}

/// What the parser says, without the line and column that it counts within one value.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}
