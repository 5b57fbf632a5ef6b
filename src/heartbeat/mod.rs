//! The heartbeat: a small file that a worker writes once a second, so that somebody beside it can tell how it is without a port.
//!
//! `pulse` is what the worker's threads leave behind them, `writer` writes it down, `place` says where, and `orderstream health` reads
//! it. Here is what is written and what it means. Invariant: a verdict follows from the file and the time alone, and asks no server.

pub mod place;
pub mod pulse;
pub mod writer;

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How far a worker has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It looks at the servers, and waits for one that is away.
    Starting,
    /// It takes part in the group, or asks to.
    Running,
    /// It was asked to stop, or cannot go on.
    Stopping,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The release that writes.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it was written, in milliseconds since 1970.
    pub written_at_ms: u64,
    /// How far it has come.
    pub state: State,
    /// Whether the checks at start are done.
    pub has_started: bool,
    /// Whether the group has given it an assignment, of no lane perhaps, and not taken it back since.
    pub is_assigned: bool,
    /// Why and since when it stops.
    pub stopping: Option<Stopping>,
    /// Its threads and tasks, once the checks at start are done.
    pub parts: Vec<Part>,
    /// The lanes that it owns.
    pub lanes: Vec<Lane>,
}

/// A worker on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Why, in a sentence.
    pub reason: String,
    /// For how long it has been stopping.
    pub for_ms: u64,
    /// How long it may take.
    pub limit_ms: u64,
}

/// A thread, or a group of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// For how long it has not come round.
    pub idle_ms: u64,
    /// How long that may last, at most.
    pub limit_ms: u64,
}

/// A lane, owned or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Its number.
    pub lane: i32,
    /// For how long work has waited in it without progress; 0 where there is none.
    pub waits_ms: u64,
    /// Why nothing is done for it any more, if so: `stopped`, `fenced`, `generation`, `lost`.
    pub ended: Option<String>,
}

/// What is asked about a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether it lives; if not, it should be killed and started again.
    Live,
    /// Whether it takes part in the group: it has an assignment, of no lane perhaps.
    Ready,
    /// Whether its checks at start are done.
    Startup,
}

impl Heartbeat {
    /// How old it is; less than nothing where somebody has set the clock back.
    #[must_use]
    pub fn age_ms(&self, now: SystemTime) -> i64 {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(i64::try_from(self.written_at_ms).unwrap_or(i64::MAX))
    }

    /// Answers with yes, or says why not.
    ///
    /// # Errors
    /// The reason, in a sentence.
    pub fn answer(&self, question: Question, now: SystemTime, limit: Duration) -> Result<(), String> {
        match question {
            Question::Live => self.lives(now, limit),
            Question::Startup if self.has_started => Ok(()),
            Question::Startup => {
                Err(format!("{} is still looking at its servers; its log says at which", self.named()))
            }
            Question::Ready => {
                self.lives(now, limit)?;
                match &self.stopping {
                    Some(stopping) => Err(format!("{} is stopping: {}", self.named(), stopping.reason)),
                    None if !self.has_started => {
                        Err(format!("{} is still looking at its servers; its log says at which", self.named()))
                    }
                    None if !self.is_assigned => {
                        Err(format!("{} has no assignment of the group yet, or is handing one over", self.named()))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn lives(&self, now: SystemTime, limit: Duration) -> Result<(), String> {
        let (age, limit) = (self.age_ms(now), i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        if age > limit {
            let text =
                format!("{} has written no heartbeat for {}: it hangs or was killed", self.named(), seconds(age));
            return Err(text);
        }
        if age < -limit {
            return Err(format!("the heartbeat of {} is of a time to come: the clock was set back", self.named()));
        }
        if let Some(stopping) = &self.stopping {
            if stopping.for_ms > stopping.limit_ms {
                return Err(format!("{} has been stopping for too long: {}", self.named(), stopping.reason));
            }
            // Threads that are done do not come round any more.
            return Ok(());
        }
        match self.parts.iter().find(|part| part.idle_ms > part.limit_ms) {
            Some(part) => {
                let idle = seconds(i64::try_from(part.idle_ms).unwrap_or(i64::MAX));
                Err(format!("{} of {} did not come round for {idle}: it hangs", part.name, self.named()))
            }
            None => Ok(()),
        }
    }

    fn named(&self) -> String {
        format!("the worker with pid {}", self.pid)
    }
}

fn seconds(millis: i64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn beat() -> Heartbeat {
        Heartbeat {
            version: "0.1.0".to_owned(),
            pid: 7,
            written_at_ms: 100_000,
            state: State::Running,
            has_started: true,
            is_assigned: true,
            stopping: None,
            parts: vec![Part { name: "the poll thread".to_owned(), idle_ms: 10, limit_ms: 300_000 }],
            lanes: Vec::new(),
        }
    }

    fn says(beat: &Heartbeat, question: Question, now: u64) -> String {
        beat.answer(question, at(now), LIMIT).err().unwrap_or_default()
    }

    #[test]
    fn a_worker_without_a_lane_is_ready_and_one_that_hands_over_is_not() {
        assert_eq!(says(&beat(), Question::Ready, 100_500), "");
        let away = Heartbeat { is_assigned: false, ..beat() };
        assert!(says(&away, Question::Ready, 100_500).contains("no assignment"));
        assert_eq!(says(&away, Question::Live, 100_500), "");
    }

    #[test]
    fn a_heartbeat_that_is_old_or_of_a_time_to_come_is_none() {
        assert_eq!(says(&beat(), Question::Live, 110_000), "");
        assert!(says(&beat(), Question::Live, 112_340).contains("no heartbeat for 12.3 s"));
        assert!(says(&beat(), Question::Ready, 112_340).contains("pid 7"));
        assert!(says(&beat(), Question::Live, 80_000).contains("set back"));
    }

    #[test]
    fn a_thread_that_hangs_is_named() {
        let mut hangs = beat();
        hangs.parts[0].idle_ms = 300_001;
        assert!(says(&hangs, Question::Live, 100_500).contains("the poll thread of the worker with pid 7"));
    }

    #[test]
    fn one_that_starts_lives_and_one_that_stops_lives_for_as_long_as_it_may_take() {
        let starting = Heartbeat { state: State::Starting, has_started: false, is_assigned: false, ..beat() };
        assert_eq!(says(&starting, Question::Live, 100_500), "");
        for question in [Question::Startup, Question::Ready] {
            assert!(says(&starting, question, 100_500).contains("looking at its servers"));
        }
        let stopping = |for_ms| Heartbeat {
            state: State::Stopping,
            stopping: Some(Stopping { reason: "SIGTERM received".to_owned(), for_ms, limit_ms: 30_000 }),
            ..beat()
        };
        assert_eq!(says(&stopping(1_000), Question::Live, 100_500), "");
        assert!(says(&stopping(1_000), Question::Ready, 100_500).contains("SIGTERM received"));
        assert!(says(&stopping(31_000), Question::Live, 100_500).contains("too long"));
    }
}
