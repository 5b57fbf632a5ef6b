//! What `recover` finds: where each lane and each input partition stand in the database and in Kafka.
//!
//! Reading is in [`Found::look`], judging is pure. Invariant: a lane or a partition is called sound only where a worker would
//! take it as it is.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::cli::offline::{Offline, Refusal};
use crate::ids::{Epoch, Lane, NextOffset, Seq};
use crate::persist::checkpoints::{self, Checkpoint};
use crate::persist::operations::{self, Unfinished};
use crate::persist::recovery::{self, LaneRow};
use crate::publish::position::Mark;

/// A deployment as it stands.
#[derive(Debug)]
pub(in crate::cli) struct Found {
    pub lanes: Vec<LaneFound>,
    pub partitions: Vec<PartitionFound>,
    /// Orders, and archived ones.
    pub orders: (u64, u64),
    /// What an earlier command left to do.
    pub unfinished: Option<Unfinished>,
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct LaneFound {
    pub row: LaneRow,
    pub position: Position,
}

/// What the group's offsets say of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Position {
    /// Published up to this row, under this epoch at most.
    Sound(Seq, Epoch),
    /// Nothing that can be believed: a worker goes on from what the database remembers.
    Gone,
    /// Ahead of the database: it went back.
    Ahead(Seq, Epoch),
    /// Published from another database.
    Foreign(Uuid),
}

/// An input partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct PartitionFound {
    pub topic: String,
    pub partition: Lane,
    pub next_offset: NextOffset,
    pub begins_at: NextOffset,
    pub ends_at: NextOffset,
    pub state: State,
    #[serde(skip)]
    pub topic_id: Option<String>,
}

/// How a checkpoint lies to what Kafka has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum State {
    /// Kafka has what comes next.
    Sound,
    /// Records were deleted before they were read.
    Deleted,
    /// The partition ends before the checkpoint.
    CutShort,
    /// The topic was deleted and made again.
    MadeAgain,
}

impl Found {
    /// Looks at everything.
    pub async fn look(offline: &mut Offline) -> Result<Self, Refusal> {
        let connection = &mut offline.connection;
        let rows = recovery::lanes(connection).await?;
        let lanes: Vec<Lane> = rows.iter().map(|row| row.lane).collect();
        let names: Vec<String> = offline.topics.iter().map(|(_, name)| name.to_owned()).collect();
        let stored = checkpoints::read(connection, &names, &lanes).await?;
        let orders = recovery::count_orders(connection).await?;
        let unfinished = operations::unfinished(connection, "recover").await?;
        let committed = offline.committed(&lanes)?;
        let ids = offline.observer.topic_ids(&names)?;
        let mut extents = BTreeMap::new();
        for name in &names {
            extents.insert(name.as_str(), offline.extents(name, offline.now.lane_count)?);
        }
        let position = |row: &LaneRow| {
            let metadata = committed.get(&row.lane).map_or(&[][..], Vec::as_slice);
            judge(row, offline.database_id, metadata)
        };
        let lanes = rows.iter().map(|row| LaneFound { row: *row, position: position(row) }).collect();
        let mut partitions = Vec::with_capacity(stored.len());
        for checkpoint in stored {
            let of_topic = extents.get(checkpoint.topic.as_str());
            let at = usize::try_from(checkpoint.lane.0).unwrap_or(usize::MAX);
            let Some(extent) = of_topic.and_then(|of_topic| of_topic.get(at)) else { continue };
            let id = ids.get(&checkpoint.topic).cloned();
            partitions.push(PartitionFound::of(checkpoint, *extent, id));
        }
        Ok(Self { lanes, partitions, orders, unfinished })
    }
}

/// Judges what the group's offsets say of a lane that nobody owns.
fn judge(row: &LaneRow, database: Uuid, metadata: &[Option<String>]) -> Position {
    let marks: Vec<Mark> = metadata.iter().flatten().filter_map(|metadata| metadata.parse().ok()).collect();
    if let Some(foreign) = marks.iter().find(|mark| mark.database != database) {
        return Position::Foreign(foreign.database);
    }
    let Some(seq) = marks.iter().map(|mark| mark.seq).max() else { return Position::Gone };
    let epoch = marks.iter().map(|mark| mark.epoch).max().unwrap_or_default();
    if seq > row.last_seq || epoch > row.epoch {
        Position::Ahead(seq, epoch)
    } else if seq >= row.published_seq {
        Position::Sound(seq, epoch)
    } else {
        Position::Gone
    }
}

impl LaneFound {
    /// Whether the database is behind what was published of the lane.
    pub fn is_ahead(&self) -> bool {
        matches!(self.position, Position::Ahead(..))
    }

    /// How many journal rows the database has lost, at least.
    pub fn rows_lost(&self) -> u64 {
        match self.position {
            Position::Ahead(seq, _) => (seq.0 - self.row.last_seq.0).max(0).unsigned_abs(),
            Position::Sound(..) | Position::Gone | Position::Foreign(_) => 0,
        }
    }

    /// Up to which of its rows the lane is published, so that a worker can go on from there.
    pub fn published(&self) -> Seq {
        match self.position {
            Position::Sound(seq, _) => seq,
            Position::Ahead(seq, _) => seq.min(self.row.last_seq),
            Position::Gone | Position::Foreign(_) => self.row.published_seq,
        }
    }

    /// An epoch above all that was ever published under.
    pub fn next_epoch(&self) -> Epoch {
        match self.position {
            Position::Sound(_, epoch) | Position::Ahead(_, epoch) => epoch.max(self.row.epoch).next(),
            Position::Gone | Position::Foreign(_) => self.row.epoch.next(),
        }
    }
}

impl PartitionFound {
    fn of(checkpoint: Checkpoint, (begins_at, ends_at): (NextOffset, NextOffset), topic_id: Option<String>) -> Self {
        let Checkpoint { topic, lane, next_offset, topic_id: then } = checkpoint;
        let state = if then.is_some() && topic_id.is_some() && then != topic_id {
            State::MadeAgain
        } else if next_offset < begins_at {
            State::Deleted
        } else if next_offset > ends_at {
            State::CutShort
        } else {
            State::Sound
        };
        Self { topic, partition: lane, next_offset, begins_at, ends_at, state, topic_id }
    }

    /// How many offsets lie between the checkpoint and the end, to be read.
    pub fn unread(&self) -> u64 {
        match self.state {
            State::Sound => (self.ends_at.0 - self.next_offset.0).unsigned_abs(),
            State::Deleted | State::CutShort | State::MadeAgain => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Uuid = Uuid::from_u128(7);

    fn row() -> LaneRow {
        LaneRow { lane: Lane(0), epoch: Epoch(3), last_seq: Seq(20), published_seq: Seq(10), version_floor: 0 }
    }

    fn lane(seq: i64, epoch: i64, database: Uuid) -> LaneFound {
        let mark = Mark { seq: Seq(seq), epoch: Epoch(epoch), database };
        LaneFound { row: row(), position: judge(&row(), DATABASE, &[None, Some(mark.to_string())]) }
    }

    #[test]
    fn a_lane_whose_position_is_ahead_is_claimed_above_it_and_continues_where_the_database_ends() {
        let ahead = lane(25, 5, DATABASE);
        assert!(ahead.is_ahead());
        assert_eq!((ahead.rows_lost(), ahead.published(), ahead.next_epoch()), (5, Seq(20), Epoch(6)));
        // Only the claim was lost: what the position says of the rows is true.
        let claim = lane(15, 5, DATABASE);
        assert_eq!((claim.is_ahead(), claim.rows_lost(), claim.published()), (true, 0, Seq(15)));
    }

    #[test]
    fn what_a_worker_would_take_as_it_is_is_sound() {
        let sound = lane(15, 3, DATABASE);
        assert_eq!(sound.position, Position::Sound(Seq(15), Epoch(3)));
        assert_eq!((sound.published(), sound.next_epoch()), (Seq(15), Epoch(4)));
    }

    #[test]
    fn what_is_gone_or_foreign_continues_from_what_the_database_remembers() {
        assert_eq!(judge(&row(), DATABASE, &[None, Some("a stranger's".to_owned())]), Position::Gone);
        assert_eq!(lane(9, 3, DATABASE).position, Position::Gone);
        let foreign = lane(12, 9, Uuid::from_u128(8));
        assert_eq!((foreign.position, foreign.published()), (Position::Foreign(Uuid::from_u128(8)), Seq(10)));
    }

    #[test]
    fn a_checkpoint_outside_of_what_kafka_has_is_called_by_its_cause() {
        let found = |next: i64, id: Option<&str>| {
            let (topic, topic_id) = ("payments".to_owned(), Some("then".to_owned()));
            let checkpoint = Checkpoint { topic, lane: Lane(1), next_offset: NextOffset(next), topic_id };
            PartitionFound::of(checkpoint, (NextOffset(10), NextOffset(30)), id.map(str::to_owned)).state
        };
        assert_eq!(found(10, Some("then")), State::Sound);
        assert_eq!(found(30, None), State::Sound);
        assert_eq!(found(9, Some("then")), State::Deleted);
        assert_eq!(found(31, Some("then")), State::CutShort);
        assert_eq!(found(20, Some("now")), State::MadeAgain);
    }
}
