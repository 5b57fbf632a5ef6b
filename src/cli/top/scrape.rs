//! What one worker answered, and how much that has grown since it answered before.
//!
//! Metrics are asked for by name; one that a worker does not have is simply not there. Invariant: growth is told only between two
//! answers of the same process, never across a restart.

use std::collections::BTreeMap;
use std::time::Instant;

use super::exposition::{self, Sample};

/// One answer of a worker.
#[derive(Clone, Debug)]
pub(super) struct Scrape {
    at: Instant,
    samples: Vec<Sample>,
}

impl Scrape {
    /// Reads an answer that came then.
    ///
    /// # Errors
    /// What is no answer of a worker.
    pub fn read(text: &str, at: Instant) -> Result<Self, String> {
        let samples = exposition::parse(text)?;
        if samples.iter().any(|sample| sample.name == "orderstream_build_info") {
            return Ok(Self { at, samples });
        }
        Err("this is no worker's: it has no orderstream_build_info".to_owned())
    }

    fn of<'s, 'n>(&'s self, name: &'n str) -> impl Iterator<Item = &'s Sample> + use<'s, 'n> {
        self.samples.iter().filter(move |sample| sample.name == name && !sample.value.is_nan())
    }

    /// The sum of a metric's series.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.of(name).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }

    /// A metric's series, added up by one of its labels.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for sample in self.of(name) {
            if let Some(value) = sample.labels.get(label) {
                *values.entry(value.clone()).or_default() += sample.value;
            }
        }
        values
    }

    /// One of a metric's labels, of its first series.
    pub fn label(&self, name: &str, label: &str) -> Option<&str> {
        self.of(name).next()?.labels.get(label).map(String::as_str)
    }

    /// The series of a metric whose labels are these, and maybe others.
    fn with<'s, 'n>(
        &'s self,
        name: &'n str,
        labels: &'n [(&'n str, &'n str)],
    ) -> impl Iterator<Item = &'s Sample> + use<'s, 'n> {
        let fits = move |sample: &&Sample| {
            labels.iter().all(|(label, is)| sample.labels.get(*label).is_some_and(|of| of == is))
        };
        self.of(name).filter(fits)
    }

    /// The sum of the series of a metric that have these labels.
    pub fn value_with(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.with(name, labels).map(|sample| sample.value).sum()
    }

    /// A histogram's cumulated buckets, by their upper bounds.
    fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> BTreeMap<Bound, f64> {
        let mut buckets = BTreeMap::new();
        for sample in self.with(&format!("{name}_bucket"), labels) {
            if let Some(bound) = sample.labels.get("le").and_then(|bound| bound.parse().ok()) {
                *buckets.entry(Bound(bound)).or_default() += sample.value;
            }
        }
        buckets
    }
}

/// An upper bound; no exporter says NaN for one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound(f64);

impl Eq for Bound {}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Two answers of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth<'s> {
    before: &'s Scrape,
    now: &'s Scrape,
    /// How much time lies between them.
    pub seconds: f64,
}

impl<'s> Growth<'s> {
    /// Between these two, unless the process is another one by now.
    pub fn between(before: Option<&'s Scrape>, now: &'s Scrape) -> Option<Self> {
        let before = before?;
        let started = "process_start_time_seconds";
        let is_same = before.value(started).map(f64::to_bits) == now.value(started).map(f64::to_bits);
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        (is_same && seconds > 0.0).then_some(Self { before, now, seconds })
    }

    /// How fast a counter grows, a second; its series with these labels together.
    pub fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        (self.now.value_with(name, labels) - self.before.value_with(name, labels)).max(0.0) / self.seconds
    }

    /// How fast a counter grows, a second, by one of its labels.
    pub fn rates_by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let before = self.before.by(name, label);
        let rate = |(of, value): (String, f64)| {
            let rate = (value - before.get(&of).copied().unwrap_or_default()).max(0.0) / self.seconds;
            (of, rate)
        };
        self.now.by(name, label).into_iter().map(rate).collect()
    }

    /// What a histogram took in meanwhile.
    pub fn observed(&self, name: &str, labels: &[(&str, &str)]) -> Observed {
        let before = self.before.buckets(name, labels);
        let grown = |(bound, count): (Bound, f64)| {
            let old = before.get(&bound).copied().unwrap_or_default();
            (bound, (count - old).max(0.0))
        };
        Observed(self.now.buckets(name, labels).into_iter().map(grown).collect())
    }
}

/// Observations in cumulated buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed(BTreeMap<Bound, f64>);

impl Observed {
    /// Those of several workers together.
    pub fn add(&mut self, other: Self) {
        for (bound, count) in other.0 {
            *self.0.entry(bound).or_default() += count;
        }
    }

    /// How many there are.
    pub fn count(&self) -> f64 {
        self.0.values().next_back().copied().unwrap_or_default()
    }

    /// The value that this part of them does not exceed, as Prometheus reckons it: evenly spread within a bucket. Infinite where it
    /// lies beyond the last finite bound, none where there are none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = part * self.count();
        let (mut low, mut below) = (0.0, 0.0);
        for (Bound(bound), count) in &self.0 {
            if *count >= rank && *count > 0.0 {
                let within = *count - below;
                let share = if within > 0.0 { (rank - below) / within } else { 1.0 };
                return Some(if bound.is_finite() { low + (bound - low) * share } else { f64::INFINITY });
            }
            (low, below) = (*bound, *count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::*;

    #[test]
    fn an_answer_of_something_else_is_refused() {
        for text in ["", "go_goroutines 3\n", "<html>\n"] {
            assert!(Scrape::read(text, Instant::now()).is_err(), "{text}");
        }
    }

    #[test]
    fn counters_grow_between_answers_of_one_process_and_not_across_a_restart() {
        let begin = Instant::now();
        let of = |after, start: u64, a: u64| {
            scrape(
                begin,
                after,
                &format!("process_start_time_seconds {start}\nn{{x=\"a\"}} {a}\nn{{x=\"b\"}} 5\nn{{x=\"c\"}} NaN\n"),
            )
        };
        let (first, second, restarted) = (of(0, 7, 10), of(2, 7, 30), of(4, 9, 1));
        let growth = Growth::between(Some(&first), &second).unwrap();
        assert_eq!(growth.rate("n", &[]), 10.0);
        assert_eq!(growth.rate("n", &[("x", "b")]), 0.0);
        assert_eq!(growth.rates_by("n", "x"), BTreeMap::from([("a".to_owned(), 10.0), ("b".to_owned(), 0.0)]));
        assert_eq!(growth.rate("missing", &[]), 0.0);
        assert!(Growth::between(Some(&second), &restarted).is_none());
        assert!(Growth::between(None, &first).is_none());
    }

    #[test]
    fn quantiles_are_those_of_what_came_in_between() {
        let begin = Instant::now();
        let of = |after, counts: [u64; 3]| {
            let bounds = ["0.1", "0.2", "+Inf"];
            let lines = bounds.iter().zip(counts).map(|(le, count)| format!("h_bucket{{le=\"{le}\"}} {count}\n"));
            scrape(begin, after, &lines.collect::<String>())
        };
        let (first, second) = (of(0, [100, 100, 100]), of(1, [150, 200, 200]));
        let observed = Growth::between(Some(&first), &second).unwrap().observed("h", &[]);
        assert_eq!(observed.count(), 100.0);
        let near = |part: f64, value: f64| (observed.quantile(part).unwrap() - value).abs() < 1e-9;
        assert!(near(0.25, 0.05) && near(0.5, 0.1) && near(0.75, 0.15) && near(1.0, 0.2));
        let third = of(1, [100, 100, 110]);
        let beyond = Growth::between(Some(&first), &third).unwrap().observed("h", &[]);
        assert_eq!(beyond.quantile(0.5), Some(f64::INFINITY));
        assert!(Growth::between(Some(&first), &first).is_none(), "no time went by");
        let mut nothing = Observed::default();
        assert_eq!((nothing.quantile(0.5), nothing.count()), (None, 0.0));
        nothing.add(observed.clone());
        assert_eq!(nothing.count(), 100.0);
    }
}
