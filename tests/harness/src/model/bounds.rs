//! What an exploration is bounded by, and which mechanisms of the protocol are switched off in it.
//!
//! Invariant: every fault is paid for from a budget that is part of the state, so that the state space is finite.

use std::fmt;

/// How large the modelled world is, and how much may go wrong in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Processes that run at the same time.
    pub processes: u8,
    /// Lanes, each with one input partition and one output partition.
    pub lanes: u8,
    /// Input records of each lane.
    pub records: u8,
    /// Records that one batch takes, at most.
    pub batch: u8,
    /// What may go wrong.
    pub faults: Faults,
}

/// What may still go wrong; each fault costs one of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Processes killed; each is started again, as another process.
    pub crashes: u8,
    /// Members whom the coordinator gives up although they live: frozen, or out of reach, beyond the session timeout.
    pub evictions: u8,
    /// Connections to Postgres cut: in a batch before its COMMIT, with its COMMIT under way, or at the end of a claim.
    pub cuts: u8,
    /// Requests to Kafka that are repeated while the first copy is still on its way.
    pub repeats: u8,
    /// Requests to Kafka that the relay gives up, handled or not; the copy that was not may arrive later.
    pub give_ups: u8,
    /// Members that leave the group and come back without need, as a new worker or a longer poll would make them.
    pub rebalances: u8,
    /// Times that an empty group loses its offsets: expired, deleted or reset.
    pub expiries: u8,
    /// Open transactions of living processes that the coordinator times out.
    pub time_outs: u8,
}

impl Bounds {
    /// Lanes by number.
    pub fn lane_numbers(&self) -> std::ops::Range<usize> {
        0..usize::from(self.lanes)
    }
}

macro_rules! mechanisms {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A mechanism of the protocol that can be switched off in the model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mechanism { $($(#[doc = $doc])+ $variant,)+ }

        impl Mechanism {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it does, as a sentence.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

mechanisms! {
    /// The fence's compare-and-set: a batch is applied only by the claim, and behind the row, that its writer remembers.
    Fence = "fence",
    /// Epoch and tenure in the fence; without them only the row's number is compared.
    ClaimInFence = "claim-in-fence",
    /// A checkpoint moves only from where its writer believes it to be.
    CheckpointCompare = "checkpoint-compare",
    /// After a lost answer to COMMIT the lane is read `for update`, which waits for the lost transaction.
    ForUpdate = "for-update",
    /// The position is read back from Kafka at a take-over and after a doubt.
    ReadBack = "read-back",
    /// Reading positions waits for unfinished transactions.
    WaitForStable = "wait-for-stable",
    /// The generation is captured with the assignment and not read afresh when it is used.
    CapturedGeneration = "captured-generation",
    /// The group's generation is sent with the offsets, and the broker refuses an old one.
    Generation = "generation",
    /// Tenures end when the lanes are revoked or lost.
    EndAtRevoke = "end-at-revoke",
    /// Offsets, and with them the position, are part of the transaction that publishes.
    OffsetsInTransaction = "offsets-in-transaction",
    /// Rows are published in their order: gaps are loaded, what is published is dropped.
    InOrder = "in-order",
    /// A new owner ends what the former owner's producer left open.
    EndFormer = "end-former",
    /// A lane remembers all former owners' producers until they are ended, not only the last one.
    RememberFormer = "remember-former",
    /// A producer whose request may have been sent twice is not used again.
    RecycleOnDoubt = "recycle-on-doubt",
    /// A relay ends what its own failed transaction left open, even where it has nothing to publish any more.
    EndOwn = "end-own",
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which mechanisms are switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Without(u32);

impl Without {
    /// None: the protocol as it is.
    pub const NOTHING: Self = Self(0);

    /// These.
    #[must_use]
    pub fn these(mechanisms: &[Mechanism]) -> Self {
        Self(mechanisms.iter().fold(0, |bits, mechanism| bits | 1 << *mechanism as u32))
    }

    /// Whether a mechanism is at work.
    #[must_use]
    pub fn has(self, mechanism: Mechanism) -> bool {
        self.0 & 1 << mechanism as u32 == 0
    }
}
