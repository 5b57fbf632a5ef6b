//! Where a tap begins, as the command line says it.
//!
//! Invariant: each text means one thing. A number is an offset and never an instant; with a minus it counts from the end.

use crate::cli::instant::Moment;
use crate::consume::follower::Start;
use crate::ids::Timestamp;

/// Where a tap begins; an instant may be so long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    End,
    Offset(i64),
    Last(i64),
    At(Moment),
}

impl From {
    /// Reads `beginning`, `end`, an offset, an offset from the end, or an instant.
    ///
    /// # Errors
    /// How to write one.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Some(count) = text.strip_prefix('-').and_then(|count| count.parse().ok()).filter(|count| *count >= 0) {
            return Ok(Self::Last(count));
        }
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        Moment::parse(text).map(Self::At).map_err(|_| {
            format!(
                "`{text}` is no place to begin: use beginning, end, an offset such as 1200, -10 for ten offsets before the \
                 end, an instant such as 2026-01-02T00:00:00Z or 2026-01-02, or a time ago such as 30m"
            )
        })
    }

    /// The same, seen from now.
    pub fn seen_from(self, now: Timestamp) -> Start {
        match self {
            Self::Beginning => Start::Beginning,
            Self::End => Start::End,
            Self::Offset(offset) => Start::Offset(offset),
            Self::Last(count) => Start::Last(count),
            Self::At(moment) => Start::At(moment.seen_from(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_begin_is_read_in_any_form_and_each_means_one_thing() {
        let now = Timestamp(1_767_312_000_000_000);
        for (text, start) in [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("0", Start::Offset(0)),
            ("1200", Start::Offset(1200)),
            ("-10", Start::Last(10)),
            ("-0", Start::Last(0)),
            ("2026-01-02", Start::At(now)),
            ("2026-01-02T00:00:00Z", Start::At(now)),
            ("1h", Start::At(Timestamp(now.0 - 3_600_000_000))),
        ] {
            assert_eq!(From::parse(text).map(|from| from.seen_from(now)), Ok(start), "{text}");
        }
        for text in ["", "start", "-", "--1", "1.5", "-1h"] {
            let error = From::parse(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains("beginning, end"), "{error}");
        }
    }
}
