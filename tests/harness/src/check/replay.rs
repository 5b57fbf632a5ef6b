//! The journal folded again, entry by entry in its own order.
//!
//! Finds for each entry what its row publishes because of it, and lets the event meet its order again (`progress`). Orders of
//! several lanes wait until all lanes are read; their rows say in which order the lanes took turns. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use orderstream::ids::OrderId;
use orderstream::order::{Event, Policy, Source};
use orderstream::persist::journal_format::AppliedEntry;

use super::findings::{Findings, Kind};
use super::progress::{Progress, Step, play};
use crate::output::{Cause, StatusChanged};
use crate::topics::Topics;

/// A journal row, unpacked: what it applied, and the changes that it publishes.
#[derive(Clone, Debug)]
pub struct UnpackedRow {
    /// Its lane.
    pub lane: i32,
    /// Its number in the lane.
    pub seq: i64,
    /// The entries in their order.
    pub entries: Vec<AppliedEntry>,
    /// The status events that it publishes, in their order.
    pub changes: Vec<StatusChanged>,
}

/// Folds a deployment's journal.
#[derive(Debug)]
pub struct Replay<'a> {
    policy: &'a Policy,
    topics: &'a Topics,
    orders: HashMap<OrderId, Progress>,
    /// Orders of several lanes, whose entries have to wait for all lanes.
    of_several_lanes: &'a HashSet<OrderId>,
    waiting: BTreeMap<OrderId, Vec<Step>>,
}

impl<'a> Replay<'a> {
    /// Begins with no order.
    #[must_use]
    pub fn new(policy: &'a Policy, topics: &'a Topics, of_several_lanes: &'a HashSet<OrderId>) -> Self {
        Self { policy, topics, orders: HashMap::new(), of_several_lanes, waiting: BTreeMap::new() }
    }

    /// Folds the next row of a lane. Returns what deadlines recorded, since no input record says it.
    pub fn take(&mut self, row: UnpackedRow, findings: &mut Findings) -> Vec<Event> {
        let number = (i64::from(row.lane) << 40) | row.seq;
        let mut changes: HashMap<Cause, (usize, StatusChanged)> = HashMap::new();
        for (index, change) in row.changes.into_iter().enumerate() {
            let name = || format!("lane {} row {number}, change {index}", row.lane, number = row.seq);
            match &change.envelope.cause {
                Some(cause) if !changes.contains_key(cause) => _ = changes.insert(cause.clone(), (index, change)),
                _ => findings.add(Kind::ChangeInvented, name),
            }
        }
        let (mut internal, mut last) = (Vec::new(), None);
        for entry in row.entries {
            let Some(event) = entry.event else { continue };
            if entry.place.source == Source::Deadline {
                internal.push(event.clone());
            }
            let cause = self.cause(row.lane, entry.place.source, entry.place.offset, &event);
            let told = changes.remove(&cause);
            if let Some((index, change)) = &told {
                if last.is_some_and(|last| last > *index) {
                    findings.add_of(Kind::ChangeMistold, &event.order_id, || {
                        format!("version {} is published before its turn", change.envelope.order_version)
                    });
                }
                last = Some(*index);
            }
            let told = told.map(|(_, change)| change);
            let (outcome, version, status) = (entry.outcome, entry.version, entry.status);
            self.step(Step { row: number, cause, outcome, version, status, event, told }, findings);
        }
        for (_, change) in changes.into_values() {
            let order = OrderId::from(change.envelope.order_id);
            findings.add_of(Kind::ChangeInvented, &order, || format!("version {}", change.envelope.order_version));
        }
        internal
    }

    /// What became of the orders of one lane; those of several lanes stay.
    pub fn close_lane(&mut self) -> HashMap<OrderId, Progress> {
        std::mem::take(&mut self.orders)
    }

    /// Folds the orders of several lanes, each in the order in which its row lists the journal's.
    pub fn close_waiting(
        &mut self,
        rows: &HashMap<OrderId, Vec<i64>>,
        findings: &mut Findings,
    ) -> HashMap<OrderId, Progress> {
        for (order, mut steps) in std::mem::take(&mut self.waiting) {
            let listed = rows.get(&order).map_or(&[][..], Vec::as_slice);
            // A stable sort: within a row, the row's own order holds.
            steps.sort_by_key(|step| listed.iter().position(|row| *row == step.row).unwrap_or(usize::MAX));
            let mut progress = Progress::default();
            for step in steps {
                play(&mut progress, step, self.policy, findings);
            }
            self.orders.insert(order, progress);
        }
        self.close_lane()
    }

    fn step(&mut self, step: Step, findings: &mut Findings) {
        let order = step.event.order_id.clone();
        if self.of_several_lanes.contains(&order) {
            self.waiting.entry(order).or_default().push(step);
        } else {
            play(self.orders.entry(order).or_default(), step, self.policy, findings);
        }
    }

    fn cause(&self, lane: i32, source: Source, offset: Option<i64>, event: &Event) -> Cause {
        let topic = super::input_of(source).and_then(|input| self.topics.input(input));
        Cause {
            event_id: event.event_id.to_string(),
            topic: topic.map(str::to_owned),
            partition: topic.map(|_| lane),
            offset,
            kind: event.kind().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use orderstream::order::Status;
    use orderstream::persist::journal_format::Outcome;

    use super::super::fixture;
    use super::super::progress::event_id;
    use super::*;

    /// What is found when a row is changed before it is folded again.
    fn found(change: impl FnOnce(&mut UnpackedRow)) -> Findings {
        let (mut row, _) = fixture::row();
        change(&mut row);
        let (policy, topics, none) = (Policy::default(), fixture::topics(), HashSet::new());
        let mut findings = Findings::default();
        Replay::new(&policy, &topics, &none).take(row, &mut findings);
        findings
    }

    #[test]
    fn an_honest_row_leads_to_what_it_says() {
        assert!(found(|_| {}).is_clean(), "{:?}", found(|_| {}));
    }

    #[test]
    fn the_fold_of_the_journal_is_the_order() {
        let (row, progress) = fixture::row();
        let (policy, topics, none) = (Policy::default(), fixture::topics(), HashSet::new());
        let mut replay = Replay::new(&policy, &topics, &none);
        replay.take(row, &mut Findings::default());
        let folded = replay.close_lane().remove(&fixture::order()).unwrap();
        assert_eq!((folded.facts, folded.version, folded.rows), (progress.facts, progress.version, progress.rows));
    }

    #[test]
    fn a_change_that_is_not_published_is_untold() {
        let findings = found(|row| drop(row.changes.remove(1)));
        assert_eq!(findings.of(Kind::ChangeUntold), 1);
    }

    #[test]
    fn a_change_that_nothing_causes_is_invented() {
        let uncaused = |row: &mut UnpackedRow| row.changes[0].envelope.cause.as_mut().unwrap().offset = Some(77);
        assert_eq!(found(uncaused).of(Kind::ChangeInvented), 1);
        let twice = |row: &mut UnpackedRow| row.changes.push(row.changes[0].clone());
        assert_eq!(found(twice).of(Kind::ChangeInvented), 1);
    }

    #[test]
    fn a_wrong_field_of_a_published_change_is_mistold() {
        let changes: [fn(&mut StatusChanged); 6] = [
            |change| change.envelope.order_version = 9,
            |change| change.envelope.event_id = event_id("ord-1", 9).to_string(),
            |change| change.envelope.previous_status = None,
            |change| change.envelope.occurred_at += 1,
            |change| change.skus.clear(),
            |change| change.view.status = Status::Shipped,
        ];
        for change in changes {
            assert_eq!(found(|row| change(&mut row.changes[1])).of(Kind::ChangeMistold), 1);
        }
    }

    #[test]
    fn changes_in_another_order_than_their_causes_are_mistold() {
        assert_eq!(found(|row| row.changes.swap(0, 1)).of(Kind::ChangeMistold), 1);
    }

    #[test]
    fn a_wrong_outcome_version_or_status_of_an_entry_is_found() {
        assert_eq!(found(|row| row.entries[3].outcome = Outcome::Applied).of(Kind::WrongOutcome), 1);
        assert_eq!(found(|row| row.entries[2].version = Some(2)).of(Kind::WrongProgress), 1);
        assert_eq!(found(|row| row.entries[2].status = None).of(Kind::WrongProgress), 1);
    }

    #[test]
    fn an_order_of_two_lanes_is_folded_as_its_row_lists_the_journal() {
        let (mut first, _) = fixture::row();
        let mut second =
            UnpackedRow { lane: 1, seq: 1, entries: first.entries.split_off(2), changes: first.changes.split_off(2) };
        for change in &mut second.changes {
            change.envelope.cause.as_mut().unwrap().partition = Some(1);
        }
        let (policy, topics, several) = (Policy::default(), fixture::topics(), HashSet::from([fixture::order()]));
        let mut replay = Replay::new(&policy, &topics, &several);
        let mut findings = Findings::default();
        replay.take(second, &mut findings);
        replay.take(first, &mut findings);
        let rows = HashMap::from([(fixture::order(), vec![1, (1 << 40) | 1])]);
        let folded = replay.close_waiting(&rows, &mut findings);
        assert!(findings.is_clean(), "{findings:?}");
        assert_eq!(folded[&fixture::order()].rows, rows[&fixture::order()]);
    }
}
