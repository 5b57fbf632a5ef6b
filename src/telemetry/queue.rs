//! The way of spans from where something happened to the exporter: a bounded number of places, shared by all spans under way.
//!
//! A span takes its place when its batch is committed, and holds it until a receiver has it: while it waits for Kafka's commit in a
//! chunk, in the queue, and while it is pushed. Invariant: a span that finds no place, or whose place is given up, is counted as
//! dropped; nobody waits for one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::otlp::Span;
use super::tracer::Processing;
use crate::metrics;

/// How many spans are under way at most. One has about 1 kB.
pub const SPANS: usize = 16_384;

/// Where spans are put.
#[derive(Clone, Debug)]
pub struct Spans {
    sender: UnboundedSender<Waiting>,
    places: Arc<Semaphore>,
}

/// A span with its place.
#[derive(Debug)]
pub struct Waiting {
    pub(super) span: Span,
    pub(super) place: Place,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    is_settled: bool,
}

impl Place {
    /// What became of the span was counted.
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_settled {
            metrics::SPANS_DROPPED.increment(1, &["given_up"]);
        }
    }
}

/// A queue with so many places, and its end.
pub(super) fn queue(places: usize) -> (Spans, UnboundedReceiver<Waiting>) {
    let (sender, receiver) = unbounded_channel();
    (Spans { sender, places: Arc::new(Semaphore::new(places)) }, receiver)
}

impl Spans {
    /// A batch was committed just now: what was applied of it is over, and its publications begin. Returns these, to be told when
    /// Kafka has them.
    #[must_use]
    pub fn committed(&self, processed: Vec<Processing>) -> Vec<Waiting> {
        let mut publications = Vec::new();
        let now = unix_nanos(SystemTime::now());
        for Processing { mut span, consumed_at, published, .. } in processed {
            span.start_time_unix_nano = now.saturating_sub(nanos(consumed_at.elapsed()));
            span.end_time_unix_nano = now;
            if let Some(waiting) = self.place(span) {
                self.put(waiting);
            }
            for mut publication in published {
                publication.start_time_unix_nano = now;
                publications.extend(self.place(publication));
            }
        }
        publications
    }

    /// Kafka has just committed these publications.
    pub fn published(&self, publications: Vec<Waiting>) {
        if publications.is_empty() {
            return;
        }
        let now = unix_nanos(SystemTime::now());
        for mut waiting in publications {
            waiting.span.end_time_unix_nano = now.max(waiting.span.start_time_unix_nano);
            self.put(waiting);
        }
    }

    fn place(&self, span: Span) -> Option<Waiting> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Some(Waiting { span, place: Place { _permit: permit, is_settled: false } }),
            Err(_) => {
                metrics::SPANS_DROPPED.increment(1, &["queue_full"]);
                None
            }
        }
    }

    fn put(&self, waiting: Waiting) {
        // Without an exporter the place gives itself back, and counts.
        drop(self.sender.send(waiting));
    }
}

fn unix_nanos(time: SystemTime) -> u64 {
    nanos(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
