//! Seeded random walks through worlds that are too large to be seen whole.
//!
//! Each walk takes steps by chance, judges every state, and at its end heals and must get everything applied and published.
//! Invariant: a walk is a function of its seed.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::explore::Trace;
use super::heal::Healed;
use super::promise::{self, Breach};
use super::state::{State, World};
use super::step::Step;

/// What walks saw.
#[derive(Debug, Default)]
pub struct Walked {
    /// Walks.
    pub walks: u64,
    /// Steps of all of them.
    pub steps: u64,
    /// The first breach.
    pub breach: Option<Trace>,
}

/// Walks so many times, so many steps each at most, and stops at the first breach.
#[must_use]
pub fn walk(world: World, seed: u64, walks: u64, steps: u64) -> Walked {
    let mut walked = Walked::default();
    for number in 0..walks {
        walked.walks += 1;
        let mut dice = Pcg64Mcg::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let (mut state, mut way, mut possible) = (State::first(&world.bounds), Vec::new(), Vec::new());
        let breach = loop {
            possible.clear();
            world.steps(&state, &mut possible);
            if way.len() as u64 >= steps || possible.is_empty() {
                break world.heals(&state, &Healed::default()).err();
            }
            let step = choose(&possible, &mut dice);
            way.push(step);
            walked.steps += 1;
            state = world.after(&state, step);
            if let Err(breach) = promise::judge(&state, world.without) {
                break Some(breach);
            }
        };
        if let Some(breach) = breach {
            walked.breach = Some(shortest(Trace { world, steps: way, breach }));
            break;
        }
    }
    walked
}

/// A fault is chosen less often than ordinary work, or every walk would spend its faults before anything is under way.
fn choose(possible: &[Step], dice: &mut Pcg64Mcg) -> Step {
    let ordinary: Vec<Step> = possible.iter().copied().filter(|step| !step.is_fault()).collect();
    let among = if ordinary.is_empty() || dice.next_u32().is_multiple_of(8) { possible } else { &ordinary };
    among[dice.next_u32() as usize % among.len()]
}

/// Leaves out every step without which the way still ends in a breach of the same kind.
fn shortest(mut trace: Trace) -> Trace {
    let mut place = trace.steps.len();
    while place > 0 {
        place -= 1;
        let mut steps = trace.steps.clone();
        steps.remove(place);
        if let Some((taken, breach)) = replay(trace.world, &steps, &trace.breach) {
            steps.truncate(taken);
            place = place.min(steps.len());
            (trace.steps, trace.breach) = (steps, breach);
        }
    }
    trace
}

fn replay(world: World, steps: &[Step], like: &Breach) -> Option<(usize, Breach)> {
    let mut state = State::first(&world.bounds);
    let alike = |breach: &Breach| std::mem::discriminant(breach) == std::mem::discriminant(like);
    for (number, step) in steps.iter().enumerate() {
        let mut possible = Vec::new();
        world.steps(&state, &mut possible);
        if !possible.contains(step) {
            return None;
        }
        state = world.after(&state, *step);
        if let Err(breach) = promise::judge(&state, world.without) {
            return alike(&breach).then_some((number + 1, breach));
        }
    }
    let breach = world.heals(&state, &Healed::default()).err()?;
    alike(&breach).then_some((steps.len(), breach))
}
