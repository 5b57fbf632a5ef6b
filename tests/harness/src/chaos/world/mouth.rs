//! What the registry says to workers: the truth, the truth late, or nonsense.
//!
//! Stands before the registry and speaks HTTP for it. It never denies an id that there is, and never gives the schema of another one:
//! no client could tell that from the truth. Invariant: who goes around it hears the truth.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use crate::http_front::{Answer, Answering, Behind, HttpFront, answer_of, silence};

/// What it babbles, in turn.
const NONSENSE: [(u16, &str); 7] = [
    (200, "<html><body>It works!</body></html>"),
    (200, r#"{"schema": "{\"type\": \"record\", \"name\": \"Pay"#),
    (200, r#"{"schema": "no schema at all"}"#),
    (200, "{}"),
    (200, ""),
    (500, r#"{"error_code": 50001, "message": "Error in the backend data store"}"#),
    (503, "no healthy upstream"),
];

/// How the registry answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it is.
    Honest,
    /// After so long.
    Late(Duration),
    /// With what nobody can read, or with errors.
    Babbling,
}

/// The registry's mouth.
#[derive(Debug)]
pub struct Mouth {
    front: HttpFront,
    speech: Arc<Speech>,
}

#[derive(Debug)]
struct Speech {
    manner: Mutex<Manner>,
    /// Answers that were late or nonsense.
    distorted: AtomicU64,
    /// Questions that the registry behind did not answer.
    unanswered: AtomicU64,
}

impl Mouth {
    pub(super) fn before(registry: &str) -> Result<Self> {
        let speech = Arc::new(Speech {
            manner: Mutex::new(Manner::Honest),
            distorted: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        });
        Ok(Self { front: HttpFront::before(registry, "registry's mouth", speech.clone())?, speech })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.front.url()
    }

    /// Lets it answer otherwise from now on.
    pub fn speak(&self, manner: Manner) {
        *self.speech.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How many answers were late or nonsense.
    #[must_use]
    pub fn distorted(&self) -> u64 {
        self.speech.distorted.load(Ordering::Relaxed)
    }

    /// How many questions the registry behind did not answer.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.speech.unanswered.load(Ordering::Relaxed)
    }
}

impl Answering for Speech {
    async fn answer(&self, request: Request<Incoming>, behind: &Behind) -> Answer {
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        match manner {
            Manner::Honest => {}
            Manner::Late(by) => {
                self.distorted.fetch_add(1, Ordering::Relaxed);
                // The lateness itself is what is asked for: nothing could be waited for instead.
                tokio::time::sleep(by).await;
            }
            Manner::Babbling => {
                let turn = usize::try_from(self.distorted.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
                let (status, body) = NONSENSE[turn % NONSENSE.len()];
                return answer_of(StatusCode::from_u16(status).expect("a status of the list"), body);
            }
        }
        behind.answer(request).await.unwrap_or_else(|error| {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            silence(&error)
        })
    }
}
