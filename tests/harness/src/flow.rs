//! Traffic without an end of its own, on a thread, at most so many records a second, until somebody has seen enough.
//!
//! Invariant: when [`Flow::end`] returns, Kafka has acknowledged all that was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::produce::Producer;
use crate::traffic::Traffic;

/// Traffic on its way.
pub struct Flow {
    end: Arc<AtomicBool>,
    task: JoinHandle<Result<()>>,
}

impl Flow {
    /// Begins to send.
    #[must_use]
    pub fn start(mut producer: Producer, traffic: Traffic, rate: u32) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let task = spawn_blocking(move || {
            let began = Instant::now();
            for (number, planned) in (0..).zip(traffic).take_while(|_| !ended.load(Ordering::SeqCst)) {
                producer.send(&planned)?;
                let due = began + Duration::from_secs(1) * number / rate;
                while let Some(early) = due.checked_duration_since(Instant::now()).filter(|early| !early.is_zero()) {
                    producer.poll(early);
                }
            }
            producer.flush()
        });
        Self { end, task }
    }

    /// Waits until all of it is sent; for traffic that has an end.
    ///
    /// # Errors
    /// Kafka did not take a record.
    pub async fn all(mut self) -> Result<()> {
        (&mut self.task).await.context("the sending thread")?
    }

    /// Ends it, in the middle of many orders.
    ///
    /// # Errors
    /// Kafka did not take a record.
    pub async fn end(self) -> Result<()> {
        self.end.store(true, Ordering::SeqCst);
        self.all().await
    }
}

impl Drop for Flow {
    /// Whoever failed waits for its threads, so they must end.
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
    }
}
