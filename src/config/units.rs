//! Durations and sizes as people write them: `15m`, `500ms`, `1h30m`, `8MiB`.
//!
//! Only text to number and back; which range is sensible is the setting's own affair (`settings.rs`).
//! Invariant: what `duration_text` and `bytes_text` print, the parsers read back as the same value.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a duration: one or more whole numbers, each with its unit. The error is the remedy.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let how = || "write whole numbers with units, such as `500ms`, `8s`, `15m`, `24h` or `1h30m`".to_owned();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(how());
    }
    let mut micros: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(how)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(how)?;
        micros = number
            .checked_mul(*factor)
            .and_then(|part| micros.checked_add(part))
            .ok_or_else(|| "that is longer than a duration can be: write a shorter one".to_owned())?;
        rest = after.trim_start();
    }
    Ok(Duration::from_micros(micros))
}

/// Reads a size in bytes: a whole number, with a unit or without. The error is the remedy.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let how = || "write a whole number of bytes, or one with a unit, such as `64KiB`, `8MiB` or `1MB`".to_owned();
    let (number, unit) = leading_number(text.trim()).ok_or_else(how)?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Ok(number);
    }
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(how)?;
    number.checked_mul(*factor).ok_or_else(|| "that is larger than a size can be: write a smaller one".to_owned())
}

/// Writes a duration in the largest unit, up to hours, that needs no fraction.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 {
        return "0s".to_owned();
    }
    let up_to_hours = &DURATION_UNITS[1..];
    in_largest_unit(micros, up_to_hours)
}

/// Writes a size in the largest unit that needs no fraction; binary units come first.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    in_largest_unit(bytes, &SIZE_UNITS)
}

fn in_largest_unit(value: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor))
        .map_or_else(|| value.to_string(), |(unit, factor)| format!("{}{unit}", value / factor))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    digits.parse().ok().map(|number| (number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", 500),
            ("8s", 8_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("2d", 172_800_000),
            ("1h30m", 5_400_000),
            (" 1h 30m ", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_or_with_a_strange_one_is_refused_with_the_remedy() {
        for text in ["", "8", "s", "8 sec", "-8s", "1.5h", "8S", "99999999999999999999s"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains("such as `500ms`"), "{text}: {error}");
        }
    }

    #[test]
    fn a_duration_or_size_that_overflows_is_refused() {
        assert!(parse_duration("9999999999999d").unwrap_err().contains("shorter"));
        assert!(parse_bytes("99999999999999GiB").unwrap_err().contains("smaller"));
    }

    #[test]
    fn sizes_read_with_and_without_units() {
        for (text, bytes) in [("8MiB", 8 << 20), ("1MB", 1_000_000), ("64 KiB", 64 << 10), ("17", 17), ("3B", 3)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "8mib", "1.5MB", "-1"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_printed_in_hours_as_the_defaults_are_written() {
        assert_eq!(duration_text(Duration::from_hours(24)), "24h");
        assert_eq!(duration_text(Duration::from_millis(1500)), "1500ms");
        assert_eq!(bytes_text(1_000_000), "1MB");
        assert_eq!(bytes_text(8 << 20), "8MiB");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micros in 0u64..1 << 50, bytes in 0u64..1 << 50) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
            prop_assert_eq!(parse_bytes(&bytes_text(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,24}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }
    }
}
