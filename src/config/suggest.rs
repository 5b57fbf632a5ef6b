//! "Did you mean …?": the nearest valid name to a wrong one.
//!
//! Near means few edits for the length of the word, so that a wrong guess is rare; better none than a silly one.

use strsim::damerau_levenshtein;

/// The nearest of the names, if one is near.
#[must_use]
pub fn nearest<S: AsRef<str>>(word: &str, names: impl IntoIterator<Item = S>) -> Option<S> {
    let most_edits = (word.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (damerau_levenshtein(&word.to_lowercase(), &name.as_ref().to_lowercase()), name))
        .filter(|(edits, _)| *edits <= most_edits)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// A clause to append to a message: `; did you mean …?`, or nothing.
#[must_use]
pub fn did_you_mean<S: AsRef<str>>(word: &str, names: impl IntoIterator<Item = S>) -> String {
    nearest(word, names).map_or_else(String::new, |name| format!("; did you mean `{}`?", name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name() {
        let names = ["brokers", "group", "session_timeout", "heartbeat_interval"];
        for (word, name) in [
            ("broker", "brokers"),
            ("borkers", "brokers"),
            ("GROUP", "group"),
            ("session_timeout_ms", "session_timeout"),
            ("sesion_timout", "session_timeout"),
        ] {
            assert_eq!(nearest(word, names), Some(name), "{word}");
        }
    }

    #[test]
    fn a_word_that_is_far_from_all_gets_no_suggestion() {
        assert_eq!(did_you_mean("colour", ["brokers", "group"]), "");
        assert_eq!(did_you_mean("gruop", ["brokers", "group"]), "; did you mean `group`?");
    }
}
