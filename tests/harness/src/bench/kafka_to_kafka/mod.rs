//! The way from the input topics to the status topic without a database: how fast it is, and what it takes of the machine.
//!
//! | part | file |
//! |---|---|
//! | reading, deciding, publishing | [`passage`] |
//! | the orders meanwhile | [`orders`] |
//!
//! It is our own way: our client, decoder, core and encoder, and transactions as our relay makes them. So what it comes to says what is
//! left of the product when Postgres is taken away, and not what Kafka can do. Measured on both workloads, as the product is. Invariant:
//! a passage that left an order out, or told one's versions out of their order, is an error and no measurement.

pub mod orders;
pub mod passage;

use anyhow::{Context, Result, ensure};
use indicatif::HumanCount;

use super::ground::Ground;
use super::visible::Watcher;
use super::workload::Workload;
use super::{Extra, Options, whole};
use crate::usage;
use passage::Passage;

/// The name of what the whole machine spent on an event of `scattered`, in the report.
pub const SCATTERED_MACHINE_US: &str = "kafka_to_kafka_scattered_machine_us_per_event";

/// What a passage over one workload came to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Carried {
    /// Events a second, from a tenth to nine tenths of the status events.
    rate: f64,
    /// Processor time of the whole machine, in microseconds an event.
    machine_us: f64,
    /// Status events that came out. Topics are read as they come, so they may be a few more or less than the product's.
    status_events: u64,
}

/// Catches a passage up from a backlog of each workload, measured as the product is. What was measured is in `extra`, also where
/// something that comes after it fails.
///
/// # Errors
/// A server does not answer, or what went in does not come out.
pub async fn measure(ground: &mut Ground, options: &Options, extra: &mut Extra) -> Result<()> {
    for (on, workload) in [("local", options.local()), ("scattered", options.scattered())] {
        let carried = carry(ground, on, workload, options.partitions).await;
        extra.add(told(on, carried.with_context(|| format!("on `{on}`"))?));
    }
    Ok(())
}

async fn carry(ground: &mut Ground, on: &str, workload: Workload, partitions: i32) -> Result<Carried> {
    let stage = ground.stage(&format!("kafka-to-kafka-{on}"), partitions, &[]).await?;
    let events = ground.load(&stage, workload).await?;
    let (brokers, topic) = (&stage.deployment.stack.brokers, &stage.deployment.topics.status);
    let watcher = Watcher::begin(brokers, topic)?;
    let before = usage::of_machine()?;
    let passage = Passage::start(&stage.deployment, workload.events_per_order).await?;
    let waited = ground.until_published(&stage, &mut [], events).await;
    let took = usage::of_machine()?.saturating_sub(before);
    // What stopped the passage says more than that nothing came of it.
    passage.end().await?;
    waited?;
    let rate = watcher.end().await?.rate(events).context("no status event became visible")?;
    let (versions, status_events) = whole::read(brokers, topic)?;
    let (found, orders) = (versions.len() as u64, workload.all_orders());
    ensure!(found == orders, "{found} orders are told of in `{topic}`, and there are {orders}");
    ground.strike(stage).await?;
    Ok(Carried { rate, machine_us: took.as_secs_f64() * 1e6 / events as f64, status_events })
}

fn told(on: &str, Carried { rate, machine_us, status_events }: Carried) -> Extra {
    // As with the product's costs, a number that names no workload is of `local`.
    let prefix = if on == "local" { "kafka_to_kafka".to_owned() } else { format!("kafka_to_kafka_{on}") };
    let mut extra = Extra::default();
    extra.number(format!("{prefix}_eps"), rate.round());
    extra.number(format!("{prefix}_machine_us_per_event"), machine_us);
    extra.number(format!("{prefix}_status_events"), status_events);
    extra.line(format!(
        "our own passage from Kafka to Kafka, without a database, on {on}: {} events a second, {machine_us:.1} µs of the machine an event",
        HumanCount(rate.round() as u64)
    ));
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workload_has_figures_of_its_own() {
        let carried = |rate, machine_us| Carried { rate, machine_us, status_events: 4 };
        let mut extra = told("local", carried(80_000.4, 19.5));
        extra.add(told("scattered", carried(60_000.0, 24.5)));
        let number = |name: &str| extra.numbers[name].as_f64();
        assert_eq!(
            [number("kafka_to_kafka_eps"), number("kafka_to_kafka_scattered_eps")],
            [80_000.0, 60_000.0].map(Some)
        );
        assert_eq!(
            [number("kafka_to_kafka_machine_us_per_event"), number(SCATTERED_MACHINE_US)],
            [19.5, 24.5].map(Some)
        );
        assert!(extra.lines[1].contains("on scattered: 60,000 events a second, 24.5 µs"), "{:?}", extra.lines);
    }
}
