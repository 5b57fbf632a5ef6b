//! What `recover` would do about what it found, and what it needs to be told first. Pure.
//!
//! Invariant: nothing that can still be read is ever skipped without the option that says so, and a deployment that is sound is
//! left alone.

use serde::Serialize;

use super::found::{Found, LaneFound, PartitionFound, Position, State};
use crate::cli::offline::From;
use crate::ids::NextOffset;
use crate::persist::recovery::{GivenAgain, NewCheckpoint, Recovery, Seizure};

/// What the person who calls it allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    /// The input topics whose checkpoints may be set.
    pub topics: Vec<String>,
    /// Where they are read on.
    pub from: Option<From>,
    /// Every order is to be told again, whatever was found.
    pub republish: bool,
    /// Positions of another database may be overwritten.
    pub foreign: bool,
}

/// A checkpoint that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Move {
    #[serde(flatten)]
    pub found: PartitionFound,
    pub to: NextOffset,
    /// Offsets that were deleted unread: what they said is lost.
    pub lost: u64,
    /// Offsets that are there and will not be read.
    pub skipped: u64,
}

/// What would be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Whether versions leap, and every order is told again.
    pub tells: bool,
    /// Whether an earlier command left orders to be marked: its operation, and where it made versions leap to.
    pub continues: Option<(i64, i64)>,
    /// Whether an earlier command that marks nothing was broken off, so that positions may not be set yet.
    pub places: bool,
    pub moves: Vec<Move>,
    /// What was asked for and is done already.
    pub notes: Vec<String>,
    /// What stands in the way, each with the option that allows it.
    pub obstacles: Vec<String>,
}

impl Plan {
    /// Decides.
    pub fn of(found: &Found, allowed: &Allowed) -> Self {
        let mut plan = Self::default();
        let foreign: Vec<&LaneFound> =
            found.lanes.iter().filter(|lane| matches!(lane.position, Position::Foreign(_))).collect();
        plan.tells = allowed.republish
            || found.lanes.iter().any(LaneFound::is_ahead)
            || (allowed.foreign && !foreign.is_empty());
        if !plan.tells {
            let unfinished = found.unfinished.and_then(|left| Some((left.id, left.version_floor?)));
            plan.continues = unfinished;
            plan.places = found.unfinished.is_some() && unfinished.is_none();
        }
        if let Some(LaneFound { row, position: Position::Foreign(database) }) =
            foreign.first().filter(|_| !allowed.foreign)
        {
            plan.obstacles.push(format!(
                "{} of {} lanes, the first of them lane {}, were published from another database ({database}): point `database.url` at that one; if it is gone for good, or was used by mistake, add --foreign-positions",
                foreign.len(),
                found.lanes.len(),
                row.lane
            ));
        }
        for partition in found.partitions.iter().filter(|partition| partition.state != State::Sound) {
            match allowed.from.filter(|_| allowed.topics.contains(&partition.topic)) {
                Some(from) => plan.moves.push(Move::of(partition, from)),
                None => plan.obstruct(partition),
            }
        }
        for topic in &allowed.topics {
            let of_topic = |partition: &&PartitionFound| partition.topic == *topic;
            if !found.partitions.iter().any(|partition| of_topic(&partition)) {
                plan.obstacles.push(format!("`{topic}` is no input topic of this deployment: correct --input-topic"));
            } else if found.partitions.iter().filter(of_topic).all(|partition| partition.state == State::Sound) {
                let sound = format!("every checkpoint of `{topic}` lies inside of what Kafka has");
                // The command that was broken off may have set them before.
                if found.unfinished.is_some() {
                    plan.notes.push(format!("{sound} already"));
                } else {
                    plan.obstacles
                        .push(format!("{sound}, so there is nothing to set: leave --input-topic {topic} out"));
                }
            }
        }
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        !self.tells_again() && !self.claims() && self.obstacles.is_empty()
    }

    /// Whether orders are told again, by this command or by the one that it continues.
    pub fn tells_again(&self) -> bool {
        self.tells || self.continues.is_some()
    }

    /// Whether lanes are claimed and positions set; else at most the marks of an earlier command are missing.
    pub fn claims(&self) -> bool {
        self.tells || self.places || !self.moves.is_empty()
    }

    /// One sentence a topic is enough.
    fn obstruct(&mut self, partition: &PartitionFound) {
        let topic = &partition.topic;
        let begin = format!("the checkpoints of `{topic}` ");
        if !self.obstacles.iter().any(|text| text.starts_with(&begin)) {
            self.obstacles.push(format!(
                "{begin}point at what Kafka does not have: look at the partitions above, then say where to read on with --input-topic {topic} --from earliest (or latest)"
            ));
        }
    }

    /// What is written to the database. `floor` is what versions leap to, if they do; the one of an earlier command that is
    /// continued is written down again, since only the last operation is looked at.
    pub fn recovery(&self, found: &Found, floor: i64) -> Recovery {
        let seizure =
            |lane: &LaneFound| Seizure { seen: lane.row, epoch: lane.next_epoch(), published_seq: lane.published() };
        let checkpoint = |moved: &Move| NewCheckpoint {
            topic: moved.found.topic.clone(),
            lane: moved.found.partition,
            next_offset: moved.to,
            topic_id: moved.found.topic_id.clone(),
        };
        Recovery {
            seizures: found.lanes.iter().map(seizure).collect(),
            checkpoints: self.moves.iter().map(checkpoint).collect(),
            given_again: self.moves.iter().filter_map(Move::given_again).collect(),
            version_floor: self.tells_again().then_some(floor),
        }
    }
}

impl Move {
    fn of(found: &PartitionFound, from: From) -> Self {
        let to = match from {
            From::Earliest => found.begins_at,
            From::Latest => found.ends_at,
        };
        let lost = match found.state {
            State::Deleted => (found.begins_at.0 - found.next_offset.0).unsigned_abs(),
            // How much the old topic held behind the checkpoint, nobody knows any more.
            State::Sound | State::CutShort | State::MadeAgain => 0,
        };
        let skipped = match from {
            From::Earliest => 0,
            From::Latest => (found.ends_at.0 - found.begins_at.0).unsigned_abs(),
        };
        Self { found: found.clone(), to, lost, skipped }
    }

    /// From where on the partition's offsets name other records by now, if they do.
    fn given_again(&self) -> Option<GivenAgain> {
        let PartitionFound { topic, partition, ends_at, state, .. } = &self.found;
        let from = match state {
            State::MadeAgain => NextOffset(0),
            State::CutShort => *ends_at,
            State::Sound | State::Deleted => return None,
        };
        Some(GivenAgain { topic: topic.clone(), lane: *partition, from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, Lane, Seq};
    use crate::persist::operations::Unfinished;
    use crate::persist::recovery::LaneRow;

    fn lane(position: Position) -> LaneFound {
        let row =
            LaneRow { lane: Lane(0), epoch: Epoch(3), last_seq: Seq(20), published_seq: Seq(10), version_floor: 0 };
        LaneFound { row, position }
    }

    fn partition(state: State) -> PartitionFound {
        PartitionFound {
            topic: "payments".to_owned(),
            partition: Lane(0),
            next_offset: NextOffset(100),
            begins_at: NextOffset(250),
            ends_at: NextOffset(900),
            state,
            topic_id: Some("now".to_owned()),
        }
    }

    fn found(position: Position, state: State) -> Found {
        Found { lanes: vec![lane(position)], partitions: vec![partition(state)], orders: (5, 0), unfinished: None }
    }

    const SOUND: Position = Position::Sound(Seq(20), Epoch(3));

    #[test]
    fn a_sound_deployment_is_left_alone_unless_it_is_to_be_told_again() {
        assert!(Plan::of(&found(SOUND, State::Sound), &Allowed::default()).is_nothing());
        let plan = Plan::of(&found(SOUND, State::Sound), &Allowed { republish: true, ..Allowed::default() });
        assert!(plan.tells && plan.obstacles.is_empty());
    }

    #[test]
    fn a_database_behind_is_told_again_under_versions_above_and_what_was_broken_off_is_continued() {
        let mut behind = found(Position::Ahead(Seq(25), Epoch(5)), State::Sound);
        behind.unfinished = Some(Unfinished { id: 1, version_floor: Some(7) });
        let plan = Plan::of(&behind, &Allowed::default());
        assert!(plan.tells && plan.continues.is_none(), "a new leap replaces the old one");
        let recovery = plan.recovery(&behind, 99);
        assert_eq!(recovery.version_floor, Some(99));
        assert_eq!((recovery.seizures[0].epoch, recovery.seizures[0].published_seq), (Epoch(6), Seq(20)));
        behind.lanes = vec![lane(SOUND)];
        assert_eq!(Plan::of(&behind, &Allowed::default()).continues, Some((1, 7)));
    }

    #[test]
    fn the_same_command_again_does_what_is_left_of_one_that_was_broken_off() {
        let allowed = Allowed { topics: vec!["payments".to_owned()], from: Some(From::Earliest), ..Allowed::default() };
        let left = |version_floor, state| Found {
            unfinished: Some(Unfinished { id: 1, version_floor }),
            ..found(SOUND, state)
        };
        // The checkpoints are set, the positions may not be.
        let placing = Plan::of(&left(None, State::Sound), &allowed);
        assert!(placing.claims() && !placing.is_nothing() && placing.obstacles.is_empty(), "{placing:?}");
        assert!(placing.notes[0].contains("already"), "{placing:?}");
        // Only marks are missing.
        let marking = Plan::of(&left(Some(7), State::Sound), &allowed);
        assert!(!marking.claims() && marking.tells_again() && marking.obstacles.is_empty(), "{marking:?}");
        // Something is to be set meanwhile: the new operation says what the old one had left.
        let deleted = left(Some(7), State::Deleted);
        assert_eq!(Plan::of(&deleted, &allowed).recovery(&deleted, 7).version_floor, Some(7));
    }

    #[test]
    fn positions_of_another_database_are_overwritten_on_request_only() {
        let foreign = found(Position::Foreign(uuid::Uuid::from_u128(8)), State::Sound);
        let plan = Plan::of(&foreign, &Allowed::default());
        assert!(!plan.tells && plan.obstacles[0].contains("--foreign-positions"), "{plan:?}");
        assert!(Plan::of(&foreign, &Allowed { foreign: true, ..Allowed::default() }).tells);
    }

    #[test]
    fn a_checkpoint_moves_on_request_only_and_its_losses_are_counted() {
        let deleted = found(SOUND, State::Deleted);
        assert!(Plan::of(&deleted, &Allowed::default()).obstacles[0].contains("--input-topic payments --from"));
        let allowed = |from| Allowed { topics: vec!["payments".to_owned()], from: Some(from), ..Allowed::default() };
        let moved = |from| Plan::of(&deleted, &allowed(from)).moves.remove(0);
        let (earliest, latest) = (moved(From::Earliest), moved(From::Latest));
        assert_eq!((earliest.to, earliest.lost, earliest.skipped), (NextOffset(250), 150, 0));
        assert_eq!((latest.to, latest.lost, latest.skipped), (NextOffset(900), 150, 650));
        let again = found(SOUND, State::MadeAgain);
        let recovery = Plan::of(&again, &allowed(From::Earliest)).recovery(&again, 99);
        let given = |from| GivenAgain { topic: "payments".to_owned(), lane: Lane(0), from: NextOffset(from) };
        assert_eq!((recovery.given_again, recovery.version_floor), (vec![given(0)], None));
        let cut = found(SOUND, State::CutShort);
        assert_eq!(Plan::of(&cut, &allowed(From::Latest)).recovery(&cut, 99).given_again, [given(900)]);
        assert_eq!(Plan::of(&deleted, &allowed(From::Latest)).recovery(&deleted, 99).given_again, []);
        // What can be read is not skipped.
        let sound = Plan::of(&found(SOUND, State::Sound), &allowed(From::Latest));
        assert!(sound.moves.is_empty() && sound.obstacles[0].contains("nothing to set"));
    }
}
