//! What went in against what the journal tells of it: every record once, with the event and the outcome that it must have.
//!
//! Pure. Invariant: each input record is exactly one of applied, duplicate, stale or dead letter, by one entry.

use std::collections::BTreeMap;

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
            Outcome::Reminded | Outcome::Unanswered | Outcome::Rederived => {}
        }
    }
}

/// Compares an entry of a lane's journal with the record that it tells of.
pub fn compare(inputs: &mut [InputPartition], entry: &AppliedEntry, outcomes: &mut Outcomes, findings: &mut Findings) {
    let (source, Some(offset)) = (entry.place.source, entry.place.offset) else { return };
    outcomes.count(entry.outcome);
    let partition = inputs.iter_mut().find(|partition| Some(partition.input) == input_of(source));
    let Some(partition) = partition else {
        findings.add(Kind::InputInvented, || format!("offset {offset} of the {source} topic"));
        return;
    };
    let name = place(&partition.topic, partition.lane, offset);
    let Some(record) = partition.at(offset) else {
        findings.add(Kind::InputInvented, || name);
        return;
    };
    record.entries += 1;
    match (&record.judged, entry.outcome) {
        (Err(refused), Outcome::DeadLetter(reason)) if refused.reason == reason => {}
        (Err(refused), outcome) => {
            findings.add(Kind::WrongOutcome, || {
                format!("{name} is {outcome:?} and must be refused with {}", refused.reason)
            });
        }
        (Ok(event), Outcome::DeadLetter(reason)) => {
            let order = event.order_id.clone();
            findings.add_of(Kind::WrongOutcome, &order, || {
                format!("{name} is refused with {reason} and nothing is wrong with it")
            });
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
                often => {
                    findings.add(Kind::InputDoubled, || format!("{}, {often} times", partition.name(record.offset)))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orderstream::decode::refusal::Reason;
    use orderstream::ids::EventId;

    use super::super::fixture;
    use super::*;

    /// What is found when the journal's entries are changed before they are compared.
    fn found(change: impl FnOnce(&mut Vec<AppliedEntry>)) -> Findings {
        let (mut row, _) = fixture::row();
        change(&mut row.entries);
        let (mut inputs, mut outcomes, mut findings) = (fixture::inputs(), Outcomes::default(), Findings::default());
        for entry in &row.entries {
            compare(&mut inputs, entry, &mut outcomes, &mut findings);
        }
        close(&inputs, &mut findings);
        findings
    }

    #[test]
    fn an_honest_journal_accounts_for_every_record() {
        assert!(found(|_| {}).is_clean(), "{:?}", found(|_| {}));
    }

    #[test]
    fn a_record_without_an_entry_is_lost() {
        let findings = found(|entries| drop(entries.remove(2)));
        assert_eq!(findings.of(Kind::InputLost), 1);
        assert_eq!(findings.by_kind().next().unwrap().1.first, ["inventory 0@0"]);
    }

    #[test]
    fn a_record_with_two_entries_is_doubled() {
        let findings = found(|entries| entries.push(entries[1].clone()));
        assert_eq!(findings.of(Kind::InputDoubled), 1);
    }

    #[test]
    fn an_entry_without_a_record_is_invented() {
        let invented = |entries: &mut Vec<AppliedEntry>| {
            let mut more = entries[1].clone();
            more.place.offset = Some(99);
            entries.push(more);
        };
        assert_eq!(found(invented).of(Kind::InputInvented), 1);
    }

    #[test]
    fn an_entry_with_another_event_than_its_record_is_changed() {
        let findings = found(|entries| entries[1].event.as_mut().unwrap().event_id = EventId::from("e9"));
        assert_eq!((findings.of(Kind::EventChanged), findings.mismatched_orders()), (1, 1));
    }

    #[test]
    fn a_sound_record_that_was_refused_has_the_wrong_outcome() {
        let findings = found(|entries| entries[1].outcome = Outcome::DeadLetter(Reason::ApplyFailed));
        assert_eq!(findings.of(Kind::WrongOutcome), 1);
    }

    #[test]
    fn a_bad_record_that_was_applied_or_refused_for_another_reason_has_the_wrong_outcome() {
        for outcome in [Outcome::Applied, Outcome::DeadLetter(Reason::NoKey)] {
            assert_eq!(found(|entries| entries[5].outcome = outcome).of(Kind::WrongOutcome), 1);
        }
    }
}
