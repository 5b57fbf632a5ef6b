//! The watchdog: work and no progress for a minute means that something hangs which nobody foresaw.
//!
//! The process ends with 75 and is started again; killing it at any instant is safe. So it does when the machine's clock is set back:
//! librdkafka's waits end by that clock, and would last for as long. Invariant: progress is a batch that the database confirmed or a
//! row that Kafka confirmed, never an attempt; batches are no progress to rows that wait for Kafka, nor is a lane that goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::handover::Tenures;
use super::process::Process;
use crate::cli::exit::Exit;
use crate::consume::tenure::Standing;
use crate::ids::{Lane, Seq, TenureId};

/// How long work may wait without progress.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How far a clock may be set back at once: less than any wait that matters.
const SET_BACK: Duration = Duration::from_secs(5);

/// Looks once a second until the process ends.
pub async fn watch(process: Arc<Process>, tenures: Tenures) {
    let mut seen: BTreeMap<TenureId, Seen> = BTreeMap::new();
    let mut relay = Relay::default();
    let mut clock = Clock { wall: SystemTime::now(), steady: Instant::now() };
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (standings, now) = (tenures.standings(), Instant::now());
        let by = clock.look(SystemTime::now(), now);
        if by >= SET_BACK {
            let seconds = by.as_secs();
            let text =
                format!("the machine's clock was set back by {seconds} s: waits that end by it would last as long");
            process.shutdown.stop(Exit::TempFail, text);
            return;
        }
        if relay.look(&standings, LOOK_EVERY) {
            let text = format!("rows waited for {} s to be published, and none was, of no lane", PATIENCE.as_secs());
            process.shutdown.stop(Exit::TempFail, text);
            return;
        }
        seen.retain(|id, _| standings.iter().any(|(_, other, _)| other == id));
        let mut waits = BTreeMap::new();
        for (lane, id, standing) in standings {
            if let Some(hangs) = seen.entry(id).or_insert(Seen::first(standing, now)).look(standing, now) {
                let text = format!("lane {lane} has {hangs} and made no progress for {} s", PATIENCE.as_secs());
                process.shutdown.stop(Exit::TempFail, text);
                return;
            }
            if let Some(seen) = seen.get(&id) {
                waits.insert(lane, seen.waits(now));
            }
        }
        process.pulse.tasks(waits);
    }
}

/// A lane as it was seen last, and since when it hangs, if it does.
#[derive(Clone, Copy, Debug)]
struct Seen {
    standing: Standing,
    /// When it last had nothing to do or did anything.
    moved: Instant,
    /// When it last had nothing to publish or published something: traffic would hide a relay that hangs.
    published: Instant,
}

impl Seen {
    fn first(standing: Standing, now: Instant) -> Self {
        Self { standing, moved: now, published: now }
    }

    /// For how long its work has waited.
    fn waits(&self, now: Instant) -> Duration {
        now.duration_since(self.moved.min(self.published))
    }

    /// Looks again; says what waits if it has done so for too long.
    fn look(&mut self, standing: Standing, now: Instant) -> Option<&'static str> {
        if standing != self.standing || !standing.has_work() {
            self.moved = now;
        }
        if standing.published != self.standing.published || !standing.is_unpublished() {
            self.published = now;
        }
        self.standing = standing;
        if now.duration_since(self.published) >= PATIENCE {
            Some("rows to publish")
        } else {
            (now.duration_since(self.moved) >= PATIENCE).then_some("work")
        }
    }
}

/// All lanes as they were seen last, and for how long rows have waited without one being published. Lanes come and go
/// meanwhile: a relay that hangs would look new with each of them.
#[derive(Debug, Default)]
struct Relay {
    published: BTreeMap<TenureId, Seq>,
    waited: Duration,
}

impl Relay {
    /// Looks again after so long; says whether the relay hangs.
    fn look(&mut self, standings: &[(Lane, TenureId, Standing)], after: Duration) -> bool {
        let has_moved = |(_, id, standing): &(Lane, TenureId, Standing)| {
            self.published.get(id).is_some_and(|before| standing.published > *before)
        };
        let waits = standings.iter().any(|(_, _, standing)| standing.is_unpublished());
        if standings.iter().any(has_moved) || (!standings.is_empty() && !waits) {
            self.waited = Duration::ZERO;
        } else if waits {
            self.waited += after;
        }
        self.published = standings.iter().map(|(_, id, standing)| (*id, standing.published)).collect();
        self.waited >= PATIENCE
    }
}

/// What the wall's clock and the steady one said last.
#[derive(Clone, Copy, Debug)]
struct Clock {
    wall: SystemTime,
    steady: Instant,
}

impl Clock {
    /// Looks again; by how much the wall's clock was set back in between.
    fn look(&mut self, wall: SystemTime, steady: Instant) -> Duration {
        let expected = self.wall + steady.saturating_duration_since(self.steady);
        *self = Self { wall, steady };
        expected.duration_since(wall).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(applied: i64, published: i64, is_queued: bool) -> Standing {
        Standing { applied: Seq(applied), published: Seq(published), is_queued }
    }

    fn tenure(number: i64) -> TenureId {
        TenureId(uuid::Uuid::from_u128(u128::from(number.unsigned_abs())))
    }

    /// What is said at the end of two minutes of one look a second.
    fn after_two_minutes(lane: impl Fn(i64) -> Standing) -> Option<&'static str> {
        let begin = Instant::now();
        let mut seen = Seen::first(lane(0), begin);
        (1..=120).find_map(|second| seen.look(lane(second), begin + Duration::from_secs(second.unsigned_abs())))
    }

    #[test]
    fn a_lane_that_gets_on_or_has_nothing_to_do_does_not_hang() {
        assert_eq!(after_two_minutes(|_| standing(7, 7, false)), None);
        assert_eq!(after_two_minutes(|second| standing(second + 1, second, true)), None);
        assert_eq!(after_two_minutes(|second| standing(7 + second / 50, 7 + second / 50, true)), None);
    }

    #[test]
    fn a_lane_with_records_or_rows_that_stand_still_hangs() {
        assert_eq!(after_two_minutes(|_| standing(7, 7, true)), Some("work"));
        assert_eq!(after_two_minutes(|_| standing(8, 7, false)), Some("rows to publish"));
    }

    #[test]
    fn batches_do_not_hide_a_relay_that_hangs() {
        assert_eq!(after_two_minutes(|second| standing(8 + second, 7, second % 2 == 0)), Some("rows to publish"));
    }

    #[test]
    fn lanes_that_come_and_go_do_not_hide_a_relay_that_hangs() {
        let mut relay = Relay::default();
        let hangs = |second: i64, relay: &mut Relay| {
            // Another tenure every ten seconds, and between two of them none.
            let lanes = [(Lane(0), tenure(second / 10), standing(8, 7, true))];
            relay.look(if second % 10 == 9 { &[] } else { &lanes }, LOOK_EVERY)
        };
        assert_eq!((0..120).find(|second| hangs(*second, &mut relay)), Some(65));
    }

    #[test]
    fn one_lane_that_is_published_shows_that_the_relay_lives() {
        let mut relay = Relay::default();
        let lanes = |second| {
            let moves = standing(1000, second, true);
            [(Lane(0), tenure(1), standing(8, 7, true)), (Lane(1), tenure(2), moves)]
        };
        assert!((0..120).all(|second| !relay.look(&lanes(second), LOOK_EVERY)));
        assert!((0..120).all(|_| !relay.look(&[], LOOK_EVERY)));
    }

    #[test]
    fn a_clock_that_is_set_back_is_told_from_one_that_is_late_or_set_forward() {
        let (wall, steady) = (SystemTime::now(), Instant::now());
        let seconds = Duration::from_secs;
        let mut clock = Clock { wall, steady };
        assert_eq!(clock.look(wall + seconds(40), steady + seconds(40)), Duration::ZERO, "a slow machine");
        assert_eq!(clock.look(wall + seconds(3641), steady + seconds(41)), Duration::ZERO);
        assert_eq!(clock.look(wall + seconds(42), steady + seconds(42)), seconds(3600));
        assert_eq!(clock.look(wall + seconds(43), steady + seconds(43)), Duration::ZERO, "it is told once");
    }
}
