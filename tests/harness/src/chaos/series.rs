//! Several runs of chaos, one after the other, and what they come to together.
//!
//! Pure. Invariant: a series is good when every run of it is, and, where every kind of fault was wanted, each took place at least once.

use std::collections::BTreeMap;
use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Value as Json, json};

use super::fault::Kind;
use super::report::Outcome;
use crate::check::findings::Class;

/// Runs that are through.
#[derive(Default)]
pub struct Series {
    runs: Vec<(u64, Result<Outcome, String>)>,
}

impl Series {
    /// Takes in a run: its seed, and what came of it or why there was no run.
    pub fn add(&mut self, seed: u64, outcome: Result<Outcome, String>) {
        self.runs.push((seed, outcome));
    }

    /// Whether every run is good, and nothing that was wanted is missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let is_good = |run: &(u64, Result<Outcome, String>)| run.1.as_ref().is_ok_and(Outcome::is_good);
        !self.runs.is_empty() && self.runs.iter().all(is_good) && self.missing().is_empty()
    }

    /// For people: a table as it may stand in a document, and what took place.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "| seed | workers | faults | kinds | events | lost | doubled | mismatched | longest stall | caught up after \
            | most memory | findings |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for (seed, outcome) in &self.runs {
            let row = match outcome {
                Ok(outcome) => row(outcome),
                Err(why) => format!("no run: {why}"),
            };
            _ = writeln!(text, "| {seed} | {row} |");
        }
        let kinds = self.faults_by_kind();
        let faults: usize = kinds.values().sum();
        let told: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        _ = writeln!(text, "\n{:.0} minutes, {} events, {faults} faults", self.minutes(), HumanCount(self.events()));
        _ = writeln!(text, "faults of {} kinds: {}", kinds.len(), told.join(", "));
        let missing = self.missing();
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().map(Kind::name).collect();
            _ = writeln!(text, "never took place: {}", missing.join(", "));
        }
        let [lost, doubled, mismatched] = self.sums();
        _ = writeln!(text, "lost {lost}, doubled {doubled}, mismatched {mismatched}");
        text
    }

    /// For programs; the runs' own reports stand beside.
    #[must_use]
    pub fn json(&self) -> Json {
        let run = |(seed, outcome): &(u64, Result<Outcome, String>)| match outcome {
            Ok(outcome) => {
                let mut json = outcome.json();
                // These stand in the run's own report.
                for long in ["schedule", "faults", "checker", "kinds"] {
                    json.as_object_mut().expect("a report is an object").remove(long);
                }
                json
            }
            Err(why) => json!({ "seed": seed, "no_run": why }),
        };
        let kinds = self.faults_by_kind().into_iter().map(|(kind, count)| (kind.name(), count));
        let [lost, doubled, mismatched] = self.sums();
        json!({
            "good": self.is_good(),
            "minutes": self.minutes(),
            "events": self.events(),
            "faults_by_kind": kinds.collect::<BTreeMap<_, _>>(),
            "never_took_place": self.missing().into_iter().map(Kind::name).collect::<Vec<_>>(),
            "lost": lost,
            "doubled": doubled,
            "mismatched": mismatched,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.runs.iter().filter_map(|(_, outcome)| outcome.as_ref().ok())
    }

    fn minutes(&self) -> f64 {
        self.outcomes().map(|outcome| outcome.plan.lasts.as_secs_f64() / 60.0).sum()
    }

    fn events(&self) -> u64 {
        self.outcomes().map(Outcome::events).sum()
    }

    /// How many were lost, doubled, mismatched.
    fn sums(&self) -> [u64; 3] {
        self.outcomes().filter_map(differences).fold([0; 3], |sums, run| std::array::from_fn(|at| sums[at] + run[at]))
    }

    fn faults_by_kind(&self) -> BTreeMap<Kind, usize> {
        let mut by_kind = BTreeMap::new();
        for (kind, count) in self.outcomes().flat_map(|outcome| outcome.timeline.faults_by_kind()) {
            *by_kind.entry(kind).or_default() += count;
        }
        by_kind
    }

    /// Kinds that were wanted and never took place. A series that wants all of them shall have had them.
    fn missing(&self) -> Vec<Kind> {
        let took_place = self.faults_by_kind();
        let wanted = |kind: &Kind| self.outcomes().any(|outcome| outcome.plan.kinds.contains(kind));
        Kind::ALL.iter().copied().filter(|kind| wanted(kind) && !took_place.contains_key(kind)).collect()
    }
}

fn differences(outcome: &Outcome) -> Option<[u64; 3]> {
    let findings = &outcome.verdict.as_ref()?.findings;
    Some([findings.count(Class::Lost), findings.count(Class::Doubled), findings.mismatched_orders() as u64])
}

fn row(outcome: &Outcome) -> String {
    let [lost, doubled, mismatched] = differences(outcome)
        .map_or(["not checked".to_owned(), String::new(), String::new()], |counts| {
            counts.map(|count| count.to_string())
        });
    let stall = outcome.timeline.longest_stalls().first().map_or(0.0, |stall| stall.lasted.as_secs_f64());
    let caught_up = outcome.caught_up.map_or("never".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()));
    let memory = outcome.timeline.peak_memory().map_or(0, |(_, bytes)| bytes >> 20);
    format!(
        "{} | {} | {} | {} | {lost} | {doubled} | {mismatched} | {stall:.1} s | {caught_up} | {memory} MiB | {}",
        outcome.plan.workers,
        outcome.timeline.took_place().count(),
        outcome.timeline.faults_by_kind().len(),
        HumanCount(outcome.events()),
        outcome.findings.len(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fault::{Fault, Target};
    use super::super::schedule::{Plan, Schedule};
    use super::super::timeline::{Happened, Timeline};
    use super::*;
    use crate::services::Tally;
    use crate::simulate::WentIn;

    fn outcome(kinds: Vec<Kind>, happened: &[Kind]) -> Outcome {
        let fault = |kind: &Kind| Fault {
            kind: *kind,
            target: Target::Postgres,
            at: Duration::ZERO,
            lasts: Duration::ZERO,
            chance: 0,
        };
        let faults = happened.iter().map(|kind| Happened {
            fault: fault(kind),
            did: String::new(),
            took_place: true,
            injected: Duration::ZERO,
            healed: Duration::ZERO,
        });
        Outcome {
            plan: Plan { seed: 7, lasts: Duration::from_mins(5), kinds, workers: 2 },
            schedule: Schedule { faults: Vec::new(), finale: None },
            timeline: Timeline { faults: faults.collect(), ..Timeline::default() },
            healed: Duration::ZERO,
            caught_up: None,
            went_in: WentIn::default(),
            services: Tally::default(),
            ended: BTreeMap::new(),
            stale_answers: 0,
            verdict: None,
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_kind_that_was_wanted_and_never_took_place_is_missed() {
        let mut series = Series::default();
        series.add(7, Ok(outcome(vec![Kind::LocksHeld, Kind::PostgresCrash], &[Kind::LocksHeld])));
        assert_eq!(series.missing(), [Kind::PostgresCrash]);
        series.add(8, Ok(outcome(vec![Kind::PostgresCrash], &[Kind::PostgresCrash, Kind::PostgresCrash])));
        assert_eq!(series.missing(), []);
        assert!(series.text().contains("faults of 2 kinds: 2 postgres-crash, 1 locks-held"), "{}", series.text());
        assert_eq!(series.json()["minutes"], 10.0);
    }

    #[test]
    fn a_series_with_a_run_that_was_not_checked_or_did_not_happen_is_not_good() {
        let mut series = Series::default();
        assert!(!series.is_good(), "without a run nothing is shown");
        series.add(7, Ok(outcome(Vec::new(), &[])));
        assert!(!series.is_good());
        let mut series = Series::default();
        series.add(9, Err("the world cannot be made".to_owned()));
        assert!(!series.is_good());
        assert!(series.text().contains("| 9 | no run: the world cannot be made |"));
    }
}
