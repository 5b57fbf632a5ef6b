//! What went in against what the journal tells of it: every record once, with the event and the outcome that it must have; what was
//! refused may be tried again, by its dead letter, until it is applied.
//!
//! Pure. Invariant: in the end each input record is exactly one of applied, duplicate, stale or dead letter. A refusal is right
//! if the record must be refused still, or if the reason is one that can pass and nothing says that it had passed by then.

use std::collections::{BTreeMap, HashMap};

use orderstream::decode::refusal::Reason;
use orderstream::order::Event;
use orderstream::persist::journal_format::{AppliedEntry, Outcome};
use serde::Serialize;

use super::findings::{Findings, Kind};
use super::input_log::{InputPartition, InputRecord, Try, place};
use super::input_of;

/// How far ahead of the clock an event may be: 24 hours, in microseconds.
const AHEAD: i64 = 24 * 60 * 60 * 1_000_000;

/// How the input records fared in the end.
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
    /// How many of the applied, duplicate and stale ones were refused at first.
    pub repaired: u64,
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

    fn count(&mut self, tries: &[Try]) {
        let Some(last) = tries.last() else { return };
        match last.outcome {
            Outcome::Applied => self.applied += 1,
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Stale => self.stale += 1,
            Outcome::DeadLetter(reason) => *self.dead_letters.entry(reason.as_str().to_owned()).or_default() += 1,
            Outcome::Reminded | Outcome::Unanswered | Outcome::Rederived => {}
        }
        self.repaired += u64::from(tries.len() > 1 && !is_refusal(last.outcome));
    }
}

/// Notes an entry of row `seq` of a lane's journal at the record that it tells of.
pub fn note(inputs: &mut [InputPartition], entry: &AppliedEntry, seq: i64, findings: &mut Findings) {
    let (source, Some(offset)) = (entry.place.source, entry.place.offset) else { return };
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
    record.tries.push(Try { seq, letter: entry.place.letter, outcome: entry.outcome });
    if let Ok(event) = &record.judged
        && !is_refusal(entry.outcome)
        && entry.event.as_ref() != Some(event)
    {
        findings.add_of(Kind::EventChanged, &event.order_id, || format!("{name}, event `{}`", event.event_id));
    }
}

/// Once a lane's whole journal has spoken: what it says of each record, against what the record must come to.
pub fn close(inputs: &[InputPartition], outcomes: &mut Outcomes, findings: &mut Findings) {
    for partition in inputs {
        let known_from = known_from(partition);
        for record in &partition.records {
            outcomes.count(&record.tries);
            close_one(partition, record, &known_from, findings);
        }
    }
}

fn close_one(
    partition: &InputPartition,
    record: &InputRecord,
    known_from: &HashMap<u32, i64>,
    findings: &mut Findings,
) {
    let name = || partition.name(record.offset);
    let [first, replays @ ..] = record.tries.as_slice() else {
        findings.add(Kind::InputLost, name);
        return;
    };
    let applied = record.tries.iter().position(|tried| !is_refusal(tried.outcome));
    let is_over = applied.is_some_and(|at| at + 1 < record.tries.len());
    if is_over || first.letter.is_some() || replays.iter().any(|tried| tried.letter.is_none()) {
        findings.add(Kind::InputDoubled, || format!("{}, {} times", name(), record.tries.len()));
    }
    for (number, tried) in record.tries.iter().enumerate() {
        let is_last = number + 1 == record.tries.len();
        match (&record.judged, tried.outcome) {
            (Ok(event), Outcome::DeadLetter(reason)) => {
                if !may_have_passed(record, (event, tried), (reason, is_last), known_from) {
                    findings.add_of(Kind::WrongOutcome, &event.order_id, || {
                        format!("{} is refused with {reason} and nothing is wrong with it", name())
                    });
                }
            }
            (Err(must), Outcome::DeadLetter(reason))
                if *must == reason || (!is_last && can_pass(reason)) || is_of_then(record, reason) => {}
            (Err(must), outcome) => {
                findings
                    .add(Kind::WrongOutcome, || format!("{} is {outcome:?} and must be refused with {must}", name()));
            }
            (Ok(_), _) => {}
        }
    }
}

/// Reasons that need no change of the record to pass: the clock goes on, schemas are registered, limits are raised, releases learn.
fn can_pass(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::OccurredInFuture | Reason::UnknownSchema | Reason::UnknownKind | Reason::TooLarge | Reason::ApplyFailed
    )
}

/// Whether a record that is to be refused for another reason now may have been refused for this one: nobody could read it then.
fn is_of_then(record: &InputRecord, reason: Reason) -> bool {
    reason == Reason::UnknownSchema && record.judged.as_ref().is_err_and(|now| *now != Reason::BadFraming)
}

/// Whether a record in which nothing is wrong now may have been refused for this reason at that time.
fn may_have_passed(
    record: &InputRecord,
    (event, tried): (&Event, &Try),
    (reason, is_last): (Reason, bool),
    known_from: &HashMap<u32, i64>,
) -> bool {
    match reason {
        // Refused no earlier than it was produced: it must have been ahead of the clock then.
        Reason::OccurredInFuture => record.produced_at.is_none_or(|at| event.occurred_at.0 > at.0 + AHEAD),
        // Somebody had read a record of that schema before.
        Reason::UnknownSchema => {
            let known = record.schema_id.and_then(|id| known_from.get(&id));
            known.is_none_or(|seq| *seq >= tried.seq)
        }
        // Nothing but the replay that succeeded says that it passed.
        other => !is_last && can_pass(other),
    }
}

/// The first row that read a record of each schema when it came.
fn known_from(partition: &InputPartition) -> HashMap<u32, i64> {
    let mut known = HashMap::new();
    for record in &partition.records {
        if let (Some(id), Some(first)) = (record.schema_id, record.tries.first())
            && !is_refusal(first.outcome)
        {
            let from = known.entry(id).or_insert(first.seq);
            *from = first.seq.min(*from);
        }
    }
    known
}

fn is_refusal(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::DeadLetter(_))
}

#[cfg(test)]
mod tests {
    use orderstream::ids::{EventId, Timestamp};

    use super::super::fixture;
    use super::*;

    /// What is found when the records and the journal's entries, each with its row, are changed before they are compared.
    fn compared(change: impl FnOnce(&mut Vec<InputPartition>, &mut Vec<(i64, AppliedEntry)>)) -> (Findings, Outcomes) {
        let (row, _) = fixture::row();
        let mut entries: Vec<(i64, AppliedEntry)> = row.entries.into_iter().map(|entry| (1, entry)).collect();
        let (mut inputs, mut outcomes, mut findings) = (fixture::inputs(), Outcomes::default(), Findings::default());
        change(&mut inputs, &mut entries);
        for (seq, entry) in &entries {
            note(&mut inputs, entry, *seq, &mut findings);
        }
        close(&inputs, &mut outcomes, &mut findings);
        (findings, outcomes)
    }

    fn found(change: impl FnOnce(&mut Vec<(i64, AppliedEntry)>)) -> Findings {
        compared(|_, entries| change(entries)).0
    }

    /// The journal refuses the event of this entry for that reason, and applies it from row 2 by its dead letter, if it is replayed.
    fn refused_first(entries: &mut Vec<(i64, AppliedEntry)>, at: usize, reason: Reason, is_replayed: bool) {
        let applied = entries[at].1.clone();
        entries[at].1.outcome = Outcome::DeadLetter(reason);
        entries[at].1.event = None;
        if is_replayed {
            let place = orderstream::persist::journal_format::Place { letter: Some(7), ..applied.place };
            entries.push((2, AppliedEntry { place, ..applied }));
        }
    }

    #[test]
    fn an_honest_journal_accounts_for_every_record() {
        let (findings, outcomes) = compared(|_, _| {});
        assert!(findings.is_clean(), "{findings:?}");
        assert_eq!((outcomes.sum(), outcomes.refused(), outcomes.repaired), (6, 1, 0));
    }

    #[test]
    fn a_record_without_an_entry_is_lost() {
        let findings = found(|entries| drop(entries.remove(2)));
        assert_eq!(findings.of(Kind::InputLost), 1);
        assert_eq!(findings.by_kind().next().unwrap().1.first, ["inventory 0@0"]);
    }

    #[test]
    fn a_record_with_two_entries_is_doubled_also_by_a_dead_letter_that_it_never_was() {
        assert_eq!(found(|entries| entries.push(entries[1].clone())).of(Kind::InputDoubled), 1);
        let replayed = |entries: &mut Vec<(i64, AppliedEntry)>| {
            let mut again = entries[1].clone();
            again.1.place.letter = Some(7);
            entries.push(again);
        };
        assert_eq!(found(replayed).of(Kind::InputDoubled), 1);
    }

    #[test]
    fn an_entry_without_a_record_is_invented() {
        let invented = |entries: &mut Vec<(i64, AppliedEntry)>| {
            let mut more = entries[1].clone();
            more.1.place.offset = Some(99);
            entries.push(more);
        };
        assert_eq!(found(invented).of(Kind::InputInvented), 1);
    }

    #[test]
    fn an_entry_with_another_event_than_its_record_is_changed() {
        let findings = found(|entries| entries[1].1.event.as_mut().unwrap().event_id = EventId::from("e9"));
        assert_eq!((findings.of(Kind::EventChanged), findings.mismatched_orders()), (1, 1));
    }

    #[test]
    fn a_sound_record_that_was_refused_has_the_wrong_outcome_whatever_the_reason() {
        for reason in Reason::ALL {
            let findings = found(|entries| refused_first(entries, 1, reason, false));
            // The first record of its schema: nobody can tell that the schema was known by then.
            assert_eq!(findings.of(Kind::WrongOutcome), u64::from(reason != Reason::UnknownSchema), "{reason}");
        }
        let known_before = |entries: &mut Vec<(i64, AppliedEntry)>| {
            refused_first(entries, 4, Reason::UnknownSchema, false);
            entries[4].0 = 2;
        };
        assert_eq!(found(known_before).of(Kind::WrongOutcome), 1);
    }

    #[test]
    fn a_bad_record_that_was_applied_or_refused_for_another_reason_has_the_wrong_outcome() {
        for outcome in [Outcome::Applied, Outcome::DeadLetter(Reason::NoKey)] {
            assert_eq!(found(|entries| entries[5].1.outcome = outcome).of(Kind::WrongOutcome), 1);
        }
    }

    #[test]
    fn a_record_that_was_refused_and_applied_when_its_reason_had_passed_is_fine() {
        for reason in [Reason::UnknownSchema, Reason::TooLarge, Reason::ApplyFailed] {
            let (findings, outcomes) = compared(|_, entries| refused_first(entries, 1, reason, true));
            assert!(findings.is_clean(), "{reason}: {findings:?}");
            assert_eq!((outcomes.repaired, outcomes.refused()), (1, 1));
        }
        let never_passes = |entries: &mut Vec<(i64, AppliedEntry)>| {
            refused_first(entries, 1, Reason::BadAvro, true);
        };
        assert_eq!(found(never_passes).of(Kind::WrongOutcome), 1);
    }

    #[test]
    fn an_event_is_ahead_of_the_clock_only_if_it_was_when_it_was_produced() {
        let (findings, _) = compared(|inputs, entries| {
            let produced_at = Timestamp(fixture::NOW.0 - AHEAD);
            inputs[0].records[0].produced_at = Some(produced_at);
            refused_first(entries, 1, Reason::OccurredInFuture, false);
        });
        assert!(findings.is_clean(), "{findings:?}");
    }

    #[test]
    fn a_dead_letter_that_is_refused_again_is_fine_and_one_that_is_applied_again_is_not() {
        let again = |entries: &mut Vec<(i64, AppliedEntry)>| {
            let mut again = entries[5].clone();
            again.1.place.letter = Some(3);
            entries.push(again);
        };
        assert!(found(again).is_clean());
        let twice = |entries: &mut Vec<(i64, AppliedEntry)>| {
            refused_first(entries, 1, Reason::UnknownSchema, true);
            entries.push(entries[entries.len() - 1].clone());
        };
        assert_eq!(found(twice).of(Kind::InputDoubled), 1);
    }
}
