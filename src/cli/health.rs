//! `orderstream health`: how the worker beside us is, for probes that run a command. Reads its heartbeat and asks no server.
//!
//! Invariant: it answers from one small file, so that a probe costs milliseconds also where everything else hangs.

use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;

use super::exit::Exit;
use super::output::{Output, counted};
use super::{ConfigFile, complain, with_config};
use crate::config::units::parse_duration;
use crate::heartbeat::place::Place;
use crate::heartbeat::{Heartbeat, Question};

/// What is asked, about whom.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// What is asked.
    #[arg(value_enum)]
    question: Question,
    /// How old the heartbeat may be, which is written once a second.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10s")]
    limit: Duration,
    /// Of which process, where several workers without a kafka.instance run on this machine.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

/// The answer for a program.
#[derive(Debug, Serialize)]
struct Answer {
    question: Question,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Heartbeat>,
}

impl HealthArgs {
    /// Looks at the heartbeat and answers with yes, or says why not.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.file, |config| {
            let now = SystemTime::now();
            let (heartbeat, verdict) = match Place::of(&config).find(self.pid) {
                Ok(heartbeat) => {
                    let verdict = heartbeat.answer(self.question, now, self.limit);
                    (Some(heartbeat), verdict)
                }
                Err(text) => (None, Err(text)),
            };
            let reason = verdict.err();
            let exit = match (&reason, self.question) {
                (None, _) => Exit::Ok,
                (Some(_), Question::Live) => Exit::Unavailable,
                (Some(_), Question::Ready | Question::Startup) => Exit::TempFail,
            };
            let answer = Answer { question: self.question, ok: reason.is_none(), reason, heartbeat };
            match (&answer.reason, self.output.is_text()) {
                (Some(reason), true) => {
                    complain(reason);
                    exit
                }
                _ => match self.output.answer(&answer, || text(&answer, now)) {
                    Exit::Ok => exit,
                    unwritten => unwritten,
                },
            }
        })
    }
}

/// One line about a worker that is as it should be.
fn text(answer: &Answer, now: SystemTime) -> String {
    let Some(beat) = &answer.heartbeat else { return String::new() };
    let owned = beat.lanes.iter().filter(|lane| lane.ended.is_none()).count();
    let lanes = match (beat.has_started, beat.is_assigned) {
        (false, _) => "starting".to_owned(),
        (true, false) => "without an assignment".to_owned(),
        (true, true) => format!("with {}", counted(owned, "lane", "lanes")),
    };
    format!("yes: pid {} {lanes}, {} ms ago\n", beat.pid, beat.age_ms(now))
}
