//! What the times of publication say: events a second, latency, and what a kill did to each lane.
//!
//! Pure. All times are those of Kafka's records, in milliseconds: a status event's is taken when it is handed to Kafka, some
//! milliseconds before its transaction commits.

use std::ops::Range;

use crate::check::Published;

/// Rates and silences of the busy part.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// From the first record sent to the last status event, in seconds.
    pub seconds: f64,
    /// The longest time after the kill in which nothing at all was published, in seconds.
    pub silence_seconds: f64,
    /// Input records a second over all of it.
    pub overall: f64,
    /// Input records a second, the silence left out.
    pub without_silence: f64,
    /// The same between the first tenth and the last tenth of the status events.
    pub middle: f64,
}

/// Measures the busy part: `records` went in from `began` on, and somebody was killed at `killed`.
#[must_use]
pub fn speed(published: &[Published], records: u64, began: i64, killed: i64) -> Speed {
    let last = published.last().map_or(began, |published| published.at_millis);
    let (from, silence) = longest_silence(published, killed);
    let at =
        |tenths: usize| published.get(published.len() * tenths / 10).map_or(began, |published| published.at_millis);
    let (first_tenth, last_tenth) = (at(1), at(9));
    let silence_in_the_middle = if from >= first_tenth && from < last_tenth { silence } else { 0 };
    let rate = |records: f64, millis: i64| records * 1000.0 / (millis.max(1) as f64);
    let records = records as f64;
    Speed {
        seconds: (last - began) as f64 / 1000.0,
        silence_seconds: silence as f64 / 1000.0,
        overall: rate(records, last - began),
        without_silence: rate(records, last - began - silence),
        middle: rate(records * 0.8, last_tenth - first_tenth - silence_in_the_middle),
    }
}

/// When the longest silence after the kill began, and how long it was.
fn longest_silence(published: &[Published], killed: i64) -> (i64, i64) {
    let pairs = published.windows(2).filter(|pair| pair[1].at_millis > killed);
    let silences = pairs.map(|pair| (pair[0].at_millis, pair[1].at_millis - pair[0].at_millis));
    silences.max_by_key(|(_, silence)| *silence).unwrap_or((killed, 0))
}

/// How long a lane was silent around the kill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pause {
    /// The lane.
    pub lane: i32,
    /// From the last status event before the kill to the first one after it, in seconds.
    pub seconds: f64,
    /// From the kill to the first status event after it, in seconds.
    pub back_after_seconds: f64,
}

/// The pause of each lane that had something to say before and after the kill.
#[must_use]
pub fn pauses(published: &[Published], killed: i64) -> Vec<Pause> {
    let lanes = published.iter().map(|published| published.lane).max().map_or(0, |last| last + 1);
    let pause = |lane: i32| {
        let of_lane =
            || published.iter().filter(|published| published.lane == lane).map(|published| published.at_millis);
        let before = of_lane().take_while(|at| *at <= killed).last()?;
        let after = of_lane().find(|at| *at > killed)?;
        Some(Pause {
            lane,
            seconds: (after - before) as f64 / 1000.0,
            back_after_seconds: (after - killed) as f64 / 1000.0,
        })
    };
    (0..lanes).filter_map(pause).collect()
}

/// The latency that this share of status events stays below, of those whose cause came in within this time, in milliseconds.
#[must_use]
pub fn latency(published: &[Published], within: Range<i64>, share: f64) -> Option<i64> {
    let timely = published.iter().filter(|published| within.contains(&published.caused_at_millis));
    let mut latencies: Vec<i64> = timely.map(|published| published.at_millis - published.caused_at_millis).collect();
    latencies.sort_unstable();
    let place = (latencies.len() as f64 * share) as usize;
    latencies.get(place.min(latencies.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One status event every 10 ms in turns of two lanes; lane 1 says nothing for two seconds after the kill at 500.
    fn published() -> Vec<Published> {
        let event = |at_millis, lane| Published { at_millis, caused_at_millis: at_millis - 7, lane };
        let before = (0..50).map(|step| event(step * 10, i32::try_from(step % 2).unwrap()));
        let alone = (50..60).map(|step| event(step * 10, 0));
        let after = (250..300).map(|step| event(step * 10, i32::try_from(step % 2).unwrap()));
        before.chain(alone).chain(after).collect()
    }

    #[test]
    fn the_silence_after_the_kill_is_counted_and_left_out() {
        let speed = speed(&published(), 299, 0, 500);
        assert_eq!((speed.seconds, speed.silence_seconds), (2.99, 1.91));
        assert!((speed.overall - 100.0).abs() < 0.1, "{speed:?}");
        assert!((speed.without_silence - 276.9).abs() < 0.1, "{speed:?}");
    }

    #[test]
    fn a_pause_is_from_the_last_word_before_the_kill_to_the_first_after_it() {
        let pauses = pauses(&published(), 500);
        assert_eq!(pauses.len(), 2);
        assert_eq!((pauses[0].lane, pauses[0].seconds), (0, 0.01));
        assert_eq!((pauses[1].lane, pauses[1].seconds, pauses[1].back_after_seconds), (1, 2.02, 2.01));
    }

    #[test]
    fn latency_is_of_the_status_events_whose_cause_came_in_late_enough() {
        let mut published = published();
        published.push(Published { at_millis: 9_000, caused_at_millis: 8_000, lane: 0 });
        assert_eq!(latency(&published, 0..9_000, 0.5), Some(7));
        assert_eq!(latency(&published, 5_000..9_000, 0.99), Some(1_000));
        assert_eq!(latency(&published, 9_000..9_001, 0.5), None);
    }

    #[test]
    fn nothing_published_is_no_speed_and_no_pause() {
        assert_eq!(speed(&[], 0, 5, 5).overall, 0.0);
        assert!(pauses(&[], 5).is_empty());
    }
}
