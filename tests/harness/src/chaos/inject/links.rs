//! Links that are late, lossy, slow, reset or torn.
//!
//! Invariant: what a link did is read from its own counts. A reset and a tear hit again and again while they last, or they would miss
//! whoever is not connected at that instant, as workers are with the registry.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinHandle;

use super::super::fault::{Between, Fault, Kind, Target};
use super::super::world::World;
use super::Effect;
use crate::proxy::{Counts, Direction, Link};

/// How often connections are reset or torn.
const EVERY: Duration = Duration::from_millis(250);
/// The same where connections are short.
const EVERY_SHORT: Duration = Duration::from_millis(5);

/// What was done to which links.
#[derive(Debug)]
pub(super) struct Wound {
    kind: Kind,
    links: Vec<Arc<Link>>,
    counts: Sum,
    again: Option<Again>,
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let Target::Link(between) = fault.target else { anyhow::bail!("{} is no link", fault.target) };
    let mut dice = fault.dice();
    let (whose, links) = world.links.choose(between, &world.crew.on_duty(), &mut dice);
    let counts = sum(&links);
    let every = if between == Between::WorkerRegistry { EVERY_SHORT } else { EVERY };
    let mut again = None;
    let how = match fault.kind {
        Kind::LinkDelay => {
            let by = Duration::from_millis(dice.between(40, 900).unsigned_abs());
            links.iter().for_each(|link| link.delay(by, by / 3));
            format!("everything is {} ms late", by.as_millis())
        }
        Kind::LinkLoss => {
            let direction = *dice.pick(&[Direction::ToServer, Direction::ToClient]);
            links.iter().for_each(|link| link.lose(direction));
            format!("{} are lost", if direction == Direction::ToServer { "requests" } else { "answers" })
        }
        Kind::LinkSlow => {
            let rate = dice.between(2_000, 60_000).unsigned_abs();
            links.iter().for_each(|link| link.slow(rate));
            format!("{rate} bytes a second")
        }
        Kind::LinkReset => {
            again = Some(Again::begin(links.clone(), every, Link::reset));
            "connections are reset".to_owned()
        }
        _ => {
            again = Some(Again::begin(links.clone(), every, Link::tear));
            "connections are torn within frames".to_owned()
        }
    };
    let probed = if between == Between::WorkerRegistry { probe(world).await } else { "" };
    Ok((format!("{whose}: {how}{probed}"), Wound { kind: fault.kind, links, counts, again }))
}

/// Makes workers talk to the registry, where that can be.
async fn probe(world: &mut World) -> &'static str {
    match world.probe.prepare().await.and_then(|ready| world.probe.send(ready)) {
        Ok(()) => ", records with a new schema are sent",
        Err(_) => ", no new schema could be registered",
    }
}

impl Wound {
    pub(super) fn heal(self) -> Effect {
        drop(self.again);
        let did = sum(&self.links).since(&self.counts);
        self.links.iter().for_each(|link| link.mend());
        let (count, what) = match self.kind {
            Kind::LinkDelay => (did.delayed, "bytes were late"),
            Kind::LinkLoss => (did.lost, "bytes were lost"),
            Kind::LinkSlow => (did.slowed, "bytes passed slowly"),
            Kind::LinkReset => (did.reset, "connections were reset"),
            _ => (did.torn, "connections were torn"),
        };
        Effect { what: format!("{count} {what}"), took_place: count > 0 }
    }
}

/// Something that is done to links again and again until this is dropped.
#[derive(Debug)]
struct Again(JoinHandle<()>);

impl Again {
    fn begin(links: Vec<Arc<Link>>, every: Duration, what: fn(&Link)) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                links.iter().for_each(|link| what(link));
            }
        }))
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What several links did, all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub connections: u64,
    pub reset: u64,
    torn: u64,
    delayed: u64,
    slowed: u64,
    lost: u64,
}

pub(super) fn sum(links: &[Arc<Link>]) -> Sum {
    links.iter().map(|link| link.counts()).fold(Sum::default(), |sum, counts: Counts| Sum {
        connections: sum.connections + counts.connections - counts.refused,
        reset: sum.reset + counts.reset,
        torn: sum.torn + counts.torn,
        delayed: sum.delayed + counts.bytes_delayed,
        slowed: sum.slowed + counts.bytes_slowed,
        lost: sum.lost + counts.bytes_lost_to_client + counts.bytes_lost_to_server,
    })
}

impl Sum {
    pub(super) fn since(self, earlier: &Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            reset: self.reset - earlier.reset,
            torn: self.torn - earlier.torn,
            delayed: self.delayed - earlier.delayed,
            slowed: self.slowed - earlier.slowed,
            lost: self.lost - earlier.lost,
        }
    }
}
