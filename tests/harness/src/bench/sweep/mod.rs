//! How throughput changes when one thing is changed and all else stays as it is shipped: lanes, writers, batches, orders, events.
//!
//! One function measures any `Point`: a stage of its own, settings, a workload, and orders that are in the table already; each thing is
//! a line of `things`. Invariant: the point that nothing was changed of is measured once and stands in every series.

use anyhow::Result;
use indicatif::HumanCount;
use serde::Serialize;
use serde_json::json;
use toml::Value;

use super::filler::Filler;
use super::ground::Ground;
use super::workload::Workload;
use super::{Extra, Options, plot, product};

/// What can be changed.
pub const NAMES: [&str; 7] =
    ["lanes", "writers", "batch_max_records", "events_per_order", "hot_events", "orders_before", "duplicates_percent"];

/// The series of one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// What it is, for people.
    pub of: String,
    /// What it is, for programs.
    pub name: String,
    /// What was tried, in ascending order.
    pub tried: Vec<Tried>,
}

/// One value of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The value, for people.
    pub value: String,
    /// Whether everything else was measured with it.
    pub is_default: bool,
    /// Events a second, round by round.
    pub rounds: Vec<f64>,
}

/// What is measured once.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    partitions: i32,
    settings: Vec<(&'static str, Value)>,
    workload: Workload,
    /// Orders that are in the table before.
    orders_before: u64,
}

/// A thing that throughput may depend on.
struct Thing {
    of: &'static str,
    name: &'static str,
    unit: &'static str,
    /// Those to be tried, of a quick run only these.
    values: &'static [u64],
    quick: &'static [u64],
    /// The value of the point that nothing was changed of.
    usual: u64,
    /// That point with another value.
    change: fn(Point, u64) -> Point,
}

/// Everything that is tried.
fn things(options: &Options) -> Vec<Thing> {
    vec![
        Thing {
            of: "lanes",
            name: "lanes",
            unit: "",
            values: &[1, 4, 16, 64],
            quick: &[1, 64],
            usual: u64::from(options.partitions.unsigned_abs()),
            change: |point, lanes| Point { partitions: i32::try_from(lanes).unwrap_or(i32::MAX), ..point },
        },
        Thing {
            of: "writers",
            name: "writers",
            unit: "",
            values: &[1, 2, 4],
            quick: &[],
            usual: 4,
            change: |point, writers| point.with("worker.writers", writers),
        },
        Thing {
            of: "records in a batch, at most",
            name: "batch_max_records",
            unit: "",
            values: &[500, 1_500, 3_000, 10_000],
            quick: &[],
            usual: 3_000,
            // What a lane holds back in memory bounds a batch, too.
            change: |point, records| {
                point.with("worker.batch_max_records", records).with("worker.lane_queue_records", records)
            },
        },
        Thing {
            of: "events of an order",
            name: "events_per_order",
            unit: "",
            values: &[6, 60, 600],
            quick: &[],
            usual: 6,
            change: Point::with_events_per_order,
        },
        Thing {
            of: "events of one hot order beside",
            name: "hot_events",
            unit: "",
            values: &[0, 1_000, 10_000],
            quick: &[],
            usual: 0,
            // Beyond 10,000 facts, one and a third an event, a shipped worker refuses more.
            change: |point, hot_events| {
                Point { workload: Workload { hot_events, ..point.workload }, ..point }
                    .with("worker.facts_per_order", 20_000)
            },
        },
        Thing {
            of: "orders in the table before",
            name: "orders_before",
            unit: "",
            values: &[0, 1_000_000, 10_000_000],
            quick: &[],
            usual: 0,
            change: |point, orders_before| Point { orders_before, ..point },
        },
        Thing {
            of: "share of events that are sent again",
            name: "duplicates_percent",
            unit: " %",
            values: &[0, 10, 50],
            quick: &[],
            usual: 0,
            change: |point, percent| {
                let duplicates = percent as f64 / 100.0;
                Point { workload: Workload { duplicates, ..point.workload }, ..point }
            },
        },
    ]
}

/// Measures everything that is tried, and draws it.
///
/// # Errors
/// As [`product::measure`].
pub async fn measure(ground: &mut Ground, options: &Options) -> Result<Extra> {
    let usual = Point::usual(options);
    let (usual_rate, filler) = usual.measure(ground, "usual", None).await?;
    let mut sweeps = Vec::new();
    for thing in things(options).iter().filter(|thing| thing.is_asked(options)) {
        let values = thing.tried(options.quick);
        if values.len() == 1 {
            continue;
        }
        let mut tried = Vec::new();
        for value in values {
            let is_default = value == thing.usual;
            let rate = if is_default {
                usual_rate
            } else {
                let what = format!("{}-{value}", thing.name.replace('_', "-"));
                (thing.change)(usual.clone(), value).measure(ground, &what, Some(&filler)).await?.0
            };
            eprintln!("{} {}{}: {} events a second", thing.of, HumanCount(value), thing.unit, HumanCount(rate as u64));
            let value = format!("{}{}", HumanCount(value), thing.unit);
            tried.push(Tried { value, is_default, rounds: vec![rate.round()] });
        }
        sweeps.push(Sweep { of: thing.of.to_owned(), name: thing.name.to_owned(), tried });
    }
    let events = HumanCount(usual.workload.events());
    let subtitle = format!("events a second; one thing changed, all else as shipped; about {events} events each");
    options.leave("sweep.svg", &plot::sweep::draw(&sweeps, "What throughput depends on", &subtitle))?;
    Ok(told(&sweeps))
}

impl Thing {
    fn is_asked(&self, options: &Options) -> bool {
        options.sweep_of.is_empty() || options.sweep_of.iter().any(|name| name == self.name)
    }

    /// The values to be tried, the usual one among them, in ascending order.
    fn tried(&self, quick: bool) -> Vec<u64> {
        let mut values = if quick { self.quick } else { self.values }.to_vec();
        values.push(self.usual);
        values.sort_unstable();
        values.dedup();
        values
    }
}

impl Point {
    /// As shipped, on a smaller workload than that of the contest.
    fn usual(options: &Options) -> Self {
        let orders = options.local().orders.min(if options.quick { 30_000 } else { 100_000 });
        Self {
            partitions: options.partitions,
            settings: Vec::new(),
            workload: Workload::local(orders),
            orders_before: 0,
        }
    }

    fn with(mut self, setting: &'static str, value: u64) -> Self {
        self.settings.push((setting, Value::from(i64::try_from(value).unwrap_or(i64::MAX))));
        self
    }

    /// As many events in all for short stories; for long ones fewer, since each event of a long story costs what its order weighs.
    fn with_events_per_order(self, events_per_order: u64) -> Self {
        let events = if events_per_order > 100 { self.workload.events() / 10 } else { self.workload.events() };
        let orders = (events / events_per_order).max(1);
        let events_per_order = usize::try_from(events_per_order).unwrap_or(usize::MAX);
        Self { workload: Workload { orders, events_per_order, ..self.workload }, ..self }
    }

    /// Events a second at this point, and rows of its orders to fill other tables with.
    async fn measure(&self, ground: &mut Ground, what: &str, filler: Option<&Filler>) -> Result<(f64, Filler)> {
        let stage = ground.stage(what, self.partitions, &self.settings).await?;
        let mut connection = stage.connect().await?;
        if let Some(filler) = filler.filter(|_| self.orders_before > 0) {
            filler.fill(&mut connection, self.orders_before, self.workload.orders).await?;
        }
        let measured = product::measure(ground, &stage, self.workload).await?;
        let filler = Filler::take(&mut connection).await?;
        drop(connection);
        ground.strike(stage).await?;
        Ok((measured.rate, filler))
    }
}

fn told(sweeps: &[Sweep]) -> Extra {
    let mut extra = Extra::default();
    extra.line("events a second, one thing changed and all else as shipped");
    for sweep in sweeps {
        let tried = sweep.tried.iter().map(|tried| {
            let usual = if tried.is_default { " (as shipped)" } else { "" };
            let rate = tried.rounds.first().copied().unwrap_or_default();
            format!("{}{usual}: {}", tried.value, HumanCount(rate as u64))
        });
        extra.line(format!("  {:<36} {}", sweep.of, tried.collect::<Vec<_>>().join("   ")));
    }
    if let Some(ratio) = ratio_of_a_full_table(sweeps) {
        extra.number("ratio_of_full_to_empty_table", ratio);
    }
    extra.number("sweep", json!(sweeps));
    extra
}

/// What is left of the throughput with the most orders in the table, as a share of that with none.
fn ratio_of_a_full_table(sweeps: &[Sweep]) -> Option<f64> {
    let sweep = sweeps.iter().find(|sweep| sweep.name == "orders_before")?;
    let (empty, full) = (sweep.tried.first()?.rounds.first()?, sweep.tried.last()?.rounds.first()?);
    Some(full / empty)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn options(quick: bool) -> Options {
        let directory = PathBuf::from("nowhere");
        let (parts, sweep_of) = (Vec::new(), Vec::new());
        Options { parts, quick, rounds: 1, events: None, partitions: 8, sweep_of, directory }
    }

    #[test]
    fn every_thing_is_tried_with_its_usual_value_and_changes_the_point_for_every_other() {
        let usual = Point::usual(&options(false));
        assert_eq!(things(&options(false)).iter().map(|thing| thing.name).collect::<Vec<_>>(), NAMES);
        for thing in things(&options(false)) {
            let values = thing.tried(false);
            assert!(values.contains(&thing.usual) && values.is_sorted() && values.len() >= 3, "{}", thing.name);
            for value in values.into_iter().filter(|value| *value != thing.usual) {
                assert_ne!((thing.change)(usual.clone(), value), usual, "{} {value}", thing.name);
            }
        }
        assert_eq!(things(&options(false))[0].tried(false), [1, 4, 8, 16, 64]);
        assert_eq!(things(&options(true))[0].tried(true), [1, 8, 64]);
    }

    #[test]
    fn usual_values_are_those_that_are_shipped() {
        let shipped = orderstream::config::example();
        for (setting, usual) in [("writers", 4), ("batch_max_records", 3_000), ("lane_queue_records", 5_000)] {
            assert!(shipped.contains(&format!("{setting} = {usual}\n")), "{setting}");
        }
    }

    #[test]
    fn longer_stories_are_of_fewer_orders() {
        let usual = Point::usual(&options(false));
        let [short, long] = [60, 600].map(|events| usual.clone().with_events_per_order(events).workload);
        assert_eq!((short.orders, short.events()), (10_000, 600_000));
        assert_eq!((long.orders, long.events()), (100, 60_000));
    }

    #[test]
    fn the_report_says_what_a_full_table_costs() {
        let tried = |value: &str, rate, is_default| Tried { value: value.to_owned(), is_default, rounds: vec![rate] };
        let tried = vec![tried("0", 80_000.0, true), tried("10,000,000", 60_000.0, false)];
        let sweep = Sweep { of: "orders in the table before".to_owned(), name: "orders_before".to_owned(), tried };
        let told = told(&[sweep]);
        assert_eq!(told.numbers["ratio_of_full_to_empty_table"], 0.75);
        assert!(told.lines[1].ends_with("0 (as shipped): 80,000   10,000,000: 60,000"), "{:?}", told.lines);
    }
}
