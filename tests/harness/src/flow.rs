//! Traffic without an end of its own, on a thread, at most so many records a second, until somebody has seen enough.
//!
//! Invariant: when [`Flow::end`] returns, Kafka has acknowledged all that was sent.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::background::Background;
use crate::produce::Producer;
use crate::traffic::Traffic;

/// Traffic on its way.
pub struct Flow(Background<Result<()>>);

impl Flow {
    /// Begins to send.
    #[must_use]
    pub fn start(mut producer: Producer, traffic: Traffic, rate: u32) -> Self {
        Self(Background::begin(move |end| {
            let began = Instant::now();
            for (number, planned) in (0..).zip(traffic).take_while(|_| !end.load(Ordering::SeqCst)) {
                producer.send(&planned)?;
                let due = began + Duration::from_secs(1) * number / rate;
                while let Some(early) = due.checked_duration_since(Instant::now()).filter(|early| !early.is_zero()) {
                    producer.poll(early);
                }
            }
            producer.flush()
        }))
    }

    /// Waits until all of it is sent; for traffic that has an end.
    ///
    /// # Errors
    /// Kafka did not take a record.
    pub async fn all(self) -> Result<()> {
        self.0.all().await?
    }

    /// Ends it, in the middle of many orders.
    ///
    /// # Errors
    /// Kafka did not take a record.
    pub async fn end(self) -> Result<()> {
        self.0.end().await?
    }
}
