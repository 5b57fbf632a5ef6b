//! What a person wants to see: workers, lanes, flows, latencies, orders, troubles; made of what workers answered.
//!
//! Pure. Invariant: what nobody told is absent, not zero.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;

use super::answers::Answers;
use super::scrape::{Growth, Scrape};

/// What one worker was asked and said.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Where it is, in short.
    pub name: String,
    /// Its answer, or why there is none.
    pub answer: Result<Scrape, String>,
    /// The answer before.
    pub before: Option<Scrape>,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Screen {
    pub workers: Vec<Worker>,
    pub lanes: Vec<LaneRow>,
    pub topics: Vec<Flow>,
    pub latencies: Vec<Latency>,
    pub orders: Vec<Stock>,
    pub obligations: Vec<Stock>,
    pub dead_letters: Vec<Stock>,
    /// Orders that a person should look at, by reason.
    pub attention: Vec<Stock>,
    pub retries: Vec<Retry>,
    /// What should not be so, worst first.
    pub troubles: Vec<String>,
}

/// One worker. Rates and shares are of the time between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Worker {
    pub name: String,
    /// Why it did not answer.
    pub error: Option<String>,
    pub version: Option<String>,
    pub lanes_owned: Option<f64>,
    pub events_per_second: Option<f64>,
    /// Processor cores in use.
    pub cpu_cores: Option<f64>,
    pub memory_bytes: Option<f64>,
    pub relay_queue_chunks: Option<f64>,
    /// Why it stopped its lanes.
    pub stopped: Vec<String>,
}

/// One lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct LaneRow {
    pub lane: i64,
    /// The worker that has it, of those that were asked.
    pub owner: Option<String>,
    pub lag_records: Option<f64>,
    pub lag_seconds: Option<f64>,
    pub events_per_second: Option<f64>,
    pub unpublished_rows: Option<f64>,
    pub unpublished_seconds: Option<f64>,
    pub queued_records: Option<f64>,
    pub horizon_seconds: Option<f64>,
}

/// What goes through a topic each second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Flow {
    pub topic: String,
    /// Records read from an input, or published to an output.
    pub records_per_second: Option<f64>,
    /// By what became of them; an output has none.
    pub outcomes_per_second: BTreeMap<String, f64>,
}

/// How long something took since the last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub of: &'static str,
    pub observations: f64,
    /// Absent where nothing was observed, or where it is beyond the last bucket.
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

/// How many there are of something, and how old the oldest is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Stock {
    pub of: String,
    pub count: f64,
    pub oldest_seconds: Option<f64>,
}

/// What is tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Retry {
    pub cause: String,
    pub per_second: Option<f64>,
    /// Since the workers started.
    pub total: f64,
}

/// What lanes are sorted by. The worst come first, lanes and owners in their own order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    /// Lag in seconds.
    #[default]
    Seconds,
    /// Lag in records.
    Records,
    /// Events a second.
    Rate,
    /// Rows of the journal that are not published.
    Unpublished,
    /// The worker's name.
    Owner,
    /// The lane's number.
    Lane,
}

impl Sort {
    /// The one after it.
    pub fn following(self) -> Self {
        let all = Self::value_variants();
        let at = all.iter().position(|sort| *sort == self).unwrap_or_default();
        all[(at + 1) % all.len()]
    }
}

/// What is timed by which histogram's series.
type Timed = (&'static str, &'static str, Labels);
type Labels = &'static [(&'static str, &'static str)];

const LATENCIES: [Timed; 5] = [
    ("event to status, since it occurred", "orderstream_event_to_publish_seconds", &[("since", "occurred")]),
    ("event to status, since it was recorded", "orderstream_event_to_publish_seconds", &[("since", "recorded")]),
    ("event to status, since it was consumed", "orderstream_event_to_publish_seconds", &[("since", "consumed")]),
    ("batch in the database", "orderstream_batch_seconds", &[("step", "total")]),
    ("transaction in Kafka", "orderstream_transaction_seconds", &[]),
];

/// Makes the screen of what was asked.
pub(super) fn screen(asked: &[Asked], sort: Sort, is_reversed: bool) -> Screen {
    let answers: Vec<(&str, &Scrape, Option<Growth<'_>>)> = asked
        .iter()
        .filter_map(|asked| {
            let now = asked.answer.as_ref().ok()?;
            Some((asked.name.as_str(), now, Growth::between(asked.before.as_ref(), now)))
        })
        .collect();
    let all = Answers(&answers);
    let mut lanes = all.lanes();
    sort_lanes(&mut lanes, sort, is_reversed);
    let mut screen = Screen {
        workers: asked.iter().map(worker).collect(),
        lanes,
        topics: all.topics(),
        latencies: LATENCIES.iter().map(|(of, name, labels)| all.latency(of, name, labels)).collect(),
        orders: all.stock("orderstream_orders", "status", "orderstream_orders_oldest_age_seconds"),
        obligations: all.stock("orderstream_obligations", "kind", "orderstream_obligations_oldest_age_seconds"),
        dead_letters: all.stock(
            "orderstream_dead_letters_open",
            "reason",
            "orderstream_dead_letters_open_oldest_age_seconds",
        ),
        attention: all.stock("orderstream_orders_attention", "reason", ""),
        retries: all.retries(),
        troubles: Vec::new(),
    };
    screen.troubles = super::trouble::troubles(&screen, &|name| all.highest(name), &|name| all.sum(name));
    screen
}

fn worker(asked: &Asked) -> Worker {
    let name = asked.name.clone();
    let now = match &asked.answer {
        Ok(now) => now,
        Err(error) => return Worker { name, error: Some(error.clone()), ..Worker::default() },
    };
    let growth = Growth::between(asked.before.as_ref(), now);
    let stopped = now.by("orderstream_lanes_stopped", "reason").into_iter().filter(|(_, lanes)| *lanes > 0.0);
    Worker {
        name,
        error: None,
        version: now.label("orderstream_build_info", "version").map(str::to_owned),
        lanes_owned: now.value("orderstream_lanes_owned"),
        events_per_second: growth.map(|growth| growth.rate("orderstream_events_total", &[])),
        cpu_cores: growth.map(|growth| growth.rate("process_cpu_seconds_total", &[])),
        memory_bytes: now.value("process_resident_memory_bytes"),
        relay_queue_chunks: now.value("orderstream_relay_queue_chunks"),
        stopped: stopped.map(|(reason, _)| reason).collect(),
    }
}

/// Lanes of which nothing is known come first where the worst do: nobody looks after them.
fn sort_lanes(lanes: &mut [LaneRow], sort: Sort, is_reversed: bool) {
    let by = |value: fn(&LaneRow) -> Option<f64>| {
        move |a: &LaneRow, b: &LaneRow| {
            let number = |row: &LaneRow| value(row).unwrap_or(f64::INFINITY);
            number(b).total_cmp(&number(a))
        }
    };
    match sort {
        Sort::Seconds => lanes.sort_by(by(|row| row.lag_seconds)),
        Sort::Records => lanes.sort_by(by(|row| row.lag_records)),
        Sort::Rate => lanes.sort_by(by(|row| row.events_per_second)),
        Sort::Unpublished => lanes.sort_by(by(|row| row.unpublished_rows)),
        Sort::Owner => lanes.sort_by(|a, b| a.owner.cmp(&b.owner)),
        Sort::Lane => {}
    }
    if is_reversed {
        lanes.reverse();
    }
}
