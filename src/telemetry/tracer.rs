//! Which records get spans, and what these say. Pure.
//!
//! A record whose trace is sampled gets a span `process <topic>`, and each status event and command that it causes one
//! `publish <topic>` below it, in the words of OpenTelemetry's conventions for messaging and for Kafka. Invariant: the id of a span
//! follows from what it is about, never from chance or the clock, so a batch that is decided again publishes the same bytes; and no
//! span holds anything of a record but its key, ids and kind.

use std::fmt;
use std::time::Instant;

use uuid::Uuid;

use super::otlp::{ERROR, KeyValue, Kind, PARENT_IS_OURS, PARENT_IS_REMOTE, Span, Status};
use crate::consume::record::Record;
use crate::decode::Reason;
use crate::ids::{OrderId, Seq};
use crate::order::Event;
use crate::publish::trace::{Context, SpanId, Trace};
use crate::{config, order};

/// What the recommendation calls random of a trace id (W3C Trace Context, level 2): its last 56 bits.
const RANDOM_BITS: u32 = 56;

/// Decides which traces get spans of ours.
#[derive(Clone, Debug)]
pub struct Tracer {
    deployment: Uuid,
    group: String,
    percentage: u32,
}

/// A record as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// The topic that it came from.
    pub topic: &'a str,
    /// The record.
    pub record: &'a Record,
    /// When it was taken from Kafka.
    pub consumed_at: Instant,
    /// The dead letter that is replayed, and the journal row that does it; none where it came from Kafka just now.
    pub replayed: Option<(i64, Seq)>,
}

/// The spans of a record under work.
#[derive(Debug)]
pub struct Processing {
    /// Its own; begins when it was taken from Kafka, ends with the commit.
    pub(super) span: Span,
    /// Those of what it publishes; begin with the commit, end with Kafka's.
    pub(super) published: Vec<Span>,
    pub(super) consumed_at: Instant,
    deployment: Uuid,
}

/// Something that is about to be published.
#[derive(Debug)]
pub struct Publication {
    /// The id by which the published record names its span as the one that caused it.
    pub id: SpanId,
    span: Span,
}

impl Tracer {
    /// One that gives so many percent of the sampled traces spans. `deployment` is the database's own id, so that two deployments that
    /// read the same records do not give two spans one id.
    #[must_use]
    pub fn new(deployment: Uuid, group: &str, percentage: u32) -> Self {
        Self { deployment, group: group.to_owned(), percentage }
    }

    /// As configured; none without a receiver.
    #[must_use]
    pub fn of(config: &config::Config, deployment: Uuid) -> Option<Self> {
        let telemetry = &config.telemetry;
        telemetry.otlp_endpoint.as_ref()?;
        Some(Self::new(deployment, &config.kafka.group, telemetry.sampling_percentage))
    }

    /// Begins the span of a record; none where its trace is not sampled, or not among those that get spans.
    #[must_use]
    pub fn begin(&self, trace: &Trace<'_>, read: Read<'_>) -> Option<Processing> {
        let context = trace.context();
        if !self.takes(&context) {
            return None;
        }
        let Read { topic, record, consumed_at, replayed } = read;
        let (lane, offset) = (record.lane, record.offset);
        let span_id = match replayed {
            None => id(self.deployment, format_args!("process:{topic}:{lane}:{offset}")),
            Some((letter, seq)) => id(self.deployment, format_args!("replay:{letter}:{lane}:{seq}")),
        };
        let mut span = Span {
            trace_id: context.trace_id.to_vec(),
            span_id: span_id.to_vec(),
            parent_span_id: context.span_id.to_vec(),
            trace_state: trace.state().unwrap_or_default().to_owned(),
            flags: u32::from(context.flags) | PARENT_IS_REMOTE,
            ..messaging(Kind::Consumer, ("process", "process"), topic)
        };
        span.attributes.extend([
            KeyValue::text("messaging.destination.partition.id", lane.to_string()),
            KeyValue::number("messaging.kafka.offset", offset),
            KeyValue::text("messaging.consumer.group.name", &*self.group),
        ]);
        span.attributes.extend(replayed.map(|(letter, _)| KeyValue::number("orderstream.dead_letter.id", letter)));
        Some(Processing { span, published: Vec::new(), consumed_at, deployment: self.deployment })
    }

    /// Whether a trace gets spans of ours: every worker of every deployment with the same percentage says the same of it, and a
    /// larger percentage takes what a smaller one took.
    fn takes(&self, context: &Context) -> bool {
        let [.., a, b, c, d, e, f, g] = context.trace_id;
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        context.is_sampled() && random * 100 < u64::from(self.percentage) << RANDOM_BITS
    }
}

impl Processing {
    /// Begins the span of a status event or a command. `message` is what tells it from every other.
    #[must_use]
    pub fn publication(&self, topic: &str, order_id: &OrderId, message: fmt::Arguments<'_>) -> Publication {
        let id = id(self.deployment, format_args!("publish:{message}"));
        let mut span = Span {
            trace_id: self.span.trace_id.clone(),
            span_id: id.to_vec(),
            parent_span_id: self.span.span_id.clone(),
            trace_state: self.span.trace_state.clone(),
            flags: (self.span.flags & 0xff) | PARENT_IS_OURS,
            ..messaging(Kind::Producer, ("publish", "send"), topic)
        };
        span.attributes.push(KeyValue::text("messaging.message.id", message.to_string()));
        span.attributes.extend(of_order(order_id));
        Publication { id, span }
    }

    /// Its own span, and those of what it publishes.
    #[cfg(test)]
    pub(crate) fn told(&self) -> (&Span, &[Span]) {
        (&self.span, &self.published)
    }

    /// It is published.
    pub fn publishes(&mut self, publication: Publication) {
        self.published.push(publication.span);
    }

    /// The record's event was applied with this outcome, and left its order in this version and status.
    pub fn applied(&mut self, event: &Event, outcome: &'static str, (version, status): (i64, order::Status)) {
        self.span.attributes.extend(of_order(&event.order_id));
        self.span.attributes.extend([
            KeyValue::text("messaging.message.id", event.event_id.as_str()),
            KeyValue::text("orderstream.event.kind", event.kind()),
            KeyValue::text("orderstream.outcome", outcome),
            KeyValue::number("orderstream.order.version", version),
            KeyValue::text("orderstream.order.status", status.as_str()),
        ]);
    }

    /// The record was refused. Its text stays in the dead letter: it may quote what the record says.
    pub fn refused(&mut self, reason: Reason, order_id: Option<&OrderId>) {
        self.span.attributes.extend(order_id.into_iter().flat_map(of_order));
        self.span.attributes.push(KeyValue::text("orderstream.outcome", "dead_letter"));
        self.span.attributes.push(KeyValue::text("error.type", reason.as_str()));
        let message = "the record cannot be applied: look at `orderstream dead-letters list`".to_owned();
        self.span.status = Some(Status { message, code: ERROR });
    }
}

/// What every span about a message of Kafka's says.
fn messaging(kind: Kind, (operation, operation_type): (&str, &str), topic: &str) -> Span {
    Span {
        name: format!("{operation} {topic}"),
        kind: kind.into(),
        attributes: vec![
            KeyValue::text("messaging.system", "kafka"),
            KeyValue::text("messaging.operation.name", operation),
            KeyValue::text("messaging.operation.type", operation_type),
            KeyValue::text("messaging.destination.name", topic),
        ],
        ..Span::default()
    }
}

/// The key of an order's records, and what it means.
fn of_order(order_id: &OrderId) -> [KeyValue; 2] {
    ["messaging.kafka.message.key", "orderstream.order.id"].map(|key| KeyValue::text(key, order_id.as_str()))
}

/// The second half of a `UUIDv5`: 62 bits of a digest behind two that are never both zero.
fn id(deployment: Uuid, of: fmt::Arguments<'_>) -> SpanId {
    let digest = Uuid::new_v5(&deployment, of.to_string().as_bytes());
    let [.., a, b, c, d, e, f, g, h] = digest.into_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::super::otlp::{AnyValue, Value};
    use super::*;
    use crate::consume::record::Header;
    use crate::decode::json::from_json;
    use crate::ids::{Lane, Timestamp};
    use crate::order::Source;

    const DEPLOYMENT: Uuid = uuid!("846bb82d-a2f8-5626-a8f9-c1841bedd825");

    fn headers(trace: &str, flags: &str) -> Vec<Header> {
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        vec![("traceparent".to_owned(), Some(parent.into())), ("tracestate".to_owned(), Some("shop=1".into()))]
    }

    fn record(headers: Vec<Header>) -> Record {
        Record {
            source: Source::Payment,
            lane: Lane(3),
            offset: 42,
            timestamp: Timestamp(1),
            key: Some("ord-1".into()),
            value: None,
            headers: Ok(headers),
        }
    }

    fn begun(tracer: &Tracer, record: &Record, replayed: Option<(i64, Seq)>) -> Option<Processing> {
        let trace = Trace::of(record.headers()).expect("a trace");
        tracer.begin(&trace, Read { topic: "payments", record, consumed_at: Instant::now(), replayed })
    }

    fn tracer() -> Tracer {
        Tracer::new(DEPLOYMENT, "shop", 100)
    }

    fn traced() -> Record {
        record(headers("4bf92f3577b34da6a3ce929d0e0e4736", "01"))
    }

    /// The attributes as text, in their order.
    fn attributes(span: &Span) -> Vec<(&str, String)> {
        let text = |value: &AnyValue| match value.value.as_ref().expect("a value") {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
        };
        span.attributes.iter().map(|pair| (pair.key.as_str(), text(pair.value.as_ref().expect("a value")))).collect()
    }

    #[test]
    fn a_processed_record_says_where_it_came_from_and_what_became_of_its_order() {
        let mut processing = begun(&tracer(), &traced(), None).expect("it is sampled");
        let event = serde_json::json!({
            "topic": "payment", "event_id": "evt-1", "order_id": "ord-1", "kind": "AUTHORIZED", "occurred_at": 1,
            "authorization_id": "a", "amount_minor": 5, "currency": "EUR", "reason": "private",
        });
        let event = from_json(event, Timestamp(i64::MAX / 4)).expect("an event");
        processing.applied(&event, "applied", (2, order::Status::AwaitingStock));
        let Processing { span, published, .. } = processing;
        assert_eq!((span.name.as_str(), span.kind(), span.status.clone()), ("process payments", Kind::Consumer, None));
        assert_eq!(span.parent_span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 2, 0xb7]);
        assert_eq!((span.trace_state.as_str(), span.flags, published.len()), ("shop=1", 0x301, 0));
        let expected = [
            ("messaging.system", "kafka"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.destination.name", "payments"),
            ("messaging.destination.partition.id", "3"),
            ("messaging.kafka.offset", "42"),
            ("messaging.consumer.group.name", "shop"),
            ("messaging.kafka.message.key", "ord-1"),
            ("orderstream.order.id", "ord-1"),
            ("messaging.message.id", "evt-1"),
            ("orderstream.event.kind", "AUTHORIZED"),
            ("orderstream.outcome", "applied"),
            ("orderstream.order.version", "2"),
            ("orderstream.order.status", "AWAITING_STOCK"),
        ];
        assert_eq!(attributes(&span), expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn a_publication_is_the_child_of_what_caused_it_and_names_its_message() {
        let mut processing = begun(&tracer(), &traced(), None).expect("it is sampled");
        let publication = processing.publication("order-status", &OrderId::from("ord-1"), format_args!("evt-{}", 7));
        let id = publication.id;
        processing.publishes(publication);
        let (parent, [span]) = (&processing.span, &processing.published[..]) else { panic!("one publication") };
        assert_eq!(
            (&span.trace_id, &span.parent_span_id, &*span.span_id),
            (&parent.trace_id, &parent.span_id, &id[..])
        );
        assert_eq!((span.name.as_str(), span.kind(), span.flags), ("publish order-status", Kind::Producer, 0x101));
        let expected = [
            ("messaging.system", "kafka"),
            ("messaging.operation.name", "publish"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "order-status"),
            ("messaging.message.id", "evt-7"),
            ("messaging.kafka.message.key", "ord-1"),
            ("orderstream.order.id", "ord-1"),
        ];
        assert_eq!(attributes(span), expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn a_refused_record_is_an_error_that_says_the_reason_and_not_the_record() {
        let mut processing = begun(&tracer(), &traced(), None).expect("it is sampled");
        processing.refused(Reason::BadAvro, None);
        let status = processing.span.status.clone().expect("a status");
        assert!(status.code == ERROR && status.message.contains("orderstream dead-letters list"), "{status:?}");
        let said = attributes(&processing.span);
        assert_eq!(
            said[said.len() - 2..],
            [("orderstream.outcome", "dead_letter".to_owned()), ("error.type", "bad_avro".to_owned())]
        );
    }

    #[test]
    fn an_id_follows_from_what_the_span_is_about_and_from_nothing_else() {
        let of = |deployment: Uuid, replayed| {
            begun(&Tracer::new(deployment, "any", 100), &traced(), replayed).map(|begun| begun.span.span_id)
        };
        let here = of(DEPLOYMENT, None);
        assert!(here.is_some());
        assert_eq!(here, of(DEPLOYMENT, None));
        let others = [of(Uuid::nil(), None), of(DEPLOYMENT, Some((1, Seq(5)))), of(DEPLOYMENT, Some((1, Seq(6))))];
        for (index, other) in others.iter().enumerate() {
            assert!(*other != here && !others[..index].contains(other), "{index}");
        }
    }

    #[test]
    fn what_is_not_sampled_gets_no_span_and_of_the_rest_as_many_as_are_wanted() {
        let unsampled = record(headers("4bf92f3577b34da6a3ce929d0e0e4736", "02"));
        assert!(begun(&tracer(), &unsampled, None).is_none());
        let taken = |percentage: u32| -> Vec<u32> {
            let tracer = Tracer::new(DEPLOYMENT, "shop", percentage);
            let ids = (1..=1_000_u32).map(|number| (number, u128::from(number.wrapping_mul(2_654_435_761)) << 24));
            let sampled = ids.map(|(number, id)| (number, record(headers(&format!("{id:032x}"), "01"))));
            sampled.filter(|(_, record)| begun(&tracer, record, None).is_some()).map(|(number, _)| number).collect()
        };
        assert_eq!(taken(100).len(), 1_000);
        let (few, more) = (taken(10), taken(30));
        assert!((80..=120).contains(&few.len()) && (260..=340).contains(&more.len()), "{} {}", few.len(), more.len());
        assert!(few.iter().all(|number| more.contains(number)), "whoever takes more takes these too");
    }
}
