//! A registry that is gone, late, or talks nonsense, while workers have something to ask it.
//!
//! Workers know their schemas for ever, so records with a new schema are sent along. Invariant: the schema is registered before, so it
//! can be understood when all is healed.

use std::time::Duration;

use anyhow::Result;

use super::super::fault::{Fault, Kind};
use super::super::world::{Manner, Server, World};
use super::Effect;

/// What was done.
#[derive(Debug)]
pub(super) struct Wound {
    kind: Kind,
    distorted: u64,
    unanswered: u64,
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let ready = world.probe.prepare().await?;
    let wound = Wound { kind: fault.kind, distorted: world.mouth.distorted(), unanswered: world.mouth.unanswered() };
    let what = match fault.kind {
        Kind::RegistryDown => {
            let process = world.servers.process(Server::Registry)?;
            let pid = process.pid();
            process.kill()?;
            world.servers.let_end(Server::Registry, false);
            format!("SIGKILL of the registry (pid {pid})")
        }
        Kind::RegistrySlow => {
            let by = Duration::from_millis(fault.dice().between(1_500, 12_000).unsigned_abs());
            world.mouth.speak(Manner::Late(by));
            format!("the registry answers {:.1} s late", by.as_secs_f64())
        }
        _ => {
            world.mouth.speak(Manner::Babbling);
            "the registry answers nonsense".to_owned()
        }
    };
    world.probe.send(ready)?;
    Ok((format!("{what}, and records with a new schema are sent"), wound))
}

impl Wound {
    pub(super) fn heal(self, world: &mut World) -> Result<Effect> {
        world.mouth.speak(Manner::Honest);
        world.servers.want(Server::Registry);
        let distorted = world.mouth.distorted() - self.distorted;
        let unanswered = world.mouth.unanswered() - self.unanswered;
        let (count, what) = match self.kind {
            Kind::RegistryDown => (unanswered, "got no answer"),
            Kind::RegistrySlow => (distorted, "were answered late"),
            _ => (distorted, "were answered with nonsense"),
        };
        Ok(Effect { what: format!("{count} questions {what}"), took_place: count > 0 })
    }
}
