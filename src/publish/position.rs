//! The position of a lane: how far its journal is published, as the metadata of the group's committed offsets says.
//!
//! Written by every relay transaction (`v1;seq=…;epoch=…;db=…`), read back at every take-over and after every doubt. Pure: the
//! judgement is the same function in the product, in the tests and in a model. Invariant: what Kafka says is believed as far as
//! the database can have said it, also where it takes back what it confirmed: the records went with the position. Where it says
//! nothing, `published_seq` speaks; a database that went back stops.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::ids::{Epoch, Seq};

/// What stands in an offset's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last journal row that is published.
    pub seq: Seq,
    /// The epoch of the tenure that published it.
    pub epoch: Epoch,
    /// The database whose journal it is.
    pub database: Uuid,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1;seq={};epoch={};db={}", self.seq, self.epoch, self.database.simple())
    }
}

/// The text is not a mark of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignMetadata;

impl FromStr for Mark {
    type Err = ForeignMetadata;

    fn from_str(text: &str) -> Result<Self, ForeignMetadata> {
        let fields = text.strip_prefix("v1;seq=").and_then(|rest| rest.split_once(";epoch="));
        let (seq, rest) = fields.ok_or(ForeignMetadata)?;
        let (epoch, database) = rest.split_once(";db=").ok_or(ForeignMetadata)?;
        Ok(Self {
            seq: Seq(seq.parse().map_err(|_| ForeignMetadata)?),
            epoch: Epoch(epoch.parse().map_err(|_| ForeignMetadata)?),
            database: database.parse().map_err(|_| ForeignMetadata)?,
        })
    }
}

/// What the database knows of a lane when its position is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The database's own id.
    pub database: Uuid,
    /// The epoch under which we own the lane.
    pub epoch: Epoch,
    /// The lane's last journal row that we know to be committed.
    pub last_seq: Seq,
    /// A row up to which the journal is known to be published.
    pub published_seq: Seq,
}

/// Where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything up to this row is published.
    Continue(Seq),
    /// Kafka lost a position that it had confirmed: go on after this row. Consumers may see records again.
    KafkaWentBack(Seq),
    /// The position is ahead of the database: nothing may be published. The text says why and what to do.
    Stop(String),
}

/// Judges the metadata of a lane's committed offsets; `None` stands for a partition without a committed offset.
#[must_use]
pub fn judge(known: &Known, committed: &[Option<String>]) -> Verdict {
    let marks: Vec<Mark> = committed.iter().flatten().filter_map(|metadata| metadata.parse().ok()).collect();
    if let Some(mark) = marks.iter().find(|mark| mark.database != known.database) {
        return Verdict::Stop(format!(
            "the group's offsets were published from another database ({}, this one is {}): point `database.url` at that one, or give this database a group of its own",
            mark.database, known.database
        ));
    }
    if let Some(mark) = marks.iter().find(|mark| mark.epoch > known.epoch) {
        return Verdict::Stop(format!(
            "the position was published under epoch {} and the database knows only {}: it was restored from a backup or lost commits in a failover; use `orderstream recover`",
            mark.epoch, known.epoch
        ));
    }
    match marks.iter().map(|mark| mark.seq).max() {
        Some(seq) if seq > known.last_seq => Verdict::Stop(format!(
            "journal row {seq} is published and the database ends at row {}: it was restored from a backup or lost commits in a failover; use `orderstream recover`",
            known.last_seq
        )),
        Some(seq) if seq >= known.published_seq => Verdict::Continue(seq),
        // Nothing was ever published, as far as anybody knows: the first transaction writes the position.
        None if known.published_seq == Seq(0) => Verdict::Continue(Seq(0)),
        // A mark and what it counts are one transaction: Kafka lost both (KAFKA-20734), and records lost are worse than records doubled.
        Some(seq) => Verdict::KafkaWentBack(seq),
        None => Verdict::KafkaWentBack(known.published_seq),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Uuid = Uuid::from_u128(7);

    fn known() -> Known {
        Known { database: DATABASE, epoch: Epoch(3), last_seq: Seq(20), published_seq: Seq(10) }
    }

    fn mark(seq: i64, epoch: i64, database: Uuid) -> Option<String> {
        Some(Mark { seq: Seq(seq), epoch: Epoch(epoch), database }.to_string())
    }

    #[test]
    fn a_mark_reads_as_it_was_written() {
        let mark = Mark { seq: Seq(12), epoch: Epoch(4), database: Uuid::from_u128(9) };
        assert_eq!(mark.to_string(), "v1;seq=12;epoch=4;db=00000000000000000000000000000009");
        assert_eq!(mark.to_string().parse(), Ok(mark));
    }

    #[test]
    fn what_others_write_is_foreign_and_never_an_error() {
        for text in ["", "v2;seq=1;epoch=1;db=0", "v1;seq=x;epoch=1;db=0", "v1;seq=1", "v1;seq=1;epoch=2;db=zz", "ü"] {
            assert_eq!(text.parse::<Mark>(), Err(ForeignMetadata), "{text}");
        }
    }

    #[test]
    fn the_greatest_seq_of_the_lane_counts() {
        let committed = [mark(12, 3, DATABASE), mark(15, 2, DATABASE), None];
        assert_eq!(judge(&known(), &committed), Verdict::Continue(Seq(15)));
        assert_eq!(judge(&known(), &[mark(20, 3, DATABASE)]), Verdict::Continue(Seq(20)));
    }

    #[test]
    fn a_new_lane_without_a_position_starts_at_nothing() {
        let new = Known { published_seq: Seq(0), last_seq: Seq(2), ..known() };
        assert_eq!(judge(&new, &[None, None]), Verdict::Continue(Seq(0)));
    }

    #[test]
    fn a_position_that_is_gone_is_made_good_from_the_database() {
        for committed in [vec![None, None], vec![Some(String::new())], vec![Some("stranger".to_owned())]] {
            assert_eq!(judge(&known(), &committed), Verdict::KafkaWentBack(Seq(10)), "{committed:?}");
        }
    }

    #[test]
    fn a_position_that_went_back_took_its_records_with_it() {
        assert_eq!(judge(&known(), &[mark(7, 2, DATABASE), mark(9, 2, DATABASE)]), Verdict::KafkaWentBack(Seq(9)));
    }

    #[test]
    fn a_position_ahead_of_the_database_stops() {
        for committed in [mark(21, 3, DATABASE), mark(12, 4, DATABASE), mark(12, 3, Uuid::from_u128(8))] {
            assert!(matches!(judge(&known(), &[committed]), Verdict::Stop(_)));
        }
    }
}
