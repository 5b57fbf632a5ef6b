//! A lane's numbers: journal, checkpoints, committed offsets and ends must say the same.
//!
//! Pure. Invariant of the product: once all is published, each committed offset is the checkpoint, which is the end of its
//! partition, and the metadata beside it names the lane's last journal row, in this database.

use uuid::Uuid;

use super::findings::{Findings, Kind};
use super::stored::StoredLane;
use crate::positions::{Committed, Mark};
use crate::topic_log::Extent;

/// What is known of one input partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFigures {
    /// The topic.
    pub topic: String,
    /// Where it begins and ends.
    pub extent: Extent,
    /// How far the database says it is applied.
    pub checkpoint: Option<i64>,
    /// How far the group says it is published.
    pub committed: Option<Committed>,
}

/// Compares a lane's numbers. `journal_end` is the last row that the journal really has.
pub fn compare(
    lane: &StoredLane,
    journal_end: i64,
    database: Uuid,
    partitions: &[PartitionFigures],
    findings: &mut Findings,
) {
    let number = lane.lane;
    if journal_end != lane.last_seq {
        let last = lane.last_seq;
        findings.add(Kind::LaneBroken, || {
            format!("lane {number}: the journal ends at {journal_end} and last_seq is {last}")
        });
    }
    if lane.published_seq > lane.last_seq {
        let (published, last) = (lane.published_seq, lane.last_seq);
        findings
            .add(Kind::LaneBroken, || format!("lane {number}: published_seq {published} is beyond last_seq {last}"));
    }
    for partition in partitions {
        let name = format!("{} {number}", partition.topic);
        let end = partition.extent.end;
        if partition.checkpoint != Some(end) {
            let at = said(partition.checkpoint);
            findings.add(Kind::CheckpointAside, || format!("{name}: the checkpoint is {at} and the end {end}"));
        }
        let committed = partition.committed.as_ref().map(|committed| committed.offset);
        // Nothing was ever published of a lane that nothing ever came through.
        let untouched = lane.last_seq == 0 && committed.is_none() && partition.extent.beginning == end;
        if committed != partition.checkpoint && !untouched {
            let (at, checkpoint) = (said(committed), said(partition.checkpoint));
            findings.add(Kind::OffsetAside, || format!("{name}: {at} is committed and the checkpoint is {checkpoint}"));
        }
        if let Some(committed) = &partition.committed
            && let Some(what) = misplaced(lane, database, &committed.metadata)
        {
            findings.add(Kind::PositionAside, || format!("{name}: {what}"));
        }
    }
}

fn misplaced(lane: &StoredLane, database: Uuid, metadata: &str) -> Option<String> {
    let Some(mark) = Mark::read(metadata) else { return Some(format!("the metadata `{metadata}` is not ours")) };
    if mark.database != database {
        return Some(format!("published from database {} and not {database}", mark.database));
    }
    if mark.seq != lane.last_seq {
        return Some(format!("published up to row {} of {}", mark.seq, lane.last_seq));
    }
    (mark.epoch > lane.epoch).then(|| format!("published under epoch {} of {}", mark.epoch, lane.epoch))
}

fn said(offset: Option<i64>) -> String {
    offset.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Uuid = Uuid::from_u128(7);

    /// What is found when a lane's numbers are changed.
    fn found(change: impl FnOnce(&mut StoredLane, &mut i64, &mut PartitionFigures)) -> Findings {
        let mut lane = StoredLane { lane: 3, epoch: 2, last_seq: 9, published_seq: 8, claimed_at: None };
        let mut journal_end = 9;
        let metadata = format!("v1;seq=9;epoch=2;db={}", DATABASE.simple());
        let mut partition = PartitionFigures {
            topic: "payments".to_owned(),
            extent: Extent { beginning: 0, end: 40 },
            checkpoint: Some(40),
            committed: Some(Committed { offset: 40, metadata }),
        };
        change(&mut lane, &mut journal_end, &mut partition);
        let mut findings = Findings::default();
        compare(&lane, journal_end, DATABASE, &[partition], &mut findings);
        findings
    }

    #[test]
    fn a_lane_at_rest_is_fine_and_so_is_one_that_nothing_came_through() {
        assert!(found(|_, _, _| {}).is_clean());
        let untouched = found(|lane, end, partition| {
            (lane.last_seq, lane.published_seq, *end) = (0, 0, 0);
            partition.extent.end = 0;
            (partition.checkpoint, partition.committed) = (Some(0), None);
        });
        assert!(untouched.is_clean(), "{untouched:?}");
    }

    #[test]
    fn a_checkpoint_or_an_offset_elsewhere_is_aside() {
        assert_eq!(found(|_, _, partition| partition.checkpoint = Some(39)).of(Kind::CheckpointAside), 1);
        assert_eq!(found(|_, _, partition| partition.committed.as_mut().unwrap().offset = 39).of(Kind::OffsetAside), 1);
        assert_eq!(found(|_, _, partition| partition.committed = None).of(Kind::OffsetAside), 1);
    }

    #[test]
    fn metadata_of_another_row_another_database_a_later_epoch_or_another_hand_is_aside() {
        for metadata in [
            format!("v1;seq=8;epoch=2;db={}", DATABASE.simple()),
            format!("v1;seq=9;epoch=3;db={}", DATABASE.simple()),
            format!("v1;seq=9;epoch=2;db={}", Uuid::from_u128(8).simple()),
            String::new(),
        ] {
            let findings = found(|_, _, partition| partition.committed.as_mut().unwrap().metadata = metadata.clone());
            assert_eq!(findings.of(Kind::PositionAside), 1, "{metadata}");
        }
    }

    #[test]
    fn a_lane_whose_journal_ends_elsewhere_or_that_published_too_much_is_broken() {
        assert_eq!(found(|_, end, _| *end = 8).of(Kind::LaneBroken), 1);
        assert_eq!(found(|lane, _, _| lane.published_seq = 10).of(Kind::LaneBroken), 1);
    }
}
