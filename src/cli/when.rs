//! Moments on the command line: an instant or "so long ago", as people write filters; instants and ages in columns of lists.
//!
//! Invariant: what is printed can be typed back: an instant is RFC 3339 in UTC on every line of every command.

use std::time::Duration;

use crate::config::units::parse_duration;
use crate::ids::Timestamp;

/// An instant, or how long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Then.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// Reads either.
    ///
    /// # Errors
    /// What it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = rfc3339(text).map(Self::At);
        at.or_else(|| parse_duration(text).ok().map(Self::Ago)).ok_or_else(|| {
            format!(
                "`{text}` is neither an instant nor a time ago: use RFC 3339 such as 2026-01-02T00:00:00Z, or whole \
                 numbers with units such as 30m, 2h or 7d"
            )
        })
    }

    /// The instant that it is at `now`, not before 1970.
    #[must_use]
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        let micros = |ago: Duration| i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        match self {
            Self::At(at) => Timestamp(at.0.max(0)),
            Self::Ago(ago) => Timestamp(now.0.saturating_sub(micros(ago)).max(0)),
        }
    }
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(instant.as_microsecond()))
}

/// An instant to the second.
#[must_use]
pub fn to_the_second(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.to_string(), |at| format!("{at:.0}"))
}

/// An instant to the microsecond.
#[must_use]
pub fn exactly(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.to_string(), |at| format!("{at:.6}"))
}

/// How long ago it was, in the largest unit of which there are two or more: `42 s`, `90 min`, `26 h`, `3 d`.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / 1_000_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

    #[test]
    fn a_moment_is_an_instant_or_a_time_ago_and_nothing_else() {
        assert_eq!(Moment::parse("2025-10-09T08:53:20Z").unwrap().seen_from(Timestamp(0)), NOW);
        let hours = Moment::parse("1h30m").unwrap();
        assert_eq!(hours.seen_from(NOW), Timestamp(NOW.0 - 5_400_000_000));
        assert_eq!(Moment::parse("1970-01-01T00:00:00Z").unwrap().seen_from(NOW), Timestamp(0));
        assert_eq!(hours.seen_from(Timestamp(5)), Timestamp(0), "never before 1970");
        for text in ["yesterday", "17", "", "2025-10-09", "-2h"] {
            let error = Moment::parse(text).unwrap_err();
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("RFC 3339") && error.contains("7d"),
                "{error}"
            );
        }
    }

    #[test]
    fn instants_are_printed_as_they_can_be_typed() {
        assert_eq!(to_the_second(NOW), "2025-10-09T08:53:20Z");
        assert_eq!(exactly(Timestamp(NOW.0 + 7)), "2025-10-09T08:53:20.000007Z");
        assert_eq!(to_the_second(Timestamp(i64::MAX)), i64::MAX.to_string());
    }

    #[test]
    fn an_age_is_said_in_a_unit_that_a_person_would_choose() {
        let ages = [0, 1, 119, 120, 7_199, 7_200, 172_799, 172_800, 10_000_000];
        let said: Vec<String> = ages.iter().map(|seconds| age(NOW, Timestamp(NOW.0 + seconds * 1_000_000))).collect();
        assert_eq!(said, ["0 s", "1 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "115 d"]);
        assert_eq!(age(Timestamp(NOW.0 + 1), NOW), "0 s", "a clock that is behind");
    }
}
