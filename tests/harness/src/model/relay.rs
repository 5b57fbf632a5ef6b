//! The relay in the model: which request it sends next, and what it makes of the answer.
//!
//! Every decision is the product's own: `publish::plan` and `publish::position`, `producer::trust`. Invariant: one request at a time,
//! and what is decided before a request is sent is not decided again when it arrives, as in the product's blocking calls.

use std::convert::Infallible;
use std::time::Duration;

use orderstream::ids::{Epoch, Seq};
use orderstream::publish::plan::{self, Duty, Failure, Heed, Next, Situation};
use orderstream::publish::position::{Known, Mark, judge};
use orderstream::publish::producer::{REQUEST_RETRY, Trust, trust};
use rdkafka::error::KafkaError;
use uuid::Uuid;

use super::bounds::Mechanism;
use super::kafka::{Code, Position, Request};
use super::postgres::{Client, Row};
use super::state::{Broken, Flight, FlightStage, Opening, RelayLane, Stage, State, World};

const DATABASE: Uuid = Uuid::from_u128(7);

/// The next step of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It asks the broker for something, and waits.
    Ask(Request),
    /// It reads where these lanes stand.
    Read(Vec<usize>),
    /// It decides what the next transaction carries.
    Decide(Flight),
}

fn seq(row: u8) -> Seq {
    Seq(i64::from(row))
}

fn row(seq: Seq) -> u8 {
    u8::try_from(seq.0).expect("a model has few rows")
}

impl World {
    /// What a relay does next, if anything.
    #[must_use]
    pub fn doing(&self, state: &State, process: usize) -> Option<Doing> {
        let process = &state.processes[process];
        let (relay, id) = (&process.relay, process.who);
        if let Some(flight) = &relay.flight {
            let epoch = relay.producer?;
            let positions = flight.positions.clone();
            return Some(Doing::Ask(match flight.stage {
                FlightStage::Decided => Request::Produce(id, epoch, relay.batches, flight.rows.clone()),
                FlightStage::Produced if self.without.has(Mechanism::OffsetsInTransaction) => {
                    let generation = match self.without.has(Mechanism::CapturedGeneration) {
                        true => Some(flight.generation),
                        false => process.generation_now(),
                    };
                    Request::Offsets(
                        id,
                        epoch,
                        generation.filter(|_| self.without.has(Mechanism::Generation)),
                        positions,
                    )
                }
                FlightStage::Produced | FlightStage::Offered => Request::End(id, epoch),
                FlightStage::Ended => Request::PlainOffsets(positions),
            }));
        }
        let lanes = || relay.lanes.iter().flatten();
        let situation = Situation {
            has_work: lanes().any(|lane| lane.position.is_none_or(|position| lane.last_seq > position)),
            has_producer: relay.producer.is_some(),
            own_left: relay.own_left,
            former_left: !relay.former.is_empty(),
            position_unknown: lanes().any(|lane| lane.position.is_none()),
        };
        match plan::duty(situation) {
            Duty::Rest => None,
            Duty::OpenProducer => Some(Doing::Ask(Request::Init { id, sender: id })),
            Duty::EndFormer => Some(Doing::Ask(Request::Init { id: relay.former[0], sender: id })),
            Duty::ReadPositions => {
                let unknown = |lane: &usize| relay.lanes[*lane].as_ref().is_some_and(|lane| lane.position.is_none());
                let unknown: Vec<usize> = self.bounds.lane_numbers().filter(unknown).collect();
                let stable = state.kafka.positions(&unknown, self.without.has(Mechanism::WaitForStable));
                stable.map(|_| Doing::Read(unknown))
            }
            Duty::Publish => self.decide(state, process.who).map(Doing::Decide),
        }
    }

    /// What goes into the next transaction; none where every lane with work waits for its writer's doubt to end.
    fn decide(&self, state: &State, who: u8) -> Option<Flight> {
        let process = &state.processes[state.alive(who)?];
        let (mut rows, mut positions, mut generation) = (Vec::new(), Vec::new(), None);
        for (number, lane) in process.relay.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            let in_doubt = process.writers[number].is_some_and(|writer| matches!(writer.stage, Stage::Cut(_)));
            let portion = if in_doubt { Vec::new() } else { self.portion(lane, &state.rows[number]) };
            if let Some(last) = portion.last() {
                rows.extend(portion.iter().map(|chunk| (number, *chunk)));
                positions.push((number, Position { seq: *last, epoch: lane.epoch }));
                generation = generation.or(Some(lane.generation));
            }
        }
        let generation = generation?;
        Some(Flight { rows, positions, generation, stage: FlightStage::Decided, repeated: [false; 2] })
    }

    /// What a lane has for the next transaction, loaded from the journal where it is not in memory.
    fn portion(&self, lane: &RelayLane, stored: &Row) -> Vec<u8> {
        let position = lane.position.map_or(Seq(0), seq);
        let mut queue = lane.queue.clone();
        if !self.without.has(Mechanism::InOrder) && !queue.is_empty() {
            return queue;
        }
        queue.retain(|chunk| plan::next(position, seq(*chunk)) != Next::Drop);
        let first = queue.first().map(|chunk| seq(*chunk));
        if let Some((first, last)) = plan::missing(position, first, seq(lane.last_seq)) {
            let loaded = (row(first)..=row(last)).filter(|chunk| usize::from(*chunk) <= stored.journal.len());
            queue.splice(..0, loaded);
        }
        queue.truncate(plan::in_sequence(position, queue.iter().map(|chunk| seq(*chunk))));
        queue
    }

    /// The broker answered.
    pub fn answered(&self, state: &mut State, process: usize, request: &Request, answer: Result<u8, Code>) {
        let epoch = match answer {
            Ok(epoch) => epoch,
            Err(code) => return self.failed(state, process, code),
        };
        let who = state.processes[process].who;
        let relay = &mut state.processes[process].relay;
        match (request, &mut relay.flight) {
            (Request::Init { id, .. }, _) if *id == who => {
                (relay.producer, relay.batches, relay.own_left) = (Some(epoch), 0, false);
            }
            (Request::Init { id, .. }, _) => relay.former.retain(|former| former != id),
            (Request::Produce(..), Some(flight)) => {
                flight.stage = FlightStage::Produced;
                relay.batches += 1;
            }
            (Request::Offsets(..), Some(flight)) => flight.stage = FlightStage::Offered,
            (Request::End(..), Some(flight)) if !self.without.has(Mechanism::OffsetsInTransaction) => {
                flight.stage = FlightStage::Ended;
            }
            (Request::End(..) | Request::PlainOffsets(_), _) => self.published(state, process),
            (Request::Produce(..) | Request::Offsets(..), None) => {}
        }
    }

    /// A transaction was committed, as far as its relay knows.
    fn published(&self, state: &mut State, process: usize) {
        let this = &mut state.processes[process];
        let Some(flight) = this.relay.flight.take() else { return };
        for (number, position) in flight.positions {
            if let Some(lane) = this.relay.lanes[number].as_mut().filter(|lane| lane.epoch == position.epoch) {
                lane.position = Some(position.seq);
                lane.published = lane.published.max(position.seq);
                lane.queue.retain(|chunk| *chunk > position.seq);
            }
            if let Some(writer) = this.writers[number].as_mut().filter(|writer| writer.epoch == position.epoch) {
                writer.published = writer.published.max(position.seq);
            }
        }
        let took = flight.repeated.map(|repeated| if repeated { REQUEST_RETRY } else { Duration::ZERO });
        if trust(took, false) == Trust::Doubtful && self.without.has(Mechanism::RecycleOnDoubt) {
            self.forget(state, process);
        }
        take_opening(state, process);
    }

    /// A request failed, or nobody knows: doubt means recycle.
    pub fn failed(&self, state: &mut State, process: usize, code: Code) {
        if plan::failure(&KafkaError::MessageProduction(code)) == Failure::Generation {
            for lane in self.bounds.lane_numbers() {
                if let Some(epoch) = state.processes[process].relay.lanes[lane].as_ref().map(|lane| lane.epoch) {
                    end_tenure(state, process, lane, epoch);
                }
            }
        }
        let relay = &mut state.processes[process].relay;
        relay.own_left = self.without.has(Mechanism::EndOwn) && (relay.own_left || relay.flight.is_some());
        relay.flight = None;
        self.forget(state, process);
        take_opening(state, process);
    }

    /// Nothing that was in memory about Kafka is believed any more.
    fn forget(&self, state: &mut State, process: usize) {
        let relay = &mut state.processes[process].relay;
        relay.producer = None;
        if self.without.has(Mechanism::ReadBack) {
            relay.lanes.iter_mut().flatten().for_each(|lane| lane.position = None);
        }
    }

    /// Kafka said where lanes stand.
    pub fn read(&self, state: &mut State, process: usize, lanes: &[usize]) {
        let stable = self.without.has(Mechanism::WaitForStable);
        let Some(committed) = state.kafka.positions(lanes, stable) else { return };
        let who = state.processes[process].who;
        // The duty before this one left nothing of former owners.
        let tenures: Vec<Option<u8>> =
            state.processes[process].relay.lanes.iter().map(|lane| lane.as_ref().map(|lane| lane.epoch)).collect();
        let writers = &mut state.processes[process].writers;
        for (writer, epoch) in writers.iter_mut().zip(tenures) {
            if let Some(writer) = writer.as_mut().filter(|writer| Some(writer.epoch) == epoch) {
                writer.former_ended = true;
            }
        }
        for (number, position) in lanes.iter().zip(committed) {
            let Some(lane) = state.processes[process].relay.lanes[*number].as_mut() else { continue };
            let known = Known {
                database: DATABASE,
                epoch: Epoch(i64::from(lane.epoch)),
                last_seq: seq(lane.last_seq),
                published_seq: seq(lane.published),
            };
            let mark = |position: Position| {
                let epoch = Epoch(i64::from(position.epoch));
                Mark { seq: seq(position.seq), epoch, database: DATABASE }.to_string()
            };
            let owns = state.rows[*number].owns(lane.epoch);
            let epoch = lane.epoch;
            match plan::heed(judge(&known, &[position.map(mark)]), || Ok::<_, Infallible>(owns)) {
                Ok(Heed::After(seq) | Heed::AgainAfter(seq)) => lane.position = Some(row(seq)),
                Ok(Heed::Taken) => end_tenure(state, process, *number, epoch),
                Ok(Heed::Stop(_)) => state.broken = Some(Broken::PositionAhead(who)),
                Err(never) => match never {},
            }
        }
    }

    /// A lane as its relay begins with it.
    #[must_use]
    pub fn relay_lane(&self, row: &Row, generation: u8) -> RelayLane {
        RelayLane {
            epoch: row.epoch,
            generation,
            last_seq: row.last_seq,
            // Without reading back, what the database knows is all that there is.
            position: (!self.without.has(Mechanism::ReadBack)).then_some(row.published),
            published: row.published,
            queue: Vec::new(),
        }
    }
}

/// The relay takes an opening that waited for the end of a transaction.
pub fn take_opening(state: &mut State, process: usize) {
    let relay = &mut state.processes[process].relay;
    if relay.flight.is_none()
        && let Some(Opening { former, lanes }) = relay.opening.take()
    {
        relay.lanes = lanes;
        relay.former.extend(former);
        relay.former.sort_unstable();
        relay.former.dedup();
    }
}

/// A tenure ends: nothing of it is begun any more. A transaction in Postgres goes on until its writer looks up.
pub fn end_tenure(state: &mut State, process: usize, lane: usize, epoch: u8) {
    let this = &mut state.processes[process];
    if this.writers[lane].is_some_and(|writer| writer.epoch == epoch) {
        this.writers[lane] = None;
        let backend = state.rows[lane].backend.as_mut().filter(|backend| backend.who == this.who);
        if let Some(backend) = backend {
            backend.client = backend.client.min(Client::Inattentive);
        }
    }
    let opening = this.relay.opening.as_mut().map(|opening| &mut opening.lanes);
    for lanes in [Some(&mut this.relay.lanes), opening].into_iter().flatten() {
        lanes[lane].take_if(|lane| lane.epoch == epoch);
    }
}
