//! Which days of the journal may be dropped. Pure.
//!
//! Invariant: a day goes only when all of it is older than the retention, and all of it is published both as Kafka said when it
//! was asked and as the database would believe if Kafka forgot; a position that is missing or makes no sense keeps the day.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::Offset;
use uuid::Uuid;

use crate::ids::{Lane, Seq, Timestamp};
use crate::persist::journal_days::Day;
use crate::persist::retention::KnownLane;
use crate::publish::position::{Known, Verdict, judge};

/// How far each lane is published beyond doubt; lanes of which that is not known are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published(BTreeMap<Lane, Seq>);

impl Published {
    /// Judges what Kafka said of each lane, by what the database knew of it **afterwards**.
    #[must_use]
    pub fn of(database: Uuid, lanes: &[KnownLane], committed: &BTreeMap<Lane, Vec<Option<String>>>) -> Self {
        let sound = lanes.iter().filter_map(|known| {
            let &KnownLane { lane, epoch, last_seq, published_seq } = known;
            match judge(&Known { database, epoch, last_seq, published_seq }, committed.get(&lane)?) {
                // Not what Kafka said, which is at or past it: after a loss of the group's offsets the relay goes on from here.
                Verdict::Continue(_) => Some((lane, published_seq)),
                Verdict::KafkaWentBack(_) | Verdict::Stop(_) => None,
            }
        });
        Self(sound.collect())
    }

    /// Up to which row a lane is published.
    #[must_use]
    pub fn until(&self, lane: Lane) -> Option<Seq> {
        self.0.get(&lane).copied()
    }
}

/// What Kafka says of lanes, asked all at once; where that fails, one by one, and those that fail alone are absent: a transaction
/// that nobody ended keeps no other lane's days.
///
/// # Errors
/// The first question's, where no lane has an answer.
pub fn those_that_answer<V, E>(
    lanes: &[Lane],
    ask: impl Fn(&[Lane]) -> Result<BTreeMap<Lane, V>, E>,
) -> Result<BTreeMap<Lane, V>, E> {
    ask(lanes).or_else(|error| {
        let alone: BTreeMap<Lane, V> = lanes.iter().filter_map(|lane| ask(&[*lane]).ok()).flatten().collect();
        if alone.is_empty() { Err(error) } else { Ok(alone) }
    })
}

/// The first day that is not over yet when what is older than `retention` may go.
#[must_use]
pub fn first_kept(now: Timestamp, retention: Duration) -> Date {
    let retention = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    let since = jiff::Timestamp::from_microsecond(now.0.saturating_sub(retention)).unwrap_or(jiff::Timestamp::MIN);
    Offset::UTC.to_datetime(since).date()
}

/// What becomes of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not old enough.
    Young,
    /// It is old, and this lane's rows up to this one are not known to be published.
    Held(Lane, Seq),
    /// Nobody needs it.
    Over,
}

/// Decides on a day.
#[must_use]
pub fn fate(day: &Day, published: &Published, first_kept: Date) -> Fate {
    if day.date >= first_kept {
        return Fate::Young;
    }
    let held = day.last.iter().find(|(lane, last)| published.until(**lane).is_none_or(|until| until < **last));
    held.map_or(Fate::Over, |(lane, last)| Fate::Held(*lane, *last))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::ids::Epoch;
    use crate::publish::position::Mark;

    const DATABASE: Uuid = Uuid::from_u128(7);
    const DAY: Duration = Duration::from_hours(24);

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn lane(number: i32, last_seq: i64, published_seq: i64) -> KnownLane {
        let (last_seq, published_seq) = (Seq(last_seq), Seq(published_seq));
        KnownLane { lane: Lane(number), epoch: Epoch(3), last_seq, published_seq }
    }

    fn mark(seq: i64, epoch: i64, database: Uuid) -> Option<String> {
        Some(Mark { seq: Seq(seq), epoch: Epoch(epoch), database }.to_string())
    }

    fn published(lanes: &[KnownLane], committed: &[(i32, Vec<Option<String>>)]) -> Published {
        Published::of(DATABASE, lanes, &committed.iter().map(|(lane, said)| (Lane(*lane), said.clone())).collect())
    }

    fn day(last: &[(i32, i64)]) -> Day {
        let last = last.iter().map(|(lane, seq)| (Lane(*lane), Seq(*seq))).collect();
        Day { date: date(2026, 3, 10), last }
    }

    #[test]
    fn a_day_is_old_when_its_last_instant_is() {
        assert_eq!(first_kept(at("2026-03-12T00:00:00Z"), DAY), date(2026, 3, 11));
        assert_eq!(first_kept(at("2026-03-11T23:59:59.999999Z"), DAY), date(2026, 3, 10));
        assert_eq!(first_kept(at("2026-03-12T11:59:00Z"), DAY + DAY / 2), date(2026, 3, 10));
        let all = published(&[lane(0, 9, 9)], &[(0, vec![mark(9, 3, DATABASE)])]);
        assert_eq!(fate(&day(&[(0, 9)]), &all, date(2026, 3, 10)), Fate::Young);
        assert_eq!(fate(&day(&[(0, 9)]), &all, date(2026, 3, 11)), Fate::Over);
    }

    #[test]
    fn a_day_stays_while_any_lane_has_a_row_that_is_not_known_to_be_published() {
        let lanes = [lane(0, 20, 9), lane(1, 20, 15)];
        let some = published(&lanes, &[(0, vec![mark(12, 3, DATABASE), None]), (1, vec![mark(15, 2, DATABASE)])]);
        let kept = date(2026, 3, 11);
        assert_eq!(fate(&day(&[(0, 9), (1, 15)]), &some, kept), Fate::Over);
        assert_eq!(fate(&day(&[(0, 9), (1, 16)]), &some, kept), Fate::Held(Lane(1), Seq(16)));
        // Kafka has row 12; but if it forgot that, the relay would begin behind row 9.
        assert_eq!(fate(&day(&[(0, 10)]), &some, kept), Fate::Held(Lane(0), Seq(10)));
        assert_eq!(fate(&day(&[(2, 1)]), &some, kept), Fate::Held(Lane(2), Seq(1)));
        assert_eq!(fate(&day(&[]), &Published::default(), kept), Fate::Over);
    }

    #[test]
    fn a_lane_without_an_answer_is_left_out_and_kafka_without_any_is_an_error() {
        let says = |silent: &'static [Lane]| {
            move |lanes: &[Lane]| match lanes.iter().find(|lane| silent.contains(lane)) {
                Some(lane) => Err(*lane),
                None => Ok(lanes.iter().map(|lane| (*lane, ())).collect::<BTreeMap<_, _>>()),
            }
        };
        let lanes = [Lane(0), Lane(1), Lane(2)];
        let answered =
            |silent| those_that_answer(&lanes, says(silent)).map(|said| said.into_keys().collect::<Vec<_>>());
        assert_eq!(answered(&[]), Ok(lanes.to_vec()));
        assert_eq!(answered(&[Lane(1)]), Ok(vec![Lane(0), Lane(2)]));
        assert_eq!(answered(&[Lane(0), Lane(1), Lane(2)]), Err(Lane(0)));
    }

    #[test]
    fn a_position_that_is_missing_or_makes_no_sense_is_none() {
        let lanes = [lane(0, 20, 9)];
        let nothing = vec![(0, vec![None, None])];
        let strange = vec![(0, vec![Some("whatever".to_owned())])];
        let behind = vec![(0, vec![mark(8, 3, DATABASE)])];
        let ahead = vec![(0, vec![mark(21, 3, DATABASE)])];
        let another_epoch = vec![(0, vec![mark(12, 4, DATABASE)])];
        let another_database = vec![(0, vec![mark(12, 3, Uuid::from_u128(8))])];
        for committed in [vec![], nothing, strange, behind, ahead, another_epoch, another_database] {
            assert_eq!(published(&lanes, &committed).until(Lane(0)), None, "{committed:?}");
        }
    }

    #[test]
    fn a_lane_that_never_published_anything_is_published_up_to_nothing() {
        assert_eq!(published(&[lane(0, 2, 0)], &[(0, vec![None])]).until(Lane(0)), Some(Seq(0)));
    }
}
