//! How throughput changes when one thing is changed and all else stays as it is shipped: lanes, writers, batches, orders, events.
//!
//! One function measures any point: a stage of its own, settings, a workload, and orders that are in the table already; what is tried
//! stands in `things`. Invariant: the point that nothing was changed of is measured once and stands in every series.

mod things;

use anyhow::Result;
use indicatif::HumanCount;
use serde::Serialize;
use serde_json::json;

use super::filler::Filler;
use super::ground::Ground;
use super::{Extra, Options, plot, product};
pub use things::NAMES;
use things::{Point, things};

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

/// Measures everything that is tried, and draws it. What was tried in full is in `extra` and drawn, also where something that comes after
/// it fails.
///
/// # Errors
/// As [`product::measure`].
pub async fn measure(ground: &mut Ground, options: &Options, extra: &mut Extra) -> Result<()> {
    let mut sweeps = Vec::new();
    let measured = try_all(ground, options, &mut sweeps).await;
    extra.add(told(&sweeps));
    let events = HumanCount(Point::usual(options).workload.events());
    let subtitle = format!("events a second; one thing changed, all else as shipped; about {events} events each");
    let drawn = options.leave("sweep.svg", &plot::sweep::draw(&sweeps, "What throughput depends on", &subtitle));
    measured.and(drawn)
}

async fn try_all(ground: &mut Ground, options: &Options, sweeps: &mut Vec<Sweep>) -> Result<()> {
    let usual = Point::usual(options);
    let (usual_rate, filler) = usual.measure(ground, "usual", None).await?;
    for thing in things(options).iter().filter(|thing| thing.is_asked(options)) {
        let values = thing.tried(options.quick);
        if values.len() == 1 {
            continue;
        }
        let mut tried = Vec::new();
        for value in values {
            let is_default = value == thing.usual;
            let point = if is_default { usual.clone() } else { (thing.change)(usual.clone(), value) };
            let rate = if is_default {
                usual_rate
            } else {
                let what = format!("{}-{value}", thing.name.replace('_', "-"));
                point.measure(ground, &what, Some(&filler)).await?.0
            };
            let value = thing.label(value, &point, &usual);
            eprintln!("{} {value}: {} events a second", thing.of, HumanCount(rate as u64));
            tried.push(Tried { value, is_default, rounds: vec![rate.round()] });
        }
        sweeps.push(Sweep { of: thing.of.to_owned(), name: thing.name.to_owned(), tried });
    }
    Ok(())
}

impl Point {
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
    use super::*;

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
