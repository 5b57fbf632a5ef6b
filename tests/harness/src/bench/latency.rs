//! From a record's time to its visible status event, at several rates; and the same with the database left out.
//!
//! The sender keeps its appointments whatever the system does, so a pause of the system is in the latencies of all that came meanwhile.
//! Where the time goes is read off the status events themselves: `until_begun` is the way through Kafka to the worker and the wait for
//! its batch, until Postgres's transaction began (Postgres's clock); `until_handed` is that transaction and the way to the relay (cut
//! to whole milliseconds by the record); `until_visible` is Kafka's transaction and the consumer's own fetch. All clocks are one
//! machine's. Invariant: warming up is left out, and what came in while it was measured is waited for.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::arrivals::{self, Arrivals, Way};
use super::ground::Ground;
use super::kafka_to_kafka::passage::Passage;
use super::pace::Pace;
use super::percentiles::Percentiles;
use super::plot::latency::{self as plot, AtRate};
use super::slowest::Slowest;
use super::workload::Workload;
use super::{Extra, Options};
use crate::stage::Stage;
use crate::worker::Worker;

/// Events a second.
const RATES: [u32; 3] = [100, 1_000, 10_000];
/// The p99 that is to be reached at the lower two, in milliseconds.
const GOAL: f64 = 30.0;
/// The orders of one rate lie so far from those of the next.
const APART: u64 = 10_000_000;
/// Orders that are worked off before anything is measured.
const FIRST_ORDERS: u64 = 200;

/// How long the sender goes on.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// What comes first is not measured.
    warm_up: Duration,
    /// What comes then is.
    measured: Duration,
}

impl Times {
    fn of(quick: bool) -> Self {
        // At 100 a second the slowest hundredth is sixty records then.
        let (warm_up, measured) = if quick { (3, 8) } else { (10, 60) };
        Self { warm_up: Duration::from_secs(warm_up), measured: Duration::from_secs(measured) }
    }
}

/// What was measured at one rate; all in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Measured {
    /// Events a second.
    rate: u32,
    /// How many were sent, those of the warming up included.
    sent: u64,
    /// How late the sender itself was at worst.
    sender_behind: f64,
    /// From the record's time to the visible status event.
    visible: Percentiles,
    /// Of that: until the transaction in Postgres began.
    until_begun: Percentiles,
    /// From there until the status event was handed to Kafka.
    until_handed: Percentiles,
    /// From there until it was visible.
    until_visible: Percentiles,
    /// The slowest hundredth by the same parts.
    slowest: Slowest,
}

/// Measures a worker at all rates, then the passage without a database, and draws both.
///
/// # Errors
/// A server does not answer, the worker ends by itself, or nothing became visible.
pub async fn measure(ground: &mut Ground, options: &Options) -> Result<Extra> {
    let times = Times::of(options.quick);
    let ours = worker(ground, options, times).await?;
    let floor = passage(ground, options, times).await?;
    let at_rates: Vec<AtRate> = ours
        .iter()
        .zip(&floor)
        .map(|(ours, floor)| AtRate { rate: ours.rate, ours: ours.visible, floor: Some(floor.visible) })
        .collect();
    let subtitle = "from a record's timestamp to its status event at a read_committed consumer, one worker";
    options.leave("latency.svg", &plot::draw(&at_rates, GOAL, "Latency", subtitle))?;
    Ok(told(&ours, &floor))
}

/// One worker process as it is shipped.
async fn worker(ground: &mut Ground, options: &Options, times: Times) -> Result<Vec<Measured>> {
    let stage = ground.stage("latency", options.partitions, &[]).await?;
    let mut workers = vec![ground.start(&stage, "worker")?];
    let measured = at_all_rates(ground, &stage, &mut workers, times).await?;
    ground.stop(workers).await?;
    ground.strike(stage).await?;
    Ok(measured)
}

/// The same with orders in memory: what is left of our way when the database is left out, and not what Kafka can do.
async fn passage(ground: &mut Ground, options: &Options, times: Times) -> Result<Vec<Measured>> {
    let stage = ground.stage("latency-floor", options.partitions, &[]).await?;
    let passage = Passage::start(&stage.deployment, Workload::local(1).events_per_order).await?;
    let measured = at_all_rates(ground, &stage, &mut [], times).await;
    // What stopped the passage says more than that nothing came of it.
    passage.end().await?;
    ground.strike(stage).await?;
    measured
}

async fn at_all_rates(ground: &Ground, stage: &Stage, workers: &mut [Worker], times: Times) -> Result<Vec<Measured>> {
    let first = ground.load(stage, Workload::local(FIRST_ORDERS)).await?;
    ground.until_published(stage, workers, first).await?;
    let mut measured = Vec::new();
    for (number, rate) in (1..).zip(RATES) {
        measured.push(at_rate(ground, stage, workers, (number, rate), times).await?);
    }
    Ok(measured)
}

async fn at_rate(
    ground: &Ground,
    stage: &Stage,
    workers: &mut [Worker],
    (number, rate): (u64, u32),
    times: Times,
) -> Result<Measured> {
    let deployment = &stage.deployment;
    let arrivals = Arrivals::begin(deployment)?;
    let workload = Workload { first_order: number * APART, seed: number + 1, ..Workload::local(APART) };
    let pace = Pace::start(deployment, workload, rate).await?;
    let [from, until] = [times.warm_up, times.warm_up + times.measured].map(|after| pace.time(after));
    pace.until(times.warm_up + times.measured).await;
    let paced = pace.end().await?;
    ground.until_published(stage, workers, paced.sent).await?;
    let mut ways = arrivals::ways(deployment, &arrivals.end().await?).await?;
    ways.retain(|way| (from..until).contains(&way.appointed));
    ensure!(!ways.is_empty(), "no status event of {rate} events a second became visible");
    let of = |time: fn(&Way) -> i64| {
        Percentiles::of(ways.iter().map(time).collect()).context("of one way at least there are percentiles")
    };
    Ok(Measured {
        rate,
        sent: paced.sent,
        sender_behind: paced.behind_micros as f64 / 1_000.0,
        visible: of(|way| way.visible - way.appointed)?,
        until_begun: of(|way| way.begun - way.appointed)?,
        until_handed: of(|way| way.handed - way.begun)?,
        until_visible: of(|way| way.visible - way.handed)?,
        slowest: Slowest::of(&ways).context("of one way at least one is the slowest")?,
    })
}

fn told(ours: &[Measured], floor: &[Measured]) -> Extra {
    let mut extra = Extra::default();
    for (prefix, measured) in [("", ours), ("without_database_", floor)] {
        for Measured { rate, visible: Percentiles { p50, p99, p999, max, .. }, .. } in measured {
            for (name, value) in [("p50", p50), ("p99", p99), ("p999", p999), ("max", max)] {
                extra.number(format!("{prefix}{name}_ms_at_{rate}"), *value);
            }
        }
    }
    extra.number("latency_ms", json!({ "product": ours, "without_database": floor }));
    extra.line(
        "latency in ms, from a record's time to its visible status event; in brackets with the database left out",
    );
    extra.line(
        "behind that, p50 of its parts: until Postgres began, until handed to Kafka, until visible; then the same for the slowest \
         hundredth, in means, and in how many pauses these came",
    );
    let (names, parts) = (["p50", "p99", "p99.9", "max"], ["begun", "handed", "visible"]);
    let names: String = names.iter().map(|name| format!("{name:>15}")).collect();
    let parts: String = parts.iter().map(|part| format!("{part:>8}")).collect();
    extra.line(format!("  events/s{names}{parts}"));
    for (ours, floor) in ours.iter().zip(floor) {
        let pairs = [
            (ours.visible.p50, floor.visible.p50),
            (ours.visible.p99, floor.visible.p99),
            (ours.visible.p999, floor.visible.p999),
            (ours.visible.max, floor.visible.max),
        ];
        let mut line = format!("  {:>8}", ours.rate);
        for (ours, floor) in pairs {
            _ = write!(line, " {ours:>6.1} ({floor:>5.1})");
        }
        for part in [&ours.until_begun, &ours.until_handed, &ours.until_visible] {
            _ = write!(line, " {:>7.1}", part.p50);
        }
        let Slowest { until_begun, until_handed, until_visible, pauses, .. } = ours.slowest;
        _ = write!(line, "   {until_begun:>7.1} {until_handed:>7.1} {until_visible:>7.1} {pauses:>4}");
        extra.line(line);
    }
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rate: u32, p99: f64) -> Measured {
        let visible = Percentiles { count: 9, p50: p99 / 2.0, p99, p999: p99, max: p99 };
        let (until_begun, until_handed, until_visible) = (visible, visible, visible);
        let slowest =
            Slowest { count: 1, pauses: 1, total: p99, until_begun: p99, until_handed: 0.0, until_visible: 0.0 };
        Measured { rate, sent: 9, sender_behind: 0.1, visible, until_begun, until_handed, until_visible, slowest }
    }

    #[test]
    fn the_report_names_each_percentile_with_its_rate() {
        let ours = [measured(100, 24.0), measured(1_000, 28.0)];
        let floor = [measured(100, 5.0), measured(1_000, 9.0)];
        let Extra { numbers, lines } = told(&ours, &floor);
        assert_eq!(numbers["p99_ms_at_1000"], 28.0);
        assert_eq!(numbers["p50_ms_at_100"], 12.0);
        assert_eq!(numbers["without_database_p99_ms_at_1000"], 9.0);
        assert_eq!(numbers["latency_ms"]["product"][1]["until_visible"]["p99"], 28.0);
        assert!(lines.iter().any(|line| line.contains("1000   14.0 (  4.5)   28.0 (  9.0)")), "{lines:?}");
    }
}
