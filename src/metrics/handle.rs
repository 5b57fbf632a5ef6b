//! Typed handles to metrics: a call site names a static of the table, so it can misspell neither name nor label.
//!
//! The number of label values is part of the type. Values of a label with a known list are checked in debug builds and
//! looked up without allocation, so a handle may be used for every record. Invariant: before `install` nothing is counted.

use std::sync::OnceLock;

use ::metrics::{Key, KeyName, Level, Metadata, SharedString, Unit};

use crate::ids::Lane;

static METADATA: Metadata<'static> = Metadata::new("orderstream", Level::INFO, None);

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

impl Kind {
    /// The word of Prometheus' text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label's name and, where it is known, every value that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values; empty for one whose values are only known at run time, such as a lane.
    pub values: &'static [&'static str],
}

/// One row of the table of metrics.
#[derive(Debug)]
pub struct Row {
    /// The name, with unit and suffix.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Upper bounds of a histogram's buckets.
    pub buckets: &'static [f64],
}

impl Row {
    const fn new(name: &'static str, kind: Kind, labels: &'static [Label], help: &'static str) -> Self {
        Self { name, kind, labels, help, buckets: &[] }
    }

    /// The unit, which the name tells.
    #[must_use]
    pub fn unit(&self) -> Unit {
        unit_of(self.name)
    }

    /// Every combination of known label values, the last label changing fastest; none if any label's are unknown.
    #[must_use]
    pub fn combinations(&self) -> Vec<Vec<&'static str>> {
        self.labels.iter().fold(vec![Vec::new()], |sofar, label| {
            let extended = sofar.iter().flat_map(|values| {
                label.values.iter().map(|value| values.iter().copied().chain([*value]).collect::<Vec<_>>())
            });
            extended.collect()
        })
    }

    /// Where a combination stands in `combinations`.
    pub(super) fn position(&self, values: &[&str]) -> Option<usize> {
        self.labels.iter().zip(values).try_fold(0, |position, (label, value)| {
            let index = label.values.iter().position(|known| known == value)?;
            Some(position * label.values.len() + index)
        })
    }

    fn key(&self, values: &[&str]) -> Key {
        let labels = self.labels.iter().zip(values).map(|(label, value)| {
            let known = label.values.is_empty() || label.values.contains(value);
            debug_assert!(known, "{} has no {} `{value}`: add it to the table of metrics", self.name, label.name);
            ::metrics::Label::new(label.name, SharedString::from((*value).to_owned()))
        });
        Key::from_parts(KeyName::from_const_str(self.name), labels.collect::<Vec<_>>())
    }
}

/// The unit that a metric's name tells.
pub(super) fn unit_of(name: &str) -> Unit {
    match name {
        name if name.contains("_seconds") => Unit::Seconds,
        name if name.contains("_bytes") => Unit::Bytes,
        _ => Unit::Count,
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $Handle:ident, $Inner:ty, $kind:expr, $register:ident, $describe:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Handle<const N: usize> {
            row: Row,
            started: OnceLock<Vec<$Inner>>,
        }

        impl<const N: usize> $Handle<N> {
            pub(super) const fn new(name: &'static str, labels: &'static [Label; N], help: &'static str) -> Self {
                Self { row: Row::new(name, $kind, labels, help), started: OnceLock::new() }
            }

            /// Its row of the table.
            #[must_use]
            pub const fn row(&self) -> &Row {
                &self.row
            }

            fn register(&self, values: &[&str]) -> $Inner {
                let key = self.row.key(values);
                ::metrics::with_recorder(|recorder| recorder.$register(&key, &METADATA))
            }

            fn inner(&self, values: &[&str]) -> $Inner {
                let known = self.started.get().and_then(|all| all.get(self.row.position(values)?));
                known.cloned().unwrap_or_else(|| self.register(values))
            }
        }

        impl<const N: usize> Metric for $Handle<N> {
            fn row(&self) -> &Row {
                &self.row
            }

            fn describe(&self) {
                let name = KeyName::from_const_str(self.row.name);
                let help = SharedString::const_str(self.row.help);
                ::metrics::with_recorder(|recorder| recorder.$describe(name, Some(self.row.unit()), help));
            }

            fn start(&self) {
                let all = self.row.combinations();
                self.started.get_or_init(|| all.iter().map(|values| self.register(values)).collect());
            }
        }
    };
}

/// What `install` needs of every metric, whatever its kind.
pub trait Metric: Sync {
    /// Its row of the table.
    fn row(&self) -> &Row;

    /// Tells the recorder its help text.
    fn describe(&self);

    /// Makes every known combination of labels appear, as zero, and remembers it.
    fn start(&self);
}

handle! {
    /// A number that only grows.
    Counter, ::metrics::Counter, Kind::Counter, register_counter, describe_counter
}

handle! {
    /// A number that goes up and down.
    Gauge, ::metrics::Gauge, Kind::Gauge, register_gauge, describe_gauge
}

handle! {
    /// Values counted by size.
    Histogram, ::metrics::Histogram, Kind::Histogram, register_histogram, describe_histogram
}

impl<const N: usize> Counter<N> {
    /// Adds to the counter of these label values.
    pub fn increment(&self, n: u64, values: &[&str; N]) {
        self.inner(values).increment(n);
    }
}

impl<const N: usize> Gauge<N> {
    /// Sets the gauge of these label values.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float to Prometheus")]
    pub fn set_count(&self, value: usize, values: &[&str; N]) {
        self.set(value as f64, values);
    }

    /// Sets the gauge of these label values.
    pub fn set(&self, value: f64, values: &[&str; N]) {
        self.inner(values).set(value);
    }

    /// Adds to the gauge of these label values, which may be negative.
    pub fn add(&self, value: f64, values: &[&str; N]) {
        self.inner(values).increment(value);
    }

    /// Makes the series disappear: what it spoke of is somebody else's now. Setting it again brings it back.
    pub fn retire(&self, values: &[&str; N]) {
        self.set(f64::NAN, values);
    }
}

impl Gauge<1> {
    /// Sets the gauge of a lane.
    pub fn set_lane(&self, value: f64, lane: Lane) {
        self.set(value, &[&lane.to_string()]);
    }

    /// Makes the series of a lane disappear, which a process must do when it gives the lane up.
    pub fn retire_lane(&self, lane: Lane) {
        self.retire(&[&lane.to_string()]);
    }
}

impl<const N: usize> Histogram<N> {
    /// With these upper bounds of its buckets.
    pub(super) const fn buckets(mut self, buckets: &'static [f64]) -> Self {
        self.row.buckets = buckets;
        self
    }

    /// Counts a value under these label values.
    pub fn record(&self, value: f64, values: &[&str; N]) {
        self.inner(values).record(value);
    }

    /// Counts a duration, in seconds.
    pub fn record_duration(&self, duration: std::time::Duration, values: &[&str; N]) {
        self.record(duration.as_secs_f64(), values);
    }
}
