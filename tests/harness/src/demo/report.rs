//! The report of a demonstration: one that a person enjoys, and one for programs.
//!
//! Colours only on a terminal (`console` sees to it). Invariant: both say the same numbers.

use std::fmt::Write;

use console::{Style, pad_str, style};
use indicatif::HumanCount;
use orderstream::order::Status;
use serde_json::{Value as Json, json};

use super::Options;
use super::measure::{self, Pause, Speed};
use super::pressing::REPLAY;
use super::show::Showing;
use super::story::Stories;
use super::telling::{self, colour};
use crate::check::{Published, Verdict};

/// How wide the longest bar is.
const BAR: u64 = 44;

/// Everything there is to report.
pub struct Report<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// What happened.
    pub showing: &'a Showing,
    /// What the checker found.
    pub verdict: &'a Verdict,
    /// Orders worth telling.
    pub stories: &'a Stories,
}

impl Report<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let title = format!("orderstream: {} orders, seed {}", HumanCount(self.options.orders), self.options.seed);
        _ = writeln!(text, "\n{}", style(title).bold());
        self.went_in(&mut text);
        self.became(&mut text);
        self.speed_text(&mut text);
        self.kill_text(&mut text);
        self.stories_text(&mut text);
        self.debts_text(&mut text);
        self.letters_text(&mut text);
        heading(&mut text, "Checked from outside");
        for line in self.verdict.text().lines() {
            _ = writeln!(text, "  {line}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let speed = self.speed();
        let mut report = self.verdict.json();
        report["seed"] = self.options.seed.into();
        report["events_per_second"] = round(speed.without_silence);
        report["events_per_second_overall"] = round(speed.overall);
        report["events_per_second_10_to_90_percent"] = round(speed.middle);
        report["silence_after_kill_seconds"] = speed.silence_seconds.into();
        report["latency_ms"] = json!({
            "at_records_per_second": self.showing.gentle_rate,
            "p50": self.latency(0.5),
            "p99": self.latency(0.99),
        });
        let kill = &self.showing.kill;
        let pauses = self.pauses();
        let by_lane = pauses.iter().map(|pause| (pause.lane.to_string(), Json::from(pause.seconds)));
        let by_lane: serde_json::Map<String, Json> = by_lane.collect();
        report["kill"] = json!({
            "worker": kill.worker,
            "after_records": kill.applied,
            "lanes": kill.lanes,
            "lanes_claimed_in_all": self.showing.claims,
            "pause_seconds_by_lane": by_lane,
            "takeover_seconds": self.takeover(&pauses),
        });
        report["services"] = json!(self.showing.pressed.services);
        report
    }

    fn went_in(&self, text: &mut String) {
        let went_in = &self.showing.went_in;
        heading(text, "What went in");
        let most = went_in.by_topic.values().max().copied().unwrap_or(1);
        for (topic, count) in &went_in.by_topic {
            bar(text, topic, *count, most, &Style::new().cyan());
        }
        _ = writeln!(
            text,
            "  {} records, {} of them sent again, {} malformed and {} too early, sent at {} a second",
            HumanCount(went_in.records),
            HumanCount(went_in.repeated),
            HumanCount(went_in.malformed_records()),
            HumanCount(went_in.early_records()),
            HumanCount(self.showing.busy_rate as u64),
        );
    }

    fn became(&self, text: &mut String) {
        let totals = &self.verdict.totals;
        heading(text, "What became of the orders");
        let most = totals.by_status.values().max().copied().unwrap_or(1);
        for status in Status::ALL.iter().rev() {
            if let Some(count) = totals.by_status.get(status.as_str()) {
                bar(text, status.as_str(), *count, most, &colour(*status));
            }
        }
        _ = writeln!(text, "  {} status events told it", HumanCount(totals.status_events));
    }

    fn speed_text(&self, text: &mut String) {
        let speed = self.speed();
        heading(text, "How fast");
        let count = |rate: f64| style(HumanCount(rate as u64)).bold().to_string();
        _ = writeln!(
            text,
            "  {} events a second, from the first record sent to the last status event in Kafka, without the {:.1} s in\n  \
             which nobody spoke after the kill; {} between a tenth and nine tenths of it; {} with the silence",
            count(speed.without_silence),
            speed.silence_seconds,
            count(speed.middle),
            count(speed.overall),
        );
        if let (Some(half), Some(most)) = (self.latency(0.5), self.latency(0.99)) {
            _ = writeln!(
                text,
                "  latency at {} records a second, once all was caught up with: p50 {} ms, p99 {} ms\n  \
                 (from a record's timestamp to that of the status event it caused)",
                HumanCount(self.showing.gentle_rate),
                style(half).bold(),
                style(most).bold()
            );
        }
    }

    fn kill_text(&self, text: &mut String) {
        let kill = &self.showing.kill;
        let pauses = self.pauses();
        heading(text, "What the kill did");
        _ = writeln!(
            text,
            "  {} had lanes {:?} and was killed (SIGKILL) after {} records; it was started again at once",
            kill.worker,
            kill.lanes,
            HumanCount(kill.applied)
        );
        if let Some(seconds) = self.takeover(&pauses) {
            _ = writeln!(text, "  its lanes spoke again after {seconds:.1} s");
        }
        let said: Vec<String> = pauses.iter().map(|pause| format!("{} {:.1} s", pause.lane, pause.seconds)).collect();
        _ = writeln!(text, "  pause by lane: {}", said.join(", "));
        _ = writeln!(text, "  lanes were claimed {} times in all; {}", self.showing.claims, self.verdict.summary());
    }

    fn stories_text(&self, text: &mut String) {
        heading(text, "Three orders");
        self.stories.three.iter().for_each(|story| telling::story(text, story));
    }

    fn debts_text(&self, text: &mut String) {
        let time = &self.verdict.totals.time;
        let services = &self.showing.pressed.services;
        heading(text, "Time and debts");
        let most = time.fired.values().max().copied().unwrap_or(1);
        for (name, count) in &time.fired {
            bar(text, name, *count, most, &Style::new().magenta());
        }
        let manners: Vec<String> = services.manners.iter().map(|(name, count)| format!("{count} {name}")).collect();
        _ = writeln!(
            text,
            "  {} deadlines fired; {} commands asked for what cancelled orders owed, {} of them again; {} were left to a\n  \
             person. In the last part services heard {} commands and answered {}",
            HumanCount(time.all_fired()),
            HumanCount(self.verdict.totals.commands),
            HumanCount(time.reminded),
            HumanCount(time.given_up),
            HumanCount(services.commands),
            manners.join(", "),
        );
        text.push('\n');
        self.stories.given_up.iter().for_each(|story| telling::story(text, story));
    }

    fn letters_text(&self, text: &mut String) {
        let totals = &self.verdict.totals;
        heading(text, "Dead letters");
        let most = totals.outcomes.dead_letters.values().max().copied().unwrap_or(1);
        for (reason, count) in &totals.outcomes.dead_letters {
            bar(text, reason, *count, most, &Style::new().yellow());
        }
        _ = writeln!(
            text,
            "  {} records stay refused; {} more were replayed once they could be understood, and applied",
            HumanCount(totals.outcomes.refused()),
            HumanCount(totals.outcomes.repaired)
        );
        _ = writeln!(text, "  {}", style(format!("$ orderstream {}", typed(&REPLAY))).dim());
        _ = writeln!(text, "  {}", style(self.showing.pressed.replayed.lines().next().unwrap_or_default()).dim());
        text.push('\n');
        self.stories.repaired.iter().for_each(|letter| telling::letter(text, letter));
    }

    /// The busy part alone: what the gentle part caused is measured by its latency.
    fn busy(&self) -> Vec<Published> {
        let published = &self.verdict.totals.published;
        published
            .iter()
            .filter(|published| published.caused_at_millis < self.showing.gentle_from_millis)
            .copied()
            .collect()
    }

    fn speed(&self) -> Speed {
        let showing = self.showing;
        measure::speed(&self.busy(), showing.busy_records, showing.began_millis, showing.kill.at_millis)
    }

    fn pauses(&self) -> Vec<Pause> {
        measure::pauses(&self.busy(), self.showing.kill.at_millis)
    }

    fn latency(&self, share: f64) -> Option<i64> {
        let gentle = self.showing.gentle_from_millis..self.showing.pressed.from_millis;
        measure::latency(&self.verdict.totals.published, gentle, share)
    }

    /// When the first of the killed worker's lanes spoke again.
    fn takeover(&self, pauses: &[Pause]) -> Option<f64> {
        let of_victim = pauses.iter().filter(|pause| self.showing.kill.lanes.contains(&pause.lane));
        of_victim.map(|pause| pause.back_after_seconds).min_by(f64::total_cmp)
    }
}

fn heading(text: &mut String, words: &str) {
    let gap = if text.ends_with("\n\n") { "" } else { "\n" };
    _ = writeln!(text, "{gap}{}", style(words).cyan().bold());
}

fn bar(text: &mut String, name: &str, count: u64, most: u64, colour: &Style) {
    let length = usize::try_from((count * BAR).div_ceil(most.max(1))).unwrap_or(0);
    let name = pad_str(name, 19, console::Alignment::Left, None);
    _ = writeln!(text, "  {name} {:>9}  {}", HumanCount(count).to_string(), colour.apply_to("█".repeat(length)));
}

/// Arguments as a person types them.
fn typed(arguments: &[&str]) -> String {
    let quoted =
        |argument: &&str| if argument.contains(' ') { format!("\"{argument}\"") } else { (*argument).to_owned() };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn round(rate: f64) -> Json {
    (rate.round() as u64).into()
}
