//! What is wrong with a configuration: one line each, all of them at once, in the order of the file.
//!
//! A line says where, what was written (never a secret's value) and what to write instead.

use std::fmt;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The configuration file as a whole.
    File(String),
    /// A line of the configuration file.
    Line(String, usize),
    /// An environment variable.
    Variable(String),
    /// Nowhere; the setting's name, as in `kafka.brokers`.
    Setting(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::File(name) | Self::Variable(name) | Self::Setting(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it was written.
    pub place: Place,
    /// What is wrong and what to do.
    pub text: String,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(place: Place, text: impl Into<String>) -> Self {
        Self { place, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Everything that is wrong with a configuration; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems in the order of their places: the file's lines, then variables, then what is missing.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let end_of_last = if index == 0 { "" } else { "\n" };
            write!(f, "{end_of_last}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_one_line_each_in_the_order_of_their_places() {
        let line = |number| Place::Line("o.toml".to_owned(), number);
        let problems = Problems::new(vec![
            Problem::new(Place::Setting("kafka.brokers".to_owned()), "must be given"),
            Problem::new(Place::Variable("ORDERSTREAM__X".to_owned()), "unknown"),
            Problem::new(line(12), "second"),
            Problem::new(line(2), "first"),
            Problem::new(line(2), "first"),
        ]);
        assert_eq!(
            problems.to_string(),
            "o.toml:2: first\no.toml:12: second\nORDERSTREAM__X: unknown\nkafka.brokers: must be given"
        );
    }
}
