//! The report of a run of chaos: one for programs, with everything, and a short one for people.
//!
//! Pure. Invariant: both say the same numbers, and every finding stands in both.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use console::style;
use indicatif::HumanCount;
use serde_json::{Value as Json, json};

use super::fault::Kind;
use super::schedule::{Plan, Schedule};
use super::timeline::Timeline;
use super::verdict::{Finding, MEMORY_BOUND};
use crate::check;
use crate::check::findings::Class;
use crate::services::Tally;
use crate::simulate::WentIn;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was asked for.
    pub plan: Plan,
    /// What was to happen.
    pub schedule: Schedule,
    /// What happened.
    pub timeline: Timeline,
    /// When the last fault was healed, since the schedule's beginning.
    pub healed: Duration,
    /// How long after that everything that had gone in was published; none if it did not come about.
    pub caught_up: Option<Duration>,
    /// What was sent, the services' answers left out.
    pub went_in: WentIn,
    /// What the services heard and answered.
    pub services: Tally,
    /// How workers ended that no fault had ended, and how often; each was started again.
    pub ended: BTreeMap<String, usize>,
    /// Answers of Kafka that were older than ones before: a broker that was away and did not know it yet.
    pub stale_answers: u64,
    /// The checker's word; none where lanes stand still, so that there is nothing to compare.
    pub verdict: Option<check::Verdict>,
    /// All that is wrong.
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// Whether all was checked and nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.verdict.is_some()
    }

    /// How many records went in, as far as is known.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.verdict.as_ref().map_or(self.went_in.records, |verdict| verdict.totals.input_records)
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let Self { plan, timeline, verdict, .. } = self;
        let count = |class| verdict.as_ref().map(|verdict| verdict.findings.count(class));
        let stalls = timeline.longest_stalls();
        let peak = timeline.peak_memory();
        json!({
            "seed": plan.seed,
            "minutes": plan.lasts.as_secs_f64() / 60.0,
            "workers": plan.workers,
            "kinds": plan.kinds,
            "schedule": self.schedule,
            "faults": timeline.faults,
            "faults_by_kind": named(timeline.faults_by_kind()),
            "events": self.events(),
            "orders": verdict.as_ref().map(|verdict| verdict.totals.orders),
            "lost": count(Class::Lost),
            "doubled": count(Class::Doubled),
            "mismatched": verdict.as_ref().map(|verdict| verdict.findings.mismatched_orders()),
            "other_differences": count(Class::Other),
            "longest_stall_seconds": stalls.first().map(|stall| rounded(stall.lasted)),
            "longest_stalls": stalls,
            "recovery_seconds": self.recoveries(),
            "caught_up_seconds": self.caught_up.map(rounded),
            "peak_memory_bytes": peak.map(|(_, bytes)| bytes),
            "memory_bound_bytes": MEMORY_BOUND,
            "ended_by_themselves": self.ended,
            "stale_answers": self.stale_answers,
            "sent": self.went_in,
            "services": self.services,
            "checker": verdict.as_ref().map(check::Verdict::json),
            "findings": self.findings,
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        _ = writeln!(text, "{}", style(self.title()).bold());
        let by_kind = self.timeline.faults_by_kind();
        let counted: Vec<String> = by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let faults = self.timeline.took_place().count();
        _ = writeln!(text, "{faults} faults of {} kinds: {}", by_kind.len(), counted.join(", "));
        _ = writeln!(
            text,
            "{} records sent; services heard {} commands and gave {} answers",
            HumanCount(self.went_in.records),
            HumanCount(self.services.commands),
            HumanCount(self.services.answers)
        );
        if let Some(stall) = self.timeline.longest_stalls().first() {
            let Some((worker, peak)) = self.timeline.peak_memory() else { return text };
            _ = writeln!(
                text,
                "longest stall {:.1} s (lane {}, from {:.0} s on); most memory {} MiB ({worker})",
                stall.lasted.as_secs_f64(),
                stall.lane,
                stall.from.as_secs_f64(),
                peak >> 20
            );
        }
        for (how, count) in &self.ended {
            _ = writeln!(text, "ended by itself and was started again: {how}, {count} times");
        }
        for nothing in self.timeline.faults.iter().filter(|happened| !happened.took_place) {
            _ = writeln!(text, "did not take place: {}: {}", nothing.fault, nothing.did);
        }
        match self.caught_up {
            Some(after) => _ = writeln!(text, "caught up {:.1} s after the last healing", after.as_secs_f64()),
            None => _ = writeln!(text, "never caught up after the last healing"),
        }
        for finding in &self.findings {
            _ = writeln!(text, "{} {finding}", style("finding").red().bold());
        }
        match &self.verdict {
            Some(verdict) => text.push_str(&verdict.text()),
            None => _ = writeln!(text, "{}", style("not checked: lanes stand still").red().bold()),
        }
        text
    }

    /// What was run, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        let Plan { seed, lasts, workers, .. } = &self.plan;
        let minutes = lasts.as_secs_f64() / 60.0;
        format!("orderstream under chaos: seed {seed}, {minutes} minutes, {workers} workers, three brokers")
    }

    /// What came of it, in one line without colours.
    #[must_use]
    pub fn summary(&self) -> String {
        let word = match &self.verdict {
            Some(verdict) => console::strip_ansi_codes(&verdict.summary()).into_owned(),
            None => "not checked".to_owned(),
        };
        let faults = self.timeline.took_place().count();
        let caught_up = self.caught_up.map_or("never caught up".to_owned(), |after| {
            format!("caught up {:.1} s after the last healing", after.as_secs_f64())
        });
        let findings = match self.findings.len() {
            0 => "no findings".to_owned(),
            1 => "1 finding".to_owned(),
            more => format!("{more} findings"),
        };
        format!("{} events, {faults} faults; {word}; {caught_up}; {findings}", HumanCount(self.events()))
    }

    /// Recovery times by kind: how many, the one in the middle, and the longest, in seconds.
    fn recoveries(&self) -> BTreeMap<&'static str, Json> {
        let told = |(kind, mut times): (Kind, Vec<Duration>)| {
            times.sort_unstable();
            let (middle, longest) = (times[times.len() / 2], times[times.len() - 1]);
            let told = json!({"times": times.len(), "median": rounded(middle), "longest": rounded(longest)});
            (kind.name(), told)
        };
        self.timeline.recoveries().into_iter().map(told).collect()
    }
}

fn named(by_kind: BTreeMap<Kind, usize>) -> BTreeMap<&'static str, usize> {
    by_kind.into_iter().map(|(kind, count)| (kind.name(), count)).collect()
}

fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}
