//! Several workers' answers as one: what each tells of its own is added up, what all tell of the database is counted once.
//!
//! Pure. Invariant: a lane is told by its owner alone; a worker that was asked only once has no rates.

use std::collections::BTreeMap;

use super::model::{Flow, LaneRow, Latency, Retry, Stock};
use super::scrape::{Growth, Observed, Scrape};

/// The answers of the workers that answered, each with its growth.
pub(super) struct Answers<'a>(pub &'a [(&'a str, &'a Scrape, Option<Growth<'a>>)]);

impl Answers<'_> {
    /// The sum of a metric over the workers.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.0.iter().filter_map(|(_, now, _)| now.value(name)).reduce(|sum, value| sum + value)
    }

    /// Of what every worker tells of the whole database, and not at the same instant.
    pub fn highest(&self, name: &str) -> Option<f64> {
        self.0.iter().filter_map(|(_, now, _)| now.value(name)).reduce(f64::max)
    }

    /// Every lane that any of them knows of, in their order.
    pub fn lanes(&self) -> Vec<LaneRow> {
        let mut lanes: BTreeMap<i64, LaneRow> = BTreeMap::new();
        for (name, now, growth) in self.0 {
            let of = |metric: &str| now.by(metric, "lane");
            let (owned, lag) = (of("orderstream_lane_owned"), of("orderstream_lag_records"));
            // A worker that does not say which lanes are its own has series of those alone.
            let is_own =
                |lane: &str| owned.get(lane).map_or(owned.is_empty() && lag.contains_key(lane), |own| *own > 0.0);
            let seconds = of("orderstream_lag_seconds");
            let rows = of("orderstream_journal_unpublished_rows");
            let rows_seconds = of("orderstream_journal_unpublished_age_seconds");
            let queued = of("orderstream_lane_queue_records");
            let horizon = of("orderstream_lane_horizon_age_seconds");
            let has_rates = !of("orderstream_lane_events_total").is_empty();
            let rates =
                growth.map(|growth| growth.rates_by("orderstream_lane_events_total", "lane")).unwrap_or_default();
            for label in owned.keys().chain(lag.keys()) {
                let Ok(lane) = label.parse() else { continue };
                let row = lanes.entry(lane).or_insert_with(|| LaneRow { lane, ..LaneRow::default() });
                if !is_own(label) {
                    continue;
                }
                let get = |values: &BTreeMap<String, f64>| values.get(label).copied();
                *row = LaneRow {
                    lane,
                    owner: Some((*name).to_owned()),
                    lag_records: get(&lag),
                    lag_seconds: get(&seconds),
                    events_per_second: growth.filter(|_| has_rates).map(|_| get(&rates).unwrap_or_default()),
                    unpublished_rows: get(&rows),
                    unpublished_seconds: get(&rows_seconds),
                    queued_records: get(&queued),
                    horizon_seconds: get(&horizon),
                };
            }
        }
        lanes.into_values().collect()
    }

    /// Rates of all workers together, by a label; none as long as no worker was asked twice.
    fn rates(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let rates = self.0.iter().filter_map(|(_, _, growth)| Some(growth.as_ref()?.rate(name, labels)));
        rates.reduce(|sum, rate| sum + rate)
    }

    /// What goes through the topics.
    pub fn topics(&self) -> Vec<Flow> {
        let inputs = ["payment", "inventory", "shipping", "order", "deadline"].map(|topic| {
            let outcomes = ["applied", "duplicate", "stale", "dead_letter"].into_iter().filter_map(|outcome| {
                let rate = self.rates("orderstream_events_total", &[("topic", topic), ("outcome", outcome)])?;
                Some((outcome.to_owned(), rate))
            });
            Flow {
                topic: topic.to_owned(),
                // What a deadline makes was never read.
                records_per_second: self
                    .rates("orderstream_records_consumed_total", &[("topic", topic)])
                    .filter(|_| topic != "deadline"),
                outcomes_per_second: outcomes.collect(),
            }
        });
        let outputs = ["status", "command", "dead_letter"].map(|topic| Flow {
            topic: topic.to_owned(),
            records_per_second: self.rates("orderstream_records_published_total", &[("topic", topic)]),
            outcomes_per_second: BTreeMap::new(),
        });
        inputs.into_iter().chain(outputs).collect()
    }

    /// How long something took, over all workers.
    pub fn latency(&self, of: &'static str, name: &str, labels: &[(&str, &str)]) -> Latency {
        let mut observed = Observed::default();
        self.0
            .iter()
            .filter_map(|(_, _, growth)| *growth)
            .for_each(|growth| observed.add(growth.observed(name, labels)));
        let [p50_seconds, p95_seconds, p99_seconds] = [0.5, 0.95, 0.99].map(|part| observed.quantile(part));
        Latency { of, observations: observed.count(), p50_seconds, p95_seconds, p99_seconds }
    }

    /// What the database holds, by a label; what there is none of is left out.
    pub fn stock(&self, name: &str, label: &str, age: &str) -> Vec<Stock> {
        let highest = |name: &str| {
            let mut values: BTreeMap<String, f64> = BTreeMap::new();
            for (of, value) in self.0.iter().flat_map(|(_, now, _)| now.by(name, label)) {
                let highest = values.entry(of).or_insert(value);
                *highest = highest.max(value);
            }
            values
        };
        let ages = highest(age);
        let counts = highest(name).into_iter().filter(|(_, count)| *count > 0.0);
        let mut stock: Vec<Stock> = counts
            .map(|(of, count)| {
                let oldest_seconds = ages.get(&of).copied();
                Stock { of, count, oldest_seconds }
            })
            .collect();
        stock.sort_by(|a, b| b.count.total_cmp(&a.count));
        stock
    }

    /// What is tried again, the most frequent first.
    pub fn retries(&self) -> Vec<Retry> {
        let mut retries: BTreeMap<String, Retry> = BTreeMap::new();
        for (_, now, growth) in self.0 {
            let rates = growth.map(|growth| growth.rates_by("orderstream_retries_total", "cause"));
            for (cause, total) in now.by("orderstream_retries_total", "cause") {
                let retry =
                    retries.entry(cause.clone()).or_insert_with(|| Retry { cause: cause.clone(), ..Retry::default() });
                retry.total += total;
                if let Some(rate) = rates.as_ref().and_then(|rates| rates.get(&cause)) {
                    *retry.per_second.get_or_insert_default() += rate;
                }
            }
        }
        let mut retries: Vec<Retry> = retries.into_values().filter(|retry| retry.total > 0.0).collect();
        retries.sort_by(|a, b| b.per_second.unwrap_or_default().total_cmp(&a.per_second.unwrap_or_default()));
        retries
    }
}
