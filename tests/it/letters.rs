//! What must become of refused records: sent with what has to be kept of them, compared with the table and the topic.
//!
//! Everything goes into the one partition of each topic, so the sender knows each record's offset.

use std::collections::BTreeSet;

use orderstream::consume::record::HEADERS_MAX;
use orderstream_harness::hostile::Case;
use orderstream_harness::output;
use orderstream_harness::produce::{Producer, RawRecord};
use orderstream_harness::topic_log::LogRecord;
use orderstream_harness::topics::Input;
use serde_json::Value as Json;

use super::patience::LONG_PATIENCE;
use super::stage::Stage;

/// A record that must be refused: everything that must be kept of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    topic: String,
    offset: i64,
    reason: String,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

/// Bytes so that a person can read a difference.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A letter of the topic, and what of it was left out because it would have been too large to publish.
struct Said {
    letter: Letter,
    without_value: bool,
    without_headers: bool,
    without_key: bool,
}

impl Letter {
    /// The letter as it is to be found on the topic, if it lacks there what it says that it lacks.
    fn once_said(mut self, said: &Said) -> Self {
        if said.without_value {
            self.value = None;
        }
        if said.without_headers {
            self.headers = Vec::new();
        }
        if said.without_key {
            self.key = None;
        }
        self
    }
}

/// Sends records into the one partition of each topic, and remembers what has to become of them.
pub struct Sender {
    pub producer: Producer,
    in_json: bool,
    offsets: [i64; Input::ALL.len()],
    orders: BTreeSet<String>,
    pub letters: BTreeSet<Letter>,
}

impl Sender {
    pub async fn on(stage: &Stage) -> Self {
        Self::with(stage.producer().await, false)
    }

    /// One whose good events are JSON, and that asks no registry for anything.
    pub fn in_json(stage: &Stage) -> Self {
        Self::with(Producer::bare(&stage.deployment.stack).expect("a producer"), true)
    }

    fn with(producer: Producer, in_json: bool) -> Self {
        let offsets = [0; Input::ALL.len()];
        Self { producer, in_json, offsets, orders: BTreeSet::new(), letters: BTreeSet::new() }
    }

    /// A record that is applied.
    pub fn good(&mut self, stage: &Stage, event: &Json) {
        let order = event["order_id"].as_str().expect("an order").to_owned();
        let in_avro = || self.producer.encode(event).expect("an event");
        let value = if self.in_json { event.to_string().into_bytes() } else { in_avro() };
        self.send(stage, input(event), raw(&order, Some(value)));
        self.orders.insert(order);
    }

    /// The same with the schema id in a header, as Confluent's header serializers send it.
    pub fn good_by_header(&mut self, stage: &Stage, event: &Json) {
        let order = event["order_id"].as_str().expect("an order").to_owned();
        let mut id = self.producer.encode(event).expect("an event");
        let body = id.split_off(5);
        let headers = vec![("__value_schema_id".to_owned(), Some(id))];
        self.send(stage, input(event), RawRecord { headers, ..raw(&order, Some(body)) });
        self.orders.insert(order);
    }

    /// A record that is refused for that reason.
    pub fn bad(&mut self, stage: &Stage, input: Input, reason: &str, record: RawRecord) {
        let (key, value) = (record.key.as_deref().map(shown), record.value.as_deref().map(shown));
        // Of more than that many nobody is told any.
        let told = if record.headers.len() > HEADERS_MAX { &[][..] } else { &record.headers };
        let headers = told.iter().map(|(name, value)| (name.clone(), value.as_deref().map(shown))).collect();
        let topic = stage.deployment.topics.input(input).expect("a topic of the test").to_owned();
        let offset = self.send(stage, input, record);
        self.letters.insert(Letter { topic, offset, reason: reason.to_owned(), key, value, headers });
    }

    /// A record that is applied, as these bytes.
    pub fn applied(&mut self, stage: &Stage, input: Input, order: &str, record: RawRecord) {
        self.send(stage, input, record);
        self.orders.insert(order.to_owned());
    }

    /// A record of the corpus: applied or refused, as it says.
    pub fn hostile(&mut self, stage: &Stage, case: &Case) {
        match case.fate {
            Some(reason) => self.bad(stage, case.input, reason, case.record.clone()),
            None => self.applied(stage, case.input, &case.order, case.record.clone()),
        }
    }

    fn send(&mut self, stage: &Stage, input: Input, mut record: RawRecord) -> i64 {
        record.topic = stage.deployment.topics.input(input).expect("a topic of the test").to_owned();
        record.partition = Some(0);
        self.producer.send_raw(&record).expect("sent");
        let next = &mut self.offsets[input as usize];
        *next += 1;
        *next - 1
    }

    /// Waits until everything is published, then compares the table, the topic and the orders with what has to be.
    pub async fn assert_kept(&self, stage: &Stage) {
        self.producer.flush().expect("kafka has it");
        stage.all_published_within(LONG_PATIENCE).await;
        let table = table(stage).await;
        assert_same(&table, &self.letters.iter().cloned().collect::<Vec<_>>(), "the table");
        let mut topic: Vec<Said> =
            output::dead_letters(&stage.deployment).expect("the topic").iter().map(said).collect();
        topic.sort_by(|one, other| one.letter.cmp(&other.letter));
        let kept: Vec<Letter> = table.into_iter().zip(&topic).map(|(letter, said)| letter.once_said(said)).collect();
        assert_same(&topic.into_iter().map(|said| said.letter).collect::<Vec<_>>(), &kept, "the topic");
        assert_eq!(orders(stage).await, self.orders, "the orders");
    }
}

/// Compares letters, and shows no more than the beginning of what differs: some are of megabytes.
fn assert_same(found: &[Letter], expected: &[Letter], place: &str) {
    let shown = |letter: &Letter| format!("{letter:?}").chars().take(400).collect::<String>();
    let differs = found.iter().zip(expected).find(|(found, expected)| found != expected);
    if let Some((found, expected)) = differs {
        panic!("{place}: found {}\nin place of {}", shown(found), shown(expected));
    }
    assert_eq!(found.len(), expected.len(), "{place}");
}

fn input(event: &Json) -> Input {
    serde_json::from_value(event["topic"].clone()).expect("a topic's role")
}

pub fn raw(key: &str, value: Option<Vec<u8>>) -> RawRecord {
    RawRecord { key: Some(key.into()), value, ..RawRecord::default() }
}

async fn orders(stage: &Stage) -> BTreeSet<String> {
    let rows: Vec<(String,)> = stage.rows("select order_id from orders").await;
    rows.into_iter().map(|(order,)| order).collect()
}

/// The rows of `dead_letters`, sorted.
pub async fn table(stage: &Stage) -> Vec<Letter> {
    type Row = (String, i64, String, Option<Vec<u8>>, Option<Vec<u8>>, Json);
    let rows: Vec<Row> =
        stage.rows("select topic, record_offset, reason::text, key, value, headers from dead_letters").await;
    let mut letters: Vec<Letter> = rows
        .into_iter()
        .map(|(topic, offset, reason, key, value, headers)| {
            let headers: Vec<(String, Option<String>)> = serde_json::from_value(headers).expect("pairs");
            let headers =
                headers.into_iter().map(|(name, value)| (name, value.map(|hex| shown(&bytes(&hex))))).collect();
            let (key, value) = (key.as_deref().map(shown), value.as_deref().map(shown));
            Letter { topic, offset, reason, key, value, headers }
        })
        .collect();
    letters.sort();
    letters
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// A record of the dead-letter topic: where it says that it comes from, and its own headers before ours, which begin with the reason.
fn said(record: &LogRecord) -> Said {
    let said = |name: &str| record.header(&format!("orderstream-{name}")).unwrap_or_default().to_owned();
    let ours = record.headers.iter().rposition(|(name, _)| name == "orderstream-reason").expect("a reason");
    let own = &record.headers[..ours];
    for name in ["explanation", "partition", "attempts", "refused-at"] {
        assert!(!said(name).is_empty(), "`{name}` is missing: {record:?}");
    }
    let letter = Letter {
        topic: said("topic"),
        offset: said("offset").parse().expect("an offset"),
        reason: said("reason"),
        key: record.key.as_deref().map(shown),
        value: record.value.as_deref().map(shown),
        headers: own.iter().map(|(name, value)| (name.clone(), value.as_deref().map(shown))).collect(),
    };
    let is_left_out = |what: &str| !said(&format!("{what}-left-out")).is_empty();
    Said {
        letter,
        without_value: is_left_out("value"),
        without_headers: is_left_out("headers"),
        without_key: is_left_out("key"),
    }
}
