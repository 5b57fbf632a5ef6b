//! The watchdog: work and no progress for a minute means that something hangs which nobody foresaw.
//!
//! The process ends with 75 and is started again; killing it at any instant is safe. Invariant: progress is a batch that the
//! database confirmed or a row that Kafka confirmed, never an attempt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handover::Tenures;
use super::process::Process;
use crate::cli::exit::Exit;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks once a second until the process ends.
pub async fn watch(process: Arc<Process>, tenures: Tenures) {
    let mut seen = (0, 0);
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (work, published) = tenures.standing();
        let progress = (process.batches(), published);
        if progress != seen || !work {
            (seen, since) = (progress, Instant::now());
        } else if since.elapsed() >= PATIENCE {
            let text = format!("there is work and no progress for {} s", PATIENCE.as_secs());
            process.shutdown.stop(Exit::TempFail, text);
            return;
        }
    }
}
