//! The thread that writes the heartbeat once a second, from before the first look at a server until the worker has ended.
//!
//! A thread of its own: tasks that hang must not take the witness with them. Invariant: it never stops a worker; a file that cannot
//! be written is told once and tried again.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::place::{self, Place};
use super::pulse::Pulse;
use super::{Heartbeat, Lane, State, Stopping};
use crate::config::Config;
use crate::shutdown::Shutdown;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// What a process may take beyond its limit of a shutdown before it counts as hanging.
const GRACE: Duration = Duration::from_secs(10);

/// A heartbeat that is written until this is dropped, which also removes the file.
#[derive(Debug)]
pub struct Beating {
    /// Closed to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

/// What the thread looks at.
struct Heart<L> {
    pulse: Arc<Pulse>,
    shutdown: Shutdown,
    lanes: L,
    shutdown_limit: Duration,
    stopping_since: Option<Instant>,
    path: PathBuf,
    is_told: bool,
}

impl Beating {
    /// Begins to write; the file is there when this returns, unless it cannot be written. `lanes` tells the lanes as they are now.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        config: &Config,
        pulse: Arc<Pulse>,
        shutdown: Shutdown,
        lanes: impl Fn() -> Vec<Lane> + Send + 'static,
    ) -> std::io::Result<Self> {
        let place = Place::of(config);
        place.sweep();
        let path = place.file(std::process::id());
        let shutdown_limit = config.worker.shutdown_timeout + GRACE;
        let mut heart =
            Heart { pulse, shutdown, lanes, shutdown_limit, stopping_since: None, path: path.clone(), is_told: false };
        heart.beat();
        let (end, ended) = bounded(0);
        let thread = std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || heart.keep(&ended))?;
        Ok(Self { end: Some(end), thread: Some(thread), path })
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
        _ = std::fs::remove_file(&self.path);
    }
}

impl<L: Fn() -> Vec<Lane>> Heart<L> {
    fn keep(&mut self, ended: &Receiver<()>) {
        while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            self.beat();
        }
    }

    fn beat(&mut self) {
        let heartbeat = self.heartbeat();
        match place::write(&self.path, &heartbeat) {
            Ok(()) => self.is_told = false,
            Err(error) if !self.is_told => {
                self.is_told = true;
                tracing::warn!(
                    "the heartbeat `{}` cannot be written ({error}): `orderstream health` knows nothing of this worker; name a directory that it may write in worker.heartbeat_directory",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
    }

    fn heartbeat(&mut self) -> Heartbeat {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let end = self.shutdown.reason();
        if end.is_some() {
            self.stopping_since.get_or_insert_with(Instant::now);
        }
        let stopping = end.map(|end| Stopping {
            reason: end.reason,
            for_ms: self.stopping_since.map_or(0, |since| millis(since.elapsed())),
            limit_ms: millis(self.shutdown_limit),
        });
        let has_started = self.pulse.has_started();
        Heartbeat {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            written_at_ms: millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
            state: match (&stopping, has_started) {
                (Some(_), _) => State::Stopping,
                (None, true) => State::Running,
                (None, false) => State::Starting,
            },
            has_started,
            is_assigned: self.pulse.is_assigned(),
            stopping,
            parts: self.pulse.parts(),
            lanes: (self.lanes)(),
        }
    }
}
