//! The journal folded again, entry by entry in its own order.
//!
//! Finds for each entry what its row publishes because of it, and lets the event, or time, meet its order again (`progress`). Orders
//! of several lanes wait until all lanes are read; their rows say in which order the lanes took turns. Pure.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::{Event, Source};
use orderstream::persist::journal_format::{AppliedEntry, Outcome};

use super::commands::Asking;
use super::findings::{Findings, Kind};
use super::progress::{Compares, Happened, Progress, Step, play};
use crate::output::{Cause, OrderCommand, StatusChanged};
use crate::topics::Topics;

/// A journal row, unpacked: what it applied, and what it publishes of orders.
#[derive(Clone, Debug)]
pub struct UnpackedRow {
    /// Its lane.
    pub lane: i32,
    /// Its number in the lane.
    pub seq: i64,
    /// When it was written.
    pub written_at: Timestamp,
    /// The entries in their order.
    pub entries: Vec<AppliedEntry>,
    /// The status events and commands that it publishes, in their order.
    pub said: Vec<Said>,
}

/// One thing that a row publishes of an order.
#[derive(Clone, Debug)]
pub enum Said {
    /// Its state changed.
    Changed(StatusChanged),
    /// Somebody has to do something.
    Asked(OrderCommand),
}

/// Folds a deployment's journal.
#[derive(Debug)]
pub struct Replay<'a> {
    asking: Asking<'a>,
    topics: &'a Topics,
    orders: HashMap<OrderId, Progress>,
    /// Orders of several lanes, whose entries have to wait for all lanes.
    of_several_lanes: &'a HashSet<OrderId>,
    waiting: BTreeMap<OrderId, Vec<Step>>,
    refused: HashSet<OrderId>,
}

impl<'a> Replay<'a> {
    /// Begins with no order.
    #[must_use]
    pub fn new(asking: Asking<'a>, topics: &'a Topics, of_several_lanes: &'a HashSet<OrderId>) -> Self {
        let (orders, waiting, refused) = (HashMap::new(), BTreeMap::new(), HashSet::new());
        Self { asking, topics, orders, of_several_lanes, waiting, refused }
    }

    /// Folds the next row of a lane.
    pub fn take(&mut self, row: UnpackedRow, findings: &mut Findings) {
        let UnpackedRow { lane, seq, written_at, entries, said } = row;
        let number = (i64::from(lane) << 40) | seq;
        let mut publishes = Publishes::of(said);
        let mut entries = entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            let Some(order) = entry.order_id.clone() else { continue };
            if matches!(entry.outcome, Outcome::DeadLetter(_)) {
                self.refused.insert(order);
                continue;
            }
            let compares = match entries.peek() {
                Some(next) if is_fired(&entry) && is_fired(next) && next.order_id.as_ref() == Some(&order) => {
                    Compares::Later
                }
                _ => Compares::Now,
            };
            let cause = entry.event.as_ref().map(|event| self.cause(lane, &entry, event));
            let told = match compares {
                Compares::Now => publishes.change(&order, cause.as_ref(), entry.version, findings),
                Compares::Later => None,
            };
            let commands = publishes.commands(&order, entry.sent.len(), findings);
            let happened = match entry.event {
                Some(event) if entry.place.source == Source::Deadline => Happened::Fired(event, compares),
                Some(event) => Happened::Record(event),
                None => Happened::Nothing,
            };
            let AppliedEntry { outcome, version, status, sent, .. } = entry;
            let row = number;
            self.step(
                Step { row, written_at, order, happened, cause, outcome, version, status, sent, told, commands },
                findings,
            );
        }
        publishes.close(|| format!("lane {lane} row {seq}"), findings);
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
            let mut progress = Progress { had_letters: self.refused.contains(&order), ..Progress::default() };
            for step in steps {
                play(&mut progress, &step, self.asking, findings);
            }
            self.orders.insert(order, progress);
        }
        self.close_lane()
    }

    fn step(&mut self, step: Step, findings: &mut Findings) {
        if self.of_several_lanes.contains(&step.order) {
            self.waiting.entry(step.order.clone()).or_default().push(step);
        } else {
            let progress = self.orders.entry(step.order.clone()).or_default();
            progress.had_letters |= self.refused.contains(&step.order);
            play(progress, &step, self.asking, findings);
        }
    }

    fn cause(&self, lane: i32, entry: &AppliedEntry, event: &Event) -> Cause {
        let topic = super::input_of(entry.place.source).and_then(|input| self.topics.input(input));
        Cause {
            event_id: event.event_id.to_string(),
            topic: topic.map(str::to_owned),
            partition: topic.map(|_| lane),
            offset: entry.place.offset,
            kind: event.kind().to_owned(),
        }
    }
}

fn is_fired(entry: &AppliedEntry) -> bool {
    entry.place.source == Source::Deadline && entry.event.is_some()
}

/// What waits for the entry that it is of, with its place in the row.
type Waiting<T> = VecDeque<(usize, T)>;

/// What a row publishes, until an entry is found that it is of. All of it must stand in the order of the entries.
struct Publishes {
    changes: HashMap<(OrderId, Option<Cause>), Waiting<StatusChanged>>,
    commands: HashMap<OrderId, Waiting<OrderCommand>>,
    last: Option<usize>,
}

impl Publishes {
    fn of(said: Vec<Said>) -> Self {
        let mut all = Self { changes: HashMap::new(), commands: HashMap::new(), last: None };
        for (place, said) in said.into_iter().enumerate() {
            match said {
                Said::Changed(change) => {
                    let key = (OrderId::from(change.envelope.order_id.as_str()), change.envelope.cause.clone());
                    all.changes.entry(key).or_default().push_back((place, change));
                }
                Said::Asked(command) => {
                    let order = OrderId::from(command.order_id.as_str());
                    all.commands.entry(order).or_default().push_back((place, command));
                }
            }
        }
        all
    }

    /// The change that a fact caused. Of those that none did, the next, if it is the one that leads to this version: commands may
    /// be sent again in the very row in which another is given up, and only that changes the order.
    fn change(
        &mut self,
        order: &OrderId,
        cause: Option<&Cause>,
        version: Option<i64>,
        findings: &mut Findings,
    ) -> Option<StatusChanged> {
        let key = (order.clone(), cause.cloned());
        let waiting = self.changes.get_mut(&key)?;
        let (place, change) =
            waiting.pop_front_if(|(_, change)| cause.is_some() || Some(change.envelope.order_version) == version)?;
        self.in_turn(order, place, || format!("version {}", change.envelope.order_version), findings);
        Some(change)
    }

    /// The next so many commands of an order.
    fn commands(&mut self, order: &OrderId, count: usize, findings: &mut Findings) -> Vec<OrderCommand> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let next = self.commands.get_mut(order).and_then(VecDeque::pop_front);
            let Some((place, command)) = next else { break };
            self.in_turn(order, place, || format!("{} of `{}`", command.kind, command.entity_id), findings);
            taken.push(command);
        }
        taken
    }

    fn in_turn(&mut self, order: &OrderId, place: usize, name: impl Fn() -> String, findings: &mut Findings) {
        if self.last.is_some_and(|last| last > place) {
            findings.add_of(Kind::ChangeMistold, order, || format!("{} is published before its turn", name()));
        }
        self.last = Some(place);
    }

    /// What no entry is of.
    fn close(self, row: impl Fn() -> String, findings: &mut Findings) {
        for ((order, _), change) in self
            .changes
            .into_iter()
            .flat_map(|(key, changes)| changes.into_iter().map(move |change| (key.clone(), change)))
        {
            let version = change.1.envelope.order_version;
            findings.add_of(Kind::ChangeInvented, &order, || format!("version {version}, {}", row()));
        }
        for command in self.commands.into_values().flatten().map(|(_, command)| command) {
            let order = OrderId::from(command.order_id.as_str());
            findings.add_of(Kind::CommandInvented, &order, || {
                format!("{} of `{}`, {}", command.kind, command.entity_id, row())
            });
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
        let (topics, none) = (fixture::topics(), HashSet::new());
        let mut findings = Findings::default();
        Replay::new(fixture::asking(), &topics, &none).take(row, &mut findings);
        findings
    }

    fn changed(row: &mut UnpackedRow, place: usize) -> &mut StatusChanged {
        match &mut row.said[place] {
            Said::Changed(changed) => changed,
            Said::Asked(_) => panic!("a command"),
        }
    }

    #[test]
    fn an_honest_row_leads_to_what_it_says() {
        assert!(found(|_| {}).is_clean(), "{:?}", found(|_| {}));
    }

    #[test]
    fn the_fold_of_the_journal_is_the_order() {
        let (row, progress) = fixture::row();
        let (topics, none) = (fixture::topics(), HashSet::new());
        let mut replay = Replay::new(fixture::asking(), &topics, &none);
        replay.take(row, &mut Findings::default());
        let folded = replay.close_lane().remove(&fixture::order()).unwrap();
        assert_eq!((folded.facts, folded.version, folded.rows), (progress.facts, progress.version, progress.rows));
    }

    #[test]
    fn a_change_that_is_not_published_is_untold() {
        let findings = found(|row| drop(row.said.remove(1)));
        assert_eq!(findings.of(Kind::ChangeUntold), 1);
    }

    #[test]
    fn a_change_that_nothing_causes_is_invented() {
        let uncaused = |row: &mut UnpackedRow| changed(row, 0).envelope.cause.as_mut().unwrap().offset = Some(77);
        assert_eq!(found(uncaused).of(Kind::ChangeInvented), 1);
        let twice = |row: &mut UnpackedRow| row.said.push(row.said[0].clone());
        assert_eq!(found(twice).of(Kind::ChangeInvented), 1);
    }

    #[test]
    fn a_wrong_field_of_a_published_change_is_mistold() {
        let changes: [fn(&mut StatusChanged); 7] = [
            |change| change.envelope.order_version = 9,
            |change| change.envelope.event_id = event_id("ord-1", 9).to_string(),
            |change| change.envelope.previous_status = None,
            |change| change.envelope.occurred_at += 1,
            |change| change.envelope.changed_at += 1,
            |change| change.skus.clear(),
            |change| change.view.status = Status::Shipped,
        ];
        for change in changes {
            assert_eq!(found(|row| change(changed(row, 1))).of(Kind::ChangeMistold), 1);
        }
    }

    #[test]
    fn changes_in_another_order_than_their_causes_are_mistold() {
        assert_eq!(found(|row| row.said.swap(0, 1)).of(Kind::ChangeMistold), 1);
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
        let (entries, said) = (first.entries.split_off(2), first.said.split_off(2));
        let mut second = UnpackedRow { lane: 1, entries, said, ..first.clone() };
        for place in 0..second.said.len() {
            changed(&mut second, place).envelope.cause.as_mut().unwrap().partition = Some(1);
        }
        let (topics, several) = (fixture::topics(), HashSet::from([fixture::order()]));
        let mut replay = Replay::new(fixture::asking(), &topics, &several);
        let mut findings = Findings::default();
        replay.take(second, &mut findings);
        replay.take(first, &mut findings);
        let rows = HashMap::from([(fixture::order(), vec![1, (1 << 40) | 1])]);
        let folded = replay.close_waiting(&rows, &mut findings);
        assert!(findings.is_clean(), "{findings:?}");
        assert_eq!(folded[&fixture::order()].rows, rows[&fixture::order()]);
    }
}
