//! States that behave alike become one: numbers that are only compared are replaced by their rank.
//!
//! Epochs of claims are compared with each other, generations and producers' epochs with the current one; nothing looks at how
//! large they are. Invariant: a state and its canon have the same steps, and their successors the same canon.

use super::kafka::{Producer, Request, Transaction};
use super::state::{Consumer, State};

impl State {
    /// The representative of all states that behave like this one.
    #[must_use]
    pub fn canon(mut self) -> Self {
        for lane in 0..self.rows.len() {
            rank(|each| self.epochs(lane, each));
        }
        rank(|each| self.generations(each));
        for id in 0..self.kafka.producers.len() {
            self.forget_batches(id);
            rank(|each| self.producer_epochs(id, each));
        }
        self
    }

    /// Every epoch of a lane's claims.
    fn epochs(&mut self, lane: usize, each: &mut dyn FnMut(&mut u8)) {
        each(&mut self.rows[lane].epoch);
        self.kafka.committed[lane].iter_mut().for_each(|position| each(&mut position.epoch));
        let pending = self.kafka.pending.iter_mut().filter(|(_, other, _)| *other == lane);
        pending.for_each(|(.., position)| each(&mut position.epoch));
        for process in &mut self.processes {
            process.writers[lane].iter_mut().for_each(|writer| each(&mut writer.epoch));
            let relay = &mut process.relay;
            relay.lanes[lane].iter_mut().for_each(|lane| each(&mut lane.epoch));
            let opening = relay.opening.iter_mut().flat_map(|opening| opening.lanes[lane].iter_mut());
            opening.for_each(|lane| each(&mut lane.epoch));
            let flight = relay.flight.iter_mut().flat_map(|flight| &mut flight.positions);
            flight.filter(|(other, _)| *other == lane).for_each(|(_, position)| each(&mut position.epoch));
        }
        for request in &mut self.late {
            if let Request::Offsets(.., positions) | Request::PlainOffsets(positions) = request {
                positions.iter_mut().filter(|(other, _)| *other == lane).for_each(|(_, p)| each(&mut p.epoch));
            }
        }
    }

    /// Every generation of the group.
    fn generations(&mut self, each: &mut dyn FnMut(&mut u8)) {
        each(&mut self.kafka.group.generation);
        for process in &mut self.processes {
            match &mut process.consumer {
                Consumer::Out | Consumer::Joining => {}
                Consumer::Called(generation, _) | Consumer::Member(generation) => each(generation),
            }
            let relay = &mut process.relay;
            let opening = relay.opening.iter_mut().flat_map(|opening| opening.lanes.iter_mut().flatten());
            relay.lanes.iter_mut().flatten().chain(opening).for_each(|lane| each(&mut lane.generation));
            relay.flight.iter_mut().for_each(|flight| each(&mut flight.generation));
        }
        for request in &mut self.late {
            if let Request::Offsets(_, _, Some(generation), _) = request {
                each(generation);
            }
        }
    }

    /// Every epoch of a transactional id.
    fn producer_epochs(&mut self, id: usize, each: &mut dyn FnMut(&mut u8)) {
        each(&mut self.kafka.producers[id].epoch);
        let processes = self.processes.iter_mut().filter(|process| usize::from(process.who) == id);
        processes.filter_map(|process| process.relay.producer.as_mut()).for_each(&mut *each);
        for request in &mut self.late {
            match request {
                Request::Produce(owner, epoch, ..)
                | Request::Offsets(owner, epoch, ..)
                | Request::End(owner, epoch)
                    if usize::from(*owner) == id =>
                {
                    each(epoch);
                }
                Request::Produce(..)
                | Request::Offsets(..)
                | Request::End(..)
                | Request::Init { .. }
                | Request::PlainOffsets(_) => {}
            }
        }
    }

    /// The numbers of a producer's batches are only compared with each other, and only under its present epoch; of a process that
    /// is gone nothing matters but what it left open, or on its way.
    fn forget_batches(&mut self, id: usize) {
        let is_awaited = self.late.iter().any(|request| match request {
            Request::Produce(owner, ..) | Request::Offsets(owner, ..) | Request::End(owner, _) => {
                usize::from(*owner) == id
            }
            Request::Init { .. } | Request::PlainOffsets(_) => false,
        });
        let producer = &mut self.kafka.producers[id];
        let process = self.processes.iter_mut().find(|process| usize::from(process.who) == id);
        if process.is_none() && !is_awaited && producer.transaction != Transaction::Open {
            *producer = Producer::default();
        }
        let (epoch, mut compared, mut refused) = (producer.epoch, vec![&mut producer.batches], Vec::new());
        if let Some(process) = process {
            let is_present = process.relay.producer == Some(epoch);
            if is_present { &mut compared } else { &mut refused }.push(&mut process.relay.batches);
        }
        for request in &mut self.late {
            if let Request::Produce(owner, under, number, _) = request
                && usize::from(*owner) == id
            {
                if *under == epoch { &mut compared } else { &mut refused }.push(number);
            }
        }
        let least = compared.iter().map(|number| **number).min().unwrap_or_default();
        compared.into_iter().for_each(|number| *number -= least);
        refused.into_iter().for_each(|number| *number = 0);
    }
}

/// Replaces numbers by their rank among those that are there.
fn rank(mut visit: impl FnMut(&mut dyn FnMut(&mut u8))) {
    let mut present = 0_u128;
    visit(&mut |number| present |= 1 << (*number).min(127));
    visit(&mut |number| *number = u8::try_from((present & ((1 << (*number).min(127)) - 1)).count_ones()).unwrap_or(0));
}
