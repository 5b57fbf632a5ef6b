//! Time and debts: orders whose deadlines come up while somebody looks on, services that answer what is owed, and records whose schema
//! is registered only later.
//!
//! The last part of the show. Ends when time has nothing to do any more and the letters that can be repaired were replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::Options;
use crate::produce::Producer;
use crate::registry_front::Front;
use crate::services::{From, Services, Tally};
use crate::simulate::{self, WentIn};
use crate::traffic::{Answers, Shape, Traffic};
use crate::watch::{Place, Watch};

/// One order in so many is a pressing one, and they are between so many.
const ONE_IN: u64 = 100;
const LEAST: u64 = 60;
const MOST: u64 = 200;
/// Records a second.
const RATE: u64 = 1_000;
/// Services end after so long at the latest.
const AT_MOST: Duration = Duration::from_secs(300);
/// The command that replays what is repaired.
pub const REPLAY: [&str; 7] =
    ["dead-letters", "replay", "--reason", "unknown_schema", "--yes", "--note", "its schema is registered now"];

/// What happened.
#[derive(Clone, Debug)]
pub struct Pressed {
    /// The traffic.
    pub shape: Shape,
    /// When it began, in milliseconds since 1970.
    pub from_millis: i64,
    /// What went in, the answers left out.
    pub went_in: WentIn,
    /// What the services did.
    pub services: Tally,
    /// What the replay printed.
    pub replayed: String,
}

/// Sends them, lets services answer, and replays what has become good.
pub(super) async fn run(
    place: Place<'_>,
    front: &Front,
    watch: &mut Watch<'_>,
    busy: &Shape,
    options: &Options,
) -> Result<Pressed> {
    let deployment = place.deployment;
    let end = Arc::new(AtomicBool::new(false));
    let listening = crate::services::Options { seed: options.seed, from: From::Now, idle: AT_MOST, at_most: AT_MOST };
    let services = tokio::spawn(Services::open(deployment, listening).await?.run(end.clone()));
    let mut producer = Producer::open(&deployment.stack, &deployment.topics).await?;
    front.keep_back(producer.later_schemas());
    let now = jiff::Timestamp::now();
    let shape = Shape {
        orders: (options.orders / ONE_IN).clamp(LEAST, MOST),
        first_order: options.orders,
        in_flight: 50,
        malformed: 0.0,
        repairable: 0.06,
        pressing: 1.0,
        answers: Answers::Left,
        now: now.as_microsecond(),
        ..busy.clone()
    };
    let traffic = Traffic::new(shape.clone());
    let feed = tokio::task::spawn_blocking(move || simulate::send(traffic, &mut producer, Some(RATE), |_| {}));
    let went_in = feed.await??;
    watch.until_published(went_in.records).await?;
    watch.until_at_rest().await?;
    front.release();
    let replayed = place.command(&REPLAY)?;
    watch.until_at_rest().await?;
    end.store(true, Ordering::Relaxed);
    let services = services.await??;
    watch.until_published(went_in.records).await?;
    Ok(Pressed { shape, from_millis: now.as_millisecond(), went_in, services, replayed })
}
