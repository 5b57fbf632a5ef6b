//! What a run has to answer for beside what the checker compares: memory, logs, exits, numbers that fell, lanes that stand.
//!
//! Pure. Invariant: a finding says what was seen, where, and what had been allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::fault::Kind;
use super::schedule::Schedule;
use super::timeline::{Fall, Sample, Timeline};
use crate::check;

/// How much resident memory one worker may come to have.
///
/// What the README bounds, all full at once: 16 MiB in its lanes, 16 MiB in librdkafka, 16 MiB for the relay, and four writers with a
/// batch of 8 MiB in and 8 MiB out each, that is 112 MiB; for code, threads, librdkafka's own and the allocator's slack as much again,
/// less than which a debug build without load does not take.
pub const MEMORY_BOUND: u64 = (2 * 112) << 20;

/// Within which time after the last healing everything that went in must be published.
pub const CATCH_UP: Duration = Duration::from_secs(60);

/// How many faults a minute must take place.
pub const FAULTS_A_MINUTE: f64 = 5.0;
/// How often a kind may be tried in vain: its victim can be away by another fault.
const TRIES: usize = 3;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which sort.
    pub sort: Sort,
    /// What was seen.
    pub what: String,
}

/// Sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The checker found a difference.
    Difference,
    /// A number that must not fall has fallen.
    WentBack,
    /// A lane did not catch up after everything was healed.
    Stall,
    /// A worker took too much memory.
    Memory,
    /// A worker panicked.
    Panic,
    /// A worker or a server ended as nothing that was done to it excuses.
    Exit,
    /// A secret stands where anybody may read it.
    Secret,
    /// What must be refused was not, or not clearly.
    NotRefused,
    /// Faults did not take place.
    NothingBroken,
}

impl Finding {
    /// A finding of a sort.
    #[must_use]
    pub fn new(sort: Sort, what: impl Into<String>) -> Self {
        Self { sort, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.sort {
            Sort::Difference => "a difference",
            Sort::WentBack => "went back",
            Sort::Stall => "a stall",
            Sort::Memory => "memory",
            Sort::Panic => "a panic",
            Sort::Exit => "an exit",
            Sort::Secret => "a secret",
            Sort::NotRefused => "not refused",
            Sort::NothingBroken => "nothing broken",
        };
        write!(f, "{sort}: {}", self.what)
    }
}

/// What the checker found, in one finding.
#[must_use]
pub fn of_checker(verdict: &check::Verdict) -> Option<Finding> {
    (!verdict.is_good()).then(|| {
        let kinds = verdict.findings.by_kind().map(|(kind, found)| {
            let first = found.first.first().map_or("", String::as_str);
            format!("{}x {}, for example {first}", found.count, kind.words())
        });
        Finding::new(Sort::Difference, kinds.collect::<Vec<_>>().join("; "))
    })
}

/// Probes are sound: one that is refused was taken for malformed while the registry could not be asked.
#[must_use]
pub fn of_probes(refused: &[String]) -> Option<Finding> {
    let first = refused.first()?;
    Some(Finding::new(Sort::Difference, format!("{} sound records became dead letters: {first}", refused.len())))
}

/// Whether so little was broken that the run says nothing: kinds that never took place although they were tried several times, and
/// fewer faults than [`FAULTS_A_MINUTE`], or than half of what was planned where that is less.
#[must_use]
pub fn of_faults(schedule: &Schedule, timeline: &Timeline, lasts: Duration) -> Vec<Finding> {
    let took_place = timeline.faults_by_kind();
    let mut planned: BTreeMap<Kind, usize> = BTreeMap::new();
    for fault in &schedule.faults {
        *planned.entry(fault.kind).or_default() += 1;
    }
    let in_vain = planned.iter().filter(|(kind, tries)| **tries >= TRIES && !took_place.contains_key(kind));
    let words = |(kind, tries): (&Kind, &usize)| format!("{kind} was tried {tries} times and never took place");
    let mut findings: Vec<Finding> = in_vain.map(|in_vain| Finding::new(Sort::NothingBroken, words(in_vain))).collect();
    let (happened, planned) = (timeline.took_place().count(), schedule.faults.len());
    let least = (FAULTS_A_MINUTE * lasts.as_secs_f64() / 60.0).min(planned as f64 / 2.0);
    if (happened as f64) < least {
        let words = format!("{happened} of {planned} faults took place, {least:.0} at least say something");
        findings.push(Finding::new(Sort::NothingBroken, words));
    }
    findings
}

/// Numbers that fell.
pub fn of_falls(falls: &[Fall]) -> impl Iterator<Item = Finding> {
    let words = |fall: &Fall| format!("{} fell from {} to {}", fall.what, fall.from, fall.to);
    falls.iter().map(move |fall| Finding::new(Sort::WentBack, words(fall)))
}

/// Whether a worker took more memory than [`MEMORY_BOUND`].
#[must_use]
pub fn of_memory(timeline: &Timeline) -> Option<Finding> {
    let (worker, peak) = timeline.peak_memory().filter(|(_, peak)| *peak > MEMORY_BOUND)?;
    let (peak, bound) = (peak >> 20, MEMORY_BOUND >> 20);
    Some(Finding::new(Sort::Memory, format!("{worker} had {peak} MiB resident, {bound} MiB are its bound")))
}

/// Why a run did not catch up: what each lane that is behind waits for, deadlines that are overdue, or that nobody could tell. Never
/// empty.
#[must_use]
pub fn of_standing(timeline: &Timeline, overdue: i64, waited: Duration) -> Vec<Finding> {
    let mut findings = of_lanes_behind(timeline, waited);
    let seconds = waited.as_secs();
    if overdue > 0 {
        let words = format!("{overdue} orders have deadlines that are overdue {seconds} s after the last healing");
        findings.push(Finding::new(Sort::Stall, words));
    }
    if findings.is_empty() {
        let words = format!("within {seconds} s after the last healing Kafka did not say that all is published");
        findings.push(Finding::new(Sort::Stall, words));
    }
    findings
}

fn of_lanes_behind(timeline: &Timeline, waited: Duration) -> Vec<Finding> {
    let stored = timeline.samples.iter().rev().find_map(|sample: &Sample| sample.stored.as_ref());
    let words = |(lane, at): (i32, super::timeline::Published)| {
        let seconds = waited.as_secs();
        let missing = at.end - at.committed;
        let waits = match stored.and_then(|lanes| lanes.get(&lane)) {
            Some(stored) if stored.applied >= at.end => format!(
                "all is applied, journal row {} is not published, the database knows of {}",
                stored.last_seq, stored.published_seq
            ),
            Some(stored) => format!("{} of {} offsets are applied", stored.applied, at.end),
            None => "the database has never heard of it".to_owned(),
        };
        format!("lane {lane} is {missing} offsets behind {seconds} s after the last healing: {waits}")
    };
    timeline.behind().into_iter().map(|behind| Finding::new(Sort::Stall, words(behind))).collect()
}

/// What must not stand in a log or among metrics: panics, and any of these secrets.
#[must_use]
pub fn of_text(place: &str, text: &str, secrets: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(line) = text.lines().find(|line| line.contains("panicked at")) {
        findings.push(Finding::new(Sort::Panic, format!("{place}: {line}")));
    }
    for secret in secrets {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            // The finding itself shall not carry it on.
            let line = line.replace(secret, "********");
            findings.push(Finding::new(Sort::Secret, format!("{place}: {line}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fault::{Fault, Target};
    use super::super::timeline::{Happened, Published, Stored};
    use super::*;

    fn timeline(stored: Stored, published: Published, memory: u64) -> Timeline {
        let sample = Sample {
            stored: Some(BTreeMap::from([(3, stored)])),
            published: Some(BTreeMap::from([(3, published)])),
            workers: BTreeMap::from([("worker-2".to_owned(), memory)]),
            ..Sample::default()
        };
        Timeline { samples: vec![sample], ..Timeline::default() }
    }

    #[test]
    fn a_lane_that_is_behind_is_named_with_what_it_waits_for() {
        let waited = Duration::from_secs(60);
        let published = Published { committed: 90, end: 100 };
        let unread = timeline(Stored { applied: 95, ..Stored::default() }, published, 0);
        let unread = of_lanes_behind(&unread, waited);
        assert_eq!(
            unread[0].to_string(),
            "a stall: lane 3 is 10 offsets behind 60 s after the last healing: 95 of 100 offsets are applied"
        );
        let unsent = timeline(Stored { applied: 100, last_seq: 7, published_seq: 5 }, published, 0);
        assert!(of_lanes_behind(&unsent, waited)[0].what.ends_with("row 7 is not published, the database knows of 5"));
        let done = timeline(Stored::default(), Published { committed: 100, end: 100 }, 0);
        assert_eq!(of_lanes_behind(&done, waited), []);
    }

    #[test]
    fn who_does_not_catch_up_is_never_without_a_finding() {
        let waited = Duration::from_secs(60);
        let silent = of_standing(&Timeline::default(), 0, waited);
        assert!(silent[0].what.ends_with("Kafka did not say that all is published"), "{silent:?}");
        let late = of_standing(&timeline(Stored::default(), Published::default(), 0), 87, waited);
        assert_eq!(late[0].what, "87 orders have deadlines that are overdue 60 s after the last healing");
    }

    #[test]
    fn a_run_in_which_nothing_broke_says_so() {
        let fault = |kind: Kind| Fault {
            kind,
            target: Target::Postgres,
            at: Duration::ZERO,
            lasts: Duration::from_secs(1),
            chance: 0,
        };
        let kinds = [Kind::LocksHeld, Kind::LocksHeld, Kind::LocksHeld, Kind::PostgresCrash];
        let faults = kinds.map(fault).to_vec();
        let happened = |fault: &Fault, took_place| Happened {
            fault: fault.clone(),
            did: String::new(),
            took_place,
            injected: Duration::ZERO,
            healed: Duration::from_secs(1),
        };
        let ran = |took_place: [bool; 4]| {
            let faults = faults.iter().zip(took_place).map(|(fault, took)| happened(fault, took)).collect();
            Timeline { faults, ..Timeline::default() }
        };
        let schedule = Schedule { faults: faults.clone(), finale: None };
        let found =
            |took| of_faults(&schedule, &ran(took), Duration::from_secs(30)).into_iter().map(|found| found.what);
        let nothing: Vec<String> = found([false; 4]).collect();
        assert_eq!(
            nothing,
            ["locks-held was tried 3 times and never took place", "0 of 4 faults took place, 2 at least say something"]
        );
        assert_eq!(found([true, false, false, true]).count(), 0);
    }

    #[test]
    fn panics_and_secrets_are_found_and_a_secret_is_not_told_again() {
        let log = "INFO fine\nthread 'main' panicked at src/x.rs:1:1:\nWARN password=canary-7 refused\n";
        let found = of_text("worker-1.log", log, &["canary-7", "canary-8"]);
        assert_eq!(found.iter().map(|finding| finding.sort).collect::<Vec<_>>(), [Sort::Panic, Sort::Secret]);
        assert_eq!(found[1].what, "worker-1.log: WARN password=******** refused");
        assert_eq!(of_text("worker-1.log", "INFO fine\n", &["canary-7"]), []);
    }

    #[test]
    fn memory_beyond_its_bound_is_told_with_the_bound() {
        let at = |memory| of_memory(&timeline(Stored::default(), Published::default(), memory));
        assert_eq!(at(MEMORY_BOUND), None);
        let found = at(MEMORY_BOUND + (9 << 20)).expect("too much");
        assert_eq!(found.what, "worker-2 had 233 MiB resident, 224 MiB are its bound");
    }
}
