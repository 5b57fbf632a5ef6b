//! How many records of a topic a read_committed consumer could read, and when: looked at ten times a second.
//!
//! Asks for the last stable offsets, one request for all partitions, as the tool that measures the peers does; reading the records
//! themselves would cost the machine that is being measured. Markers of transactions count as records, so only shares of the whole mean
//! something. Invariant: a series never falls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::background::Background;
use crate::stack;
use crate::topic_log::{LogReader, Partition};

/// The pause between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// How long Kafka may take to answer; a look without an answer is left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// A number that grew, and when it was how large.
#[derive(Clone, Debug, Default)]
pub struct Series {
    points: Vec<(Instant, u64)>,
}

impl Series {
    /// Adds a look: later than all before it, and a number that is no smaller.
    pub fn push(&mut self, at: Instant, count: u64) {
        let last = self.points.last().map_or(0, |(_, last)| *last);
        self.points.push((at, count.max(last)));
    }

    /// What was done and when, in any order, as a series of all that was done so far.
    #[must_use]
    pub fn of_steps(mut steps: Vec<(Instant, u64)>) -> Self {
        steps.sort_unstable_by_key(|(at, _)| *at);
        let mut done = 0;
        let sum = |(at, more): (Instant, u64)| {
            done += more;
            (at, done)
        };
        Self { points: steps.into_iter().map(sum).collect() }
    }

    /// The looks, in their order.
    #[must_use]
    pub fn points(&self) -> &[(Instant, u64)] {
        &self.points
    }

    /// By how much the number grew.
    #[must_use]
    pub fn growth(&self) -> u64 {
        match (self.points.first(), self.points.last()) {
            (Some((_, first)), Some((_, last))) => last - first,
            _ => 0,
        }
    }

    /// When the number had done this share of its growth, as if it grew evenly between two looks.
    #[must_use]
    pub fn at_share(&self, share: f64) -> Option<Instant> {
        let (_, first) = *self.points.first()?;
        let goal = first as f64 + share * self.growth() as f64;
        let place = self.points.iter().position(|(_, count)| *count as f64 >= goal)?;
        let (at, count) = self.points[place];
        let Some((before, less)) = place.checked_sub(1).map(|place| self.points[place]) else { return Some(at) };
        let part = (goal - less as f64) / (count - less).max(1) as f64;
        Some(before + (at - before).mul_f64(part.clamp(0.0, 1.0)))
    }

    /// How long the growth took from a tenth to nine tenths of it: what comes before is warming up, what comes after running out.
    #[must_use]
    pub fn middle(&self) -> Option<Duration> {
        Some(self.at_share(0.9)?.duration_since(self.at_share(0.1)?))
    }

    /// Events a second, if the growth is what so many events made: 80 % of them over the time from a tenth to nine tenths. None
    /// where nothing grew.
    #[must_use]
    pub fn rate(&self, events: u64) -> Option<f64> {
        let seconds = self.middle()?.as_secs_f64();
        (self.growth() > 0 && seconds > 0.0).then(|| 0.8 * events as f64 / seconds)
    }
}

/// Looks at a topic all the time, until it is told to end.
#[derive(Debug)]
pub struct Watcher(Background<Series>);

impl Watcher {
    /// Begins to look, with a first look before this returns.
    ///
    /// # Errors
    /// Kafka does not answer, or there is no such topic.
    pub fn begin(brokers: &str, topic: &str) -> Result<Self> {
        let partitions = LogReader::on(brokers)?.partitions(topic)?;
        let mut config = stack::client(brokers);
        config.set("group.id", "orderstream-harness-reader").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create()?;
        let mut series = Series::default();
        let first = visible(&consumer, &partitions);
        series.push(Instant::now(), first.with_context(|| format!("kafka does not say where `{topic}` ends"))?);
        Ok(Self(Background::begin(move |end| watch(&consumer, &partitions, series, &end))))
    }

    /// Takes a last look.
    ///
    /// # Errors
    /// The thread panicked.
    pub async fn end(self) -> Result<Series> {
        self.0.end().await
    }
}

fn watch(consumer: &BaseConsumer, partitions: &[Partition], mut series: Series, end: &AtomicBool) -> Series {
    loop {
        let is_last = end.load(Ordering::SeqCst);
        if let Ok(count) = visible(consumer, partitions) {
            series.push(Instant::now(), count);
        }
        if is_last {
            return series;
        }
        std::thread::sleep(EVERY);
    }
}

/// The sum of the last stable offsets.
fn visible(consumer: &BaseConsumer, partitions: &[Partition]) -> KafkaResult<u64> {
    // Serves what piled up for a client that nothing else polls: log lines and errors.
    while consumer.poll(Duration::ZERO).is_some() {}
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for Partition { topic, number } in partitions {
        asked.add_partition_offset(topic, *number, Offset::End)?;
    }
    // The "timestamp" -1 asks for the end, as in the protocol's ListOffsets.
    let mut sum = 0;
    for element in consumer.offsets_for_times(asked, PATIENCE)?.elements() {
        element.error()?;
        if let Offset::Offset(end) = element.offset() {
            sum += end.unsigned_abs();
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seconds_and_counts: &[(u64, u64)]) -> Series {
        let began = Instant::now();
        let mut series = Series::default();
        seconds_and_counts.iter().for_each(|(at, count)| series.push(began + Duration::from_secs(*at), *count));
        series
    }

    #[test]
    fn the_rate_is_of_the_middle_and_not_of_the_beginning_or_the_end() {
        // Ten seconds of nothing, ten seconds of a hundred each, and the last words much later.
        let even = series(&[(0, 500), (10, 500), (20, 1_500), (60, 1_501)]);
        assert_eq!(even.growth(), 1_001);
        let middle = even.middle().expect("it grew").as_secs_f64();
        assert!((8.0..8.02).contains(&middle), "{middle}");
        let rate = even.rate(2_000).expect("it grew");
        assert!((199.0..200.1).contains(&rate), "{rate}");
    }

    #[test]
    fn what_never_grew_has_no_rate() {
        assert_eq!(Series::default().rate(10), None);
        assert_eq!(series(&[(0, 7), (1, 7)]).rate(10), None);
    }

    #[test]
    fn steps_of_several_hands_add_up_in_the_order_of_time() {
        let now = Instant::now();
        let at = |second| now + Duration::from_secs(second);
        let series = Series::of_steps(vec![(at(3), 5), (at(1), 2), (at(2), 1)]);
        assert_eq!(series.points(), [(at(1), 2), (at(2), 3), (at(3), 8)]);
    }

    #[test]
    fn a_number_that_seems_to_fall_stays() {
        assert_eq!(series(&[(0, 3), (1, 2)]).growth(), 0);
    }
}
