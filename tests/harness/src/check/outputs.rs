//! What stands on the output topics: every record once, every order's versions in sequence, and what was said last.
//!
//! Kafka's side is taken in first, then the journal says record by record what it published. Pure. Invariant: a record counts
//! as published only if topic, key, value and headers are those of the journal, byte for byte.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use orderstream::ids::OrderId;
use orderstream::order::{Status, View};

use super::findings::{Findings, Kind};
use super::input_log::place;
use super::progress;
use crate::output::{OrderCommand, StatusChanged};
use crate::topic_log::LogRecord;

/// How often a record stands in Kafka and in the journal, and where it was seen first.
#[derive(Clone, Copy, Debug)]
struct Sight {
    topic: usize,
    partition: i32,
    offset: i64,
    on_topic: u32,
    in_journal: u32,
    published_at_millis: i64,
}

/// What was said of an order, one version after the other as the topic holds them.
#[derive(Clone, Debug)]
struct Said {
    versions: Vec<Version>,
    last: LastWord,
}

/// What was said last of an order: the view of its greatest version.
#[derive(Clone, Debug, PartialEq)]
pub struct LastWord {
    /// The version.
    pub version: i64,
    /// The view.
    pub view: View,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    number: i64,
    partition: i32,
    status: Status,
    previous: Option<Status>,
}

/// The parts of a record that make it the one it is.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers in their order.
    pub headers: &'a [(String, Option<Bytes>)],
}

impl Identity<'_> {
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.topic, self.key, self.value, self.headers).hash(&mut hasher);
        hasher.finish()
    }
}

/// What stands on the output topics.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    topics: Vec<String>,
    records: HashMap<u64, Sight>,
    orders: HashMap<OrderId, Said>,
    /// The commands of each order as the topic holds them: partition, id and attempt.
    commands: HashMap<OrderId, Vec<(i32, String, u32)>>,
}

impl Outputs {
    /// Takes in a record as Kafka holds it.
    pub fn saw(&mut self, topic: &str, record: &LogRecord) {
        let number = self.topics.iter().position(|known| known == topic).unwrap_or_else(|| {
            self.topics.push(topic.to_owned());
            self.topics.len() - 1
        });
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let digest = Identity { topic, key, value, headers: &record.headers }.digest();
        let first = Sight {
            topic: number,
            partition: record.partition,
            offset: record.offset,
            on_topic: 0,
            in_journal: 0,
            published_at_millis: record.timestamp_millis.unwrap_or_default(),
        };
        self.records.entry(digest).or_insert(first).on_topic += 1;
    }

    /// Takes in a status event as Kafka holds it, in the order of its partition.
    pub fn heard(&mut self, changed: StatusChanged, partition: i32, findings: &mut Findings) {
        let envelope = &changed.envelope;
        let order = OrderId::from(envelope.order_id.as_str());
        let id = progress::event_id(order.as_str(), envelope.order_version);
        if envelope.event_id != id.to_string() {
            findings.add_of(Kind::OutputMistold, &order, || format!("event_id is {} and not {id}", envelope.event_id));
        }
        let number = envelope.order_version;
        let version = Version { number, partition, status: changed.view.status, previous: envelope.previous_status };
        let last = LastWord { version: number, view: changed.view };
        match self.orders.get_mut(&order) {
            None => _ = self.orders.insert(order, Said { versions: vec![version], last }),
            Some(said) => {
                said.versions.push(version);
                if number >= said.last.version {
                    said.last = last;
                }
            }
        }
    }

    /// Takes in a command as Kafka holds it, in the order of its partition.
    pub fn heard_command(&mut self, command: OrderCommand, partition: i32) {
        let OrderCommand { order_id, command_id, attempt, .. } = command;
        self.commands.entry(order_id.into()).or_default().push((partition, command_id, attempt));
    }

    /// Whether the commands of an order stand on the topic as its history sent them.
    pub fn check_commands(&self, order: &OrderId, sent: &[(String, u32)], findings: &mut Findings) {
        let heard = self.commands.get(order).map_or(&[][..], Vec::as_slice);
        let is_in_order = heard.iter().map(|(_, id, attempt)| (id, attempt)).eq(sent.iter().map(|(id, a)| (id, a)));
        let is_in_one_place = heard.windows(2).all(|pair| pair[0].0 == pair[1].0);
        if !is_in_order || !is_in_one_place {
            findings.add_of(Kind::CommandDisordered, order, || {
                format!("{} were sent and {} stand there", sent.len(), heard.len())
            });
        }
    }

    /// How many commands there are.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.values().map(|commands| commands.len() as u64).sum()
    }

    /// The journal says that it published this record, in a row of that name. Returns when Kafka got it.
    pub fn published(
        &mut self,
        record: Identity<'_>,
        row: impl FnOnce() -> String,
        findings: &mut Findings,
    ) -> Option<i64> {
        match self.records.get_mut(&record.digest()) {
            Some(sight) => {
                sight.in_journal += 1;
                Some(sight.published_at_millis)
            }
            None => {
                let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
                findings.add(Kind::OutputLost, || format!("{} for {}, key `{key}`", row(), record.topic));
                None
            }
        }
    }

    /// Once the whole journal has spoken: what is there too often, and what is there without it.
    pub fn close(&self, findings: &mut Findings) {
        let mut sights: Vec<&Sight> = self.records.values().collect();
        sights.sort_unstable_by_key(|sight| (sight.topic, sight.partition, sight.offset));
        for sight in sights {
            let name = || place(&self.topics[sight.topic], sight.partition, sight.offset);
            if sight.in_journal == 0 {
                findings.add(Kind::OutputForeign, name);
            } else if sight.on_topic > sight.in_journal {
                for _ in sight.in_journal..sight.on_topic {
                    findings.add(Kind::OutputDoubled, || format!("{}, {} times", name(), sight.on_topic));
                }
            }
        }
    }

    /// Whether every order's versions are 1, 2, 3 … once each, in this order where its events came through one lane.
    pub fn check_versions(&self, of_several_lanes: impl Fn(&OrderId) -> bool, findings: &mut Findings) {
        for (order, said) in &self.orders {
            check_versions(order, said, !of_several_lanes(order), findings);
        }
    }

    /// What was last said of an order.
    #[must_use]
    pub fn last_word(&self, order: &OrderId) -> Option<&LastWord> {
        self.orders.get(order).map(|said| &said.last)
    }

    /// How many orders were spoken of.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.orders.len()
    }

    /// How many status events there are.
    #[must_use]
    pub fn status_events(&self) -> u64 {
        self.orders.values().map(|said| said.versions.len() as u64).sum()
    }

    /// How many orders stand at each status by their last word.
    #[must_use]
    pub fn by_status(&self) -> HashMap<Status, u64> {
        let mut counts = HashMap::new();
        for said in self.orders.values() {
            *counts.entry(said.last.view.status).or_default() += 1;
        }
        counts
    }
}

fn check_versions(order: &OrderId, said: &Said, in_order: bool, findings: &mut Findings) {
    let mut versions = said.versions.clone();
    if in_order {
        let disordered = versions.windows(2).find(|pair| pair[0].number > pair[1].number);
        let moved = versions.windows(2).find(|pair| pair[0].partition != pair[1].partition);
        if let Some(pair) = disordered.or(moved) {
            findings.add_of(Kind::VersionDisordered, order, || {
                let [first, second] = [pair[0], pair[1]].map(|v| format!("{} in partition {}", v.number, v.partition));
                format!("version {second} comes after {first}")
            });
        }
    }
    versions.sort_by_key(|version| version.number);
    let mut expected = 1;
    let mut previous: Option<Status> = None;
    for version in versions {
        if version.number < expected {
            findings.add_of(Kind::VersionDoubled, order, || format!("version {}", version.number));
            continue;
        }
        for missing in expected..version.number {
            findings.add_of(Kind::VersionMissing, order, || format!("version {missing}"));
        }
        if version.number == expected && version.previous != previous {
            findings.add_of(Kind::OutputMistold, order, || {
                format!("version {} says it was {:?} before and it was {previous:?}", version.number, version.previous)
            });
        }
        expected = version.number + 1;
        previous = Some(version.status);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    type Record = (StatusChanged, i32, Vec<u8>);

    /// What is found when the topic is changed against what the journal published.
    fn found(change: impl FnOnce(&mut Vec<Record>)) -> Findings {
        let (row, _) = fixture::row();
        let published: Vec<Record> =
            fixture::changes(row).into_iter().zip(0_u8..).map(|(change, byte)| (change, 0, vec![byte])).collect();
        let mut on_topic = published.clone();
        change(&mut on_topic);
        let (mut outputs, mut findings) = (Outputs::default(), Findings::default());
        for ((changed, partition, value), offset) in on_topic.into_iter().zip(0..) {
            let (key, value) = (Some(Bytes::from_static(b"ord-1")), Some(Bytes::from(value)));
            let record = LogRecord {
                partition,
                offset,
                timestamp_millis: None,
                appended_millis: None,
                key,
                value,
                headers: Vec::new(),
            };
            outputs.saw("order-status", &record);
            outputs.heard(changed, partition, &mut findings);
        }
        for (_, _, value) in &published {
            let identity = Identity { topic: "order-status", key: Some(b"ord-1"), value: Some(value), headers: &[] };
            outputs.published(identity, || "lane 0 row 1".to_owned(), &mut findings);
        }
        outputs.close(&mut findings);
        outputs.check_versions(|_| false, &mut findings);
        findings
    }

    #[test]
    fn a_topic_that_holds_what_was_published_is_fine() {
        assert!(found(|_| {}).is_clean(), "{:?}", found(|_| {}));
    }

    #[test]
    fn a_record_that_is_not_there_is_lost_and_leaves_a_gap() {
        let findings = found(|topic| drop(topic.remove(1)));
        assert_eq!((findings.of(Kind::OutputLost), findings.of(Kind::VersionMissing)), (1, 1));
    }

    #[test]
    fn a_record_that_is_there_twice_is_doubled() {
        let findings = found(|topic| topic.push(topic[2].clone()));
        assert_eq!((findings.of(Kind::OutputDoubled), findings.of(Kind::VersionDoubled)), (1, 1));
    }

    #[test]
    fn a_version_that_is_told_twice_in_other_words_is_doubled_and_foreign() {
        let findings = found(|topic| topic.push((topic[2].0.clone(), 0, b"other".to_vec())));
        assert_eq!((findings.of(Kind::OutputForeign), findings.of(Kind::VersionDoubled)), (1, 1));
    }

    #[test]
    fn a_version_behind_a_later_one_or_in_another_partition_is_out_of_order() {
        assert_eq!(found(|topic| topic.swap(1, 2)).of(Kind::VersionDisordered), 1);
        assert_eq!(found(|topic| topic[2].1 = 5).of(Kind::VersionDisordered), 1);
    }

    #[test]
    fn a_wrong_previous_status_or_id_is_mistold() {
        assert_eq!(found(|topic| topic[1].0.envelope.previous_status = None).of(Kind::OutputMistold), 1);
        assert_eq!(found(|topic| topic[1].0.envelope.event_id = String::new()).of(Kind::OutputMistold), 1);
    }
}
