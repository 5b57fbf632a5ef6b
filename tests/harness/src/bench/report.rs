//! The report of a run of measurements: a table for people, and the same numbers for programs.
//!
//! Of several rounds the one in the middle counts, number by number; what was not measured is left out.

use std::fmt::Write;

use anyhow::Result;
use console::style;
use indicatif::HumanCount;
use serde_json::{Map, Value as Json, json};

use super::kafka_to_kafka::SCATTERED_MACHINE_US;
use super::limit::Written;
use super::product::Measured;
use super::round::{Rounds, median};
use super::{Extra, Options};
use crate::database;
use crate::stack::Stack;

/// Everything there is to report.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// Where it was measured.
    pub machine: Machine,
    /// Throughput.
    pub rounds: Rounds,
    /// All that was measured beside it.
    pub extra: Extra,
}

/// The machine and its servers.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How many processors.
    pub processors: usize,
    /// The release of Postgres.
    pub postgres: String,
}

impl Machine {
    /// Looks.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn look(stack: &Stack) -> Result<Self> {
        let mut connection = database::connect(&stack.database).await?;
        let postgres = sqlx::query_scalar("show server_version").fetch_one(&mut connection).await?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { processors, postgres })
    }
}

impl Report {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Machine { processors, postgres } = &self.machine;
        let rounds = self.options.rounds;
        let title = format!("orderstream: median of {rounds} rounds, {processors} processors, Postgres {postgres}");
        _ = writeln!(text, "\n{}", style(title).bold());
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        let rows = [
            ("local", rates(local)),
            ("limit of local", written(limit_local)),
            ("naive, on local", naive.clone()),
            ("scattered", rates(scattered)),
            ("limit of scattered", written(limit_scattered)),
        ];
        for (name, rates) in rows {
            throughput(&mut text, name, &rates);
        }
        for (name, of) in [("local", local), ("scattered", scattered)] {
            costs(&mut text, name, of);
        }
        let ratios = [
            ("of the limit, scattered", "ratio_to_limit"),
            ("of the limit, local", "ratio_to_limit_local"),
            (
                "of the ceiling, scattered: processors that do nothing but the limit's work and that of our own passage from Kafka \
                 to Kafka (our client and our transactions: it is no ceiling of Kafka's)",
                "ratio_to_ceiling",
            ),
            ("times the naive baseline", "ratio_to_naive"),
        ];
        let numbers = self.numbers();
        for (words, name) in ratios {
            if let Some(ratio) = numbers.get(name).and_then(Json::as_f64) {
                _ = writeln!(text, "  {} {words}", style(format!("{ratio:.2}")).bold());
            }
        }
        for line in &self.extra.lines {
            _ = writeln!(text, "  {line}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut report = self.numbers();
        let runs = |measured: &[Measured]| measured.iter().map(Measured::json).collect::<Vec<_>>();
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        report.insert("quick".to_owned(), self.options.quick.into());
        report.insert("partitions".to_owned(), self.options.partitions.into());
        report.insert("processors".to_owned(), self.machine.processors.into());
        report.insert("postgres".to_owned(), self.machine.postgres.clone().into());
        report.insert(
            "rounds".to_owned(),
            json!({
                "local": runs(local),
                "scattered": runs(scattered),
                "limit_local_eps": written(limit_local),
                "limit_eps": written(limit_scattered),
                "naive_eps": naive,
            }),
        );
        Json::Object(report)
    }

    /// The numbers by name, those of the other measurements among them.
    fn numbers(&self) -> Map<String, Json> {
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        let (local_eps, scattered_eps) = (median(rates(local)), median(rates(scattered)));
        let (limit_local_eps, limit_eps) = (median(written(limit_local)), median(written(limit_scattered)));
        let naive_eps = median(naive.clone());
        let limit_us = median(limit_scattered.iter().map(|limit| limit.machine_us));
        let ceiling_eps = self.ceiling_eps(limit_us);
        let ratio = |one: Option<f64>, to: Option<f64>| Some(one? / to?);
        let of_local = |number: fn(&Measured) -> f64| median(local.iter().map(number));
        let peak = local.iter().chain(scattered).map(Measured::peak_mib).max_by(f64::total_cmp);
        let numbers = [
            ("local_eps", local_eps.map(f64::round)),
            ("scattered_eps", scattered_eps.map(f64::round)),
            ("limit_eps", limit_eps.map(f64::round)),
            ("limit_local_eps", limit_local_eps.map(f64::round)),
            ("naive_eps", naive_eps.map(f64::round)),
            ("ratio_to_limit", ratio(scattered_eps, limit_eps)),
            ("ratio_to_limit_local", ratio(local_eps, limit_local_eps)),
            ("ratio_to_naive", ratio(local_eps, naive_eps)),
            ("ceiling_eps", ceiling_eps.map(f64::round)),
            ("ratio_to_ceiling", ratio(scattered_eps, ceiling_eps)),
            ("peak_rss_mib", peak),
            ("cpu_us_per_event", of_local(Measured::processor_us)),
            ("wal_bytes_per_event", of_local(Measured::wal_bytes)),
            ("disk_bytes_per_event", of_local(Measured::disk_bytes)),
            ("disk_bytes_per_order", of_local(Measured::order_bytes)),
            ("journal_bytes_per_event", of_local(Measured::journal_bytes)),
            ("scattered_cpu_us_per_event", median(scattered.iter().map(Measured::processor_us))),
            ("scattered_machine_us_per_event", median(scattered.iter().map(Measured::machine_us))),
            ("limit_machine_us_per_event", limit_us),
            ("scattered_wal_bytes_per_event", median(scattered.iter().map(Measured::wal_bytes))),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Json::from(number?))));
        numbers.chain(self.extra.numbers.clone()).collect()
    }

    /// Events a second on `scattered` if all processors did only two things, and always had some of them to do: what the limit takes to
    /// write an event's rows, and what our own passage takes to carry it through Kafka, both on that workload. Nothing is read there.
    /// A ceiling for what goes through Kafka with our client and our transactions; another client may have a higher one.
    fn ceiling_eps(&self, limit_us: Option<f64>) -> Option<f64> {
        let kafka_us = self.extra.numbers.get(SCATTERED_MACHINE_US)?.as_f64()?;
        Some(self.machine.processors as f64 * 1e6 / (limit_us? + kafka_us))
    }
}

/// Events a second of each round.
#[must_use]
pub fn written(limits: &[Written]) -> Vec<f64> {
    limits.iter().map(|limit| limit.rate).collect()
}

fn rates(measured: &[Measured]) -> Vec<f64> {
    measured.iter().map(|measured| measured.rate).collect()
}

/// A line with the median and, of several rounds, all of them.
fn throughput(text: &mut String, name: &str, rates: &[f64]) {
    let Some(middle) = median(rates.iter().copied()) else { return };
    let count = |rate: f64| HumanCount(rate.round() as u64).to_string();
    _ = write!(text, "  {name:<20} {:>9} events/s", style(count(middle)).bold());
    if rates.len() > 1 {
        let all: Vec<String> = rates.iter().map(|rate| count(*rate)).collect();
        _ = write!(text, "  ({})", all.join(", "));
    }
    text.push('\n');
}

/// What an event cost.
fn costs(text: &mut String, name: &str, measured: &[Measured]) {
    let of = |number: fn(&Measured) -> f64| median(measured.iter().map(number)).unwrap_or_default();
    let Some(peak) = measured.iter().map(Measured::peak_mib).max_by(f64::total_cmp) else { return };
    _ = writeln!(
        text,
        "  {name}: {:.1} µs of processor, {:.0} bytes of write-ahead log and {:.0} bytes on disk an event, of them {:.0} in the \
         journal; {:.0} bytes an order; at most {peak:.0} MiB in memory",
        of(Measured::processor_us),
        of(Measured::wal_bytes),
        of(Measured::disk_bytes),
        of(Measured::journal_bytes),
        of(Measured::order_bytes),
    );
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_ceiling_is_what_all_processors_do_of_both_works_one_after_the_other() {
        let directory = PathBuf::from("nowhere");
        let (parts, sweep_of) = (Vec::new(), Vec::new());
        let options = Options { parts, quick: false, rounds: 1, events: None, partitions: 8, sweep_of, directory };
        let machine = Machine { processors: 2, postgres: "15".to_owned() };
        let limit_scattered = [30.0, 25.0, 90.0].map(|machine_us| Written { rate: 60_000.0, machine_us }).to_vec();
        let rounds = Rounds { limit_scattered, ..Rounds::default() };
        let mut report = Report { options, machine, rounds, extra: Extra::default() };
        assert!(!report.numbers().contains_key("ceiling_eps"), "half of it was not measured");
        report.extra.number("kafka_to_kafka_machine_us_per_event", 15.0);
        assert!(!report.numbers().contains_key("ceiling_eps"), "what was measured on the other workload is not added");
        report.extra.number(SCATTERED_MACHINE_US, 20.0);
        assert_eq!(report.numbers()["ceiling_eps"], 40_000.0);
        assert!(!report.text().contains("ceiling"), "nothing was measured that could be compared with it");
    }
}
