//! What throughput may depend on: each thing is a line of `things`, with the values to be tried and how each changes the point.
//!
//! Pure. Invariant: a value changes one thing; where something else has to change with it, its label says so, or its line here.

use indicatif::HumanCount;
use toml::Value;

use crate::bench::Options;
use crate::bench::workload::Workload;

/// What can be changed.
pub const NAMES: [&str; 7] =
    ["lanes", "writers", "batch_max_records", "events_per_order", "hot_events", "orders_before", "duplicates_percent"];

/// What is measured once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub partitions: i32,
    pub settings: Vec<(&'static str, Value)>,
    pub workload: Workload,
    /// Orders that are in the table before.
    pub orders_before: u64,
}

/// A thing that throughput may depend on.
pub(super) struct Thing {
    pub of: &'static str,
    pub name: &'static str,
    unit: &'static str,
    /// Those to be tried, of a quick run only these.
    values: &'static [u64],
    quick: &'static [u64],
    /// The value of the point that nothing was changed of.
    pub usual: u64,
    /// That point with another value.
    pub change: fn(Point, u64) -> Point,
}

/// Everything that is tried.
pub(super) fn things(options: &Options) -> Vec<Thing> {
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
            // As shipped, each of a writer's two lanes holds 5,000 records in memory: no batch can get more than 10,000.
            change: |point, records| point.with("worker.batch_max_records", records),
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
            change: Point::with_hot_events,
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

impl Thing {
    pub fn is_asked(&self, options: &Options) -> bool {
        options.sweep_of.is_empty() || options.sweep_of.iter().any(|name| name == self.name)
    }

    /// A value for people, and how many orders are open at its point where that changed with it.
    pub fn label(&self, value: u64, point: &Point, usual: &Point) -> String {
        let (value, open) = (HumanCount(value), point.workload.open_at_once());
        if open == usual.workload.open_at_once() {
            format!("{value}{}", self.unit)
        } else {
            format!("{value}{} ({} orders open)", self.unit, HumanCount(open))
        }
    }

    /// The values to be tried, the usual one among them, in ascending order.
    pub fn tried(&self, quick: bool) -> Vec<u64> {
        let mut values = if quick { self.quick } else { self.values }.to_vec();
        values.push(self.usual);
        values.sort_unstable();
        values.dedup();
        values
    }
}

impl Point {
    /// As shipped, on a smaller workload than that of the contest.
    pub fn usual(options: &Options) -> Self {
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

    /// One order more with so many events. It has a fact and a third an event, and more than 10,000 a worker as shipped refuses.
    fn with_hot_events(self, hot_events: u64) -> Self {
        let point = Self { workload: Workload { hot_events, ..self.workload }, ..self };
        if hot_events * 4 / 3 > 10_000 { point.with("worker.facts_per_order", 20_000) } else { point }
    }

    /// As many events in all for short stories; for long ones fewer, since each event of a long story costs what its order weighs. So
    /// of these fewer orders are open at once, too.
    fn with_events_per_order(self, events_per_order: u64) -> Self {
        let events = if events_per_order > 100 { self.workload.events() / 10 } else { self.workload.events() };
        let orders = (events / events_per_order).max(1);
        let events_per_order = usize::try_from(events_per_order).unwrap_or(usize::MAX);
        Self { workload: Workload { orders, events_per_order, ..self.workload }, ..self }
    }
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
    fn a_point_at_which_fewer_orders_are_open_says_so() {
        let usual = Point::usual(&options(false));
        let things = things(&options(false));
        let thing = things.iter().find(|thing| thing.name == "events_per_order").expect("it is tried");
        let label = |value| thing.label(value, &(thing.change)(usual.clone(), value), &usual);
        assert_eq!([6, 60, 600].map(label), ["6", "60", "600 (100 orders open)"]);
    }

    #[test]
    fn a_batch_s_size_is_changed_alone_and_a_hot_order_has_more_facts_only_where_it_needs_them() {
        let usual = Point::usual(&options(false));
        let changed = |name: &str, value| {
            let things = things(&options(false));
            let thing = things.iter().find(|thing| thing.name == name).expect("it is tried");
            (thing.change)(usual.clone(), value).settings
        };
        assert_eq!(changed("batch_max_records", 500), [("worker.batch_max_records", Value::from(500))]);
        assert_eq!(changed("hot_events", 1_000), []);
        assert_eq!(changed("hot_events", 10_000), [("worker.facts_per_order", Value::from(20_000))]);
    }
}
