//! The report of a run of measurements: a table for people, and the same numbers for programs.
//!
//! Of several rounds the one in the middle counts, number by number; ratios are made round by round, of what was measured in turn
//! (the ceiling apart), and of these it is the one in the middle, too. What was not measured is left out.

use std::fmt::Write;

use console::style;
use indicatif::HumanCount;
use serde_json::{Map, Value as Json};

use super::kafka_to_kafka::SCATTERED_MACHINE_US;
use super::limit::Written;
use super::machine::{Course, Machine};
use super::product::Measured;
use super::round::{Rounds, median, ratios};
use super::{Extra, Options};

/// Everything there is to report.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// Where it was measured.
    pub machine: Machine,
    /// When, and for how long.
    pub course: Course,
    /// Throughput.
    pub rounds: Rounds,
    /// All that was measured beside it.
    pub extra: Extra,
    /// Whether all that was asked for was measured.
    pub is_complete: bool,
}

/// What one is of another, round by round.
struct Ratio {
    name: &'static str,
    words: &'static str,
    rounds: Vec<f64>,
}

impl Report {
    /// Begins now, with nothing measured.
    #[must_use]
    pub fn begin(options: Options, machine: Machine) -> Self {
        let (rounds, extra) = (Rounds::default(), Extra::default());
        Self { options, machine, course: Course::begin(), rounds, extra, is_complete: false }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Machine { processors, postgres, kafka, .. } = &self.machine;
        let rounds = self.options.rounds;
        let kafka = kafka.as_ref().map_or_else(String::new, |kafka| format!(", Kafka {kafka}"));
        let title =
            format!("orderstream: median of {rounds} rounds, {processors} processors, Postgres {postgres}{kafka}");
        _ = writeln!(text, "\n{}", style(title).bold());
        _ = writeln!(text, "  {}", [self.machine.words(), self.course.words()].concat().join(", "));
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        let naive_name = format!("naive, on local, {} events", HumanCount(self.options.naive().events()));
        let rows = [
            ("local", rates(local)),
            ("limit of local", written(limit_local)),
            (&naive_name, naive.clone()),
            ("scattered", rates(scattered)),
            ("limit of scattered", written(limit_scattered)),
        ];
        for (name, rates) in rows {
            throughput(&mut text, name, &rates);
        }
        for (name, of) in [("local", local), ("scattered", scattered)] {
            costs(&mut text, name, of);
        }
        for Ratio { words, rounds, .. } in self.ratios() {
            let Some(middle) = median(rounds.iter().copied()) else { continue };
            let all: Vec<String> = rounds.iter().map(|ratio| format!("{ratio:.2}")).collect();
            let all = if all.len() > 1 { format!(" ({})", all.join(", ")) } else { String::new() };
            _ = writeln!(text, "  {}{all} {words}", style(format!("{middle:.2}")).bold());
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
        let runs = |measured: &[Measured]| Json::from_iter(measured.iter().map(Measured::json));
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        report.extend(self.machine.json());
        report.extend(self.course.json());
        report.insert("complete".to_owned(), self.is_complete.into());
        report.insert("quick".to_owned(), self.options.quick.into());
        report.insert("partitions".to_owned(), self.options.partitions.into());
        let rounds = [
            ("local", runs(local)),
            ("scattered", runs(scattered)),
            ("limit_local_eps", written(limit_local).into()),
            ("limit_eps", written(limit_scattered).into()),
            ("naive_eps", naive.clone().into()),
        ];
        let ratios = self.ratios().map(|ratio| (ratio.name, ratio.rounds.into()));
        let rounds = rounds.into_iter().chain(ratios).map(|(name, rounds)| (name.to_owned(), rounds));
        report.insert("rounds".to_owned(), Json::Object(rounds.collect()));
        Json::Object(report)
    }

    /// The numbers by name, those of the other measurements among them.
    fn numbers(&self) -> Map<String, Json> {
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        let of_local = |number: fn(&Measured) -> f64| median(local.iter().map(number));
        let peak = local.iter().chain(scattered).map(Measured::peak_mib).max_by(f64::total_cmp);
        let naive_events = (!naive.is_empty()).then(|| self.options.naive().events() as f64);
        let numbers = [
            ("local_eps", median(rates(local)).map(f64::round)),
            ("scattered_eps", median(rates(scattered)).map(f64::round)),
            ("limit_eps", median(written(limit_scattered)).map(f64::round)),
            ("limit_local_eps", median(written(limit_local)).map(f64::round)),
            ("naive_eps", median(naive.clone()).map(f64::round)),
            ("naive_events", naive_events),
            ("ceiling_eps", median(self.ceilings()).map(f64::round)),
            ("peak_rss_mib", peak),
            ("cpu_us_per_event", of_local(Measured::processor_us)),
            ("wal_bytes_per_event", of_local(Measured::wal_bytes)),
            ("disk_bytes_per_event", of_local(Measured::disk_bytes)),
            ("disk_bytes_per_order", of_local(Measured::order_bytes)),
            ("journal_bytes_per_event", of_local(Measured::journal_bytes)),
            ("scattered_cpu_us_per_event", median(scattered.iter().map(Measured::processor_us))),
            ("scattered_machine_us_per_event", median(scattered.iter().map(Measured::machine_us))),
            ("limit_machine_us_per_event", median(limit_scattered.iter().map(|limit| limit.machine_us))),
            ("scattered_wal_bytes_per_event", median(scattered.iter().map(Measured::wal_bytes))),
        ];
        let ratios = self.ratios().map(|ratio| (ratio.name, median(ratio.rounds)));
        let numbers = numbers.into_iter().chain(ratios);
        let numbers = numbers.filter_map(|(name, number)| Some((name.to_owned(), Json::from(number?))));
        numbers.chain(self.extra.numbers.clone()).collect()
    }

    /// What was measured in turn, one as a part or a multiple of the other; but the passage that is in the ceiling is measured once,
    /// after all rounds.
    fn ratios(&self) -> [Ratio; 4] {
        let Rounds { local, scattered, limit_local, limit_scattered, naive } = &self.rounds;
        let (local, scattered) = (rates(local), rates(scattered));
        let ratio = |name, words, of: &[f64], to: &[f64]| Ratio { name, words, rounds: ratios(of, to) };
        [
            ratio("ratio_to_limit", "of the limit, scattered", &scattered, &written(limit_scattered)),
            ratio("ratio_to_limit_local", "of the limit, local", &local, &written(limit_local)),
            ratio(
                "ratio_to_ceiling",
                "of the ceiling, scattered: processors that do nothing but the limit's work and that of our own passage from Kafka \
                 to Kafka (our client and our transactions: it is no ceiling of Kafka's)",
                &scattered,
                &self.ceilings(),
            ),
            ratio("ratio_to_naive", "times the naive baseline", &local, naive),
        ]
    }

    /// Events a second on `scattered` if all processors did only two things, and always had some of them to do: what the limit of a
    /// round takes to write an event's rows, and what our own passage takes to carry it through Kafka, both on that workload. Nothing is
    /// read there. A ceiling for what goes through Kafka with our client and our transactions; another client may have a higher one.
    fn ceilings(&self) -> Vec<f64> {
        let kafka_us = self.extra.numbers.get(SCATTERED_MACHINE_US).and_then(Json::as_f64);
        let limits = self.rounds.limit_scattered.iter();
        let ceiling = |limit: &Written| Some(self.machine.processors as f64 * 1e6 / (limit.machine_us + kafka_us?));
        limits.filter_map(ceiling).collect()
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
    _ = write!(text, "  {name:<30} {:>9} events/s", style(count(middle)).bold());
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

    fn report(rounds: Rounds) -> Report {
        let directory = PathBuf::from("nowhere");
        let (parts, sweep_of) = (Vec::new(), Vec::new());
        let options = Options { parts, quick: false, rounds: 3, events: None, partitions: 8, sweep_of, directory };
        let (commit, postgres) = (Some("0123abc-dirty".to_owned()), "15".to_owned());
        let machine = Machine { commit, processors: 2, processor: None, memory_mib: None, postgres, kafka: None };
        Report { rounds, ..Report::begin(options, machine) }
    }

    fn limits(all: [(f64, f64); 3]) -> Vec<Written> {
        all.map(|(rate, machine_us)| Written { rate, machine_us }).to_vec()
    }

    fn runs(rates: [f64; 3]) -> Vec<Measured> {
        rates.map(Measured::of_rate).to_vec()
    }

    #[test]
    fn the_ceiling_is_what_all_processors_do_of_both_works_one_after_the_other() {
        let limit_scattered = limits([(60_000.0, 30.0), (60_000.0, 25.0), (60_000.0, 90.0)]);
        let mut report = report(Rounds { limit_scattered, ..Rounds::default() });
        assert!(!report.numbers().contains_key("ceiling_eps"), "half of it was not measured");
        report.extra.number("kafka_to_kafka_machine_us_per_event", 15.0);
        assert!(!report.numbers().contains_key("ceiling_eps"), "what was measured on the other workload is not added");
        report.extra.number(SCATTERED_MACHINE_US, 20.0);
        assert_eq!(report.numbers()["ceiling_eps"], 40_000.0);
        assert!(!report.text().contains("ceiling"), "nothing was measured that could be compared with it");
    }

    #[test]
    fn ratios_are_of_what_was_measured_in_turn_and_the_one_in_the_middle_counts() {
        // The machine was half as fast in the second round: the ratio of the medians would be 0.8 and 1.25.
        let rounds = Rounds {
            local: runs([100.0, 50.0, 80.0]),
            scattered: runs([40.0, 20.0, 60.0]),
            limit_scattered: limits([(80.0, 5.0), (25.0, 5.0), (100.0, 5.0)]),
            naive: vec![1.0, 0.5, 2.0],
            ..Rounds::default()
        };
        let report = report(rounds);
        let (numbers, json) = (report.numbers(), report.json());
        assert_eq!((&numbers["ratio_to_limit"], &numbers["ratio_to_naive"]), (&0.6.into(), &100.0.into()));
        assert_eq!(json["rounds"]["ratio_to_limit"], serde_json::json!([0.5, 0.8, 0.6]));
        assert_eq!(json["rounds"]["ratio_to_naive"], serde_json::json!([100.0, 100.0, 40.0]));
        assert!(!numbers.contains_key("ratio_to_limit_local"), "that limit was not measured");
        let text = report.text();
        assert!(text.contains("(0.50, 0.80, 0.60) of the limit, scattered"), "{text}");
    }

    #[test]
    fn the_report_says_of_what_where_and_on_how_much_it_was_measured() {
        let report = report(Rounds { naive: vec![2_000.0], ..Rounds::default() });
        let (text, json) = (report.text(), report.json());
        assert!(text.contains("naive, on local, 30,000 events"), "{text}");
        assert!(text.contains("  commit 0123abc-dirty, 20"), "{text}");
        assert_eq!((&json["naive_events"], &json["commit"]), (&30_000.0.into(), &"0123abc-dirty".into()));
        assert_eq!((&json["complete"], &json["processors"]), (&false.into(), &2.into()));
    }
}
