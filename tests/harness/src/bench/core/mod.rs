//! What decoding, folding and encoding cost by themselves: the product's own functions over the events of the workload, in one thread.
//!
//! Without a server: the schemas come from a registry of our own. Prepared once and then repeated under criterion ([`estimates`]), here
//! and in `benches/core.rs`. Invariant: each pass does the same work, and gives back something of it that nobody can leave out.

pub mod estimates;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use orderstream::consume::record::Record;
use orderstream::decode::{self, Decoded, Decoder};
use orderstream::ids::{Lane, OrderId, SchemaId, Timestamp};
use orderstream::order::decision::{Change, Order};
use orderstream::order::{Event, Policy, Source};
use orderstream::publish::encode::Encoder;
use orderstream::publish::status_event::{Origin, status_event};
use serde_json::json;

use self::estimates::{Estimate, Estimates, ORDERS};
use super::workload::Workload;
use super::{Extra, Options};
use crate::avro;
use crate::background::Background;
use crate::event::FlatEvent;
use crate::http_front::{Answer, Answering, Behind, HttpFront, answer_of};
use crate::registry::InputSchemas;
use crate::schemas;
use crate::topics::Input;

/// Where no registry is: ours answers all that is asked.
const NOBODY: &str = "http://127.0.0.1:9";
const RECORD_MAX_BYTES: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Measures each by itself, in nanoseconds an event, as criterion estimates it.
///
/// # Errors
/// The events cannot be prepared, or criterion's estimates cannot be written or read.
pub async fn measure(options: &Options) -> Result<Extra> {
    let core = Core::prepare(Workload::local(ORDERS)).await?;
    let (quick, directory) = (options.quick, options.directory.join("criterion"));
    let estimates = Background::begin(move |_| estimates::estimate(&core, quick, &directory));
    Ok(told(&estimates.all().await??))
}

fn told(Estimates { decode, fold, encode }: &Estimates) -> Extra {
    let mut extra = Extra::default();
    let mut words = Vec::new();
    for (what, of, name, estimate) in [
        ("decode", "an event", "decode_ns_per_event", decode),
        ("fold", "an event", "fold_ns_per_event", fold),
        ("encode", "a status event", "encode_ns_per_status_event", encode),
    ] {
        let Estimate { point, bounds: (low, high) } = estimate;
        extra.number(name, point.round());
        extra.number(format!("{name}_bounds"), vec![low.round(), high.round()]);
        words.push(format!("{what} {point:.0} ns {of} ({low:.0} to {high:.0})"));
    }
    extra.line(format!("in one thread, by criterion, with its bounds of 95 %: {}", words.join(", ")));
    extra
}

/// Everything that is needed, ready.
pub struct Core {
    decoder: Decoder,
    encoder: Encoder,
    policy: Policy,
    records: Vec<Record>,
    /// The records decoded, each with the place of its order.
    events: Vec<(Event, usize)>,
    orders: usize,
    said: Vec<Said>,
}

/// A change, with its order as it was then.
struct Said {
    event: Event,
    order: Order,
    change: Change,
}

impl Core {
    /// Prepares the events of a workload, all of them in memory.
    ///
    /// # Errors
    /// The system gives no port, or an event is not one.
    pub async fn prepare(workload: Workload) -> Result<Self> {
        let shelf = HttpFront::before(NOBODY, "schemas", Arc::new(Shelf))?;
        let registry = decode::Registry::new(decode::Access::to(shelf.url(), TIMEOUT))?;
        let decoder = Decoder::new(registry, Input::ALL.len(), RECORD_MAX_BYTES);
        for input in Input::ALL {
            decoder.fetch(SchemaId(id(input))).await?;
        }
        let mut core = Self {
            decoder,
            encoder: Encoder::new(SchemaId(9), None),
            policy: Policy::default(),
            records: records(workload)?,
            events: Vec::new(),
            orders: 0,
            said: Vec::new(),
        };
        let mut places: HashMap<OrderId, usize> = HashMap::new();
        for record in &core.records {
            let event = core.event(record)?;
            let next = places.len();
            let place = *places.entry(event.order_id.clone()).or_insert(next);
            core.events.push((event, place));
        }
        core.orders = places.len();
        core.said = core.story();
        Ok(core)
    }

    /// How many events are decoded and folded.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// How many status events are encoded.
    #[must_use]
    pub fn status_events(&self) -> usize {
        self.said.len()
    }

    /// Decodes every record, from its frame to the checked event. Returns how many passed.
    #[must_use]
    pub fn decode(&self) -> usize {
        self.records.iter().filter(|record| self.event(black_box(record)).is_ok()).count()
    }

    /// Merges every event into its order, and derives the view anew where it changed something. Returns how many changes were said.
    #[must_use]
    pub fn fold(&self) -> usize {
        let mut orders = vec![Order::default(); self.orders];
        let said = |(event, place): &&(Event, usize)| orders[*place].apply(black_box(event), &self.policy).1.is_some();
        self.events.iter().filter(said).count()
    }

    /// Encodes every change, from the order to the framed bytes. Returns how many bytes that are.
    #[must_use]
    pub fn encode(&self) -> usize {
        self.said.iter().map(|said| self.encoded(black_box(said)).map_or(0, |value| value.len())).sum()
    }

    fn event(&self, record: &Record) -> Result<Event> {
        match self.decoder.try_decode(record, record.timestamp) {
            Decoded::Event(event) => Ok(event),
            other => bail!("a sound record was not decoded: {other:?}"),
        }
    }

    fn encoded(&self, said: &Said) -> Result<Vec<u8>> {
        let Said { event, order, change } = said;
        let view = order.view.as_ref().context("a change has a view")?;
        let origin = Origin { topic: "payments", partition: 3, offset: 1 << 20 };
        let told = status_event((&event.order_id, order, view), change, Some((event, Some(origin))), event.occurred_at);
        let mut value = Vec::with_capacity(512);
        self.encoder.encode_status(&told, &mut value)?;
        Ok(value)
    }

    /// Every change that the events make, in their order.
    fn story(&self) -> Vec<Said> {
        let mut orders = vec![Order::default(); self.orders];
        let mut said = Vec::new();
        for (event, place) in &self.events {
            let order = &mut orders[*place];
            if let (_, Some(change)) = order.apply(event, &self.policy) {
                said.push(Said { event: event.clone(), order: order.clone(), change });
            }
        }
        said
    }
}

/// The events of a workload as a consumer gets them, one lane for all.
fn records(workload: Workload) -> Result<Vec<Record>> {
    let encoders = Input::ALL.map(|input| {
        let id = id(input);
        avro::Encoder::new(input, InputSchemas { current: id, newer: id, later: id })
    });
    let record = |(offset, event): (i64, FlatEvent)| -> Result<Record> {
        let mut value = Vec::new();
        encoders[event.topic as usize].write(&event, &mut value)?;
        Ok(Record {
            source: source(event.topic),
            lane: Lane(0),
            offset,
            timestamp: Timestamp(event.occurred_at),
            key: Some(Bytes::from(event.order_id)),
            value: Some(value.into()),
            headers: Ok(Vec::new()),
        })
    };
    (0..).zip(workload.iter()).map(record).collect()
}

fn source(input: Input) -> Source {
    match input {
        Input::Payment => Source::Payment,
        Input::Inventory => Source::Inventory,
        Input::Shipping => Source::Shipping,
        Input::Order => Source::Order,
    }
}

/// The id of a topic's schema on our shelf.
fn id(input: Input) -> u32 {
    input as u32 + 1
}

/// A registry that knows the schemas of this revision and nothing else.
struct Shelf;

impl Answering for Shelf {
    async fn answer(&self, request: Request<Incoming>, _: &Behind) -> Answer {
        let asked = request.uri().path().rsplit('/').next().and_then(|id| id.parse::<u32>().ok());
        match Input::ALL.into_iter().find(|input| asked == Some(id(*input))) {
            Some(input) => answer_of(StatusCode::OK, json!({ "schema": schemas::of(input) }).to_string()),
            None => answer_of(StatusCode::NOT_FOUND, json!({ "error_code": 40_403, "message": "" }).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_what_criterion_estimates_and_how_sure_it_is() {
        let estimate = |point| Estimate { point, bounds: (point - 10.4, point + 20.0) };
        let told = told(&Estimates { decode: estimate(1_800.4), fold: estimate(2_900.0), encode: estimate(700.0) });
        assert_eq!(
            (&told.numbers["decode_ns_per_event"], &told.numbers["encode_ns_per_status_event"]),
            (&1_800.0.into(), &700.0.into())
        );
        assert_eq!(told.numbers["fold_ns_per_event_bounds"], json!([2_890.0, 2_920.0]));
        assert!(told.lines[0].contains("decode 1800 ns an event (1790 to 1820)"), "{:?}", told.lines);
    }

    #[tokio::test]
    async fn what_is_measured_is_all_of_the_work_and_the_same_in_each_pass() {
        let core = Core::prepare(Workload::local(50)).await.expect("prepared");
        for _ in 0..2 {
            assert_eq!((core.decode(), core.fold()), (300, 200));
            assert!(core.encode() > 200 * 100, "{}", core.encode());
        }
        assert_eq!((core.events(), core.status_events()), (300, 200));
        assert!(core.said.iter().all(|said| core.encoded(said).is_ok()));
    }
}
