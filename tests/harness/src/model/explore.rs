//! Every state within the bounds, breadth first, by `stateright`; the first breach of a promise with the shortest way to it.
//!
//! Going on is judged in the same search, as a promise of each state (see `super::heal`): stateright's own `eventually` says of itself
//! that it misses counter-examples where paths meet, and a schedule that may be unfair proves nothing here.

use std::sync::Mutex;
use std::sync::PoisonError;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::heal::Healed;
use super::promise::{self, Breach};
use super::state::{State, World};
use super::step::Step;

/// What an exploration found.
#[derive(Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps taken between them.
    pub steps: usize,
    /// The length of the longest way.
    pub depth: usize,
    /// The first breach, with the way to it.
    pub breach: Option<Trace>,
}

/// A way through the world that ends in a breach.
#[derive(Debug)]
pub struct Trace {
    /// The world.
    pub world: World,
    /// The steps.
    pub steps: Vec<Step>,
    /// How it ends.
    pub breach: Breach,
}

struct Searched {
    world: World,
    healed: Healed,
    breach: Mutex<Option<Breach>>,
}

const PROMISE: &str = "every promise is kept";

impl Searched {
    /// Only the first breach counts: it is the nearest, and stateright would let a later one take its place.
    fn keeps(&self, state: &State) -> bool {
        let mut first = self.breach.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            let judged = promise::judge(state, self.world.without);
            let breach = judged.and_then(|()| self.world.heals(state, &self.healed)).err();
            *first = breach.filter(|breach| breach.is_here(state, self.world.without));
            return first.is_none();
        }
        true
    }
}

impl Model for Searched {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.world.bounds)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.world.steps(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.world.after(state, step).canon())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(PROMISE, Self::keeps)]
    }
}

/// Explores a world: all of it, or up to the first breach. One thread, so that the first breach is the nearest.
#[must_use]
pub fn explore(world: World) -> Explored {
    let searched = Searched { world, healed: Healed::default(), breach: Mutex::default() };
    let checker = searched.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let breach = checker.model().breach.lock().unwrap_or_else(PoisonError::into_inner).take();
    let breach = breach.zip(checker.discovery(PROMISE)).map(|(breach, path)| Trace {
        world,
        steps: path.into_actions(),
        breach,
    });
    Explored {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth().saturating_sub(1),
        breach,
    }
}
