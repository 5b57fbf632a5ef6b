//! A batch: what the lanes of a writer have, as one transaction will apply it.
//!
//! Cut in two when the database refuses it for a record's sake, or when it would publish too much. Invariant: a batch and its
//! parts, applied one after the other, move the same checkpoints to the same places as the whole.

use std::sync::Arc;
use std::time::Instant;

use crate::consume::record::Record;
use crate::consume::tenure::Tenure;
use crate::consume::topics::InputTopics;
use crate::decode::Refusal;
use crate::ids::{Lane, NextOffset, Seq};
use crate::order::{Event, Source};
use crate::persist::checkpoints::Advance;
use crate::persist::lanes::Step;

/// One record of a batch, and what it means.
#[derive(Debug)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// When it was taken from Kafka.
    pub consumed_at: Instant,
    /// The event it carries, or why it carries none.
    pub decoded: Result<Box<Event>, Refusal>,
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

    /// The lane's checkpoints after the batch.
    #[must_use]
    pub fn checkpoints_after(&self) -> Vec<(Source, NextOffset)> {
        let mut after = self.checkpoints.clone();
        for (source, next) in &mut after {
            let records = self.items.iter().rev().map(|item| &item.record).find(|record| record.source == *source);
            let passed = self.passed.iter().filter(|(passed, _)| passed == source).map(|(_, position)| *position);
            *next = records.map(Record::next_offset).into_iter().chain(passed).fold(*next, NextOffset::max);
        }
        after
    }

    fn advances(&self, topics: &InputTopics) -> Vec<Advance> {
        let before = self.checkpoints.iter();
        let moves = before.zip(self.checkpoints_after()).filter(|((_, expected), (_, next))| expected != next);
        let advances = moves.map(|((source, expected), (_, next))| {
            let last = self.items.iter().rev().map(|item| &item.record).find(|record| record.source == *source);
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
        self.lanes.iter().map(|lane| step(&lane.tenure, lane.last_seq)).collect()
    }

    /// How the checkpoints move.
    #[must_use]
    pub fn advances(&self, topics: &InputTopics) -> Vec<Advance> {
        self.lanes.iter().flat_map(|lane| lane.advances(topics)).collect()
    }

    /// Cuts the batch in two of about the same number of records. The second part starts where the first ends.
    ///
    /// # Errors
    /// The batch itself when it has one record or none.
    pub fn split(mut self) -> Result<(Self, Self), Self> {
        if self.len() < 2 {
            return Err(self);
        }
        let mut left = self.len() / 2;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for mut lane in self.lanes.drain(..) {
            if left == 0 {
                second.push(lane);
                continue;
            }
            let rest = lane.items.split_off(left.min(lane.items.len()));
            left -= lane.items.len();
            if rest.is_empty() {
                first.push(lane);
                continue;
            }
            let passed = std::mem::take(&mut lane.passed);
            second.push(LaneBatch {
                tenure: lane.tenure.clone(),
                last_seq: lane.seq(),
                checkpoints: lane.checkpoints_after(),
                items: rest,
                passed,
            });
            first.push(lane);
        }
        Ok((Self { lanes: first }, Self { lanes: second }))
    }
}

/// A lane's step of the fence, from what its tenure remembers.
#[must_use]
pub fn step(tenure: &Tenure, last_seq: Seq) -> Step {
    Step {
        lane: tenure.lane,
        epoch: tenure.epoch,
        tenure: tenure.id,
        last_seq,
        published_seq: tenure.published().min(last_seq),
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
            headers: Vec::new(),
        };
        let decoded = Err(Refusal::new(Reason::NoKey, "no key"));
        Item { record, consumed_at: Instant::now(), decoded }
    }

    fn lane(number: i32, offsets: &[(Source, i64)], passed: Vec<(Source, NextOffset)>) -> LaneBatch {
        let tenure = Tenure::open(Lane(number), (Epoch(1), TenureId::random()), Arc::new(Capture::of_nobody()), Seq(0));
        LaneBatch {
            tenure: Arc::new(tenure),
            last_seq: Seq(4),
            checkpoints: vec![(Source::Payment, NextOffset(10)), (Source::Shipping, NextOffset(20))],
            items: offsets.iter().map(|(source, offset)| record(*source, *offset)).collect(),
            passed,
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
}
