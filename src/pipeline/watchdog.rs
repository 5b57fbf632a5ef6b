//! The watchdog: work and no progress for a minute means that something hangs which nobody foresaw.
//!
//! The process ends with 75 and is started again; killing it at any instant is safe. Invariant: progress is a batch that the
//! database confirmed or a row that Kafka confirmed, never an attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handover::Tenures;
use super::process::Process;
use crate::cli::exit::Exit;
use crate::consume::tenure::Standing;
use crate::ids::TenureId;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks once a second until the process ends.
pub async fn watch(process: Arc<Process>, tenures: Tenures) {
    let mut seen: BTreeMap<TenureId, (Standing, Instant)> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let standings = tenures.standings();
        seen.retain(|id, _| standings.iter().any(|(_, other, _)| other == id));
        for (lane, id, standing) in standings {
            let (before, since) = seen.entry(id).or_insert((standing, Instant::now()));
            if *before != standing || !standing.has_work() {
                (*before, *since) = (standing, Instant::now());
            } else if since.elapsed() >= PATIENCE {
                let text = format!("lane {lane} has work and made no progress for {} s", PATIENCE.as_secs());
                process.shutdown.stop(Exit::TempFail, text);
                return;
            }
        }
    }
}
