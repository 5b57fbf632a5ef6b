//! Traffic into Kafka: as fast as it goes, or so many records a second.
//!
//! Joins `traffic` (what) and `produce` (how), and counts what went in. The rate is kept by the clock and not by pauses of a
//! fixed length, so a slow broker is caught up with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::produce::Producer;
use crate::progress::Progress;
use crate::traffic::{Planned, Traffic};

/// Records an order makes on average, roughly: only the progress shown depends on it.
const RECORDS_PER_ORDER: u64 = 11;
const LOOK_EVERY: u64 = 1_000;

/// What went in.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WentIn {
    /// Orders begun.
    pub orders: u64,
    /// Records in all.
    pub records: u64,
    /// Records by topic.
    pub by_topic: BTreeMap<&'static str, u64>,
    /// Records that said again what an earlier one had said.
    pub repeated: u64,
    /// Records that must be refused, by reason code.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Records that come too early: refused until their time has come, by reason code.
    pub early: BTreeMap<&'static str, u64>,
    /// How long it took.
    pub seconds: f64,
}

impl WentIn {
    /// Counts one record.
    pub fn count(&mut self, planned: &Planned) {
        self.records += 1;
        *self.by_topic.entry(planned.input.as_str()).or_default() += 1;
        self.repeated += u64::from(planned.repeated);
        if let Some(flaw) = planned.flaw {
            let counts = if flaw.passes() { &mut self.early } else { &mut self.malformed };
            *counts.entry(flaw.reason()).or_default() += 1;
        }
    }

    /// Counts what went in later, too.
    pub fn add(&mut self, more: &Self) {
        self.orders += more.orders;
        self.records += more.records;
        self.repeated += more.repeated;
        self.seconds += more.seconds;
        let (mine, more) = ([&mut self.by_topic, &mut self.malformed, &mut self.early], more);
        for (counts, more) in mine.into_iter().zip([&more.by_topic, &more.malformed, &more.early]) {
            for (name, count) in more {
                *counts.entry(name).or_default() += count;
            }
        }
    }

    /// Records that must be refused.
    #[must_use]
    pub fn malformed_records(&self) -> u64 {
        self.malformed.values().sum()
    }

    /// Records that come too early.
    #[must_use]
    pub fn early_records(&self) -> u64 {
        self.early.values().sum()
    }

    /// Records a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.records as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// Sends the traffic, at most `rate` records a second if one is given, and shows how far it is.
///
/// # Errors
/// A record cannot be sent, or was not delivered.
pub fn run(traffic: Traffic, producer: &mut Producer, rate: Option<u64>) -> Result<WentIn> {
    let mut progress = Progress::towards(traffic.orders() * RECORDS_PER_ORDER, "records sent");
    let went_in = send(traffic, producer, rate, |went_in| {
        progress.show(went_in.records, &format!("{:.0}/s", went_in.rate()));
    })?;
    progress.end();
    Ok(went_in)
}

/// Sends the traffic like [`run`], and lets `now_and_then` see what went in so far.
///
/// # Errors
/// As [`run`].
pub fn send(
    mut traffic: Traffic,
    producer: &mut Producer,
    rate: Option<u64>,
    mut now_and_then: impl FnMut(&WentIn),
) -> Result<WentIn> {
    let mut went_in = WentIn::default();
    let began = Instant::now();
    for planned in traffic.by_ref() {
        if !producer.send(&planned)? {
            continue;
        }
        went_in.count(&planned);
        if went_in.records.is_multiple_of(LOOK_EVERY) {
            went_in.seconds = began.elapsed().as_secs_f64();
            now_and_then(&went_in);
        }
        if let Some(rate) = rate {
            keep_to(began, went_in.records, rate, producer);
        }
    }
    producer.flush()?;
    went_in.orders = traffic.orders_begun();
    went_in.seconds = began.elapsed().as_secs_f64();
    Ok(went_in)
}

/// Lets librdkafka work until it is time for the next record.
fn keep_to(began: Instant, records: u64, rate: u64, producer: &Producer) {
    let due = began + Duration::from_secs_f64(records as f64 / rate as f64);
    while let Some(early) = due.checked_duration_since(Instant::now()).filter(|early| *early > Duration::from_millis(1))
    {
        producer.poll(early);
    }
}
