//! The watchdog: work and no progress for a minute means that something hangs which nobody foresaw.
//!
//! The process ends with 75 and is started again; killing it at any instant is safe. Invariant: progress is a batch that the
//! database confirmed or a row that Kafka confirmed, never an attempt; and batches are no progress to rows that wait for Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handover::Tenures;
use super::process::Process;
use crate::cli::exit::Exit;
use crate::consume::tenure::Standing;
use crate::ids::TenureId;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks once a second until the process ends.
pub async fn watch(process: Arc<Process>, tenures: Tenures) {
    let mut seen: BTreeMap<TenureId, Seen> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (standings, now) = (tenures.standings(), Instant::now());
        seen.retain(|id, _| standings.iter().any(|(_, other, _)| other == id));
        for (lane, id, standing) in standings {
            if let Some(hangs) = seen.entry(id).or_insert(Seen::first(standing, now)).look(standing, now) {
                let text = format!("lane {lane} has {hangs} and made no progress for {} s", PATIENCE.as_secs());
                process.shutdown.stop(Exit::TempFail, text);
                return;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Seq;

    fn standing(applied: i64, published: i64, is_queued: bool) -> Standing {
        Standing { applied: Seq(applied), published: Seq(published), is_queued }
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
}
