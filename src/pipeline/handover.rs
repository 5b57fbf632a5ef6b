//! How lanes come and go: the claim in Postgres, the opening of tenures, the drain and the end.
//!
//! Called inside the group's callbacks, on the poll thread. Invariant: a tenure is opened for the relay before it is opened for a
//! writer, so no chunk arrives for a lane that the relay does not know; and when [`Owner::give_back`] returns, all have ended.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::batch::step;
use super::observe;
use super::process::Process;
use super::writer;
use crate::cli::exit::Exit;
use crate::consume::capture::Capture;
use crate::consume::client::MAX_POLL_INTERVAL;
use crate::consume::inlet::{self, Inlet, ToWriter};
use crate::consume::observer::{Member, Observer, TopicError};
use crate::consume::rebalance::{Ends, Owner};
use crate::consume::tenure::{End, Standing, Tenure};
use crate::crash::{self, Point};
use crate::ids::{Lane, NextOffset, TenureId};
use crate::metrics;
use crate::order::Source;
use crate::persist::checkpoints;
use crate::persist::claims::{self, Claimed};
use crate::persist::deployment::{self, Identity};
use crate::persist::lanes::{self, Step};
use crate::persist::{DENIED, Error, Fate, PgConnection, connection};
use crate::publish::inbox::{self as relay, ToRelay};
use crate::retry::Retry;

/// How long a claim waits for a lane's lock before it ends the session that holds it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes lanes for the process and gives them back.
pub struct LaneOwner {
    process: Arc<Process>,
    writers: Vec<UnboundedSender<ToWriter>>,
    transactional_id: String,
    identity: Identity,
    observer: Arc<Observer>,
    drain_timeout: Duration,
    runtime: Handle,
    tenures: Tenures,
}

/// What a [`LaneOwner`] is made of.
pub struct Parts {
    /// What the process shares.
    pub process: Arc<Process>,
    /// The writers' channels.
    pub writers: Vec<UnboundedSender<ToWriter>>,
    /// The transactional id of the process.
    pub transactional_id: String,
    /// What the database must belong to.
    pub identity: Identity,
    /// A client to ask about topics.
    pub observer: Observer,
    /// How long a revoke waits for the drain.
    pub drain_timeout: Duration,
    /// Where the open tenures are listed, for those who watch.
    pub tenures: Tenures,
}

/// The open tenures of the process.
#[derive(Clone, Debug, Default)]
pub struct Tenures(Arc<Mutex<BTreeMap<Lane, Arc<Tenure>>>>);

impl Tenures {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Lane, Arc<Tenure>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How each open tenure stands.
    #[must_use]
    pub fn standings(&self) -> Vec<(Lane, TenureId, Standing)> {
        let tenures = self.lock();
        let open = tenures.values().filter(|tenure| !tenure.is_ended());
        open.map(|tenure| (tenure.lane, tenure.id, tenure.standing())).collect()
    }

    /// Notes where the partitions of these lanes end.
    pub fn set_ends(&self, ends: &BTreeMap<Lane, Vec<(Source, NextOffset)>>) {
        for (lane, tenure) in self.lock().iter() {
            if let Some(ends) = ends.get(lane) {
                tenure.set_ends(ends);
            }
        }
    }

    /// The lanes that were given to us, each with why its tenure has ended, if it has.
    #[must_use]
    pub fn lanes(&self) -> Vec<(Lane, Option<End>)> {
        self.lock().values().map(|tenure| (tenure.lane, tenure.why_ended())).collect()
    }
}

/// A lane as the database gave it to us.
type Taken = (Claimed, Vec<(Source, NextOffset)>);

impl LaneOwner {
    /// An owner without lanes, working on the current runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        observe::owned(parts.identity.lane_count, &BTreeMap::new());
        Self {
            process: parts.process,
            writers: parts.writers,
            transactional_id: parts.transactional_id,
            identity: parts.identity,
            observer: Arc::new(parts.observer),
            drain_timeout: parts.drain_timeout,
            runtime: Handle::current(),
            tenures: parts.tenures,
        }
    }

    /// Claims lanes, again and again until it works; `None` when the process stops instead.
    fn claim(&self, lanes: &[Lane]) -> Option<Vec<Taken>> {
        let since = Instant::now();
        let mut retry = Retry::new("take_over");
        loop {
            let claimed = self.look_at_topics().and_then(|ids| {
                let limit = self.process.answer_timeout;
                self.runtime.block_on(connection::answered(limit, self.claim_once(lanes, &ids)))
            });
            let error = match claimed {
                Ok(taken) => return Some(taken),
                Err(error) => error,
            };
            if matches!(error.fate(), Fate::Retry(_)) && since.elapsed() <= MAX_POLL_INTERVAL / 2 {
                tracing::warn!(%error, "taking lanes over, trying again");
                retry.because(if error.is_denied() { DENIED } else { "take_over" });
                retry.pause_blocking(&self.process.shutdown).ok()?;
                continue;
            }
            self.process.shutdown.stop(error.fate().exit(), error.to_string());
            return None;
        }
    }

    async fn claim_once(&self, lanes: &[Lane], topic_ids: &BTreeMap<String, String>) -> Result<Vec<Taken>, Error> {
        let claimed = claims::claim_insisting(&self.process.database, lanes, &self.transactional_id, PATIENCE).await;
        let (mut connection, claimed) = claimed?;
        deployment::compare(&mut connection, &self.identity).await?;
        checkpoints::fill_in_ids(&mut connection, topic_ids).await?;
        let names: Vec<String> = self.identity.topics.iter().map(|(_, topic)| topic.clone()).collect();
        let stored = checkpoints::read(&mut connection, &names, lanes).await?;
        let mut taken = Vec::with_capacity(claimed.len());
        for checkpoint in &stored {
            let (then, now) = (&checkpoint.topic_id, topic_ids.get(&checkpoint.topic));
            if let Some(text) = deployment::made_again(checkpoint, then.as_ref(), now) {
                return Err(Error::misconfigured(text));
            }
        }
        for claim in claimed {
            let mut offsets = Vec::with_capacity(names.len());
            for (source, name) in self.process.rules.topics.iter() {
                let checkpoint = stored.iter().find(|stored| stored.topic == name && stored.lane == claim.lane);
                let next_offset = checkpoint
                    .map(|checkpoint| checkpoint.next_offset)
                    .ok_or_else(|| Error::bug(format!("topic `{name}` partition {} has no checkpoint", claim.lane)))?;
                offsets.push((source, next_offset));
            }
            taken.push((claim, offsets));
        }
        Ok(taken)
    }

    /// The partition counts are still what the database says; somebody may have added some since the last assignment. Returns
    /// the topics' ids.
    fn look_at_topics(&self) -> Result<BTreeMap<String, String>, Error> {
        let names: Vec<String> = self.identity.topics.iter().map(|(_, topic)| topic.clone()).collect();
        let explain = |error: TopicError| match error {
            TopicError::Unreachable(_)
            | TopicError::Troubled(..)
            | TopicError::Denied(_)
            | TopicError::Forbidden(_) => Error::passing("kafka", error.to_string()),
            TopicError::Missing(_) => Error::misconfigured(error.to_string()),
        };
        let counts = self.observer.partition_counts(&names).map_err(explain)?;
        let count = self.process.rules.topics.lane_count(&counts).map_err(Error::misconfigured)?;
        if count == self.identity.lane_count {
            return self.observer.topic_ids(&names).map_err(explain);
        }
        Err(Error::misconfigured(format!(
            "the input topics have {count} partitions and had {} when this process started: stop all workers, then move the orders with `orderstream repartition`",
            self.identity.lane_count
        )))
    }

    /// Lets running batches end, publishes what they left, and says so in the database; up to a deadline.
    async fn drain(&self, tenures: &BTreeMap<Lane, Arc<Tenure>>) {
        let drained = tokio::time::timeout(self.drain_timeout, async {
            crash::at(Point::DrainBegun);
            let lanes: Vec<Lane> = tenures.keys().copied().collect();
            let mut closings = Vec::with_capacity(self.writers.len());
            for writer in &self.writers {
                let (done, closed) = oneshot::channel();
                let _ = writer.send(ToWriter::Close(lanes.clone(), done));
                closings.push(closed);
            }
            for closed in closings {
                let _ = closed.await;
            }
            crash::at(Point::DrainWritten);
            let (done, closed) = oneshot::channel();
            let _ = self.process.relay.send(ToRelay::Close(done));
            let published = closed.await.is_ok();
            crash::at(Point::DrainPublished);
            if published { self.leave(tenures).await } else { Ok(()) }
        });
        match drained.await {
            Ok(Ok(())) => {
                crash::at(Point::DrainLeft);
                tracing::info!(lanes = tenures.len(), "lanes drained");
            }
            Ok(Err(error)) => tracing::warn!(%error, "lanes drained, but the database could not be told"),
            Err(_) => tracing::warn!(
                lanes = tenures.len(),
                "lanes not drained in time: their next owner goes on from the journal"
            ),
        }
    }

    /// Notes that everything of the lanes is published, so that their next owner need not end our transactions.
    async fn leave(&self, tenures: &BTreeMap<Lane, Arc<Tenure>>) -> Result<(), Error> {
        let open = tenures.values().filter(|tenure| !tenure.is_ended());
        let steps: Vec<Step> = open.map(|tenure| step(tenure, tenure.published(), None)).collect();
        let mut connection: PgConnection = connection::connect(&self.process.database, "leave").await?;
        lanes::note_published(&mut connection, &steps, true).await
    }
}

impl Owner for LaneOwner {
    fn take(&self, lanes: &[Lane], capture: Arc<Capture>) -> Option<Vec<Inlet>> {
        metrics::REBALANCES.increment(1, &["assign"]);
        self.process.rejoin.store(false, Ordering::SeqCst);
        let since = Instant::now();
        let taken = if lanes.is_empty() { Vec::new() } else { self.claim(lanes)? };
        let (mut openings, mut inlets) = (Vec::new(), Vec::new());
        let mut tenures = self.tenures.lock();
        for (claim, checkpoints) in taken {
            let identity = (claim.epoch, claim.tenure);
            let tenure = Arc::new(Tenure::open(claim.lane, identity, capture.clone(), claim.published_seq));
            tenure.set_applied(claim.last_seq, &checkpoints);
            openings.push(relay::Opening {
                tenure: tenure.clone(),
                last_seq: claim.last_seq,
                former_transactional_ids: claim.former_transactional_ids,
                checkpoints: checkpoints.clone(),
            });
            let writer = self.writers[writer::number_of(claim.lane, self.writers.len())].clone();
            let inlet = Inlet::new(tenure.clone(), writer, &checkpoints);
            inlets.push((inlet::Opening { tenure: tenure.clone(), last_seq: claim.last_seq, checkpoints }, inlet));
            tenures.insert(claim.lane, tenure);
        }
        metrics::TENURES_OPENED.increment(u64::try_from(openings.len()).unwrap_or(u64::MAX), &[]);
        observe::owned(self.identity.lane_count, &tenures);
        let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(lanes = ?lanes.iter().map(|lane| lane.0).collect::<Vec<_>>(), generation = capture.generation(), took_ms, "lanes taken over");
        let _ = self.process.relay.send(ToRelay::Open(openings));
        crash::at(Point::RelayOpened);
        let inlets = inlets.into_iter().map(|(opening, inlet)| {
            let _ = inlet.writer.send(ToWriter::Open(opening));
            inlet
        });
        let inlets = inlets.collect();
        crash::at(Point::TenuresOpened);
        self.process.pulse.set_assigned(true);
        // Not here: it asks every broker, and one that is away would hold up the lanes.
        let (observer, group) = (self.observer.clone(), self.identity.group.clone());
        self.runtime.spawn_blocking(move || look_for_strangers(&observer, &group));
        Some(inlets)
    }

    fn give_back(&self, why: End) {
        self.process.pulse.set_assigned(false);
        metrics::REBALANCES.increment(1, &[if why == End::Lost { "lost" } else { "revoke" }]);
        let tenures = std::mem::take(&mut *self.tenures.lock());
        if why == End::Revoked && !tenures.is_empty() {
            self.runtime.block_on(self.drain(&tenures));
        }
        for (lane, tenure) in &tenures {
            tenure.end(why);
            observe::forget(*lane);
        }
        observe::owned(self.identity.lane_count, &BTreeMap::new());
    }

    fn refuse(&self, reason: &'static str, text: String) {
        // An odd assignment is often that of a topic which somebody changed, and the topic says it better.
        let changed = self.look_at_topics().err().filter(|error| matches!(error.fate(), Fate::Misconfigured));
        metrics::LANES_STOPPED.set(1.0, &[changed.as_ref().map_or(reason, |_| "topic_changed")]);
        self.process.shutdown.stop(Exit::Config, changed.map_or(text, |error| error.to_string()));
    }

    fn observe(&self, ends: &Ends, inlets: &mut BTreeMap<Lane, Inlet>) {
        observe::lag(ends, inlets, self.process.now());
        observe::owned(self.identity.lane_count, &self.tenures.lock());
    }
}

/// Whoever else is in the group is given lanes that nobody applies then. Best effort: an answer that does not come is no news.
fn look_for_strangers(observer: &Observer, group: &str) {
    let members = observer.members(group).unwrap_or_default();
    // Where nobody has our name, `kafka.properties` gives all of us another one.
    let strangers: Vec<String> = members
        .iter()
        .filter(|_| members.iter().any(Member::is_ours))
        .filter(|member| !member.is_ours())
        .map(|member| format!("`{}` at {}", member.client_id, member.host))
        .collect();
    if !strangers.is_empty() {
        tracing::warn!(
            "the group `{group}` has members that are no workers of orderstream ({}): nobody applies what the lanes hold that they are given; stop them, or give them a group of their own",
            strangers.join(", ")
        );
    }
}
