//! What can be broken, where, when and for how long: the words that schedule, injector, report and picture have in common.
//!
//! Pure. Invariant: a fault holds all that is left to chance about it, so the one who injects it decides nothing, and the same seed
//! is the same run of misfortunes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Error, bail};
use serde::{Serialize, Serializer};

use crate::traffic::Dice;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub target: Target,
    /// When it is injected, since the schedule's beginning.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub at: Duration,
    /// After how long it is healed.
    #[serde(rename = "lasts_seconds", serialize_with = "seconds")]
    pub lasts: Duration,
    /// Decides the rest: which partition's leader, which direction, how slow; see [`Fault::dice`].
    pub chance: u64,
}

impl Fault {
    /// When it is healed, since the schedule's beginning.
    #[must_use]
    pub fn until(&self) -> Duration {
        self.at + self.lasts
    }

    /// Dice for what its other fields leave open; they fall alike each time.
    #[must_use]
    pub fn dice(&self) -> Dice {
        Dice::new(self.chance, 0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, target, at, lasts, .. } = self;
        write!(f, "{kind} of {target} at {:.1} s for {:.1} s", at.as_secs_f64(), lasts.as_secs_f64())
    }
}

/// To whom it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The worker of this place, counted from 0; a schedule names only those that its run has.
    Worker(u8),
    /// All workers together.
    Workers,
    /// A broker, by what it leads at that moment.
    Broker(Leads),
    /// A connection, by who talks over it.
    Link(Between),
    /// The database server.
    Postgres,
    /// The schema registry.
    Registry,
    /// The input topics.
    Inputs,
}

/// What a broker leads when it is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leads {
    /// A partition of an input topic.
    Inputs,
    /// The partition of `__consumer_offsets` that holds our group.
    Offsets,
    /// A partition of `__transaction_state` that holds a transactional id of ours.
    Transactions,
    /// Whatever it may lead: the broker of this place, counted round.
    Any(u8),
}

/// Who talks over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Between {
    /// Workers and a broker.
    WorkerBroker,
    /// Workers and Postgres.
    WorkerPostgres,
    /// Workers and the registry.
    WorkerRegistry,
    /// Two brokers.
    BrokerBroker,
}

impl Between {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WorkerBroker, Self::WorkerPostgres, Self::WorkerRegistry, Self::BrokerBroker];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(place) => write!(f, "worker {place}"),
            Self::Workers => f.write_str("workers"),
            Self::Broker(Leads::Inputs) => f.write_str("leader of inputs"),
            Self::Broker(Leads::Offsets) => f.write_str("leader of offsets"),
            Self::Broker(Leads::Transactions) => f.write_str("leader of transactions"),
            Self::Broker(Leads::Any(place)) => write!(f, "broker {place}"),
            Self::Link(Between::WorkerBroker) => f.write_str("worker-broker"),
            Self::Link(Between::WorkerPostgres) => f.write_str("worker-postgres"),
            Self::Link(Between::WorkerRegistry) => f.write_str("worker-registry"),
            Self::Link(Between::BrokerBroker) => f.write_str("broker-broker"),
            Self::Postgres => f.write_str("postgres"),
            Self::Registry => f.write_str("registry"),
            Self::Inputs => f.write_str("inputs"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Declares the kinds with their names, and the list of all.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)+) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name in `FAULTS=`, reports and pictures.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

kinds! {
    /// SIGKILL of a worker; started again when healed.
    WorkerKill "worker-kill",
    /// SIGSTOP of a worker for longer than its session lasts, then SIGCONT.
    WorkerFreeze "worker-freeze",
    /// SIGTERM of a worker; started again when healed.
    WorkerStop "worker-stop",
    /// One worker more; stopped when healed.
    ScaleOut "scale-out",
    /// One worker less, in good order; started again when healed.
    ScaleIn "scale-in",
    /// Members that join the group and leave it, again and again.
    RebalanceStorm "rebalance-storm",
    /// SIGKILL of a broker; started again when healed.
    BrokerKill "broker-kill",
    /// Orderly stop of a broker; started again when healed.
    BrokerStop "broker-stop",
    /// Orderly stop of a broker and start at once.
    BrokerRestart "broker-restart",
    /// SIGSTOP of a broker, then SIGCONT.
    BrokerFreeze "broker-freeze",
    /// Everything on a link is late.
    LinkDelay "link-delay",
    /// One direction of a link loses everything.
    LinkLoss "link-loss",
    /// All connections of a link are reset at once.
    LinkReset "link-reset",
    /// A link lets few bytes through.
    LinkSlow "link-slow",
    /// All connections of a link are cut in the middle of a frame.
    LinkTear "link-tear",
    /// Immediate stop of Postgres, recovery when healed.
    PostgresCrash "postgres-crash",
    /// `pg_terminate_backend` of the workers' sessions.
    BackendsTerminated "backends-terminated",
    /// Another session locks rows that workers need.
    LocksHeld "locks-held",
    /// Postgres can write nothing more.
    DatabaseDiskFull "database-disk-full",
    /// Postgres takes no new sessions.
    ConnectionLimit "connection-limit",
    /// The registry is stopped; started again when healed.
    RegistryDown "registry-down",
    /// The registry answers late.
    RegistrySlow "registry-slow",
    /// The registry answers what nobody can read, or with errors.
    RegistryNonsense "registry-nonsense",
    /// A worker's wall clock jumps; its monotonic clock does not.
    ClockJump "clock-jump",
    /// A worker's disk is full.
    WorkerDiskFull "worker-disk-full",
    /// A worker can open no more descriptors.
    WorkerDescriptors "worker-descriptors",
    /// A producer leaves aborted transactions in the inputs.
    AbortedTransactions "aborted-transactions",
    /// The inputs get more partitions, which must be refused; nothing heals that, so it stands at the end of a run.
    PartitionsAdded "partitions-added",
}

impl Kind {
    /// To whom it can happen.
    #[must_use]
    pub fn targets(self) -> Vec<Target> {
        match self {
            Self::WorkerKill
            | Self::WorkerFreeze
            | Self::WorkerStop
            | Self::ScaleIn
            | Self::ClockJump
            | Self::WorkerDiskFull
            | Self::WorkerDescriptors => (0..4).map(Target::Worker).collect(),
            Self::ScaleOut | Self::RebalanceStorm => vec![Target::Workers],
            Self::BrokerKill | Self::BrokerStop | Self::BrokerRestart | Self::BrokerFreeze => {
                let any = (0..3).map(Leads::Any);
                let leads = [Leads::Inputs, Leads::Offsets, Leads::Transactions].into_iter().chain(any);
                leads.map(Target::Broker).collect()
            }
            Self::LinkDelay | Self::LinkLoss | Self::LinkReset | Self::LinkSlow | Self::LinkTear => {
                Between::ALL.map(Target::Link).to_vec()
            }
            Self::PostgresCrash
            | Self::BackendsTerminated
            | Self::LocksHeld
            | Self::DatabaseDiskFull
            | Self::ConnectionLimit => vec![Target::Postgres],
            Self::RegistryDown | Self::RegistrySlow | Self::RegistryNonsense => vec![Target::Registry],
            Self::AbortedTransactions | Self::PartitionsAdded => vec![Target::Inputs],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    /// Reads one name of `FAULTS=a,b,c`.
    fn from_str(name: &str) -> Result<Self, Error> {
        let Some(kind) = Self::ALL.iter().find(|kind| kind.name() == name.trim()) else {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            bail!("`{name}` is no kind of fault: choose from {}", known.join(", "));
        };
        Ok(*kind)
    }
}

/// A duration as seconds, for reports.
pub(super) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1_000.0).round() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_reads_back() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), *kind);
            assert!(!kind.targets().is_empty(), "{kind} has nobody to happen to");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_all_that_are_known() {
        let refused = "worker-tickle".parse::<Kind>().unwrap_err().to_string();
        assert!(refused.starts_with("`worker-tickle` is no kind of fault: choose from worker-kill, "), "{refused}");
        assert!(Kind::ALL.iter().all(|kind| refused.contains(kind.name())), "{refused}");
    }

    #[test]
    fn a_fault_says_in_a_report_what_happens_to_whom_and_when() {
        let fault = Fault {
            kind: Kind::BrokerKill,
            target: Target::Broker(Leads::Transactions),
            at: Duration::from_millis(61_500),
            lasts: Duration::from_secs(8),
            chance: 7,
        };
        assert_eq!(fault.to_string(), "broker-kill of leader of transactions at 61.5 s for 8.0 s");
        let json = serde_json::to_value(&fault).unwrap();
        let expected = serde_json::json!({
            "kind": "broker-kill", "target": "leader of transactions", "at_seconds": 61.5, "lasts_seconds": 8.0, "chance": 7
        });
        assert_eq!(json, expected);
    }
}
