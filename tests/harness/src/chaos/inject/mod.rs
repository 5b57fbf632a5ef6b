//! Faults as they are done to the world, and undone.
//!
//! | part | whom it hurts |
//! |---|---|
//! | `workers`, `surroundings` | workers: their lives and number; their clocks, disks and descriptors |
//! | `brokers` | a broker, by what it leads |
//! | `links` | connections |
//! | `database` | Postgres |
//! | `registry`, `inputs` | the registry; what stands in the input topics |
//!
//! Each does the real thing to the real process. Invariant: an effect is claimed only when something that the fault causes was seen;
//! what was done and did nothing says so. Injecting and healing are short: what takes long goes on under [`World::tend`].

mod brokers;
mod database;
pub(super) mod inputs;
mod links;
mod registry;
mod surroundings;
mod workers;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::fault::{Fault, Kind};
use super::world::{Member, World};

/// How long after a fault that lets workers stop with 78 the last of them may do so.
const AFTERMATH: Duration = Duration::from_secs(40);

/// What was done.
#[derive(Clone, Debug)]
pub struct Injected {
    /// To whom exactly, in words.
    pub what: String,
}

/// What came of it, known when it is healed.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What was seen, in words.
    pub what: String,
    /// Whether the fault really took place.
    pub took_place: bool,
}

/// A fault that is not healed yet.
#[derive(Debug)]
pub(super) struct Open {
    /// Which.
    pub fault: Fault,
    wound: Wound,
}

/// What healing needs to know.
#[derive(Debug)]
enum Wound {
    /// It could not be injected.
    None(String),
    Worker(workers::Wound),
    Surroundings(surroundings::Wound),
    Broker(brokers::Wound),
    Links(links::Wound),
    Database(database::Wound),
    Registry(registry::Wound),
    Inputs(inputs::Wound),
}

/// Injects a fault. One that cannot be injected now, since its victim is away for example, is no error: its effect says so.
///
/// # Errors
/// The same fault is open already.
pub async fn inject(world: &mut World, fault: &Fault) -> Result<Injected> {
    anyhow::ensure!(world.open.iter().all(|open| open.fault != *fault), "{fault} is open already");
    let (what, wound) = match attempt(world, fault).await {
        Ok((what, wound)) => (what, wound),
        Err(error) => (format!("could not be injected: {error:#}"), Wound::None(format!("{error:#}"))),
    };
    world.open.push(Open { fault: fault.clone(), wound });
    Ok(Injected { what })
}

/// Heals a fault that was injected: everything it touched is as before, or on its way there.
///
/// # Errors
/// It was not injected, or something cannot be put right.
pub async fn heal(world: &mut World, fault: &Fault) -> Result<Effect> {
    let place = world.open.iter().position(|open| open.fault == *fault);
    let open = world.open.remove(place.with_context(|| format!("{fault} was not injected"))?);
    if stops_workers(fault.kind) {
        world.may_stop_until = Some(Instant::now() + AFTERMATH);
    }
    match open.wound {
        Wound::None(why) => Ok(Effect { what: why, took_place: false }),
        Wound::Worker(wound) => wound.heal(world),
        Wound::Surroundings(wound) => wound.heal(world),
        Wound::Broker(wound) => wound.heal(world),
        Wound::Links(wound) => Ok(wound.heal()),
        Wound::Database(wound) => wound.heal(world).await,
        Wound::Registry(wound) => wound.heal(world),
        Wound::Inputs(wound) => wound.heal().await,
    }
    .with_context(|| format!("{fault} cannot be healed"))
}

/// Whether workers may answer a fault of this kind by stopping with 78: a full disk and a changed number of partitions are a person's
/// business (DESIGN sections 4 and 13).
pub(super) fn stops_workers(kind: Kind) -> bool {
    matches!(kind, Kind::DatabaseDiskFull | Kind::PartitionsAdded)
}

async fn attempt(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    match fault.kind {
        Kind::WorkerKill
        | Kind::WorkerFreeze
        | Kind::WorkerStop
        | Kind::ScaleOut
        | Kind::ScaleIn
        | Kind::RebalanceStorm => wrap(workers::inject(world, fault), Wound::Worker),
        Kind::ClockJump | Kind::WorkerDiskFull | Kind::WorkerDescriptors => {
            wrap(surroundings::inject(world, fault), Wound::Surroundings)
        }
        Kind::BrokerKill | Kind::BrokerStop | Kind::BrokerRestart | Kind::BrokerFreeze => {
            wrap(brokers::inject(world, fault).await, Wound::Broker)
        }
        Kind::LinkDelay | Kind::LinkLoss | Kind::LinkReset | Kind::LinkSlow | Kind::LinkTear => {
            wrap(links::inject(world, fault).await, Wound::Links)
        }
        Kind::PostgresCrash
        | Kind::BackendsTerminated
        | Kind::LocksHeld
        | Kind::DatabaseDiskFull
        | Kind::ConnectionLimit => wrap(database::inject(world, fault).await, Wound::Database),
        Kind::RegistryDown | Kind::RegistrySlow | Kind::RegistryNonsense => {
            wrap(registry::inject(world, fault).await, Wound::Registry)
        }
        Kind::AbortedTransactions | Kind::PartitionsAdded => wrap(inputs::inject(world, fault).await, Wound::Inputs),
    }
}

fn wrap<W>(done: Result<(String, W)>, kind: impl FnOnce(W) -> Wound) -> Result<(String, Wound)> {
    done.map(|(what, wound)| (what, kind(wound)))
}

/// The place of the worker that a fault is about: of those on duty that run and that no other fault has, counted round.
fn victim(world: &mut World, fault: &Fault) -> Result<usize> {
    let super::fault::Target::Worker(place) = fault.target else {
        anyhow::bail!("{} is about a worker, not about {}", fault.kind, fault.target)
    };
    let taken: Vec<usize> = world.open.iter().filter_map(|open| open.wound.victim()).collect();
    let free = world.crew.on_duty().into_iter().filter(|place| !taken.contains(place));
    let runs = |member: &Member| member.worker.is_some() && !member.is_stopping();
    let free: Vec<usize> = free.filter(|place| runs(&world.crew.members()[*place])).collect();
    anyhow::ensure!(!free.is_empty(), "no worker runs that is not broken already");
    Ok(free[usize::from(place) % free.len()])
}

impl Wound {
    fn victim(&self) -> Option<usize> {
        match self {
            Self::Worker(wound) => wound.victim(),
            Self::Surroundings(wound) => Some(wound.victim()),
            Self::None(_)
            | Self::Broker(_)
            | Self::Links(_)
            | Self::Database(_)
            | Self::Registry(_)
            | Self::Inputs(_) => None,
        }
    }

    fn broker(&self) -> Option<u8> {
        match self {
            Self::Broker(wound) => Some(wound.broker()),
            Self::None(_)
            | Self::Worker(_)
            | Self::Surroundings(_)
            | Self::Links(_)
            | Self::Database(_)
            | Self::Registry(_)
            | Self::Inputs(_) => None,
        }
    }
}
