//! How a worker's life ended, and whether what was asked of it excuses that.
//!
//! 75 and 69 ask for a new start, 0 and a signal are the answer to somebody who asked, 143 is that to a second SIGTERM and to nothing
//! else. Pure. Invariant: who was asked to stop and goes on past its time is told once, whatever becomes of it.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// The default of `worker.shutdown_timeout`, by which a worker has ended whatever hangs.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// What a machine may take beyond it that does much else.
const SLACK: Duration = Duration::from_secs(10);
const ASK_FOR_A_START: [i32; 2] = [69, 75];
const CONFIGURATION: i32 = 78;
/// What a second SIGTERM makes of an orderly stop.
const AT_ONCE: i32 = 143;
const KILLED: i32 = 9;
/// From before a process could listen to signals.
const TERMINATED: i32 = 15;

/// How a worker's life ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// Whose.
    pub worker: String,
    /// Its process.
    pub pid: u32,
    /// How.
    pub status: ExitStatus,
    /// Whether somebody had asked for it.
    pub asked: bool,
    /// Since the crew was made.
    pub at: Duration,
}

impl Exit {
    /// Whether a report has to tell of it: nobody asked for it, or who was asked did not stop in good order.
    #[must_use]
    pub fn is_its_own(&self) -> bool {
        !self.asked || self.status.code().is_some_and(|code| code != 0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.asked { ", when it was asked to stop" } else { "" };
        write!(f, "{}, {}{when}", self.worker, self.status)
    }
}

/// What was asked of a worker in its present life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// When it got its first SIGTERM.
    first: Option<Instant>,
    /// How many it got.
    signals: u32,
    killed: bool,
    told: bool,
}

impl Asked {
    /// It got a SIGTERM.
    pub(super) fn terminated(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.signals += 1;
    }

    /// It got a SIGKILL.
    pub(super) fn nothing_more(&mut self) {
        self.killed = true;
    }

    /// Whether anything was asked of it.
    pub(super) fn anything(&self) -> bool {
        self.killed || self.signals > 0
    }

    /// How long it has been stopping, once, when that is longer than it may.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.first?);
        (since > SHUTDOWN + SLACK && !std::mem::replace(&mut self.told, true)).then_some(since)
    }

    /// Whether an end is as it may be. `may_stop`: something is broken that is a person's business.
    pub(super) fn excuses(&self, status: ExitStatus, may_stop: bool) -> bool {
        match (status.code(), status.signal()) {
            (Some(0), _) => self.signals > 0,
            (Some(AT_ONCE), _) => self.signals > 1,
            (Some(CONFIGURATION), _) => may_stop,
            (Some(code), _) => ASK_FOR_A_START.contains(&code),
            (None, Some(KILLED)) => self.killed,
            (None, Some(TERMINATED)) => self.signals > 0,
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn asked(times: u32) -> Asked {
        let mut asked = Asked::default();
        (0..times).for_each(|_| asked.terminated(Instant::now()));
        asked
    }

    #[test]
    fn an_end_at_once_is_excused_by_two_signals_and_by_no_fewer() {
        let excused = [0, 1, 2].map(|times| asked(times).excuses(code(AT_ONCE), true));
        assert_eq!(excused, [false, false, true]);
        assert_eq!([0, 1].map(|times| asked(times).excuses(code(0), true)), [false, true]);
    }

    #[test]
    fn a_death_is_excused_by_the_signal_that_was_sent() {
        let (by_kill, by_term, by_segv) = (ExitStatus::from_raw(9), ExitStatus::from_raw(15), ExitStatus::from_raw(11));
        let mut killed = Asked::default();
        killed.nothing_more();
        assert_eq!([by_kill, by_term, by_segv].map(|status| killed.excuses(status, true)), [true, false, false]);
        assert_eq!([by_kill, by_term, by_segv].map(|status| asked(1).excuses(status, true)), [false, true, false]);
    }

    #[test]
    fn a_person_is_asked_for_only_where_one_is_needed() {
        let codes = [69, 75, 78, 70, 101];
        assert_eq!(codes.map(|it| asked(0).excuses(code(it), false)), [true, true, false, false, false]);
        assert_eq!(codes.map(|it| asked(1).excuses(code(it), true)), [true, true, true, false, false]);
    }

    #[test]
    fn who_does_not_stop_in_time_is_told_once() {
        let mut stopping = asked(1);
        let late = Instant::now() + SHUTDOWN + SLACK + Duration::from_secs(1);
        assert_eq!((asked(0).overdue(late), stopping.overdue(Instant::now() + SHUTDOWN)), (None, None));
        assert_eq!((stopping.overdue(late).is_some(), stopping.overdue(late)), (true, None));
    }

    #[test]
    fn a_stop_that_was_asked_for_and_went_wrong_is_told_beside_those_that_nobody_asked_for() {
        let exit = |asked, status| Exit { worker: "worker-1".to_owned(), pid: 7, status, asked, at: Duration::ZERO };
        let told = [(true, code(0)), (true, code(75)), (true, ExitStatus::from_raw(9)), (false, code(75))];
        assert_eq!(told.map(|(asked, status)| exit(asked, status).is_its_own()), [false, true, false, true]);
        assert_eq!(exit(true, code(75)).to_string(), "worker-1, exit status: 75, when it was asked to stop");
    }
}
