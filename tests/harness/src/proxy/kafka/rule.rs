//! A rule of a wire: which requests it catches, what is done to them, and what became of each.
//!
//! Invariant: what was caught stays in the rule's record, with the error that the broker answered it with, if it ever did.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Request;

/// What is done to a request that is caught, or to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing; it is only recorded.
    Watch,
    /// It waits until it is released, and so does what comes behind it on its connection.
    Hold,
    /// The same, and the client's end of the connection breaks: the client will send it again on another.
    HoldAndBreak,
    /// It never arrives; what comes behind it does.
    Drop,
    /// It passes, and so does a copy right behind it. The client does not hear the answer to the copy.
    Repeat,
    /// It passes; a copy waits until it is released, and goes then on the same connection, or on another if that one is gone.
    RepeatLater,
    /// The same, on a connection of the copy's own.
    RepeatElsewhere,
    /// It passes; the answer waits until it is released, and so do the answers behind it.
    HoldAnswer,
    /// It passes; the answer never arrives.
    DropAnswer,
    /// It passes; when it is answered, the client's end of the connection breaks instead.
    BreakAtAnswer,
}

/// A rule that was given to a wire.
#[derive(Clone, Debug)]
pub struct Rule(pub(super) Arc<Kept>);

impl Rule {
    /// What it caught, in order.
    #[must_use]
    pub fn caught(&self) -> Vec<Request> {
        self.0.caught().iter().map(|caught| caught.request.clone()).collect()
    }

    /// The errors with which the broker answered what was caught, or its copies; 0 for none, in the order in which they were caught.
    #[must_use]
    pub fn errors(&self) -> Vec<i16> {
        self.0.caught().iter().filter_map(|caught| *caught.answered.borrow()).collect()
    }

    /// Lets go what waits.
    pub fn release(&self) {
        self.decide(Fate::Goes);
    }

    /// Drops what waits.
    pub fn discard(&self) {
        self.decide(Fate::Vanishes);
    }

    /// Catches nothing more.
    pub fn end(&self) {
        self.0.left.store(0, Ordering::SeqCst);
    }

    fn decide(&self, fate: Fate) {
        for caught in self.0.caught().iter() {
            caught.fate.send_if_modified(|now| {
                let waits = *now == Fate::Waits;
                if waits {
                    *now = fate;
                }
                waits
            });
        }
    }
}

/// What becomes of something that was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    Goes,
    Vanishes,
}

/// A request that was caught.
#[derive(Debug)]
pub(super) struct Caught {
    pub(super) request: Request,
    fate: watch::Sender<Fate>,
    answered: watch::Sender<Option<i16>>,
}

impl Caught {
    /// Waits until it is decided whether it goes.
    pub(super) async fn goes(&self) -> bool {
        let mut fate = self.fate.subscribe();
        fate.wait_for(|fate| *fate != Fate::Waits).await.is_ok_and(|fate| *fate == Fate::Goes)
    }

    /// Records an answer.
    pub(super) fn answer(&self, frame: &bytes::Bytes) {
        self.answered.send_replace(self.request.error_of(frame));
    }
}

type Catches = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// A rule as the wire keeps it.
pub(super) struct Kept {
    catches: Catches,
    action: Action,
    left: AtomicUsize,
    caught: Mutex<Vec<Arc<Caught>>>,
}

impl Kept {
    pub(super) fn new(count: usize, catches: Catches, action: Action) -> Self {
        Self { catches, action, left: AtomicUsize::new(count), caught: Mutex::default() }
    }

    pub(super) fn catch(&self, request: &Request) -> Option<(Action, Arc<Caught>)> {
        if self.left.load(Ordering::SeqCst) == 0 || !(self.catches)(request) {
            return None;
        }
        let took = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        took.ok()?;
        let (fate, answered) = (watch::Sender::new(Fate::Waits), watch::Sender::new(None));
        let caught = Arc::new(Caught { request: request.clone(), fate, answered });
        self.caught().push(caught.clone());
        Some((self.action, caught))
    }

    fn caught(&self) -> MutexGuard<'_, Vec<Arc<Caught>>> {
        self.caught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} so far", self.action, self.caught().len())
    }
}
