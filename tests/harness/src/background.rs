//! Work on a thread of its own that goes on until it is told to end.
//!
//! Told by whoever waits for it, and by whoever drops it: who failed waits for its threads before it says why. Invariant: nothing
//! goes on that nobody can end any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::task::{JoinHandle, spawn_blocking};

/// Work on its way, with what comes of it.
#[derive(Debug)]
pub struct Background<T> {
    end: Arc<AtomicBool>,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Background<T> {
    /// Begins. The work looks at its flag all the time, and ends when that is true.
    #[must_use]
    pub fn begin(work: impl FnOnce(Arc<AtomicBool>) -> T + Send + 'static) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = end.clone();
        Self { end, task: spawn_blocking(move || work(told)) }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It panicked.
    pub async fn all(mut self) -> Result<T> {
        (&mut self.task).await.context("a thread of the harness")
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Errors
    /// It panicked.
    pub async fn end(self) -> Result<T> {
        self.tell();
        self.all().await
    }
}

impl<T> Background<T> {
    /// Whether it has ended, told or not.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    fn tell(&self) {
        self.end.store(true, Ordering::SeqCst);
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::Background;

    #[tokio::test]
    async fn work_ends_when_it_is_told_to_and_when_it_is_dropped() {
        let (say, said) = channel();
        let work = |name: &'static str| {
            let say = say.clone();
            Background::begin(move |end| {
                while !end.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                say.send(name).expect("somebody listens");
                name
            })
        };
        assert_eq!(work("told").end().await.expect("no panic"), "told");
        drop(work("dropped"));
        assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok("told"));
        assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok("dropped"));
    }
}
