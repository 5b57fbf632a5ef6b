//! Writes down every second what is to be seen: the lanes through the eye, the workers' memory from the system.
//!
//! Works on a task of its own, so that no injection holds it up. Invariant: a timeline is complete up to when it was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::drive::{Living, Roll};
use super::eye::Eye;
use super::timeline::{Fall, Published, Sample, Timeline};
use crate::usage;

/// How often is written down.
const EVERY: Duration = Duration::from_secs(1);
/// How often, in samples, the workers' metrics are read, to look for secrets in them.
const METRICS_EVERY: u32 = 10;
/// How long that may take: a frozen worker never answers.
const METRICS_WITHIN: Duration = Duration::from_millis(500);

/// The one who writes, until it is dropped.
pub struct Watcher {
    notes: Arc<Mutex<Notes>>,
    task: JoinHandle<()>,
}

/// What it wrote.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The samples so far.
    pub samples: Vec<Sample>,
    /// Numbers that fell.
    pub falls: Vec<Fall>,
    /// Answers of Kafka that were older than ones before.
    pub stale_answers: u64,
    /// The metrics of each worker as they were read last, by name.
    pub metrics: BTreeMap<String, String>,
}

impl Watcher {
    /// Begins to write.
    #[must_use]
    pub fn begin(eye: Eye, roll: Roll, began: Instant) -> Self {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let task = tokio::spawn(watch(eye, roll, began, notes.clone()));
        Self { notes, task }
    }

    /// All that was written so far.
    #[must_use]
    pub fn notes(&self) -> Notes {
        lock(&self.notes).clone()
    }

    /// The samples so far, without any faults.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        Timeline { samples: lock(&self.notes).samples.clone(), faults: Vec::new() }
    }

    /// The lanes in Kafka as they were seen last, since `at`.
    #[must_use]
    pub fn published_since(&self, at: Duration) -> Option<BTreeMap<i32, Published>> {
        let notes = lock(&self.notes);
        let mut recent = notes.samples.iter().rev().take_while(|sample| sample.at >= at);
        recent.find_map(|sample| sample.published.clone())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(eye: Eye, roll: Roll, began: Instant, notes: Arc<Mutex<Notes>>) {
    let http = reqwest::Client::builder().timeout(METRICS_WITHIN).build().unwrap_or_default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u32.. {
        ticks.tick().await;
        let living = roll.lock().expect("nobody panics with the lock").clone();
        let seen = eye.take();
        let memory = |living: &Living| Some((living.name.clone(), usage::resident(living.pid)?));
        let workers = living.iter().filter_map(memory).collect();
        {
            let mut notes = lock(&notes);
            let Notes { samples, falls, stale_answers, .. } = &mut *notes;
            samples.push(Sample { at: began.elapsed(), stored: seen.stored, published: seen.published, workers });
            (*falls, *stale_answers) = (seen.falls, seen.stale_answers);
        }
        if number % METRICS_EVERY == 0 {
            for Living { name, metrics, .. } in living {
                if let Some(text) = metrics_of(&http, &format!("http://{metrics}/metrics")).await {
                    lock(&notes).metrics.insert(name, text);
                }
            }
        }
    }
}

async fn metrics_of(http: &reqwest::Client, url: &str) -> Option<String> {
    http.get(url).send().await.ok()?.text().await.ok()
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().expect("nobody panics with the lock")
}
