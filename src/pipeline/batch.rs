//! A batch: what the lanes of a writer have, as one transaction will apply it: records, or orders to be looked at and dead
//! letters to be replayed.
//!
//! Cut in two when the database refuses it for a record's sake, or when it would publish too much. Invariant: a batch and its
//! parts, applied one after the other, move the same checkpoints to the same places as the whole.

use std::sync::Arc;
use std::time::Instant;

use crate::consume::horizon::Sighting;
use crate::consume::record::Record;
use crate::consume::tenure::Tenure;
use crate::consume::topics::InputTopics;
use crate::decode::Refusal;
use crate::ids::{Lane, NextOffset, OrderId, Seq};
use crate::order::{Event, Source};
use crate::persist::checkpoints::Advance;
use crate::persist::lanes::Step;
use crate::persist::visits::Asked;

/// One record of a batch, and what it means.
#[derive(Debug)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// When it was taken from Kafka.
    pub consumed_at: Instant,
    /// The event it carries, or why it carries none.
    pub decoded: Result<Box<Event>, Refusal>,
    /// The dead letter that is replayed; none where it came from Kafka just now.
    pub letter: Option<i64>,
}

/// What a batch takes from one lane.
#[derive(Debug)]
pub struct LaneBatch {
    /// The tenure under which it is applied.
    pub tenure: Arc<Tenure>,
    /// The lane's last journal row before the batch.
    pub last_seq: Seq,
    /// The lane's checkpoints before the batch.
    pub checkpoints: Vec<(Source, NextOffset)>,
    /// The records, in the order in which they were read.
    pub items: Vec<Item>,
    /// Where the consumer stands behind the last of them: behind transaction markers.
    pub passed: Vec<(Source, NextOffset)>,
    /// Orders to be looked at without an event.
    pub visits: Vec<OrderId>,
    /// Orders that were to be looked at and are left as they are: only their marks go.
    pub set_aside: Vec<OrderId>,
    /// How far the lane has seen.
    pub horizon: Option<Sighting>,
}

impl LaneBatch {
    /// The lane.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.tenure.lane
    }

    /// The number of the journal row that this batch writes.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.last_seq.next()
    }

    /// The records that came from Kafka, in the order in which they were read.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.items.iter().filter(|item| item.letter.is_none()).map(|item| &item.record)
    }

    /// The lane's checkpoints after the batch.
    #[must_use]
    pub fn checkpoints_after(&self) -> Vec<(Source, NextOffset)> {
        let mut after = self.checkpoints.clone();
        for (source, next) in &mut after {
            let records = self.records().rev().find(|record| record.source == *source);
            let passed = self.passed.iter().filter(|(passed, _)| passed == source).map(|(_, position)| *position);
            *next = records.map(Record::next_offset).into_iter().chain(passed).fold(*next, NextOffset::max);
        }
        after
    }

    fn advances(&self, topics: &InputTopics) -> Vec<Advance> {
        let before = self.checkpoints.iter();
        let moves = before.zip(self.checkpoints_after()).filter(|((_, expected), (_, next))| expected != next);
        let advances = moves.map(|((source, expected), (_, next))| {
            let last = self.records().rev().find(|record| record.source == *source);
            Advance {
                topic: topics.name(*source).to_owned(),
                lane: self.lane(),
                expected: *expected,
                next,
                record_timestamp: last.map(|record| record.timestamp).filter(|timestamp| timestamp.0 > 0),
            }
        });
        advances.collect()
    }

    fn work(&self) -> usize {
        self.items.len() + self.visits.len()
    }

    /// Cuts the lane's part behind the first `left` pieces of work. The second part starts where the first ends.
    fn split(mut self, left: usize) -> (Self, Self) {
        let items = self.items.split_off(left.min(self.items.len()));
        let visits = self.visits.split_off((left - self.items.len()).min(self.visits.len()));
        let passed = std::mem::take(&mut self.passed);
        let second = Self {
            tenure: self.tenure.clone(),
            last_seq: self.seq(),
            checkpoints: self.checkpoints_after(),
            items,
            passed,
            visits,
            set_aside: Vec::new(),
            horizon: self.horizon.clone(),
        };
        (self, second)
    }
}

/// A piece of a lane's work, by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A record.
    Item(usize),
    /// An order to be looked at.
    Visit(usize),
}

/// What one transaction applies, in the order of lanes.
#[derive(Debug)]
pub struct Batch {
    /// One part a lane; no lane twice.
    pub lanes: Vec<LaneBatch>,
}

impl Batch {
    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.items.len()).sum()
    }

    /// How many pieces of work it has: records and visits.
    #[must_use]
    pub fn work(&self) -> usize {
        self.lanes.iter().map(LaneBatch::work).sum()
    }

    /// Its work in the order in which it is decided, each piece with the place of its lane: the records of all lanes, then the
    /// visits of all.
    pub fn pieces(&self) -> impl Iterator<Item = (usize, Piece)> {
        let lanes = || self.lanes.iter().enumerate();
        let items = lanes().flat_map(|(place, lane)| (0..lane.items.len()).map(move |item| (place, Piece::Item(item))));
        let visits = lanes().flat_map(|(place, lane)| (0..lane.visits.len()).map(move |v| (place, Piece::Visit(v))));
        items.chain(visits)
    }

    /// The orders to be looked at without an event.
    pub fn visits(&self) -> impl Iterator<Item = &OrderId> {
        self.lanes.iter().flat_map(|lane| &lane.visits)
    }

    /// What its visits and its replayed letters have to be judged by.
    #[must_use]
    pub fn ground(&self, topics: &InputTopics) -> Asked {
        let visited = self.lanes.iter().filter(|lane| !lane.visits.is_empty());
        let set_aside = self.lanes.iter().flat_map(|lane| &lane.set_aside);
        Asked {
            topics: topics.iter().map(|(_, name)| name.to_owned()).collect(),
            lanes: visited.map(LaneBatch::lane).collect(),
            orders: self.visits().chain(set_aside).map(|order_id| order_id.as_str().to_owned()).collect(),
            letters: self.items().filter_map(|item| item.letter).collect(),
        }
    }

    /// Whether it has no lane left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// What the records weigh.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.items().map(|item| item.record.size_bytes()).sum()
    }

    /// All records, lane by lane.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.lanes.iter().flat_map(|lane| &lane.items)
    }

    /// What the fence compares and sets.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.lanes.iter().map(|lane| step(&lane.tenure, lane.last_seq, lane.horizon.as_ref())).collect()
    }

    /// How the checkpoints move.
    #[must_use]
    pub fn advances(&self, topics: &InputTopics) -> Vec<Advance> {
        self.lanes.iter().flat_map(|lane| lane.advances(topics)).collect()
    }

    /// Takes the parts of these lanes out of it.
    #[must_use]
    pub fn take(&mut self, lanes: &[Lane]) -> Self {
        Self { lanes: self.lanes.extract_if(.., |part| lanes.contains(&part.lane())).collect() }
    }

    /// Cuts the batch in two of about the same work. The second part starts where the first ends.
    ///
    /// # Errors
    /// The batch itself when it has one record or visit, or none.
    pub fn split(mut self) -> Result<(Self, Self), Self> {
        if self.work() < 2 {
            return Err(self);
        }
        let mut left = self.work() / 2;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for lane in self.lanes.drain(..) {
            if left == 0 {
                second.push(lane);
            } else if lane.work() <= left {
                left -= lane.work();
                first.push(lane);
            } else {
                let (before, behind) = lane.split(left);
                left = 0;
                first.push(before);
                second.push(behind);
            }
        }
        Ok((Self { lanes: first }, Self { lanes: second }))
    }
}

/// A lane's step of the fence, from what its tenure remembers.
#[must_use]
pub fn step(tenure: &Tenure, last_seq: Seq, horizon: Option<&Sighting>) -> Step {
    Step {
        lane: tenure.lane,
        epoch: tenure.epoch,
        tenure: tenure.id,
        last_seq,
        published_seq: tenure.published().min(last_seq),
        horizon: horizon.map(|sighting| sighting.at),
        former_ended: tenure.is_placed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::capture::Capture;
    use crate::decode::Reason;
    use crate::ids::{Epoch, TenureId, Timestamp};

    fn record(source: Source, offset: i64) -> Item {
        let record = Record {
            source,
            lane: Lane(0),
            offset,
            timestamp: Timestamp(1),
            key: None,
            value: None,
            headers: Ok(Vec::new()),
        };
        let decoded = Err(Refusal::new(Reason::NoKey, "no key"));
        Item { record, consumed_at: Instant::now(), decoded, letter: None }
    }

    fn lane(number: i32, offsets: &[(Source, i64)], passed: Vec<(Source, NextOffset)>) -> LaneBatch {
        let tenure = Tenure::open(Lane(number), (Epoch(1), TenureId::random()), Arc::new(Capture::of_nobody()), Seq(0));
        LaneBatch {
            tenure: Arc::new(tenure),
            last_seq: Seq(4),
            checkpoints: vec![(Source::Payment, NextOffset(10)), (Source::Shipping, NextOffset(20))],
            items: offsets.iter().map(|(source, offset)| record(*source, *offset)).collect(),
            passed,
            visits: Vec::new(),
            set_aside: Vec::new(),
            horizon: None,
        }
    }

    #[test]
    fn checkpoints_move_past_the_last_record_and_past_markers_and_nowhere_else() {
        let passed = vec![(Source::Payment, NextOffset(15))];
        let lane = lane(0, &[(Source::Payment, 10), (Source::Payment, 13)], passed);
        assert_eq!(
            lane.checkpoints_after(),
            vec![(Source::Payment, NextOffset(15)), (Source::Shipping, NextOffset(20))]
        );
    }

    #[test]
    fn the_second_part_of_a_split_starts_where_the_first_ends_and_has_the_markers() {
        let offsets: Vec<(Source, i64)> = (10..15).map(|offset| (Source::Payment, offset)).collect();
        let whole = Batch { lanes: vec![lane(0, &offsets, vec![(Source::Payment, NextOffset(17))])] };
        let after = whole.lanes[0].checkpoints_after();
        let (first, second) = whole.split().unwrap();
        assert_eq!((first.len(), second.len()), (2, 3));
        assert_eq!(first.lanes[0].checkpoints_after(), second.lanes[0].checkpoints);
        assert_eq!(second.lanes[0].checkpoints_after(), after);
        assert_eq!(second.lanes[0].last_seq, first.lanes[0].seq());
    }

    #[test]
    fn a_split_keeps_every_record_of_every_lane_once() {
        let three = [(Source::Payment, 10), (Source::Shipping, 20), (Source::Payment, 11)];
        let lanes = vec![lane(0, &three, Vec::new()), lane(1, &three[..1], Vec::new()), lane(2, &three, Vec::new())];
        let whole = Batch { lanes };
        let offsets = |batch: &Batch| -> Vec<(i32, i64)> {
            let lanes = batch.lanes.iter();
            lanes.flat_map(|l| l.items.iter().map(|item| (l.lane().0, item.record.offset))).collect()
        };
        let all = offsets(&whole);
        let (first, second) = whole.split().unwrap();
        assert_eq!([offsets(&first), offsets(&second)].concat(), all);
        assert!(Batch { lanes: vec![lane(0, &three[..1], Vec::new())] }.split().is_err());
    }

    #[test]
    fn a_replayed_letter_moves_no_checkpoint() {
        let mut lane = lane(0, &[(Source::Payment, 10), (Source::Payment, 40)], Vec::new());
        lane.items[1].letter = Some(7);
        assert_eq!(lane.checkpoints_after()[0], (Source::Payment, NextOffset(11)));
        let asked = Batch { lanes: vec![lane] }.ground(&InputTopics::new(Vec::new()));
        assert_eq!((asked.letters, asked.lanes), (vec![7], Vec::new()));
    }

    #[test]
    fn visits_are_cut_in_two_behind_the_records() {
        let mut lane = lane(0, &[(Source::Payment, 10)], Vec::new());
        lane.visits = ["a", "b", "c"].map(OrderId::from).to_vec();
        let (first, second) = Batch { lanes: vec![lane] }.split().unwrap();
        let parts = [&first, &second].map(|part| (part.len(), part.visits().map(OrderId::as_str).collect::<Vec<_>>()));
        assert_eq!(parts, [(1, vec!["a"]), (0, vec!["b", "c"])]);
        assert_eq!(second.lanes[0].last_seq, first.lanes[0].seq());
    }
}
