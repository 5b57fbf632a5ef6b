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
pub fn compare(lane: &StoredLane, journal_end: i64, database: Uuid, partitions: &[PartitionFigures], findings: &mut Findings) {
    let number = lane.lane;
    if journal_end != lane.last_seq {
        let last = lane.last_seq;
        findings.add(Kind::LaneBroken, || format!("lane {number}: the journal ends at {journal_end} and last_seq is {last}"));
    }
    if lane.published_seq > lane.last_seq {
        let (published, last) = (lane.published_seq, lane.last_seq);
        findings.add(Kind::LaneBroken, || format!("lane {number}: published_seq {published} is beyond last_seq {last}"));
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
