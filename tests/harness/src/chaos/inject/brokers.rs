//! A broker that is killed, stopped, restarted or put to sleep.
//!
//! Invariant: which one it is, is decided by what it leads at that moment; one that another fault has is left alone.

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::super::fault::{Fault, Kind, Target};
use super::super::world::{Server, World};
use super::Effect;

/// What was done to whom.
#[derive(Debug)]
pub(super) struct Wound {
    kind: Kind,
    broker: u8,
    pid: u32,
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let Target::Broker(leads) = fault.target else { anyhow::bail!("{} is no broker", fault.target) };
    let taken: Vec<u8> = world.open.iter().filter_map(|open| open.wound.broker()).collect();
    let mut free = Vec::new();
    for broker in world.servers.cluster.brokers() {
        if !taken.contains(&broker.id()) && broker.is_running()? {
            free.push(broker.id());
        }
    }
    anyhow::ensure!(!free.is_empty(), "no broker runs that is not broken already");
    let chosen = world.leaders().await?.choose(leads, &free, &mut fault.dice());
    let (broker, why) = chosen.context("none of the brokers that run leads such a thing")?;
    let server = Server::Broker(broker);
    let process = world.servers.process(server)?;
    let pid = process.pid();
    let verb = match fault.kind {
        Kind::BrokerKill => {
            process.kill()?;
            world.servers.let_end(server, false);
            "SIGKILL"
        }
        Kind::BrokerStop => {
            process.signal(Signal::TERM)?;
            world.servers.let_end(server, false);
            "SIGTERM"
        }
        Kind::BrokerRestart => {
            process.signal(Signal::TERM)?;
            world.servers.let_end(server, true);
            "SIGTERM and start"
        }
        _ => {
            process.freeze()?;
            "SIGSTOP"
        }
    };
    Ok((format!("{verb} of broker {broker} (pid {pid}), {why}"), Wound { kind: fault.kind, broker, pid }))
}

impl Wound {
    /// Whom no other fault shall hit.
    pub(super) fn broker(&self) -> u8 {
        self.broker
    }

    pub(super) fn heal(self, world: &mut World) -> Result<Effect> {
        let Self { kind, broker, pid } = self;
        let server = Server::Broker(broker);
        let process = world.servers.process(server)?;
        let same = process.pid() == pid && process.is_running()?;
        let (what, took_place) = match kind {
            Kind::BrokerFreeze => {
                let asleep = same && process.is_frozen();
                if same {
                    process.thaw()?;
                }
                (if asleep { "it slept all the time" } else { "it was not asleep any more" }, asleep)
            }
            // With too few others it waits for them until it may go.
            Kind::BrokerStop | Kind::BrokerRestart if same => {
                process.kill()?;
                ("it was still stopping, and was killed", true)
            }
            Kind::BrokerRestart => ("it stopped and was started again", true),
            _ => ("it was away", !same),
        };
        world.servers.want(server);
        Ok(Effect { what: format!("broker {broker}: {what}"), took_place })
    }
}
