//! How much may wait in memory for its batch: of a process, of a lane, and of each of its topics.
//!
//! What Kafka gave stays in the client's own queues while there is no room for it here. Pure. Invariant: a topic of which nothing waits
//! has room, so no topic of a lane can keep another from being read.

/// What all lanes of a process may hold together; each gets an equal share, at most its own limit.
const PROCESS: Room = Room { records: 40_000, bytes: 16 << 20 };

/// How much may wait between the poll thread and the writer's next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Records, at most.
    pub records: usize,
    /// Bytes, at most.
    pub bytes: usize,
}

impl Room {
    /// The room of each topic of a lane, of what a lane may have at most, where so many lanes of so many topics share the process.
    #[must_use]
    pub fn of_topic(self, lanes: usize, topics: usize) -> Self {
        let (lanes, topics) = (lanes.max(1), topics.max(1));
        Self {
            records: (self.records.min(PROCESS.records / lanes) / topics).max(1),
            bytes: (self.bytes.min(PROCESS.bytes / lanes) / topics).max(1),
        }
    }

    /// Whether so many records and bytes leave no room for another record.
    #[must_use]
    pub fn is_full(self, (records, bytes): (usize, usize)) -> bool {
        records >= self.records || bytes >= self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_lanes_share_what_the_process_may_hold_and_topics_what_the_lane_may() {
        let generous = Room { records: 1_000_000, bytes: 1 << 30 };
        assert_eq!(generous.of_topic(64, 4).records, PROCESS.records / 64 / 4);
        assert_eq!(generous.of_topic(1, 1), PROCESS);
        let room = Room { records: 120, bytes: 1200 };
        assert_eq!(room.of_topic(4, 3), Room { records: 40, bytes: 400 });
    }

    #[test]
    fn a_topic_of_which_nothing_waits_has_room_however_small_the_share() {
        let room = Room { records: 1, bytes: 1 }.of_topic(1000, 4);
        assert!(!room.is_full((0, 0)));
        assert!(room.is_full((1, 0)) && room.is_full((0, 1)));
    }
}
