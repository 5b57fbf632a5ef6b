//! What the relay does with the next chunk of a lane, and with an error. Pure.
//!
//! Invariant: a lane's rows are published in the order of their numbers, each once: one at a time beyond what is published,
//! never below it, never across a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::ids::Seq;

/// What to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is the next one.
    Publish,
    /// It is published already.
    Drop,
    /// These rows come first; the journal has them.
    Load {
        /// The first missing row.
        first: Seq,
        /// The last missing row.
        last: Seq,
    },
}

/// The in-order rule.
#[must_use]
pub fn next(published: Seq, chunk: Seq) -> Next {
    if chunk <= published {
        Next::Drop
    } else if chunk == published.next() {
        Next::Publish
    } else {
        Next::Load { first: published.next(), last: Seq(chunk.0 - 1) }
    }
}

/// What a failed transaction means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The group moved on without us: every tenure of the capture is over.
    Generation,
    /// Another producer took our transactional id.
    Fenced,
    /// Anything else: a new producer, the positions read again, and on.
    Doubt,
}

/// Sorts an error of the producer.
#[must_use]
pub fn failure(error: &KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId,
        ) => Failure::Generation,
        Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch) => {
            Failure::Fenced
        }
        _ => Failure::Doubt,
    }
}

/// Counts what must not happen often: so many times within a window.
#[derive(Debug)]
pub struct TooOften {
    limit: usize,
    window: Duration,
    seen: VecDeque<Instant>,
}

impl TooOften {
    /// A counter that trips at `limit` events within `window`.
    #[must_use]
    pub fn new(limit: usize, window: Duration) -> Self {
        Self { limit, window, seen: VecDeque::new() }
    }

    /// Counts one event at `now`; true when that makes too many.
    pub fn count(&mut self, now: Instant) -> bool {
        self.seen.push_back(now);
        while self.seen.front().is_some_and(|first| now.duration_since(*first) > self.window) {
            self.seen.pop_front();
        }
        self.seen.len() >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_published_one_after_the_other_and_never_twice() {
        assert_eq!(next(Seq(4), Seq(5)), Next::Publish);
        assert_eq!(next(Seq(4), Seq(4)), Next::Drop);
        assert_eq!(next(Seq(4), Seq(1)), Next::Drop);
        assert_eq!(next(Seq(4), Seq(8)), Next::Load { first: Seq(5), last: Seq(7) });
    }

    #[test]
    fn a_refused_generation_ends_tenures_and_anything_unknown_is_doubt() {
        assert_eq!(failure(&KafkaError::MessageProduction(RDKafkaErrorCode::UnknownMemberId)), Failure::Generation);
        assert_eq!(failure(&KafkaError::MessageProduction(RDKafkaErrorCode::IllegalGeneration)), Failure::Generation);
        assert_eq!(failure(&KafkaError::MessageProduction(RDKafkaErrorCode::Fenced)), Failure::Fenced);
        assert_eq!(failure(&KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut)), Failure::Doubt);
        assert_eq!(failure(&KafkaError::Canceled), Failure::Doubt);
    }

    #[test]
    fn three_in_a_minute_are_too_often_and_three_in_an_hour_are_not() {
        let start = Instant::now();
        let mut fences = TooOften::new(3, Duration::from_secs(60));
        assert!(!fences.count(start));
        assert!(!fences.count(start + Duration::from_secs(10)));
        assert!(fences.count(start + Duration::from_secs(20)));
        let mut slow = TooOften::new(3, Duration::from_secs(60));
        for minutes in [0, 20, 40] {
            assert!(!slow.count(start + Duration::from_secs(minutes * 60)));
        }
    }
}
