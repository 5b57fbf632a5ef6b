//! What went in against what the journal tells of it: every record once, with the event and the outcome that it must have.
//!
//! Pure. Invariant: each input record is exactly one of applied, duplicate, stale or dead letter, by one entry.

use std::collections::BTreeMap;

use orderstream::order::Source;
use orderstream::persist::journal_format::{AppliedEntry, Outcome};
use serde::Serialize;

use super::findings::{Findings, Kind};
use super::input_log::{InputPartition, place};
use super::input_of;

/// How the input records fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// They changed a register.
    pub applied: u64,
    /// The register held them already.
    pub duplicate: u64,
    /// The register held something later.
    pub stale: u64,
    /// They were refused, by reason.
    pub dead_letters: BTreeMap<String, u64>,
}

impl Outcomes {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.applied + self.duplicate + self.stale + self.refused()
    }

    /// Those that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.dead_letters.values().sum()
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Applied => self.applied += 1,
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Stale => self.stale += 1,
            Outcome::DeadLetter(reason) => *self.dead_letters.entry(reason.as_str().to_owned()).or_default() += 1,
        }
    }
}

/// Compares an entry of a lane's journal with the record that it tells of.
pub fn compare(inputs: &mut [InputPartition], entry: &AppliedEntry, outcomes: &mut Outcomes, findings: &mut Findings) {
    if entry.source == Source::Deadline {
        return;
    }
    outcomes.count(entry.outcome);
    let partition = inputs.iter_mut().find(|partition| Some(partition.input) == input_of(entry.source));
    let Some(partition) = partition else {
        findings.add(Kind::InputInvented, || format!("offset {} of the {} topic", entry.offset, entry.source));
        return;
    };
    let name = place(&partition.topic, partition.lane, entry.offset);
    let Some(record) = partition.at(entry.offset) else {
        findings.add(Kind::InputInvented, || name);
        return;
    };
    record.entries += 1;
    match (&record.judged, entry.outcome) {
        (Err(refused), Outcome::DeadLetter(reason)) if refused.reason == reason => {}
        (Err(refused), outcome) => {
            findings.add(Kind::WrongOutcome, || format!("{name} is {outcome:?} and must be refused with {}", refused.reason));
        }
        (Ok(event), Outcome::DeadLetter(reason)) => {
            let order = event.order_id.clone();
            findings.add_of(Kind::WrongOutcome, &order, || format!("{name} is refused with {reason} and nothing is wrong with it"));
        }
        (Ok(event), _) if entry.event.as_ref() != Some(event) => {
            let order = event.order_id.clone();
            findings.add_of(Kind::EventChanged, &order, || format!("{name}, event `{}`", event.event_id));
        }
        (Ok(_), _) => {}
    }
}

/// Once a lane's whole journal has spoken: the records that no entry tells of, and those that several do.
pub fn close(inputs: &[InputPartition], findings: &mut Findings) {
    for partition in inputs {
        for record in &partition.records {
            match record.entries {
                0 => findings.add(Kind::InputLost, || partition.name(record.offset)),
                1 => {}
                often => findings.add(Kind::InputDoubled, || format!("{}, {often} times", partition.name(record.offset))),
            }
        }
    }
}
