//! The modelled Postgres: one row a lane with its checkpoint and its journal, locked by one transaction at a time.
//!
//! What is assumed of the real one stands in `super`. The compare-and-set of the fence and the statement of the claim are SQL in
//! the product and are modelled here; what follows from their results is decided by the product's own functions.

use orderstream::ids::{Epoch, Lane, Seq, TenureId};
use orderstream::persist::lanes::{Standing, Step, standing};
use uuid::Uuid;

use super::bounds::{Mechanism, Without};
use super::kafka::Who;

/// A lane's row, its checkpoint and its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The epoch of the latest claim; its tenure id is derived from it, since each claim makes both anew.
    pub epoch: u8,
    /// The transactional id of the owner; none when it left with everything published.
    pub owner: Option<Who>,
    /// Transactional ids of former owners, not known to be ended, the latest first.
    pub former: Vec<Who>,
    /// The last journal row.
    pub last_seq: u8,
    /// A lower bound of what is published.
    pub published: u8,
    /// The next input offset.
    pub checkpoint: u8,
    /// Which input records each journal row applied: from the first to before the last.
    pub journal: Vec<(u8, u8)>,
    /// The transaction that holds the row's lock.
    pub backend: Option<Backend>,
}

/// A batch's transaction, behind its fence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// Whose.
    pub who: Who,
    /// Whether anybody waits for its end.
    pub client: Client,
    /// Whether COMMIT was sent.
    pub under_way: bool,
    /// The lane as the transaction leaves it.
    pub write: Write,
}

/// The client of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// The connection is lost, or its process is gone: no COMMIT will follow.
    Gone,
    /// Its tenure has ended.
    Inattentive,
    /// It waits for the answer.
    Waiting,
}

/// What a batch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// What the fence set.
    pub last_seq: u8,
    /// See [`Row::published`].
    pub published: u8,
    /// The input records that are applied: from the first to before the last.
    pub records: (u8, u8),
    /// Whether the former owners' producers are ended.
    pub former_ended: bool,
}

/// What a writer remembers of its lane, as the product's fence is given it.
#[must_use]
pub fn step(lane: usize, epoch: u8, last_seq: u8, published: u8, former_ended: bool) -> Step {
    Step {
        lane: number(lane),
        epoch: Epoch(i64::from(epoch)),
        tenure: tenure(epoch),
        last_seq: Seq(i64::from(last_seq)),
        published_seq: Seq(i64::from(published)),
        horizon: None,
        former_ended,
    }
}

/// A lane's number as the product has it.
#[must_use]
pub fn number(lane: usize) -> Lane {
    Lane(i32::try_from(lane).expect("there are one or two lanes"))
}

fn tenure(epoch: u8) -> TenureId {
    TenureId(Uuid::from_u128(u128::from(epoch)))
}

impl Row {
    /// `persist::claims::claim`: a new epoch, the claimer as the owner, and the former owner among those to be ended. Gives the
    /// producers that the claimer has to end.
    pub fn claim(&mut self, who: Who, without: Without) -> Vec<Who> {
        let known = if without.has(Mechanism::RememberFormer) { self.former.clone() } else { Vec::new() };
        let mut former: Vec<Who> = self.owner.into_iter().chain(known).filter(|id| *id != who).collect();
        former.sort_unstable();
        former.dedup();
        self.epoch += 1;
        self.owner = Some(who);
        self.former.clone_from(&former);
        former
    }

    /// The WHERE of `persist::lanes::fence`.
    #[must_use]
    pub fn fence_holds(&self, step: &Step, without: Without) -> bool {
        let claim = self.epoch_and_tenure() == (step.epoch, step.tenure) || !without.has(Mechanism::ClaimInFence);
        let last_seq = step.last_seq == Seq(i64::from(self.last_seq));
        (claim && last_seq) || !without.has(Mechanism::Fence)
    }

    /// How the row stands beside what its writer remembers: the product's judgement.
    #[must_use]
    pub fn standing(&self, step: &Step) -> Standing {
        let (epoch, tenure) = self.epoch_and_tenure();
        standing(step, epoch, Some(tenure), Seq(i64::from(self.last_seq)))
    }

    /// Whether the row still holds the claim with this epoch: `persist::lanes::owns`.
    #[must_use]
    pub fn owns(&self, epoch: u8) -> bool {
        self.epoch == epoch
    }

    /// `persist::lanes::note_published`, for a claim that holds.
    pub fn note(&mut self, published: u8, former_ended: bool, leave: bool) {
        self.published = self.published.max(published);
        if former_ended {
            self.former.clear();
        }
        if leave && published == self.last_seq {
            self.owner = None;
        }
    }

    /// The transaction that holds the lock ends. Gives it, with whether it was committed.
    pub fn end(&mut self, committed: bool) -> Option<Backend> {
        let backend = self.backend.take()?;
        if committed {
            let Write { last_seq, published, records, former_ended } = backend.write;
            self.last_seq = last_seq;
            self.checkpoint = records.1;
            self.journal.push(records);
            self.note(published, former_ended, false);
        }
        Some(backend)
    }

    fn epoch_and_tenure(&self) -> (Epoch, TenureId) {
        (Epoch(i64::from(self.epoch)), tenure(self.epoch))
    }
}
