//! Workers that are killed, put to sleep or asked to stop, one more, one less, and one that comes and goes.
//!
//! Invariant: a worker that a fault took away stays away until it is healed, whatever the orchestrator would do.

use anyhow::Result;

use super::super::fault::{Fault, Kind};
use super::super::world::{Duty, SPARES, World};
use super::{Effect, victim};

/// What was done to whom.
#[derive(Debug)]
pub(super) struct Wound {
    kind: Kind,
    place: usize,
    pid: Option<u32>,
    starts: u32,
}

pub(super) fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let spare = world.crew.members().len() - usize::from(SPARES);
    let place = match fault.kind {
        Kind::ScaleOut => spare,
        Kind::RebalanceStorm => spare + 1,
        _ => victim(world, fault)?,
    };
    let member = world.crew.member(place)?;
    let (name, pid) = (member.name.clone(), member.pid());
    let process = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let wound = Wound { kind: fault.kind, place, pid, starts: member.starts() };
    let what = match fault.kind {
        Kind::WorkerKill => {
            member.kill()?;
            member.set_duty(Duty::Rests);
            format!("SIGKILL of {name}{process}")
        }
        Kind::WorkerFreeze => {
            member.process()?.freeze()?;
            format!("SIGSTOP of {name}{process}")
        }
        Kind::WorkerStop | Kind::ScaleIn => {
            member.terminate()?;
            member.set_duty(Duty::Rests);
            format!("SIGTERM of {name}{process}")
        }
        Kind::ScaleOut => {
            member.set_duty(Duty::Works);
            format!("{name} joins")
        }
        _ => {
            member.set_duty(Duty::ComesAndGoes);
            format!("{name} joins and leaves, again and again")
        }
    };
    Ok((what, wound))
}

impl Wound {
    /// Whom no other fault shall hit.
    pub(super) fn victim(&self) -> Option<usize> {
        Some(self.place)
    }

    pub(super) fn heal(self, world: &mut World) -> Result<Effect> {
        let member = world.crew.member(self.place)?;
        let same = member.pid().is_some() && member.pid() == self.pid;
        let name = member.name.clone();
        let (what, took_place) = match self.kind {
            Kind::WorkerKill => (format!("{name} was dead"), !same),
            Kind::WorkerFreeze => {
                let asleep = same && member.pid().is_some_and(crate::servers::is_frozen);
                if same {
                    member.process()?.thaw()?;
                }
                (format!("{name} {}", if asleep { "slept all the time" } else { "was not asleep any more" }), asleep)
            }
            Kind::WorkerStop | Kind::ScaleIn => {
                let how = if same { "is still stopping" } else { "had stopped" };
                // Either way it heard. How it ended is judged where ends are, and so is one that never does.
                (format!("{name} {how}"), true)
            }
            Kind::ScaleOut => {
                let lives = member.pid().is_some();
                if lives && !member.is_stopping() {
                    member.terminate()?;
                }
                (format!("{name} {}", if lives { "was there, and leaves" } else { "did not live" }), lives)
            }
            _ => {
                if member.pid().is_some() && !member.is_stopping() {
                    member.terminate()?;
                }
                let times = member.starts() - self.starts;
                (format!("{name} joined {times} times"), times > 1)
            }
        };
        let joins = matches!(self.kind, Kind::ScaleOut | Kind::RebalanceStorm);
        member.set_duty(if joins { Duty::Rests } else { Duty::Works });
        Ok(Effect { what, took_place })
    }
}
