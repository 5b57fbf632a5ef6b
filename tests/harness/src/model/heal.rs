//! "Always able to go on": from a state, a schedule without further faults that gets everything applied and published.
//!
//! One fair schedule is tried, the same from every state: who is out joins, who can work works, requests that were on their way are
//! lost, and only where nothing else is left the coordinator times a transaction out. What it reaches, it proves reachable; it is a
//! witness, not a search. Invariant: a state that was once seen to heal is not tried again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::kafka::Taken;
use super::postgres::Client;
use super::promise::{self, Breach};
use super::state::{Consumer, Stage, State, World};
use super::step::{Fate, Step};

/// More steps than any healing takes.
const ENOUGH: usize = 1000;

/// States that were seen to heal, by their hash.
#[derive(Debug, Default)]
pub struct Healed(Mutex<HashSet<u64>>);

impl Healed {
    fn holds(&self, hash: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    fn take(&self, hashes: Vec<u64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(hashes);
    }
}

impl World {
    /// Heals a state.
    ///
    /// # Errors
    /// A promise that is broken on the way, or how it ends where it does not end well.
    pub fn heals(&self, state: &State, healed: &Healed) -> Result<(), Breach> {
        let mut state = State { late: Vec::new(), left: Default::default(), ..state.clone() };
        let mut seen = Vec::new();
        for _ in 0..ENOUGH {
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            let hash = hasher.finish();
            if healed.holds(hash) {
                healed.take(seen);
                return Ok(());
            }
            seen.push(hash);
            let Some(step) = self.healing(&state) else {
                if promise::is_done(&state, self.bounds.records) {
                    healed.take(seen);
                    return Ok(());
                }
                return Err(Breach::Stuck(format!("nothing is left to be done, and {}", rest(&state))));
            };
            if let Step::TimeOut(id) = step
                && !self.may_wait_for(&state, id)
            {
                return Err(Breach::Slow(format!("nobody else ends what {} left open", super::tell::name(id))));
            }
            state = self.after(&state, step).canon();
            promise::judge(&state, self.without)?;
        }
        Err(Breach::Stuck(format!("it goes round in circles, and {}", rest(&state))))
    }

    /// The one case in which only a time-out helps: a process that its successor had ended took its id back, before it knew, opened
    /// another transaction, and died. Nobody can know of it.
    fn may_wait_for(&self, state: &State, id: u8) -> bool {
        state.alive(id).is_none() && state.kafka.producers[usize::from(id)].taken == Taken::Back
    }

    /// The next step of the fair schedule.
    fn healing(&self, state: &State) -> Option<Step> {
        let mut steps = Vec::new();
        self.steps(state, &mut steps);
        let urgency = |step: &Step| match *step {
            Step::Land(_) => Some(0),
            Step::Die(lane) => {
                let gone = state.rows[lane].backend.as_ref().is_some_and(|backend| backend.client == Client::Gone);
                Some(if gone { 0 } else { 18 })
            }
            Step::Evict(_) | Step::Notice(_) => Some(1),
            Step::Settle(..) => Some(2),
            Step::Revoke(_, true) => Some(4),
            Step::Leave(_) => Some(5),
            Step::Join(_) => Some(6),
            Step::Balance(_) => Some(7),
            Step::Claim(_, true) => Some(8),
            Step::Relay(_, Fate::Answered) => Some(9),
            Step::Apply(..) if !state.kafka.group.is_moving => Some(10),
            Step::Note(..) => Some(11),
            Step::Revoke(_, false) => Some(17),
            Step::Apply(..)
            | Step::Claim(_, false)
            | Step::Relay(..)
            | Step::Arrive(_)
            | Step::Cut(..)
            | Step::Crash(_)
            | Step::TimeOut(_)
            | Step::Expire => None,
        };
        let most_urgent =
            steps.iter().filter_map(|step| Some((urgency(step)?, *step))).min_by_key(|(urgency, _)| *urgency);
        let open = || (0..state.starts).find(|id| state.kafka.is_open(*id)).map(Step::TimeOut);
        most_urgent.map(|(_, step)| step).or_else(open)
    }
}

fn rest(state: &State) -> String {
    let at_work = state.processes.iter().filter(|process| matches!(process.consumer, Consumer::Member(_))).count();
    let cut = state.processes.iter().flat_map(|process| process.writers.iter().flatten());
    let cut = cut.filter(|writer| matches!(writer.stage, Stage::Cut(_))).count();
    let lanes = state.rows.iter().zip(&state.kafka.output).enumerate().map(|(lane, (row, output))| {
        let rows: Vec<u8> = output.iter().map(|row| row.seq).collect();
        format!(
            "lane {lane} is applied up to record {} in {} rows and published as rows {rows:?}",
            row.checkpoint, row.last_seq
        )
    });
    let lanes: Vec<String> = lanes.collect();
    format!("{}; {at_work} workers have an assignment, {cut} writers wait", lanes.join(", "))
}
