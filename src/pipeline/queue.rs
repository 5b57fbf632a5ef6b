//! What waits of a lane: the records of each topic in their order, and of all topics the oldest first.
//!
//! While there is a backlog, topics are read one after the other, and some say less of an order than others. The oldest first brings
//! what was said of an order at about the same time into the same batch: its row is written once, and its story is told as it
//! happened. Invariant: the records of a topic leave in the order in which they came, and no topic waits for another for long.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::consume::horizon::Sighting;
use crate::consume::record::Record;
use crate::ids::NextOffset;
use crate::order::Source;

/// From so many records on, here and still to come, there is a backlog, and time to wait for the topics that are behind.
const BACKLOG: usize = 500;
/// How long the other topics of a lane wait for one whose records are known to be there and have not come.
const PATIENCE: Duration = Duration::from_millis(100);

/// A record, and when it was taken from Kafka.
pub type Waiting = (Record, Instant);

/// A lane's queue.
#[derive(Debug, Default)]
pub struct Queue {
    topics: BTreeMap<Source, Topic>,
    held_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Topic {
    records: VecDeque<Waiting>,
    /// Where the consumer stands.
    position: NextOffset,
    /// Where the partition ended when somebody looked.
    end: NextOffset,
    /// It was waited for in vain: records of a transaction that is open for long, or a partition without a leader.
    is_overdue: bool,
}

impl Topic {
    /// How many records wait here, and how many offsets lie between the consumer and where the partition ended.
    fn backlog(&self) -> usize {
        self.records.len() + usize::try_from(self.end.0.saturating_sub(self.position.0)).unwrap_or(0)
    }

    /// Whether it has nothing, and has more to come.
    fn is_awaited(&self) -> bool {
        self.records.is_empty() && self.position < self.end && !self.is_overdue
    }
}

impl Queue {
    /// An empty queue of a lane whose topics stand at these checkpoints.
    #[must_use]
    pub fn of(checkpoints: &[(Source, NextOffset)]) -> Self {
        let mut queue = Self::default();
        checkpoints.iter().for_each(|(source, position)| queue.pass(*source, *position));
        queue
    }

    /// Takes the oldest of the topics' first records; none while one of them is waited for.
    pub fn pop(&mut self) -> Option<Waiting> {
        if self.is_held() {
            return None;
        }
        self.held_since = None;
        let first = |topic: &Topic| Some(topic.records.front()?.0.timestamp);
        let oldest =
            self.topics.values_mut().filter(|topic| !topic.records.is_empty()).min_by_key(|topic| first(topic))?;
        oldest.records.pop_front()
    }

    /// How long the queue waits for a topic; none where nothing is in it. Who asks begins the wait, and ends it when it is over.
    pub fn held_for(&mut self, now: Instant) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        if !self.is_held() {
            return Some(Duration::ZERO);
        }
        let since = *self.held_since.get_or_insert(now);
        let left = PATIENCE.saturating_sub(now.duration_since(since));
        if left.is_zero() {
            self.topics.values_mut().filter(|topic| topic.is_awaited()).for_each(|topic| topic.is_overdue = true);
        }
        Some(left)
    }

    /// Adds a record behind the others of its topic.
    pub fn push(&mut self, waiting: Waiting) {
        let topic = self.topics.entry(waiting.0.source).or_default();
        topic.position = waiting.0.next_offset();
        topic.is_overdue = false;
        topic.records.push_back(waiting);
    }

    /// Puts a record that was taken before those of its topic.
    pub fn put_back(&mut self, waiting: Waiting) {
        self.topics.entry(waiting.0.source).or_default().records.push_front(waiting);
    }

    /// The consumer stands here.
    pub fn pass(&mut self, source: Source, position: NextOffset) {
        let topic = self.topics.entry(source).or_default();
        topic.position = topic.position.max(position);
    }

    /// Somebody looked where the partitions end.
    pub fn sight(&mut self, sighting: &Sighting) {
        for (source, end) in &sighting.ends {
            self.topics.entry(*source).or_default().end = *end;
        }
    }

    /// Whether there is a backlog, here or still to come.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.topics.values().map(Topic::backlog).sum::<usize>() >= BACKLOG
    }

    /// Whether there is a backlog, and a topic of which the next records have yet to come.
    fn is_held(&self) -> bool {
        self.has_backlog() && self.topics.values().any(Topic::is_awaited)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.values().all(|topic| topic.records.is_empty())
    }

    /// Whether a record of the topic waits that stands before this position.
    #[must_use]
    pub fn has_before(&self, source: Source, position: NextOffset) -> bool {
        let first = self.topics.get(&source).and_then(|topic| topic.records.front());
        first.is_some_and(|(record, _)| record.offset < position.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Lane, Timestamp};

    fn record(source: Source, offset: i64, timestamp: i64) -> Waiting {
        let timestamp = Timestamp(timestamp);
        let record =
            Record { source, lane: Lane(0), offset, timestamp, key: None, value: None, headers: Ok(Vec::new()) };
        (record, Instant::now())
    }

    #[test]
    fn the_oldest_comes_first_and_no_record_passes_another_of_its_topic() {
        let mut queue = Queue::default();
        let came =
            [(Source::Shipping, 7, 30), (Source::Shipping, 8, 10), (Source::Payment, 1, 20), (Source::Payment, 2, 40)];
        came.into_iter().for_each(|(source, offset, timestamp)| queue.push(record(source, offset, timestamp)));
        assert!(
            queue.has_before(Source::Shipping, NextOffset(8)) && !queue.has_before(Source::Shipping, NextOffset(7))
        );
        let first = queue.pop().unwrap();
        assert_eq!((first.0.source, first.0.offset), (Source::Payment, 1));
        queue.put_back(first);
        let left = std::iter::from_fn(|| queue.pop()).map(|(record, _)| record.offset);
        assert_eq!(left.collect::<Vec<_>>(), [1, 7, 8, 2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_topic_that_has_more_is_waited_for_and_not_for_long() {
        let mut queue = backlog();
        queue.sight(&ends_at(9));
        let now = Instant::now();
        assert_eq!((queue.pop().is_none(), queue.held_for(now)), (true, Some(PATIENCE)));
        queue.push(record(Source::Shipping, 7, 10));
        assert_eq!(queue.held_for(now), Some(Duration::ZERO));
        assert_eq!(queue.pop().unwrap().0.offset, 7);
        assert!(queue.pop().is_none(), "one more of that topic is to come");
        assert_eq!(queue.held_for(now), Some(PATIENCE));
        assert_eq!(queue.held_for(now + PATIENCE), Some(Duration::ZERO));
        assert_eq!(queue.pop().unwrap().0.offset, 0);
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), BACKLOG - 1);
        assert_eq!(queue.held_for(now), None);
    }

    #[test]
    fn nothing_is_waited_for_without_a_backlog_or_where_the_rest_was_passed() {
        let mut queue = backlog();
        queue.sight(&ends_at(9));
        queue.pass(Source::Shipping, NextOffset(9));
        assert!(queue.pop().is_some());
        queue.sight(&ends_at(9));
        assert!(queue.pop().is_some());
        queue.sight(&ends_at(10));
        assert!(queue.pop().is_some(), "a few records go at once");
    }

    /// Where lanes are many, each may hold few.
    #[test]
    fn what_is_known_to_come_is_part_of_the_backlog() {
        let mut queue = Queue::default();
        (0..3).for_each(|offset| queue.push(record(Source::Payment, offset, 20)));
        let beyond = i64::try_from(BACKLOG).unwrap() - 4;
        queue.sight(&ends_at(beyond));
        assert!(queue.pop().is_some());
        queue.push(record(Source::Payment, 3, 20));
        queue.sight(&ends_at(beyond + 1));
        assert_eq!((queue.pop().is_none(), queue.held_for(Instant::now())), (true, Some(PATIENCE)));
    }

    fn backlog() -> Queue {
        let mut queue = Queue::default();
        (0..).take(BACKLOG).for_each(|offset| queue.push(record(Source::Payment, offset, 20)));
        queue
    }

    fn ends_at(shipping: i64) -> Sighting {
        Sighting { at: Timestamp(0), ends: vec![(Source::Shipping, NextOffset(shipping))] }
    }
}
