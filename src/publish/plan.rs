//! What the relay does next: as a whole, with the next chunk of a lane, with a verdict, and with an error. Pure.
//!
//! The same functions run in the relay and in the model of the protocol (`tests/harness/src/model/`). Invariant: a lane's rows are
//! published in the order of their numbers, each once: one at a time beyond what is published, never below it, never across a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::position::Verdict;
use crate::ids::Seq;

/// What decides on the relay's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Some lane has rows to publish, or nobody knows yet whether it has.
    pub has_work: bool,
    /// There is a producer that nobody doubts.
    pub has_producer: bool,
    /// A transaction of ours failed, and may be open.
    pub own_left: bool,
    /// Former owners' transactions wait to be ended.
    pub former_left: bool,
    /// Some lane's position was not read since the last doubt.
    pub position_unknown: bool,
}

/// The relay's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Nothing is to be done.
    Rest,
    /// Take the process's own transactional id: ends what an earlier producer of ours left open.
    OpenProducer,
    /// End what former owners left open.
    EndFormer,
    /// Ask Kafka where lanes stand.
    ReadPositions,
    /// Publish what is there.
    Publish,
}

/// The order of a take-over, and of the way back after every doubt: no position is read while a transaction of ours, or one of
/// a former owner, may be open; nothing is published before the positions are read. What we left open ourselves is ended even
/// where no lane is ours any more: nobody else need know of it, and it would stand before everybody's records until its time-out.
#[must_use]
pub fn duty(situation: Situation) -> Duty {
    let Situation { has_work, has_producer, own_left, former_left, position_unknown } = situation;
    if !has_producer && (has_work || own_left) {
        Duty::OpenProducer
    } else if !has_work {
        Duty::Rest
    } else if former_left {
        Duty::EndFormer
    } else if position_unknown {
        Duty::ReadPositions
    } else {
        Duty::Publish
    }
}

/// What a lane does after its position was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heed {
    /// Publish what comes after this row.
    After(Seq),
    /// The same, and say that consumers may see rows again.
    AgainAfter(Seq),
    /// The claim is another's by now: the tenure ends.
    Taken,
    /// The database is behind what was published: the process stops, and says why.
    Stop(String),
}

/// Heeds a verdict. `owns` says whether the database still holds our claim, and is asked only where that matters: a process
/// that was frozen finds its successor's position, and then it is our claim that is old, not the database.
///
/// # Errors
/// Those of `owns`.
pub fn heed<E>(verdict: Verdict, owns: impl FnOnce() -> Result<bool, E>) -> Result<Heed, E> {
    Ok(match verdict {
        Verdict::Continue(seq) => Heed::After(seq),
        Verdict::KafkaWentBack(seq) => Heed::AgainAfter(seq),
        Verdict::Stop(text) => {
            if owns()? {
                Heed::Stop(text)
            } else {
                Heed::Taken
            }
        }
    })
}

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

/// The rows that have to be loaded from the journal before a lane can go on: those before its first chunk in memory, or, where
/// none is in memory, all that are known to be committed.
#[must_use]
pub fn missing(published: Seq, first_chunk: Option<Seq>, last_seq: Seq) -> Option<(Seq, Seq)> {
    match first_chunk.map(|chunk| next(published, chunk)) {
        Some(Next::Load { first, last }) => Some((first, last)),
        None if last_seq > published => Some((published.next(), last_seq)),
        Some(Next::Publish | Next::Drop) | None => None,
    }
}

/// How many chunks follow one another beyond what is published: as many, at most, go into one transaction.
#[must_use]
pub fn in_sequence(published: Seq, chunks: impl Iterator<Item = Seq>) -> usize {
    let mut position = published;
    let follows = |chunk: &Seq| {
        let follows = next(position, *chunk) == Next::Publish;
        position = *chunk;
        follows
    };
    chunks.take_while(follows).count()
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
    fn nothing_is_published_before_former_transactions_are_ended_and_positions_read() {
        let mut situation = Situation {
            has_work: true,
            has_producer: false,
            own_left: false,
            former_left: true,
            position_unknown: true,
        };
        assert_eq!(duty(situation), Duty::OpenProducer);
        situation.has_producer = true;
        assert_eq!(duty(situation), Duty::EndFormer);
        situation.former_left = false;
        assert_eq!(duty(situation), Duty::ReadPositions);
        situation.position_unknown = false;
        assert_eq!(duty(situation), Duty::Publish);
        assert_eq!(duty(Situation { has_work: false, ..situation }), Duty::Rest);
    }

    #[test]
    fn what_we_left_open_is_ended_even_when_no_lane_is_ours_any_more() {
        let idle = Situation {
            has_work: false,
            has_producer: false,
            own_left: true,
            former_left: false,
            position_unknown: false,
        };
        assert_eq!(duty(idle), Duty::OpenProducer);
        assert_eq!(duty(Situation { own_left: false, ..idle }), Duty::Rest);
        assert_eq!(duty(Situation { has_producer: true, ..idle }), Duty::Rest);
    }

    #[test]
    fn a_position_ahead_of_the_database_ends_a_tenure_that_is_old_and_stops_the_owner() {
        let ahead = || Verdict::Stop("ahead".to_owned());
        assert_eq!(heed(ahead(), || Ok::<_, ()>(false)), Ok(Heed::Taken));
        assert_eq!(heed(ahead(), || Ok::<_, ()>(true)), Ok(Heed::Stop("ahead".to_owned())));
        assert_eq!(heed(ahead(), || Err("no answer")), Err("no answer"));
        assert_eq!(heed(Verdict::Continue(Seq(3)), || Err("never asked")), Ok(Heed::After(Seq(3))));
    }

    #[test]
    fn what_is_not_in_memory_is_loaded() {
        assert_eq!(missing(Seq(4), None, Seq(6)), Some((Seq(5), Seq(6))));
        assert_eq!(missing(Seq(4), None, Seq(4)), None);
        assert_eq!(missing(Seq(4), Some(Seq(7)), Seq(9)), Some((Seq(5), Seq(6))));
        assert_eq!(missing(Seq(4), Some(Seq(5)), Seq(9)), None);
    }

    #[test]
    fn a_transaction_takes_chunks_up_to_the_first_gap() {
        assert_eq!(in_sequence(Seq(4), [5, 6, 8].map(Seq).into_iter()), 2);
        assert_eq!(in_sequence(Seq(4), [6, 7].map(Seq).into_iter()), 0);
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
