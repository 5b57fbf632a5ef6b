//! The exporter: one task that pushes spans in batches, and says now and then when it cannot.
//!
//! A batch goes when it is full or a second old, and is tried for `telemetry.otlp_timeout`. Invariant: every span that came out of
//! the queue is counted once, as exported or as dropped; and the task ends when it is asked to, however the receiver behaves.

use std::time::{Duration, Instant};

use prost::Message;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoint::{Endpoint, Pushed};
use super::otlp::{KeyValue, Request, Resource, ResourceSpans, Scope, ScopeSpans};
use super::queue::{self, Place, Spans, Waiting};
use crate::config;
use crate::metrics;

/// How many spans one push carries, at most: about a megabyte, and receivers take several.
const PUSH_SPANS: usize = 1_024;
/// How long the first span of a push waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How often a trouble that lasts is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Who the spans are from.
#[derive(Clone, Debug)]
pub struct Who {
    /// The name of the service.
    pub service: String,
    /// What tells this process from the others of the service.
    pub instance: String,
}

/// The task.
#[derive(Debug)]
pub struct Exporter {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Exporter {
    /// Starts one; none where no receiver is configured.
    ///
    /// # Errors
    /// What cannot be used of the settings, and what to do.
    pub fn start(telemetry: &config::Telemetry, instance: &str) -> Result<Option<(Spans, Self)>, String> {
        let Some(endpoint) = Endpoint::of(telemetry)? else { return Ok(None) };
        tracing::info!(url = endpoint.url(), "spans of sampled traces are pushed");
        let who = Who { service: telemetry.service_name.clone(), instance: instance.to_owned() };
        Ok(Some(Self::to(endpoint, who, queue::SPANS)))
    }

    /// Starts one that pushes to this receiver, with so many places for spans.
    #[must_use]
    pub fn to(endpoint: Endpoint, who: Who, places: usize) -> (Spans, Self) {
        let (spans, waiting) = queue::queue(places);
        let (stop, stopping) = watch::channel(false);
        let work = Work { endpoint, who, waiting, stopping, trouble: Trouble::default() };
        (spans, Self { task: tokio::spawn(work.run()), stop })
    }

    /// Pushes what is there, for so long at most. What is left then is dropped and counted.
    pub async fn finish(mut self, within: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            tracing::warn!("the last spans cannot be pushed in time: they are dropped");
            self.task.abort();
            let _ = self.task.await;
        }
    }
}

struct Work {
    endpoint: Endpoint,
    who: Who,
    waiting: UnboundedReceiver<Waiting>,
    stopping: watch::Receiver<bool>,
    trouble: Trouble,
}

impl Work {
    async fn run(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                return;
            }
            self.push(batch).await;
        }
    }

    /// The next batch; an empty one at the end.
    async fn gather(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::new();
        let mut until = None;
        while batch.len() < PUSH_SPANS && !self.is_stopping() {
            let room = PUSH_SPANS - batch.len();
            tokio::select! {
                count = self.waiting.recv_many(&mut batch, room) => match count {
                    // Nobody can send any more.
                    0 => return batch,
                    _ => _ = until.get_or_insert_with(|| tokio::time::Instant::now() + LINGER),
                },
                () = over(until) => return batch,
                _ = self.stopping.changed() => {}
            }
        }
        // What came before we were asked to stop is there already.
        while batch.len() < PUSH_SPANS
            && let Ok(waiting) = self.waiting.try_recv()
        {
            batch.push(waiting);
        }
        batch
    }

    /// Whether nobody waits for more: asked to stop, or left alone.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow() || self.stopping.has_changed().is_err()
    }

    async fn push(&mut self, batch: Vec<Waiting>) {
        let (spans, places): (Vec<_>, Vec<Place>) =
            batch.into_iter().map(|waiting| (waiting.span, waiting.place)).unzip();
        let count = spans.len() as u64;
        let request = self.request(spans).encode_to_vec().into();
        let (refused, reason, text) = match self.endpoint.push(request).await {
            Pushed::Taken { refused: 0, .. } => (0, "refused", String::new()),
            Pushed::Taken { refused, why } => {
                let text = format!("`{}` refuses {refused} of {count} spans: {why}", self.endpoint.url());
                (refused.min(count), "refused", text)
            }
            Pushed::Refused(text) => (count, "refused", text),
            Pushed::Away(text) => (count, "unreachable", text),
        };
        places.into_iter().for_each(Place::settle);
        metrics::SPANS_EXPORTED.increment(count - refused, &[]);
        if refused > 0 {
            metrics::SPANS_DROPPED.increment(refused, &[reason]);
        }
        self.trouble.tell(refused, &text, Instant::now());
    }

    fn request(&self, spans: Vec<super::otlp::Span>) -> Request {
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource {
            attributes: vec![
                KeyValue::text("service.name", &*self.who.service),
                KeyValue::text("service.instance.id", &*self.who.instance),
                KeyValue::text("service.version", version),
            ],
        };
        let scope = Scope { name: "orderstream".to_owned(), version: version.to_owned() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
        Request { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans }] }
    }
}

async fn over(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// What is said of pushes that fail: the first at once, then a sum now and then, and that it is over.
#[derive(Debug, Default)]
struct Trouble {
    told_at: Option<Instant>,
    dropped: u64,
}

impl Trouble {
    fn tell(&mut self, dropped: u64, text: &str, now: Instant) {
        self.dropped += dropped;
        match self.told_at {
            Some(_) if dropped == 0 => {
                tracing::info!(dropped = self.dropped, "spans are pushed again");
                *self = Self::default();
            }
            Some(told) if now.duration_since(told) < TELL_EVERY => {}
            None if dropped == 0 => {}
            _ => {
                tracing::warn!(dropped = self.dropped, "spans are dropped: {text}");
                *self = Self { told_at: Some(now), dropped: 0 };
            }
        }
    }
}
