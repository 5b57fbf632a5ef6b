//! How the process is asked to stop, by a signal or by a component, and with which exit code it will.
//!
//! The first SIGTERM or SIGINT asks everybody to finish; a second one ends the process at once, which is always safe.
//! Invariant: the first reason wins - what fails because we are stopping does not change why we stopped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::exit::Exit;

/// Signals so close together are one request.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// A request to stop that everybody shares; clones speak of the same one.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    end: Mutex<Option<End>>,
    /// Wakes threads.
    blocked: Condvar,
    /// Wakes tasks.
    requested: watch::Sender<bool>,
}

/// Why the process stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The code it will exit with.
    pub exit: Exit,
    /// The reason, in a sentence.
    pub reason: String,
}

/// The answer to whoever waits for something else: a shutdown was requested, so stop waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a shutdown was requested")]
pub struct Stopping;

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that nobody has requested.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { end: Mutex::new(None), blocked: Condvar::new(), requested: watch::Sender::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// Asks everybody to finish in good order; the process will exit with 0.
    pub fn request(&self, reason: impl Into<String>) {
        self.end(Exit::Ok, reason.into());
    }

    /// Asks everybody to finish because something cannot go on; the process will exit with this code.
    pub fn stop(&self, exit: Exit, reason: impl Into<String>) {
        self.end(exit, reason.into());
    }

    /// Whether a shutdown was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.shared.requested.borrow()
    }

    /// Waits until a shutdown is requested; returns at once when it was.
    pub async fn requested(&self) {
        // The sender lives in `self`, so the channel cannot close while somebody waits here.
        _ = self.shared.requested.subscribe().wait_for(|requested| *requested).await;
    }

    /// Pauses a task.
    ///
    /// # Errors
    ///
    /// [`Stopping`], early, when a shutdown is or gets requested.
    pub async fn pause(&self, duration: Duration) -> Result<(), Stopping> {
        tokio::time::timeout(duration, self.requested()).await.map_or(Ok(()), |()| Err(Stopping))
    }

    /// Pauses a thread.
    ///
    /// # Errors
    ///
    /// [`Stopping`], early, when a shutdown is or gets requested.
    pub fn pause_blocking(&self, duration: Duration) -> Result<(), Stopping> {
        let waited = self.shared.blocked.wait_timeout_while(self.lock(), duration, |end| end.is_none());
        let (end, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if end.is_some() { Err(Stopping) } else { Ok(()) }
    }

    /// Why the process stops, once somebody asked it to.
    #[must_use]
    pub fn reason(&self) -> Option<End> {
        self.lock().clone()
    }

    /// The code to exit with: that of the first reason, 0 when there is none.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.lock().as_ref().map_or(Exit::Ok, |end| end.exit)
    }

    fn end(&self, exit: Exit, reason: String) {
        let mut end = self.lock();
        match &*end {
            Some(_) if exit == Exit::Ok => return,
            Some(first) => {
                tracing::error!(code = exit.code(), reason, first = first.reason, "failed while stopping");
                return;
            }
            None if exit == Exit::Ok => tracing::info!(code = exit.code(), reason, "stopping"),
            None => tracing::error!(code = exit.code(), reason, "stopping"),
        }
        *end = Some(End { exit, reason });
        drop(end);
        self.shared.requested.send_replace(true);
        self.shared.blocked.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<End>> {
        self.shared.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens for SIGTERM and SIGINT from now on, on a thread of its own: a busy or stuck runtime cannot delay the second one.
///
/// # Errors
///
/// The system's refusal to listen for signals or to start a thread.
pub fn on_signals(shutdown: &Shutdown) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        signals::Signals::new()?
    };
    let shutdown = shutdown.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let (name, _) = signals.next().await;
            shutdown.request(format!("{name} received"));
            // Ctrl-C and tools such as timeout(1) signal the process and its group: twice at once is once.
            tokio::time::sleep(SAME_SIGNAL).await;
            signals.forget();
            let (name, number) = signals.next().await;
            tracing::warn!("{name} received again: ending at once");
            signals::exit_now(128 + number);
        });
    })?;
    Ok(())
}

mod signals {
    //! The two signals that ask a process to stop, and the way out that runs no one else's code.

    use std::task::{Context, Waker};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub struct Signals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Signals {
        /// Listens; needs a runtime around it.
        pub fn new() -> std::io::Result<Self> {
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }

        /// The next one, with its name and number.
        pub async fn next(&mut self) -> (&'static str, i32) {
            tokio::select! {
                _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
                _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            }
        }
    }

    impl Signals {
        /// Forgets what has arrived and was not asked for.
        pub fn forget(&mut self) {
            let mut context = Context::from_waker(Waker::noop());
            while self.terminate.poll_recv(&mut context).is_ready() {}
            while self.interrupt.poll_recv(&mut context).is_ready() {}
        }
    }

    /// Ends the process without running exit handlers: librdkafka's and OpenSSL's would wait for threads that are stuck.
    pub fn exit_now(code: i32) -> ! {
        // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
        unsafe { libc::_exit(code) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_woken_by_one_request() {
        let shutdown = Shutdown::new();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        let thread = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || shutdown.pause_blocking(Duration::from_secs(60))
        });
        assert!(!shutdown.is_requested());
        shutdown.request("a test");
        task.await.unwrap();
        assert_eq!(thread.join().unwrap(), Err(Stopping));
        assert!(shutdown.is_requested());
        shutdown.requested().await;
    }

    #[tokio::test]
    async fn a_pause_lasts_its_time_unless_a_shutdown_is_requested() {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.pause(Duration::from_millis(5)).await, Ok(()));
        assert_eq!(shutdown.pause_blocking(Duration::from_millis(5)), Ok(()));
        shutdown.request("a test");
        let start = Instant::now();
        assert_eq!(shutdown.pause(Duration::from_secs(60)).await, Err(Stopping));
        assert_eq!(shutdown.pause_blocking(Duration::from_secs(60)), Err(Stopping));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_first_reason_wins() {
        let shutdown = Shutdown::new();
        assert_eq!((shutdown.exit(), shutdown.reason()), (Exit::Ok, None));
        shutdown.stop(Exit::TempFail, "lane 3 was fenced five times in a minute");
        shutdown.stop(Exit::Software, "a consequence");
        shutdown.request("SIGTERM received");
        assert_eq!(shutdown.exit(), Exit::TempFail);
        assert_eq!(shutdown.reason().unwrap().reason, "lane 3 was fenced five times in a minute");
    }

    #[test]
    fn a_request_in_good_order_exits_with_0_whatever_fails_afterwards() {
        let shutdown = Shutdown::new();
        shutdown.request("SIGTERM received");
        shutdown.stop(Exit::Unavailable, "the broker went away while draining");
        assert_eq!(shutdown.exit(), Exit::Ok);
    }
}
