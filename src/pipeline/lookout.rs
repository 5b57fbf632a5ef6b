//! Once a second: where the partitions of our lanes end, for the writers to judge deadlines by.
//!
//! Reads the database's clock first and the high watermarks after it, so what was in Kafka at that instant lies before them.
//! Invariant: a lane whose ends could not be read gets no sighting; then no deadline of it fires, which is late and never wrong.
//! Whatever fails, the writers are woken: marks and letters need no horizon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::handover::Tenures;
use super::process::Process;
use crate::consume::horizon::Sighting;
use crate::consume::inlet::ToWriter;
use crate::consume::watermarks::Watermarks;
use crate::ids::{Lane, NextOffset, Timestamp};
use crate::metrics;
use crate::order::Source;
use crate::persist::{DatabaseClock, Error, PgConnection, connection, visits};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// How often trouble that lasts is said.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Who looks out.
pub struct Lookout {
    /// What the process shares.
    pub process: Arc<Process>,
    /// The writers, in the order of their numbers.
    pub writers: Vec<UnboundedSender<ToWriter>>,
    /// The lanes that are ours.
    pub tenures: Tenures,
    /// The client that reads the ends.
    pub watermarks: Arc<Mutex<Watermarks>>,
}

impl Lookout {
    /// Looks out until the process ends.
    pub async fn keep(self) {
        let mut session = None;
        let mut warned = Warned::default();
        loop {
            tokio::time::sleep(EVERY).await;
            let lanes: Vec<Lane> = self.tenures.standings().into_iter().map(|(lane, ..)| lane).collect();
            if lanes.is_empty() {
                continue;
            }
            match self.look(session.take(), lanes).await {
                Ok((connection, unseen)) => {
                    session = Some(connection);
                    if !unseen.is_empty() && warned.may_warn() {
                        tracing::warn!(
                            ?unseen,
                            "partitions of these lanes have no leader, trying again: no deadline of theirs fires meanwhile"
                        );
                    }
                }
                Err(error) => {
                    metrics::RETRIES.increment(1, &["lookout"]);
                    if warned.may_warn() {
                        tracing::warn!(%error, "cannot see where partitions end, trying again: no deadline fires meanwhile");
                    }
                    self.tell(BTreeMap::new(), Timestamp(0), None);
                }
            }
        }
    }

    /// Looks once; gives the lanes back of which nothing could be seen.
    async fn look(&self, session: Option<PgConnection>, lanes: Vec<Lane>) -> Result<(PgConnection, Vec<Lane>), Error> {
        let mut connection = match session {
            Some(connection) => connection,
            None => connection::connect(&self.process.database, "lookout").await?,
        };
        let (at, off_lane_due) = connection::answered(self.process.answer_timeout, async {
            let clock = DatabaseClock::read(&mut connection).await?;
            Ok((clock, visits::latest_due_off_lane(&mut connection).await?))
        })
        .await?;
        self.process.set_clock(at);
        let (watermarks, process) = (self.watermarks.clone(), self.process.clone());
        let asked = lanes.clone();
        let read = tokio::task::spawn_blocking(move || {
            let watermarks = watermarks.lock().unwrap_or_else(PoisonError::into_inner);
            watermarks.ends(&process.rules.topics, &asked)
        });
        let ends = read.await.map_err(|error| Error::passing("kafka", error.to_string()))?;
        let ends = ends.map_err(|error| Error::passing("kafka", error.to_string()))?;
        self.tenures.set_ends(&ends);
        let unseen = lanes.into_iter().filter(|lane| !ends.contains_key(lane)).collect();
        self.tell(ends, at.said(), off_lane_due);
        Ok((connection, unseen))
    }

    fn tell(&self, ends: BTreeMap<Lane, Vec<(Source, NextOffset)>>, at: Timestamp, due: Option<Timestamp>) {
        let mut sightings: Vec<Vec<(Lane, Sighting)>> = vec![Vec::new(); self.writers.len()];
        for (lane, ends) in ends {
            let writer = super::writer::number_of(lane, self.writers.len());
            sightings[writer].push((lane, Sighting { at, ends }));
        }
        for (writer, sightings) in self.writers.iter().zip(sightings) {
            // A writer that is gone takes its process with it.
            let _ = writer.send(ToWriter::Sighted(sightings, due));
        }
    }
}

/// When trouble was said last.
#[derive(Default)]
struct Warned(Option<Instant>);

impl Warned {
    /// Whether to say it now: trouble that lasts is said now and then.
    fn may_warn(&mut self) -> bool {
        let may = self.0.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if may {
            self.0 = Some(Instant::now());
        }
        may
    }
}
