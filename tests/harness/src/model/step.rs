//! The steps of the modelled world: which are possible in a state, and what each does.
//!
//! A step is what one party does without anybody in between; faults are steps that cost one of their budget. Invariant: a state
//! in which a process did what none may do has no further steps, so that a counter-example ends where it shows.

use super::act::cut;
use super::bounds::Mechanism;
use super::kafka::{Code, Who};
use super::postgres::{Client, Row};
use super::relay::Doing;
use super::state::{Consumer, RelayLane, Stage, State, World, Writer};

/// A step. Processes and lanes are numbers of places, starts of processes are [`Who`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A process joins the group.
    Join(usize),
    /// The revoke callback: with everything drained and published, or not.
    Revoke(usize, bool),
    /// A process leaves the group on its own, to come back.
    Leave(usize),
    /// A member that was given up hears of it.
    Notice(usize),
    /// The group's next generation begins; this one stands first.
    Balance(usize),
    /// The claim in Postgres, inside the assign callback; its answer comes, or not.
    Claim(usize, bool),
    /// A batch of so many records, up to and with its COMMIT's request.
    Apply(usize, usize, u8),
    /// A COMMIT takes effect.
    Land(usize),
    /// A transaction is rolled back: its client is gone, or a claim insisted.
    Die(usize),
    /// A writer looks how its lane stands, on a new connection.
    Settle(usize, usize),
    /// A writer notes what is published.
    Note(usize, usize),
    /// The relay's next step, and what becomes of its request.
    Relay(usize, Fate),
    /// A request that nobody waits for arrives.
    Arrive(usize),
    /// A writer's connection is cut, after its COMMIT was sent, or before.
    Cut(usize, usize, bool),
    /// The coordinator gives a member up.
    Evict(Who),
    /// A process is killed and another is started.
    Crash(usize),
    /// The coordinator times an open transaction out.
    TimeOut(Who),
    /// The group's offsets are lost.
    Expire,
}

impl Step {
    /// Whether it is something that goes wrong.
    #[must_use]
    pub fn is_fault(self) -> bool {
        match self {
            Self::Cut(..) | Self::Evict(_) | Self::Crash(_) | Self::TimeOut(_) | Self::Expire | Self::Leave(_) => true,
            Self::Claim(_, answered) => !answered,
            Self::Relay(_, fate) => fate != Fate::Answered,
            Self::Join(_)
            | Self::Revoke(..)
            | Self::Notice(_)
            | Self::Balance(_)
            | Self::Apply(..)
            | Self::Land(_)
            | Self::Die(_)
            | Self::Settle(..)
            | Self::Note(..)
            | Self::Arrive(_) => false,
        }
    }
}

/// What becomes of a request to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is handled and answered.
    Answered,
    /// It is repeated; the repetition is handled and answered, the first copy is still on its way.
    Repeated,
    /// It is handled, and nobody hears of it.
    Unheard,
    /// It is given up, and still on its way.
    GivenUp,
}

impl World {
    /// The steps that are possible.
    pub fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        for place in 0..state.processes.len() {
            self.steps_in_the_group(state, place, steps);
            for lane in self.bounds.lane_numbers() {
                self.steps_of_a_writer(state, place, lane, steps);
            }
            self.steps_of_a_relay(state, place, steps);
        }
        if state.kafka.group.is_ready() {
            steps.extend((0..state.kafka.group.joined.len()).map(Step::Balance));
        }
        for (lane, row) in state.rows.iter().enumerate() {
            let Some(backend) = &row.backend else { continue };
            if backend.under_way {
                steps.push(Step::Land(lane));
            }
            if backend.client != Client::Waiting || self.is_insisted_on(state, lane) {
                steps.push(Step::Die(lane));
            }
        }
        self.faults(state, steps);
    }

    fn steps_in_the_group(&self, state: &State, place: usize, steps: &mut Vec<Step>) {
        let (process, group) = (&state.processes[place], &state.kafka.group);
        let is_member = group.members.contains(&process.who);
        match process.consumer {
            Consumer::Out => steps.push(Step::Join(place)),
            Consumer::Joining if !is_member && !group.joined.contains(&process.who) => steps.push(Step::Notice(place)),
            Consumer::Joining => {}
            Consumer::Called(_, lanes) => {
                let locked = |lane: usize| lanes & 1 << lane != 0 && state.rows[lane].backend.is_some();
                if !self.bounds.lane_numbers().any(locked) {
                    steps.push(Step::Claim(place, true));
                    if state.left.cuts > 0 && lanes != 0 {
                        steps.push(Step::Claim(place, false));
                    }
                }
            }
            Consumer::Member(_) if !is_member => steps.push(Step::Notice(place)),
            Consumer::Member(_) => {
                if group.is_moving {
                    steps.push(Step::Revoke(place, false));
                    if self.is_drained(state, place) {
                        steps.push(Step::Revoke(place, true));
                    }
                }
                if process.asks_anew || state.left.rebalances > 0 {
                    steps.push(Step::Leave(place));
                }
            }
        }
    }

    fn steps_of_a_writer(&self, state: &State, place: usize, lane: usize, steps: &mut Vec<Step>) {
        let Some(writer) = state.processes[place].writers[lane] else { return };
        let row = &state.rows[lane];
        let is_free = row.backend.is_none();
        match writer.stage {
            Stage::Ready if is_free => {
                let waiting = self.bounds.records.saturating_sub(writer.checkpoint).min(self.bounds.batch);
                steps.extend((1..=waiting).map(|records| Step::Apply(place, lane, records)));
                let has_news = writer.published > row.published || (writer.former_ended && !row.former.is_empty());
                if has_news && row.owns(writer.epoch) {
                    steps.push(Step::Note(place, lane));
                }
            }
            Stage::Cut(_) if is_free || !self.without.has(Mechanism::ForUpdate) => {
                steps.push(Step::Settle(place, lane));
            }
            Stage::Busy if state.left.cuts > 0 => {
                steps.extend([true, false].map(|sent| Step::Cut(place, lane, sent)));
            }
            Stage::Ready | Stage::Cut(_) | Stage::Busy => {}
        }
    }

    fn steps_of_a_relay(&self, state: &State, place: usize, steps: &mut Vec<Step>) {
        let Some(doing) = self.doing(state, place) else { return };
        steps.push(Step::Relay(place, Fate::Answered));
        if let Doing::Ask(_) = doing {
            if state.left.repeats > 0 {
                steps.push(Step::Relay(place, Fate::Repeated));
            }
            if state.left.give_ups > 0 {
                steps.extend([Fate::Unheard, Fate::GivenUp].map(|fate| Step::Relay(place, fate)));
            }
        }
    }

    fn faults(&self, state: &State, steps: &mut Vec<Step>) {
        let (left, group) = (&state.left, &state.kafka.group);
        steps.extend((0..state.late.len()).map(Step::Arrive));
        for who in group.members.iter().chain(&group.joined) {
            if state.alive(*who).is_none() || left.evictions > 0 {
                steps.push(Step::Evict(*who));
            }
        }
        if left.crashes > 0 {
            steps.extend((0..state.processes.len()).map(Step::Crash));
        }
        for id in 0..state.starts {
            if left.time_outs > 0 && state.kafka.is_open(id) {
                steps.push(Step::TimeOut(id));
            }
        }
        if left.expiries > 0 && group.members.is_empty() && state.kafka.committed.iter().any(Option::is_some) {
            steps.push(Step::Expire);
        }
    }

    /// Whether a claim waits for this lane's lock.
    fn is_insisted_on(&self, state: &State, lane: usize) -> bool {
        let waits = |consumer| matches!(consumer, Consumer::Called(_, lanes) if lanes & 1 << lane != 0);
        state.processes.iter().any(|process| waits(process.consumer))
    }

    /// Whether a revoke finds everything applied and published.
    #[must_use]
    pub fn is_drained(&self, state: &State, place: usize) -> bool {
        let process = &state.processes[place];
        let relay = &process.relay;
        let at_rest = |(writer, row): (&Option<Writer>, &Row)| {
            writer.is_none_or(|writer| writer.stage == Stage::Ready && row.backend.is_none())
        };
        let published = |lane: &RelayLane| lane.position.is_some_and(|position| lane.last_seq <= position);
        relay.flight.is_none()
            && relay.opening.is_none()
            && relay.lanes.iter().flatten().all(published)
            && process.writers.iter().zip(&state.rows).all(at_rest)
    }

    /// The state after a step.
    #[must_use]
    pub fn after(&self, before: &State, step: Step) -> State {
        let mut state = before.clone();
        match step {
            Step::Join(place) => {
                let process = &mut state.processes[place];
                process.consumer = Consumer::Joining;
                state.kafka.group.join(process.who);
            }
            Step::Revoke(place, drained) => self.revoke(&mut state, place, drained),
            Step::Leave(place) => self.leave(&mut state, place),
            Step::Notice(place) => {
                if self.without.has(Mechanism::EndAtRevoke) {
                    self.end_all(&mut state, place);
                }
                state.processes[place].consumer = Consumer::Out;
            }
            Step::Balance(first) => self.balance(&mut state, first),
            Step::Claim(place, answered) => self.claim(&mut state, place, answered),
            Step::Apply(place, lane, records) => self.apply(&mut state, place, lane, records),
            Step::Land(lane) => self.land(&mut state, lane, true),
            Step::Die(lane) => self.land(&mut state, lane, false),
            Step::Settle(place, lane) => self.settle(&mut state, place, lane),
            Step::Note(place, lane) => {
                let writer = state.processes[place].writers[lane].expect("it is at rest");
                state.rows[lane].note(writer.published.min(writer.last_seq), writer.former_ended, false);
            }
            Step::Relay(place, fate) => self.relay(&mut state, place, fate),
            Step::Arrive(place) => {
                let request = state.late.remove(place);
                // Whom the answer would be for has stopped to wait.
                let _ = state.kafka.arrive(&request);
            }
            Step::Cut(place, lane, sent) => {
                state.left.cuts -= 1;
                cut(&mut state, place, lane, sent);
            }
            Step::Evict(who) => {
                if state.alive(who).is_some() {
                    state.left.evictions -= 1;
                }
                state.kafka.group.remove(who);
            }
            Step::Crash(place) => self.crash(&mut state, place),
            Step::TimeOut(id) => {
                state.left.time_outs = state.left.time_outs.saturating_sub(1);
                state.kafka.end_by_force(id);
            }
            Step::Expire => {
                state.left.expiries -= 1;
                state.expired += 1;
                state.kafka.committed.iter_mut().for_each(|position| *position = None);
            }
        }
        state
    }

    fn relay(&self, state: &mut State, place: usize, fate: Fate) {
        let request = match self.doing(state, place).expect("the step was possible") {
            Doing::Read(lanes) => return self.read(state, place, &lanes),
            Doing::Decide(flight) => {
                state.processes[place].relay.flight = Some(flight);
                return;
            }
            Doing::Ask(request) => request,
        };
        match fate {
            Fate::Answered => {
                let answer = state.kafka.handle(&request);
                self.answered(state, place, &request, answer);
            }
            Fate::Repeated => {
                state.left.repeats -= 1;
                if let Some(flight) = &mut state.processes[place].relay.flight {
                    flight.note_repeated(&request);
                }
                let answer = state.kafka.handle(&request);
                state.late.push(request.clone());
                self.answered(state, place, &request, answer);
            }
            Fate::Unheard => {
                state.left.give_ups -= 1;
                let _ = state.kafka.handle(&request);
                self.failed(state, place, Code::OperationTimedOut);
            }
            Fate::GivenUp => {
                state.left.give_ups -= 1;
                state.kafka.handle_first_half(&request);
                state.late.push(request);
                self.failed(state, place, Code::OperationTimedOut);
            }
        }
    }
}
