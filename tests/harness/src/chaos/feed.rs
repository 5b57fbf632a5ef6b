//! The traffic of a run: orders that begin all the time, at a bounded rate, until it is told to end.
//!
//! Sends past all links, as producers are no part of what is proven. Invariant: when it has ended, everything that it counted is
//! acknowledged by all replicas in sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::background::Background;
use crate::deployment::Deployment;
use crate::produce::Producer;
use crate::simulate::WentIn;
use crate::traffic::{Answers, Shape, Traffic};

/// So many orders of a kind; the next ones live later. About 20 seconds' worth at the usual rate.
const ORDERS: u64 = 1_000;
/// Records that may wait for Kafka; then no new ones are made.
const BEHIND: u64 = 50_000;

/// What the traffic is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Records a second, at most.
    pub rate: u64,
    /// Ends by itself after so long.
    pub at_most: Duration,
}

/// Traffic on its way.
pub struct Feed {
    sent: Arc<AtomicU64>,
    sending: Background<Result<WentIn>>,
}

impl Feed {
    /// Begins to send.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn begin(deployment: &Deployment, options: Options) -> Result<Self> {
        let producer = Producer::open(&deployment.stack, &deployment.topics).await?;
        let sent = Arc::new(AtomicU64::new(0));
        let record_max_bytes = deployment.record_max_bytes;
        let sending = Background::begin({
            let sent = sent.clone();
            move |end| send(producer, options, record_max_bytes, &end, &sent)
        });
        Ok(Self { sent, sending })
    }

    /// How many records were sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it, in the middle of many orders, and waits until Kafka has what was sent.
    ///
    /// # Errors
    /// A record was not delivered.
    pub async fn end(self) -> Result<WentIn> {
        self.sending.end().await?
    }
}

fn send(
    mut producer: Producer,
    options: Options,
    record_max_bytes: usize,
    end: &AtomicBool,
    sent: &AtomicU64,
) -> Result<WentIn> {
    let began = Instant::now();
    let mut went_in = WentIn::default();
    let is_over = || end.load(Ordering::Relaxed) || began.elapsed() > options.at_most;
    while !is_over() {
        // Half of the orders live in the present, so it has to be a new one now and then.
        let now = jiff::Timestamp::now().as_microsecond();
        let usual = Shape::usual(ORDERS, options.seed, now);
        let first_order = went_in.orders;
        let shape = Shape {
            first_order,
            malformed: 0.002,
            pressing: 0.5,
            answers: Answers::Left,
            in_flight: 100,
            record_max_bytes,
            ..usual
        };
        let mut traffic = Traffic::new(shape);
        for planned in traffic.by_ref().take_while(|_| !is_over()) {
            if !producer.send(&planned)? {
                continue;
            }
            went_in.count(&planned);
            sent.store(went_in.records, Ordering::Relaxed);
            let due = began + Duration::from_secs_f64(went_in.records as f64 / options.rate as f64);
            while !is_over() && (Instant::now() < due || producer.sent() - producer.acknowledged() > BEHIND) {
                producer.poll(Duration::from_millis(2));
            }
        }
        went_in.orders = first_order + traffic.orders_begun();
    }
    producer.flush()?;
    went_in.seconds = began.elapsed().as_secs_f64();
    Ok(went_in)
}
