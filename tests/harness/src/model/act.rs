//! What processes do beside publishing: come and go in the group, claim lanes, apply batches, find out what happened.
//!
//! What a writer concludes from its lane's row is the product's own function (`persist::settle`). Invariant: as in the product, a
//! writer's memory moves only when the database confirmed a batch, or said so when it was asked afterwards.

use orderstream::persist::settle::settle;

use super::bounds::Mechanism;
use super::postgres::{Backend, Client, Write, number, step};
use super::relay::{end_tenure, take_opening};
use super::state::{Broken, Consumer, Opening, Process, Stage, State, World, Writer};

impl World {
    pub(super) fn revoke(&self, state: &mut State, place: usize, drained: bool) {
        if drained {
            for lane in self.bounds.lane_numbers() {
                let Some(writer) = state.processes[place].writers[lane] else { continue };
                if state.rows[lane].owns(writer.epoch) {
                    state.rows[lane].note(writer.published.min(writer.last_seq), writer.former_ended, true);
                }
            }
        }
        // A drain closes the lanes of writers and relay by itself.
        if drained || self.without.has(Mechanism::EndAtRevoke) {
            self.end_all(state, place);
        }
        let process = &mut state.processes[place];
        process.consumer = Consumer::Joining;
        state.kafka.group.join(process.who);
    }

    pub(super) fn leave(&self, state: &mut State, place: usize) {
        if !std::mem::take(&mut state.processes[place].asks_anew) {
            state.left.rebalances -= 1;
        }
        if self.without.has(Mechanism::EndAtRevoke) {
            self.end_all(state, place);
        }
        let process = &mut state.processes[place];
        process.consumer = Consumer::Out;
        state.kafka.group.remove(process.who);
    }

    /// Every tenure of a process ends.
    pub(super) fn end_all(&self, state: &mut State, place: usize) {
        for lane in self.bounds.lane_numbers() {
            let process = &state.processes[place];
            let writer = process.writers[lane].map(|writer| writer.epoch);
            let relay = process.relay.lanes[lane].as_ref().map(|lane| lane.epoch);
            for epoch in writer.into_iter().chain(relay) {
                end_tenure(state, place, lane, epoch);
            }
        }
    }

    pub(super) fn balance(&self, state: &mut State, first: usize) {
        let group = &mut state.kafka.group;
        group.begin(first);
        for process in &mut state.processes {
            if group.members.contains(&process.who) {
                let ours = |lane: &usize| group.owner(*lane, self.bounds.lane_numbers().len()) == Some(process.who);
                let lanes = self.bounds.lane_numbers().filter(ours).fold(0, |bits, lane| bits | 1 << lane);
                process.consumer = Consumer::Called(group.generation, lanes);
            }
        }
    }

    pub(super) fn claim(&self, state: &mut State, place: usize, answered: bool) {
        let Consumer::Called(generation, lanes) = state.processes[place].consumer else { return };
        let who = state.processes[place].who;
        let mut opening = Opening { former: Vec::new(), lanes: vec![None; state.rows.len()] };
        let mut writers = Vec::new();
        for lane in self.bounds.lane_numbers().filter(|lane| lanes & 1 << lane != 0) {
            let row = &mut state.rows[lane];
            let former = row.claim(who, self.without);
            opening.former.extend(former.into_iter().filter(|_| self.without.has(Mechanism::EndFormer)));
            opening.lanes[lane] = Some(self.relay_lane(row, generation));
            let writer = Writer {
                epoch: row.epoch,
                last_seq: row.last_seq,
                checkpoint: row.checkpoint,
                published: row.published,
                former_ended: false,
                stage: Stage::Ready,
            };
            writers.push((lane, writer));
        }
        if !answered {
            state.left.cuts -= 1;
            return;
        }
        let process = &mut state.processes[place];
        process.asks_anew = false;
        process.consumer = Consumer::Member(generation);
        writers.into_iter().for_each(|(lane, writer)| process.writers[lane] = Some(writer));
        opening.former.extend(process.relay.opening.take().into_iter().flat_map(|earlier| earlier.former));
        process.relay.opening = Some(opening);
        take_opening(state, place);
    }

    /// Fence, checkpoints, journal, and COMMIT is sent.
    pub(super) fn apply(&self, state: &mut State, place: usize, lane: usize, records: u8) {
        let who = state.processes[place].who;
        let Some(writer) = &mut state.processes[place].writers[lane] else { return };
        let row = &mut state.rows[lane];
        let published = writer.published.min(writer.last_seq);
        let remembered = step(lane, writer.epoch, writer.last_seq, published, writer.former_ended);
        if !row.fence_holds(&remembered, self.without) {
            state.broken = row.owns(writer.epoch).then_some(Broken::OwnerRefused(who));
            return refused(state, place, lane);
        }
        if row.checkpoint != writer.checkpoint && self.without.has(Mechanism::CheckpointCompare) {
            state.broken = Some(Broken::CheckpointElsewhere(who));
            return;
        }
        writer.stage = Stage::Busy;
        let write = Write {
            // Without the fence, whatever stands there is moved on.
            last_seq: row.last_seq + 1,
            published,
            records: (writer.checkpoint, writer.checkpoint + records),
            former_ended: writer.former_ended,
        };
        row.backend = Some(Backend { who, client: Client::Waiting, under_way: true, write });
    }

    /// A transaction ends, and whoever waits for it hears of it.
    pub(super) fn land(&self, state: &mut State, lane: usize, committed: bool) {
        let Some(backend) = state.rows[lane].end(committed) else { return };
        let Some(place) = state.alive(backend.who).filter(|_| backend.client == Client::Waiting) else { return };
        if committed {
            applied(state, place, lane, backend.write.last_seq, backend.write.records.1);
        } else if let Some(writer) = &mut state.processes[place].writers[lane] {
            writer.stage = Stage::Cut(backend.under_way.then_some(backend.write.records));
        }
    }

    /// A new connection, and the product's conclusion from what it reads.
    pub(super) fn settle(&self, state: &mut State, place: usize, lane: usize) {
        let who = state.processes[place].who;
        let Some(writer) = &mut state.processes[place].writers[lane] else { return };
        let Stage::Cut(sent) = writer.stage else { return };
        let remembered = step(lane, writer.epoch, writer.last_seq, writer.published, writer.former_ended);
        let standing = state.rows[lane].standing(&remembered);
        let in_doubt: Vec<_> = sent.iter().map(|_| number(lane)).collect();
        match settle(&[(number(lane), standing)], &in_doubt) {
            Err(_) => state.broken = Some(Broken::RowOfNobody(who)),
            Ok(settled) if !settled.lost.is_empty() => refused(state, place, lane),
            Ok(settled) => match sent.filter(|_| settled.happened) {
                Some((_, next)) => {
                    let last_seq = writer.last_seq + 1;
                    applied(state, place, lane, last_seq, next);
                }
                None => writer.stage = Stage::Ready,
            },
        }
    }

    pub(super) fn crash(&self, state: &mut State, place: usize) {
        state.left.crashes -= 1;
        let who = state.processes[place].who;
        for backend in state.rows.iter_mut().filter_map(|row| row.backend.as_mut()).filter(|b| b.who == who) {
            backend.client = Client::Gone;
        }
        state.processes[place] = Process::new(state.next_start(), state.rows.len());
    }
}

/// The database confirmed a batch: memory follows, and the chunk goes to the relay.
fn applied(state: &mut State, place: usize, lane: usize, last_seq: u8, next: u8) {
    let process = &mut state.processes[place];
    let Some(writer) = &mut process.writers[lane] else { return };
    (writer.last_seq, writer.checkpoint, writer.stage) = (last_seq, next, Stage::Ready);
    let epoch = writer.epoch;
    let opening = process.relay.opening.as_mut().map(|opening| &mut opening.lanes);
    for lanes in [Some(&mut process.relay.lanes), opening].into_iter().flatten() {
        if let Some(lane) = lanes[lane].as_mut().filter(|lane| lane.epoch == epoch) {
            lane.last_seq = lane.last_seq.max(last_seq);
            lane.queue.push(last_seq);
        }
    }
}

/// The database refused a claim: its tenure ends, and the lane is asked for anew.
fn refused(state: &mut State, place: usize, lane: usize) {
    if let Some(epoch) = state.processes[place].writers[lane].map(|writer| writer.epoch) {
        end_tenure(state, place, lane, epoch);
        state.processes[place].asks_anew = true;
    }
}

/// A writer's connection is lost, before or after COMMIT was sent; the server notices when it wants to.
pub(super) fn cut(state: &mut State, place: usize, lane: usize, sent: bool) {
    let writer = state.processes[place].writers[lane].as_mut().expect("only a busy writer is cut off");
    let backend = state.rows[lane].backend.as_mut().expect("a busy writer has a transaction");
    (backend.client, backend.under_way) = (Client::Gone, sent);
    writer.stage = Stage::Cut(backend.under_way.then_some(backend.write.records));
}
