//! The document of all topics, `deploy/asyncapi.yaml`, says what the schemas, the settings and the code say. Without a network.
//!
//! The file is read as what it is written as: names by indentation, one a line. Invariant: what is not understood is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use orderstream::consume::record::{HEADERS_MAX, Header, HeadersLost, Record};
use orderstream::decode::{Format, Reason, Refusal, framing};
use orderstream::ids::{Lane, SchemaId, Timestamp};
use orderstream::order::Source;
use orderstream::publish::cloud_events::CloudEvents;
use orderstream::publish::dead_letter::{Origin, dead_letter};
use orderstream::publish::names;
use orderstream::publish::trace::{TRACEPARENT, TRACESTATE};
use orderstream::publish::values::{Hyphenated, OrderCommand, Symbol};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every scalar of the document by the names above it, and every list as its items.
struct Document {
    scalars: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
}

impl Document {
    fn read() -> Self {
        let (mut scalars, mut lists) = (BTreeMap::new(), BTreeMap::<String, Vec<String>>::new());
        let mut above: Vec<(usize, String)> = Vec::new();
        // The indentation of the key whose text goes on over the next lines.
        let mut in_text: Option<usize> = None;
        for line in text("deploy/asyncapi.yaml").lines() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if trimmed.is_empty() || trimmed.starts_with('#') || in_text.is_some_and(|key| indent > key) {
                continue;
            }
            in_text = None;
            above.retain(|(earlier, _)| *earlier < indent);
            let path =
                |above: &[(usize, String)]| above.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join("/");
            if let Some(item) = trimmed.strip_prefix("- ") {
                lists.entry(path(&above)).or_default().push(item.trim_matches('\'').to_owned());
                continue;
            }
            let (key, value) = trimmed.split_once(':').unwrap_or_else(|| panic!("`{line}` is no `name: value`"));
            above.push((indent, key.to_owned()));
            match value.trim() {
                "" => {}
                "|" => in_text = Some(indent),
                value => _ = scalars.insert(path(&above), value.trim_matches('\'').to_owned()),
            }
        }
        Self { scalars, lists }
    }

    fn scalar(&self, path: &str) -> &str {
        self.scalars.get(path).unwrap_or_else(|| panic!("the document has no `{path}`"))
    }

    fn list(&self, path: &str) -> BTreeSet<&str> {
        self.lists
            .get(path)
            .unwrap_or_else(|| panic!("the document has no `{path}`"))
            .iter()
            .map(String::as_str)
            .collect()
    }

    /// The names right below a path.
    fn below(&self, path: &str) -> BTreeSet<&str> {
        let paths = self.scalars.keys().chain(self.lists.keys());
        let below = paths.filter_map(|one| one.strip_prefix(path)?.strip_prefix('/')?.split('/').next());
        below.collect()
    }
}

/// Whether a setting of the topics' section is about what is in them and no name.
fn is_about_records(setting: &str) -> bool {
    setting == "cloud_events_source" || setting.ends_with("_format")
}

/// The topics' names by their settings: defaults, or what the example suggests.
fn topics() -> BTreeMap<String, String> {
    let example = text("deploy/orderstream.example.toml");
    let section = example.split("\n[topics]\n").nth(1).expect("a section of topics");
    let section = section.split("\n[").next().expect("it ends somewhere");
    let settings = section.lines().filter_map(|line| line.trim_start_matches('#').split_once(" = "));
    let topics = settings.filter(|(key, value)| value.starts_with('"') && !is_about_records(key));
    topics.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[test]
fn its_channels_are_the_topics_and_its_messages_the_records() {
    let document = Document::read();
    let channels = [
        ("payment", "payments", "PaymentEvent", "input"),
        ("inventory", "inventory", "InventoryEvent", "input"),
        ("shipping", "shipping", "ShippingEvent", "input"),
        ("order", "orders", "OrderEvent", "input"),
        ("status", "orderStatus", "OrderStatusChanged", "output"),
        ("command", "orderCommands", "OrderCommand", "output"),
        ("dead_letter", "orderDeadLetters", "DeadLetter", ""),
    ];
    let topics = topics();
    assert_eq!(topics.keys().map(String::as_str).collect::<BTreeSet<_>>(), channels.map(|channel| channel.0).into());
    assert_eq!(document.below("channels"), channels.map(|channel| channel.1).into());
    assert_eq!(document.below("components/messages"), channels.map(|channel| channel.2).into());
    for (setting, channel, message, direction) in channels {
        let of_channel = format!("channels/{channel}");
        for name in ["address", "bindings/kafka/topic"] {
            assert_eq!(document.scalar(&format!("{of_channel}/{name}")), topics[setting], "{channel}");
        }
        assert_eq!(document.below(&format!("{of_channel}/messages")), [message].into());
        let verb = if direction == "input" { "receive" } else { "send" };
        assert_eq!(document.scalar(&format!("operations/{verb}{message}/action")), verb);
        if direction.is_empty() {
            continue;
        }
        let of_message = format!("components/messages/{message}");
        let traits = document.list(&format!("{of_message}/traits"));
        assert_eq!(traits, [format!("$ref: '#/components/messageTraits/{direction}").as_str()].into());
        let file = document.scalar(&format!("{of_message}/payload/schema/$ref")).strip_prefix("../").expect("a file");
        let schema: serde_json::Value = serde_json::from_str(&text(file)).expect("a schema is JSON");
        assert_eq!((schema["name"].as_str(), document.scalar(&format!("{of_message}/name"))), (Some(message), message));
    }
}

fn names_of(headers: &[Header]) -> BTreeSet<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn inputs_are_in_avro_or_json_and_outputs_in_avro_alone() {
    let document = Document::read();
    let of = |direction: &str, name: &str| {
        document.scalar(&format!("components/messageTraits/{direction}/{name}")).to_owned()
    };
    assert_eq!(of("input", "contentType"), "application/vnd.apache.avro");
    assert_eq!(of("input", "x-content-type-of-json-topics"), "application/json");
    assert_eq!(of("output", "contentType"), "application/vnd.apache.avro");
    assert_eq!(Format::WORDS, ["avro", "json"], "a new form of values is new here too");
    let settings = text("deploy/orderstream.example.toml");
    let said = text("deploy/asyncapi.yaml");
    for input in ["payment", "inventory", "shipping", "order"] {
        assert!(settings.contains(&format!("#{input}_format = \"avro\"\n")), "{input}");
    }
    assert!(said.contains("`topics.payment_format = \"json\"`, likewise for inventory, shipping and order"));
}

#[test]
fn the_headers_of_events_and_commands_are_those_that_the_code_reads_and_writes() {
    let document = Document::read();
    let inputs = document.below("components/messageTraits/input/headers/properties");
    assert_eq!(inputs, [framing::SCHEMA_ID_HEADER, TRACEPARENT, TRACESTATE].into());
    let command = OrderCommand {
        command_id: Hyphenated(names::command_id("o", "VOID_PAYMENT", "a")),
        order_id: "o",
        kind: Symbol("VOID_PAYMENT"),
        entity_id: "a",
        amount_minor: None,
        currency: None,
        lines: Vec::new(),
        reason: None,
        attempt: 1,
        issued_at: 0,
        cause: None,
    };
    let headers = CloudEvents::from_source("/test").of_command(&command);
    let mut expected = names_of(&headers);
    expected.extend([TRACEPARENT, TRACESTATE]);
    let properties = "components/messageTraits/output/headers/properties";
    assert_eq!(document.below(properties), expected);
    let value = |name: &str| {
        let (_, value) = headers.iter().find(|(key, _)| key == name).expect("a header");
        String::from_utf8(value.as_ref().expect("a value").to_vec()).expect("UTF-8")
    };
    for name in ["ce_specversion", "content-type"] {
        assert_eq!(document.scalar(&format!("{properties}/{name}/const")), value(name));
    }
    assert!(document.list(&format!("{properties}/ce_type/enum")).contains(value("ce_type").as_str()));
}

/// The names of a dead letter's own headers: of a record like this, with so many bytes to go out at most.
fn letter(record: &Record, schema_id: Option<SchemaId>, max_bytes: usize) -> BTreeSet<String> {
    let origin = Origin { topic: "payments", schema_id, attempts: 1, refused_at: Timestamp(1) };
    let letter = dead_letter("dead", (record, &Refusal::new(Reason::BadAvro, "torn")), origin, max_bytes);
    names_of(&letter.headers).into_iter().filter(|name| *name != "own").map(str::to_owned).collect()
}

#[test]
fn the_headers_and_reasons_of_dead_letters_are_those_that_the_code_writes() {
    let document = Document::read();
    let record = Record {
        source: Source::Payment,
        lane: Lane(0),
        offset: 0,
        timestamp: Timestamp(1),
        key: Some(Bytes::from(vec![b'k'; 5000])),
        value: Some(Bytes::from(vec![0; 5000])),
        headers: Ok(vec![("own".to_owned(), Some(Bytes::from(vec![0; 5000])))]),
    };
    let headers = "components/messages/DeadLetter/headers";
    let least = letter(&record, None, usize::MAX);
    assert_eq!(document.list(&format!("{headers}/required")), least.iter().map(String::as_str).collect());
    let mut all = letter(&record, Some(SchemaId(1)), 1000);
    all.extend(letter(&Record { headers: Err(HeadersLost::TooMany), ..record }, None, HEADERS_MAX));
    let properties = format!("{headers}/properties");
    assert_eq!(document.below(&properties), all.iter().map(String::as_str).collect());
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(document.list(&format!("{properties}/orderstream-reason/enum")), reasons);
}
