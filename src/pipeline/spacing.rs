//! How long a writer rests after a batch. Pure.
//!
//! A batch costs the database more than a millisecond of processor whatever is in it, and what it says is published with what the
//! next ones say: small batches are better fewer. Where processors are busy, a batch takes longer, and so does the rest after it,
//! until the work that is left fits. Invariant: a writer that has a backlog rests no longer than until
//! `APART` after it began its last batch.

use std::time::Duration;

/// How far apart batches begin, at least.
const APART: Duration = Duration::from_millis(8);
/// The longest rest.
const LONGEST: Duration = Duration::from_millis(40);
/// A batch of so many records was waited for long enough.
const MANY: usize = 500;

/// How long after a batch of so many records, which took so long, the next one begins.
#[must_use]
pub fn rest(records: usize, has_backlog: bool, took: Duration) -> Duration {
    let apart = APART.saturating_sub(took);
    if has_backlog || records >= MANY { apart } else { apart.max(took).min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_batches_rest_as_long_as_they_take_and_begin_some_milliseconds_apart() {
        let millis = Duration::from_millis;
        let rests = [0, 2, 6, 20, 1_000].map(|took| rest(1, false, millis(took)));
        assert_eq!(rests, [8, 6, 6, 20, 40].map(millis));
    }

    #[test]
    fn a_backlog_is_worked_on_without_a_rest_however_little_of_it_goes_into_a_batch() {
        for (records, has_backlog) in [(MANY, false), (1, true)] {
            assert_eq!(rest(records, has_backlog, Duration::from_millis(20)), Duration::ZERO);
            assert_eq!(rest(records, has_backlog, Duration::from_millis(3)), Duration::from_millis(5));
        }
    }
}
