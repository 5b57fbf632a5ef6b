//! The modelled Kafka: output log, transactions, the group and its offsets. What is assumed of the real one stands in `super`.
//!
//! Requests are handled one at a time and whole; what a network adds (late and repeated requests, lost answers) is the business
//! of `super::step`. Invariant: what stands in `output` without a producer is what a read_committed consumer will see, in order.

use rdkafka::error::RDKafkaErrorCode;

/// A start of a process; also its transactional id and its member id.
pub type Who = u8;

/// A position as a relay writes it into the metadata of the group's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The last journal row that is published.
    pub seq: u8,
    /// The epoch of the tenure that published it.
    pub epoch: u8,
}

/// A published row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Published {
    /// The journal row.
    pub seq: u8,
    /// Whose open transaction it belongs to; none once that is committed.
    pub open: Option<Who>,
}

/// What the coordinator knows of the latest transaction of a transactional id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// There was none in this epoch.
    #[default]
    Empty,
    /// It is under way.
    Open,
    /// It was committed.
    Committed,
    /// It was aborted.
    Aborted,
}

/// A transactional id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Producer {
    /// The epoch of the producer that has the id; 0 before the first.
    pub epoch: u8,
    /// Its latest transaction.
    pub transaction: Transaction,
    /// How many batches of records of this epoch were taken: a repeated one is known by its number.
    pub batches: u8,
    /// Who took the id last.
    pub taken: Taken,
}

/// Who took a transactional id, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Its owner, at most.
    #[default]
    ByOwner,
    /// A successor, to end what was open.
    BySuccessor,
    /// Its owner, after a successor had ended what was open; nobody will end it again.
    Back,
}

/// A request to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// InitProducerId.
    Init {
        /// Whose id.
        id: Who,
        /// Who sends it.
        sender: Who,
    },
    /// AddPartitionsToTxn and Produce: rows, each with its lane, and the number of the batch in the producer's life.
    Produce(Who, u8, u8, Vec<(usize, u8)>),
    /// AddOffsetsToTxn and TxnOffsetCommit: under a generation, or under none.
    Offsets(Who, u8, Option<u8>, Vec<(usize, Position)>),
    /// EndTxn, to commit.
    End(Who, u8),
    /// OffsetCommit outside of any transaction; only where a mechanism is switched off.
    PlainOffsets(Vec<(usize, Position)>),
}

/// The consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// The generation.
    pub generation: u8,
    /// Who is a member of it, in the order of the assignment.
    pub members: Vec<Who>,
    /// Who has joined for the next one.
    pub joined: Vec<Who>,
    /// Whether members have to join again.
    pub is_moving: bool,
}

/// The broker's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kafka {
    /// The output partition of each lane.
    pub output: Vec<Vec<Published>>,
    /// The transactional ids, by start of a process.
    pub producers: Vec<Producer>,
    /// The group's committed position of each lane.
    pub committed: Vec<Option<Position>>,
    /// Positions in open transactions.
    pub pending: Vec<(Who, usize, Position)>,
    /// The group.
    pub group: Group,
}

/// The broker's answer to a request that it refuses.
pub type Code = RDKafkaErrorCode;

impl Kafka {
    /// A broker with so many lanes, without a group.
    #[must_use]
    pub fn with_lanes(lanes: usize) -> Self {
        Self { output: vec![Vec::new(); lanes], committed: vec![None; lanes], ..Self::default() }
    }

    /// Handles a request. Gives the producer's epoch.
    ///
    /// # Errors
    /// As the broker answers.
    pub fn handle(&mut self, request: &Request) -> Result<u8, Code> {
        match request {
            Request::Init { id, sender } => {
                self.end_by_force(*id);
                let producer = self.producer(*id);
                producer.taken = match (id == sender, producer.taken) {
                    (false, _) => Taken::BySuccessor,
                    (true, Taken::ByOwner) => Taken::ByOwner,
                    (true, Taken::BySuccessor | Taken::Back) => Taken::Back,
                };
                Ok(producer.epoch)
            }
            Request::Produce(id, epoch, number, rows) => self.produce(*id, *epoch, *number, rows),
            Request::Offsets(id, epoch, generation, positions) => self.offsets(*id, *epoch, *generation, positions),
            Request::End(id, epoch) => self.end(*id, *epoch),
            Request::PlainOffsets(positions) => {
                for (lane, position) in positions {
                    self.committed[*lane] = Some(*position);
                }
                Ok(0)
            }
        }
    }

    /// Handles a request that was held up. What opens a transaction is a request of its own and goes before it; where none is open,
    /// records and offsets are refused (KIP-890, part 1).
    ///
    /// # Errors
    /// As the broker answers.
    pub fn arrive(&mut self, request: &Request) -> Result<u8, Code> {
        match request {
            Request::Produce(id, ..) | Request::Offsets(id, ..) if !self.is_open(*id) => {
                Err(Code::InvalidTransactionalState)
            }
            Request::Produce(..)
            | Request::Offsets(..)
            | Request::Init { .. }
            | Request::End(..)
            | Request::PlainOffsets(_) => self.handle(request),
        }
    }

    /// Only the first half of a request is handled: what opens the transaction, AddPartitionsToTxn or AddOffsetsToTxn.
    pub fn handle_first_half(&mut self, request: &Request) {
        if let Request::Produce(id, epoch, ..) | Request::Offsets(id, epoch, ..) = request
            && let Ok(producer) = self.current(*id, *epoch)
        {
            producer.transaction = Transaction::Open;
        }
    }

    /// The committed positions of these lanes; none while one of them is in an unfinished transaction.
    #[must_use]
    pub fn positions(&self, lanes: &[usize], wait_for_stable: bool) -> Option<Vec<Option<Position>>> {
        let unstable = self.pending.iter().any(|(_, lane, _)| lanes.contains(lane));
        (!unstable || !wait_for_stable).then(|| lanes.iter().map(|lane| self.committed[*lane]).collect())
    }

    /// What the coordinator does with an id whose transaction takes too long, or that somebody takes: aborts what is open, and
    /// refuses the former producer from now on.
    pub fn end_by_force(&mut self, id: Who) {
        if self.producer(id).transaction == Transaction::Open {
            self.output.iter_mut().for_each(|rows| rows.retain(|row| row.open != Some(id)));
            self.pending.retain(|(owner, ..)| *owner != id);
        }
        let producer = self.producer(id);
        *producer = Producer {
            epoch: producer.epoch + 1,
            transaction: Transaction::Aborted,
            batches: 0,
            taken: producer.taken,
        };
    }

    /// Whether anything is open under this id.
    #[must_use]
    pub fn is_open(&self, id: Who) -> bool {
        self.producers.get(usize::from(id)).is_some_and(|producer| producer.transaction == Transaction::Open)
    }

    fn producer(&mut self, id: Who) -> &mut Producer {
        let index = usize::from(id);
        if self.producers.len() <= index {
            self.producers.resize(index + 1, Producer::default());
        }
        &mut self.producers[index]
    }

    fn current(&mut self, id: Who, epoch: u8) -> Result<&mut Producer, Code> {
        Some(self.producer(id)).filter(|producer| producer.epoch == epoch).ok_or(Code::InvalidProducerEpoch)
    }

    fn produce(&mut self, id: Who, epoch: u8, number: u8, rows: &[(usize, u8)]) -> Result<u8, Code> {
        let producer = self.current(id, epoch)?;
        if number < producer.batches {
            return Ok(epoch);
        }
        if number > producer.batches {
            return Err(Code::OutOfOrderSequenceNumber);
        }
        producer.batches += 1;
        producer.transaction = Transaction::Open;
        for (lane, seq) in rows {
            self.output[*lane].push(Published { seq: *seq, open: Some(id) });
        }
        Ok(epoch)
    }

    fn offsets(
        &mut self,
        id: Who,
        epoch: u8,
        generation: Option<u8>,
        positions: &[(usize, Position)],
    ) -> Result<u8, Code> {
        self.current(id, epoch)?.transaction = Transaction::Open;
        if let Some(generation) = generation {
            if !self.group.members.contains(&id) {
                return Err(Code::UnknownMemberId);
            }
            if generation != self.group.generation {
                return Err(Code::IllegalGeneration);
            }
        }
        for (lane, position) in positions {
            self.pending.retain(|(owner, other, _)| (owner, other) != (&id, lane));
            self.pending.push((id, *lane, *position));
        }
        Ok(epoch)
    }

    fn end(&mut self, id: Who, epoch: u8) -> Result<u8, Code> {
        let producer = self.current(id, epoch)?;
        match producer.transaction {
            Transaction::Committed => return Ok(epoch),
            Transaction::Empty | Transaction::Aborted => return Err(Code::InvalidTransactionalState),
            Transaction::Open => producer.transaction = Transaction::Committed,
        }
        for row in self.output.iter_mut().flatten().filter(|row| row.open == Some(id)) {
            row.open = None;
        }
        let pending = std::mem::take(&mut self.pending).into_iter();
        let (ours, others): (Vec<_>, Vec<_>) = pending.partition(|(owner, ..)| *owner == id);
        self.pending = others;
        for (_, lane, position) in ours {
            self.committed[lane] = Some(position);
        }
        Ok(epoch)
    }
}

impl Group {
    /// Somebody joins for the next generation.
    pub fn join(&mut self, who: Who) {
        self.is_moving = true;
        if !self.joined.contains(&who) {
            self.joined.push(who);
            self.joined.sort_unstable();
        }
    }

    /// Somebody is not in the group any more.
    pub fn remove(&mut self, who: Who) {
        self.is_moving = true;
        self.members.retain(|member| *member != who);
        self.joined.retain(|member| *member != who);
    }

    /// Whether all members have joined for the next generation.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_moving && !self.joined.is_empty() && self.members.iter().all(|member| self.joined.contains(member))
    }

    /// The next generation begins; `first` stands first in the order of member ids.
    pub fn begin(&mut self, first: usize) {
        self.generation += 1;
        self.is_moving = false;
        self.members = std::mem::take(&mut self.joined);
        self.members.rotate_left(first);
    }

    /// The member that has a lane: `range` gives each a stretch of about the same length, in the order of member ids.
    #[must_use]
    pub fn owner(&self, lane: usize, lanes: usize) -> Option<Who> {
        let (each, more) = (lanes / self.members.len().max(1), lanes % self.members.len().max(1));
        let long = (each + 1) * more;
        let place = if lane < long { lane / (each + 1) } else { more + (lane - long) / each.max(1) };
        self.members.get(place).copied()
    }
}
