//! A batch until it is committed, whatever happens on the way: lost connections, lost lanes, records the database refuses.
//!
//! `super::apply` is one attempt; here is what its end means. Invariant: after a COMMIT without an answer nothing is repeated
//! and nothing is published before the lanes' rows, read `for update` on a new connection, have said what happened.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, LaneBatch};
use super::decided::Decided;
use super::lane::LaneState;
use super::quarantine::{Quarantine, quarantine};
use super::writer::Writer;
use super::{Attempt, Failed};
use crate::cli::exit::Exit;
use crate::consume::tenure::{End, Tenure};
use crate::crash::{self, Point};
use crate::ids::Lane;
use crate::metrics;
use crate::persist::connection::{self, DatabaseClock};
use crate::persist::lanes::{self, Step};
use crate::persist::settle::{Contradiction, settle};
use crate::persist::{Error, Fate, PgConnection, Result};
use crate::publish::chunk::Chunk;
use crate::publish::inbox::ToRelay;
use crate::retry::Retry;

/// How often a writer that waits for room in the relay's queue looks whether its tenure still stands.
const LOOK_AT_TENURE: Duration = Duration::from_millis(100);

/// A writer's connection.
#[derive(Debug)]
pub struct Session {
    /// The connection; never inside a transaction between two batches.
    pub connection: PgConnection,
}

/// What became of a part of a batch.
enum Outcome {
    Committed(Box<Decided>),
    Halves(Batch, Batch),
    /// It failed, and has lanes of other writers in it: each tries its own again.
    Apart,
    GivenUp,
}

impl Writer {
    /// Applies a batch, in parts where it must.
    pub(super) async fn apply(&mut self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.apply_part(&mut part).await {
                Outcome::Committed(decided) => self.committed(part, decided).await,
                Outcome::Halves(first, second) => parts.extend([second, first]),
                Outcome::Apart => {
                    parts.push(part);
                    self.dismiss(&mut parts);
                }
                Outcome::GivenUp => self.abandon(&part),
            }
        }
    }

    async fn apply_part(&mut self, part: &mut Batch) -> Outcome {
        let mut retry = Retry::new("database");
        let mut in_doubt: Option<Box<Decided>> = None;
        loop {
            // While an outcome is unknown, the part stays what was sent: its chunks are told apart by their place in it.
            if in_doubt.is_none() {
                self.refresh(part);
            }
            if part.is_empty() {
                return Outcome::GivenUp;
            }
            if self.session.is_none() {
                // Others need not wait until the database answers.
                self.turn = None;
                let watched = tenures_of(part);
                let reconnected = tokio::select! {
                    reconnected = self.reconnect(part, in_doubt.is_some()) => reconnected,
                    () = all_ended(&watched) => return Outcome::GivenUp,
                };
                match reconnected {
                    Ok(true) => match in_doubt.take() {
                        Some(decided) => return Outcome::Committed(decided),
                        None => continue,
                    },
                    Ok(false) => in_doubt = None,
                    // Theirs may be sound, and they compare what this connection did not.
                    Err(error) if in_doubt.is_none() && !self.guests.is_empty() => return self.apart(&error),
                    Err(error) if self.give_up(&error, &mut retry).await => return Outcome::GivenUp,
                    Err(_) => {}
                }
                continue;
            }
            let Some(session) = self.session.as_mut() else { continue };
            let watched = tenures_of(part);
            let attempt = tokio::select! {
                attempt = super::apply(&mut session.connection, part, &self.process) => attempt,
                // Whoever has the lanes now does not wait for a database that says nothing to us.
                () = all_ended(&watched) => {
                    self.session = None;
                    return Outcome::GivenUp;
                }
            };
            match attempt {
                Ok(Attempt::Committed(decided)) => return Outcome::Committed(decided),
                Ok(Attempt::Lost(lost)) => self.roll_back_and_lose(&lost).await,
                // Once more and at once: each time somebody else's order has come to be.
                Ok(Attempt::Overtaken) => {
                    metrics::RETRIES.increment(1, &["conflict"]);
                    self.roll_back().await;
                }
                Ok(Attempt::TooMuch) => {
                    self.roll_back().await;
                    return halves(part);
                }
                Ok(Attempt::Mismatch(text)) => {
                    self.roll_back().await;
                    metrics::LANES_STOPPED.set(1.0, &["checkpoint_mismatch"]);
                    self.process.shutdown.stop(Exit::Software, text);
                    return Outcome::GivenUp;
                }
                Err(Failed { error, decided }) => {
                    (self.session, self.turn) = (None, None);
                    self.doubt(true);
                    in_doubt = decided;
                    if in_doubt.is_none() && !self.guests.is_empty() && error.fate() != Fate::Bug {
                        return self.apart(&error);
                    }
                    if in_doubt.is_none() && error.fate() == Fate::Quarantine {
                        match quarantine(part, &error) {
                            Quarantine::Halve => return halves(part),
                            Quarantine::SetAside(None) => continue,
                            Quarantine::SetAside(Some(order_id)) => {
                                self.process.set_aside(&order_id, &error);
                                continue;
                            }
                            Quarantine::Impossible => {}
                        }
                    }
                    if in_doubt.is_none() && error.is_too_slow() && part.work() > 1 {
                        tracing::warn!(%error, work = part.work(), "a batch took too long, trying half of it");
                        return halves(part);
                    }
                    if self.give_up(&error, &mut retry).await {
                        return Outcome::GivenUp;
                    }
                }
            }
        }
    }

    /// A batch with lanes of other writers failed, and its outcome is known: counted and told as any failure.
    fn apart(&self, error: &Error) -> Outcome {
        if let Fate::Retry(cause) = error.fate() {
            metrics::RETRIES.increment(1, &[cause]);
        }
        tracing::warn!(%error, writer = self.name, "a batch of several writers failed: each tries its own again");
        self.doubt(true);
        Outcome::Apart
    }

    /// Brings a part up to what the lanes' state is by now: parts before it may have moved it, tenures may have ended.
    fn refresh(&self, part: &mut Batch) {
        part.lanes.retain_mut(|lane| {
            let state = self.lanes.get(&lane.lane()).filter(|state| state.tenure.id == lane.tenure.id);
            let Some(state) = state.filter(|state| !state.tenure.is_ended()) else { return false };
            lane.last_seq = state.last_seq;
            lane.checkpoints.clone_from(&state.checkpoints);
            true
        });
    }

    /// Opens a connection and compares every lane with memory. True when the transaction in doubt turns out committed.
    async fn reconnect(&mut self, part: &Batch, in_doubt: bool) -> Result<bool> {
        let mut connection = connection::connect_writer(&self.process.database, &self.name).await?;
        let steps: Vec<Step> = self.lanes.values().map(LaneState::step).collect();
        let (clock, standings) = connection::answered(self.process.answer_timeout, async {
            let clock = DatabaseClock::read(&mut connection).await?;
            Ok((clock, lanes::resolve(&mut connection, &steps).await?))
        })
        .await?;
        crash::at(Point::DoubtResolved);
        let ours: Vec<Lane> = part.lanes.iter().filter(|_| in_doubt).map(LaneBatch::lane).collect();
        let settled = settle(&standings, &ours).map_err(|contradiction| self.contradicted(contradiction))?;
        self.lose(&settled.lost);
        self.process.set_clock(clock);
        self.session = Some(Session { connection });
        self.doubt(false);
        Ok(settled.happened)
    }

    fn contradicted(&self, contradiction: Contradiction) -> Error {
        match contradiction {
            Contradiction::WentBack(lane, found) => went_back(lane, &self.lanes[&lane].step(), found),
            Contradiction::NobodyWrote { moved, unmoved } => {
                Error::bug(format!("lanes {moved:?} have a journal row that nobody wrote, {unmoved:?} have none"))
            }
        }
    }

    /// Ends the tenures of a part that was not applied: its records are out of the queue, so nothing behind them may be applied
    /// either, or the checkpoint would pass them by.
    fn abandon(&mut self, part: &Batch) {
        for lane in &part.lanes {
            if let Some(state) = self.lanes.remove(&lane.lane()) {
                state.tenure.end(End::Stopped);
            }
        }
    }

    /// Compares lanes with memory that a lost connection left in doubt while there was nothing to apply.
    pub(super) async fn settle_doubt(&mut self) {
        if self.lanes.values().any(|lane| lane.tenure.is_in_doubt()) {
            self.has_session().await;
        }
    }

    /// Opens a session where there is none, while there is nothing to apply. False where the database does not answer now.
    pub(super) async fn has_session(&mut self) -> bool {
        if self.session.is_none() {
            let nothing = Batch { lanes: Vec::new() };
            if let Err(error) = self.reconnect(&nothing, false).await {
                let mut retry = Retry::new("database");
                if self.give_up(&error, &mut retry).await {
                    self.abandon_all();
                }
            }
        }
        self.session.is_some()
    }

    fn abandon_all(&mut self) {
        for (_, state) in std::mem::take(&mut self.lanes) {
            state.tenure.end(End::Stopped);
        }
    }

    /// Holds the relay back from lanes that were not compared with memory since the connection was lost.
    pub(super) fn doubt(&self, in_doubt: bool) {
        self.lanes.values().for_each(|lane| lane.tenure.set_in_doubt(in_doubt));
    }

    async fn roll_back(&mut self) {
        let Some(session) = self.session.as_mut() else { return };
        let rolled_back = connection::rollback(&mut session.connection);
        if connection::answered(self.process.answer_timeout, rolled_back).await.is_err() {
            self.session = None;
        }
    }

    async fn roll_back_and_lose(&mut self, lost: &[Lane]) {
        self.roll_back().await;
        self.lose(lost);
    }

    /// Decides what an error means for the process: pauses and says false where it passes, true where it is over.
    async fn give_up(&self, error: &Error, retry: &mut Retry) -> bool {
        let exit = match error.fate() {
            Fate::Retry(cause) => {
                if self.process.shutdown.is_requested() {
                    tracing::debug!(%error, cause, writer = self.name, "the database failed while stopping");
                } else {
                    tracing::warn!(%error, cause, writer = self.name, "the database failed, trying again");
                }
                if retry.because(cause).pause(&self.process.shutdown).await.is_err() {
                    // While the process stops, what is under way may still end well until the tenures are ended.
                    tokio::time::sleep(LOOK_AT_TENURE).await;
                }
                return self.lanes.values().all(|lane| lane.tenure.is_ended());
            }
            fate => fate.exit(),
        };
        metrics::LANES_STOPPED.set(1.0, &[error.stops_lanes_as()]);
        self.process.shutdown.stop(exit, error.to_string());
        true
    }

    /// The database confirmed a part: memory follows, and the chunks go to the relay.
    async fn committed(&mut self, part: Batch, decided: Box<Decided>) {
        self.process.count(&part, &decided);
        let spans = self.process.spans.clone();
        for (lane, decided) in part.lanes.iter().zip(decided.lanes) {
            let spans = spans.as_ref().map_or_else(Vec::new, |spans| spans.committed(decided.spans));
            self.confirmed(lane);
            let mut chunk = Chunk {
                tenure: lane.tenure.clone(),
                seq: lane.seq(),
                records: decided.emitted,
                offsets: lane.checkpoints_after(),
                causes: decided.causes,
                spans,
                share: None,
            };
            while !lane.tenure.is_ended() {
                let room = self.process.room_in_relay(chunk.size_bytes());
                if let Ok(share) = tokio::time::timeout(LOOK_AT_TENURE, room).await {
                    chunk.share = share;
                    // A relay that is gone takes its process with it; the journal has the chunk.
                    let _ = self.process.relay.send(ToRelay::Chunk(chunk));
                    crash::at(Point::BatchHandedOver);
                    break;
                }
            }
        }
    }
}

fn tenures_of(part: &Batch) -> Vec<Arc<Tenure>> {
    part.lanes.iter().map(|lane| lane.tenure.clone()).collect()
}

/// Resolves when none of these tenures is open any more.
async fn all_ended(tenures: &[Arc<Tenure>]) {
    while !tenures.iter().all(|tenure| tenure.is_ended()) {
        tokio::time::sleep(LOOK_AT_TENURE).await;
    }
}

fn halves(part: &mut Batch) -> Outcome {
    let whole = Batch { lanes: std::mem::take(&mut part.lanes) };
    match whole.split() {
        Ok((first, second)) => Outcome::Halves(first, second),
        // One record alone is never too much, and a refused one was set aside before.
        Err(whole) => {
            part.lanes = whole.lanes;
            Outcome::GivenUp
        }
    }
}

fn went_back(lane: Lane, step: &Step, found: crate::ids::Seq) -> Error {
    Error::misconfigured(format!(
        "the journal of lane {lane} ends at row {found} and had reached row {}: the database lost commits that it had confirmed (a restored backup, or a failover); use `orderstream recover`",
        step.last_seq
    ))
}
