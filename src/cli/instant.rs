//! Instants and lengths of time: as a person may write them on the command line, and as answers show them.
//!
//! Invariant: what is shown can be pasted back as an argument and means the same instant.

use std::time::Duration;

use crate::config::units::parse_duration;
use crate::ids::Timestamp;

/// An instant as the command line says it.
///
/// # Errors
/// How to write one.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(micros) = text.parse() {
        return Ok(Timestamp(micros));
    }
    written(text).ok_or_else(|| {
        format!(
            "`{text}` is not an instant: use RFC 3339 such as 2026-01-02T00:00:00Z, a day such as 2026-01-02, or \
             microseconds since 1970"
        )
    })
}

/// An instant as the command line says it, or one so long before now.
///
/// # Errors
/// How to write one.
pub fn parse_or_ago(text: &str) -> Result<Timestamp, String> {
    let now = || Timestamp(jiff::Timestamp::now().as_microsecond());
    parse(text).or_else(|_| Moment::parse(text).map(|moment| moment.seen_from(now())))
}

/// RFC 3339, or a day.
fn written(text: &str) -> Option<Timestamp> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let instant: Option<jiff::Timestamp> = text.parse().ok().or_else(day);
    instant.map(|instant| Timestamp(instant.as_microsecond()))
}

/// An instant of a filter: then, or so long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Then.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// Reads either. A number alone is neither: it could be meant as both.
    ///
    /// # Errors
    /// How to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let at = written(text).map(Self::At);
        at.or_else(|| parse_duration(text).ok().map(Self::Ago)).ok_or_else(|| {
            format!(
                "`{text}` is neither an instant nor a time ago: use RFC 3339 such as 2026-01-02T00:00:00Z, a day such as \
                 2026-01-02, or whole numbers with units such as 30m, 2h or 7d"
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

/// An instant as RFC 3339 in UTC; one that no calendar has, as its number.
#[must_use]
pub fn shown(instant: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(instant.0).map_or_else(|_| instant.to_string(), |instant| instant.to_string())
}

/// The same without what is less than a second, for columns.
#[must_use]
pub fn to_the_second(instant: Timestamp) -> String {
    shown(Timestamp(instant.0 - instant.0.rem_euclid(1_000_000)))
}

/// How long ago an instant was, or in how long it will be, in the two largest units.
#[must_use]
pub fn relative(instant: Timestamp, now: Timestamp) -> String {
    let micros = now.0.saturating_sub(instant.0);
    let length = length(micros.unsigned_abs());
    if micros >= 0 { format!("{length} ago") } else { format!("in {length}") }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)];

/// A length of time in the two largest units; less than a second counts as none.
#[must_use]
pub fn length(micros: u64) -> String {
    let largest = UNITS.iter().position(|(_, unit)| micros >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = micros;
    let mut parts = Vec::new();
    for (name, unit) in UNITS.iter().skip(largest).take(2) {
        if rest >= *unit || parts.is_empty() {
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_in_any_of_three_forms_and_shown_in_one() {
        let instant = Timestamp(1_767_312_000_000_000);
        for text in ["2026-01-02T00:00:00Z", "2026-01-02", "1767312000000000", "2026-01-02T01:00:00+01:00"] {
            assert_eq!(parse(text), Ok(instant), "{text}");
        }
        assert_eq!(shown(instant), "2026-01-02T00:00:00Z");
        let odd = Timestamp(instant.0 + 1_500);
        assert_eq!(parse(&shown(odd)), Ok(odd));
        assert_eq!(to_the_second(odd), shown(instant));
        assert_eq!(shown(Timestamp(i64::MAX)), i64::MAX.to_string());
        for text in ["tomorrow", "", "2026-13-01"] {
            assert!(parse(text).unwrap_err().contains(&format!("`{text}` is not an instant")), "{text}");
        }
    }

    #[test]
    fn a_moment_is_an_instant_or_a_time_ago_and_nothing_else() {
        let now = Timestamp(1_767_312_000_000_000);
        for text in ["2026-01-02T00:00:00Z", "2026-01-02"] {
            assert_eq!(Moment::parse(text).unwrap().seen_from(Timestamp(0)), now);
        }
        let hours = Moment::parse("1h30m").unwrap();
        assert_eq!(hours.seen_from(now), Timestamp(now.0 - 5_400_000_000));
        assert_eq!(hours.seen_from(Timestamp(5)), Timestamp(0), "never before 1970");
        for text in ["yesterday", "17", "", "-2h"] {
            let error = Moment::parse(text).unwrap_err();
            let says = ["RFC 3339", "2026-01-02", "7d"].iter().all(|word| error.contains(word));
            assert!(error.contains(&format!("`{text}`")) && says, "{error}");
        }
    }

    #[test]
    fn a_time_ago_is_read_beside_every_form_of_an_instant() {
        let [day, hour] = ["1d", "1h"].map(|text| parse_or_ago(text).expect("a time ago"));
        assert!(day < hour && hour < Timestamp(jiff::Timestamp::now().as_microsecond()));
        assert_eq!(parse_or_ago("1767312000000000"), parse("2026-01-02"), "a number is an instant here");
        assert!(parse_or_ago("10 minutes").unwrap_err().contains("30m"));
    }

    #[test]
    fn lengths_have_the_two_largest_units() {
        let second = 1_000_000;
        for (micros, text) in [
            (0, "0 s"),
            (999_999, "0 s"),
            (59 * second, "59 s"),
            (61 * second, "1 min 1 s"),
            (3_600 * second, "1 h"),
            (3_605 * second, "1 h"),
            (3_660 * second, "1 h 1 min"),
            (100_000 * second, "1 d 3 h"),
        ] {
            assert_eq!(length(micros), text);
        }
        assert_eq!(relative(Timestamp(0), Timestamp(61_000_000)), "1 min 1 s ago");
        assert_eq!(relative(Timestamp(61_000_000), Timestamp(0)), "in 1 min 1 s");
    }
}
