//! Writes the seeds that every run of a target begins with: the events of the worked examples, as records.
//!
//! One record of each kind under each form of its schema and as JSON, each named example whole, and values framed in every way there
//! is.
//! Invariant: the same files for the same examples, so a run of this changes nothing unless they or the schemas did.
//!
//! usage: seeds DIRECTORY

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use orderstream_fuzz::decode::framing;
use orderstream_fuzz::decode::stocked::{Form, id, writer};
use orderstream_fuzz::order::Source;
use serde_json::Value as Json;

/// The input topics, in the order of the targets' first byte.
const TOPICS: [Source; 4] = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order];
/// The most named examples that become seeds of folds.
const FOLDS: usize = 48;

fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).context("usage: seeds DIRECTORY")?);
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let examples: Vec<Json> = serde_json::from_str(include_str!("../../scenarios/named.json"))?;
    let mut kinds: BTreeMap<(Source, String), Json> = BTreeMap::new();
    for (number, example) in examples.iter().enumerate() {
        let mut fold = Vec::new();
        for event in ["events", "after"].iter().filter_map(|part| example[part].as_array()).flatten() {
            let Some((topic, source)) = topic(event) else { continue };
            // What no producer could write is left out.
            let Ok(body) = body(source, Form::Ours, event) else { continue };
            fold.push(u8::try_from(topic)?);
            fold.extend_from_slice(&u16::try_from(body.len())?.to_be_bytes());
            fold.extend_from_slice(&body);
            let kind = event["kind"].as_str().unwrap_or_default().to_owned();
            kinds.entry((source, kind)).or_insert_with(|| event.clone());
        }
        if number < FOLDS && !fold.is_empty() {
            write(&directory, "fold", &format!("example-{number:02}"), &fold)?;
        }
    }
    for ((source, kind), event) in &kinds {
        for form in [Form::Ours, Form::Foreign] {
            let input = [vec![form as u8], body(*source, form, event)?].concat();
            let name = format!("{}-{}", kind.to_lowercase(), format!("{form:?}").to_lowercase());
            write(&directory, source.as_str(), &name, &input)?;
        }
        let topic = TOPICS.iter().position(|topic| topic == source).context("an input topic")?;
        let text = [&[u8::try_from(topic)?][..], event.to_string().as_bytes()].concat();
        write(&directory, "json", &kind.to_lowercase(), &text)?;
    }
    let ((source, _), event) = kinds.first_key_value().context("an example has an event")?;
    framed(&directory, *source, event)
}

/// Values with their schema's id in front, in a header, by GUID, and not at all.
fn framed(directory: &Path, source: Source, event: &Json) -> Result<()> {
    let body = body(source, Form::Ours, event)?;
    let mut prefix = Vec::new();
    framing::frame(id(source, Form::Ours), &mut prefix);
    for (name, parts) in [
        ("prefixed", [&[255][..], &prefix, &body]),
        ("by-header", [&[5], &prefix, &body]),
        ("by-guid", [&[17], &[1; 17], &body]),
        ("by-empty-header", [&[0], &[], &body]),
        ("short", [&[255], &prefix[..4], &[]]),
        ("json", [&[255], b"{\"kind\":", b"\"PLACED\"}"]),
    ] {
        write(directory, "framing", name, &parts.concat())?;
    }
    Ok(())
}

fn topic(event: &Json) -> Option<(usize, Source)> {
    let topic = TOPICS.iter().position(|source| event["topic"] == source.as_str())?;
    Some((topic, TOPICS[topic]))
}

/// The event as a producer with this form of the schema would write it.
fn body(source: Source, form: Form, event: &Json) -> Result<Vec<u8>> {
    let mut fields = event.clone();
    fields.as_object_mut().context("an event is an object")?.remove("topic");
    let (schema, _) = writer(source, form);
    let datum = datum(&fields).resolve(schema).with_context(|| format!("{event}"))?;
    Ok(GenericDatumWriter::builder(schema).build()?.write_value_to_vec(datum)?)
}

fn datum(json: &Json) -> Datum {
    match json {
        Json::Null => Datum::Null,
        Json::Bool(is) => Datum::Boolean(*is),
        Json::Number(number) => Datum::Long(number.as_i64().unwrap_or_default()),
        Json::String(text) => Datum::String(text.clone()),
        Json::Array(items) => Datum::Array(items.iter().map(datum).collect()),
        Json::Object(members) => Datum::Map(members.iter().map(|(name, json)| (name.clone(), datum(json))).collect()),
    }
}

fn write(directory: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = directory.join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes).with_context(|| format!("`{name}` cannot be written"))
}
