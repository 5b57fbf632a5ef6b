//! Goes through a schedule: injects and heals each fault in its time, and sees that workers which ended are started again.
//!
//! Invariant: whatever was injected is healed, and what did nothing is told and counts for nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::fault::Fault;
use super::inject::{Effect, Injected};
use super::schedule::Schedule;
use super::timeline::Happened;

/// How often somebody looks after the workers while the next step of the schedule is not due: the schedule sets the pace.
const LOOK: Duration = Duration::from_millis(250);

/// What can be broken.
#[expect(async_fn_in_trait, reason = "one run drives it, on one task")]
pub trait Breakable {
    /// Breaks something, or says why that cannot be at this moment.
    ///
    /// # Errors
    /// The harness itself fails.
    async fn inject(&mut self, fault: &Fault) -> Result<Injected>;

    /// Makes good what was broken, and says whether anything had been.
    ///
    /// # Errors
    /// It cannot be made good: the run is over.
    async fn heal(&mut self, fault: &Fault) -> Result<Effect>;

    /// Starts what ended and should run.
    ///
    /// # Errors
    /// A process cannot be started.
    fn tend(&mut self) -> Result<()>;

    /// The workers that live now.
    fn workers(&self) -> Vec<Living>;
}

/// A worker that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Where it serves its metrics.
    pub metrics: SocketAddr,
}

/// The workers that live, as whoever goes through the schedule last saw them.
pub type Roll = Arc<Mutex<Vec<Living>>>;

/// Goes through all faults but the finale, and says what became of each.
///
/// # Errors
/// Something cannot be healed, or a process not be started.
pub async fn drive(
    world: &mut impl Breakable,
    schedule: &Schedule,
    began: Instant,
    roll: &Roll,
) -> Result<Vec<Happened>> {
    let mut injected: Vec<Option<(Duration, String)>> = vec![None; schedule.faults.len()];
    let mut happened = Vec::new();
    for Step { at, heals, number } in steps(schedule) {
        while began.elapsed() < at {
            world.tend()?;
            call(world, roll);
            tokio::time::sleep((at.saturating_sub(began.elapsed())).min(LOOK)).await;
        }
        let (fault, now) = (&schedule.faults[number], began.elapsed());
        let seconds = now.as_secs_f64();
        match injected[number].take().filter(|_| heals) {
            None => {
                let Injected { what } = world.inject(fault).await?;
                eprintln!("{seconds:6.1} s  {} of {}: {what}", fault.kind, fault.target);
                injected[number] = Some((now, what));
            }
            Some((injected, did)) => {
                let Effect { what, took_place } = world.heal(fault).await?;
                let word = if took_place { "healed" } else { "nothing came of it" };
                eprintln!("{seconds:6.1} s  {} of {}: {what}; {word}", fault.kind, fault.target);
                let did = format!("{did}; {what}");
                happened.push(Happened { fault: fault.clone(), did, took_place, injected, healed: began.elapsed() });
            }
        }
    }
    happened.sort_by_key(|happened| happened.injected);
    Ok(happened)
}

/// Writes down who lives.
pub fn call(world: &impl Breakable, roll: &Roll) {
    *roll.lock().expect("nobody panics with the lock") = world.workers();
}

/// A fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    at: Duration,
    /// At the same instant the healings come last, as their turn is not so urgent.
    heals: bool,
    number: usize,
}

fn steps(schedule: &Schedule) -> Vec<Step> {
    let steps = schedule.faults.iter().enumerate().flat_map(|(number, fault)| {
        [Step { at: fault.at, heals: false, number }, Step { at: fault.until(), heals: true, number }]
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.sort();
    steps
}

#[cfg(test)]
mod tests {
    use super::super::fault::{Kind, Target};
    use super::*;

    /// Takes notes; nothing can be done to the registry.
    #[derive(Default)]
    struct Notes {
        lines: Vec<String>,
        looks: usize,
    }

    impl Breakable for Notes {
        async fn inject(&mut self, fault: &Fault) -> Result<Injected> {
            self.lines.push(format!("break {}", fault.kind));
            Ok(Injected { what: "done".to_owned() })
        }

        async fn heal(&mut self, fault: &Fault) -> Result<Effect> {
            self.lines.push(format!("heal {}", fault.kind));
            Ok(Effect { what: "seen".to_owned(), took_place: fault.target != Target::Registry })
        }

        fn tend(&mut self) -> Result<()> {
            self.looks += 1;
            Ok(())
        }

        fn workers(&self) -> Vec<Living> {
            Vec::new()
        }
    }

    fn fault(kind: Kind, at: u64, lasts: u64) -> Fault {
        let (at, lasts) = (Duration::from_millis(at), Duration::from_millis(lasts));
        Fault { kind, target: kind.targets()[0], at, lasts, chance: 0 }
    }

    #[tokio::test]
    async fn faults_begin_and_end_in_the_order_of_their_times_and_what_came_of_them_is_told() {
        let faults =
            vec![fault(Kind::PostgresCrash, 10, 60), fault(Kind::RegistryDown, 20, 5), fault(Kind::ScaleOut, 30, 10)];
        let mut notes = Notes::default();
        let schedule = Schedule { faults, finale: None };
        let happened = drive(&mut notes, &schedule, Instant::now(), &Roll::default()).await.expect("all is healed");
        let expected = ["postgres-crash", "registry-down", "registry-down", "scale-out", "scale-out", "postgres-crash"];
        let expected: Vec<String> = expected
            .into_iter()
            .zip(["break", "break", "heal", "break", "heal", "heal"])
            .map(|(kind, verb)| format!("{verb} {kind}"))
            .collect();
        assert_eq!(notes.lines, expected);
        let came: Vec<(Kind, bool)> = happened.iter().map(|it| (it.fault.kind, it.took_place)).collect();
        assert_eq!(came, [(Kind::PostgresCrash, true), (Kind::RegistryDown, false), (Kind::ScaleOut, true)]);
        assert!(happened.iter().all(|it| it.healed > it.injected && it.did == "done; seen"));
        assert!(notes.looks > 0);
    }
}
