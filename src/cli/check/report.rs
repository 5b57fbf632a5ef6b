//! What `orderstream check` found: a row a check, and what all of them together mean for the exit code.
//!
//! Invariant: a check that could not be made has a row too, which says why; nothing is left out in silence.

use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::output::{self, counted, plain};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and not as well as it could.
    Warning,
    /// A worker would refuse to start, or lose what it should not.
    Wrong,
    /// The server does not answer.
    Away,
    /// It could not be looked at.
    NotChecked,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::Away => "not there",
            Self::NotChecked => "not checked",
        }
    }

    fn cell(self) -> Cell {
        let cell = Cell::new(self.word());
        if !output::colours() {
            return cell;
        }
        match self {
            Self::Ok => cell.fg(Color::Green),
            Self::Warning => cell.fg(Color::Yellow),
            Self::Wrong | Self::Away => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            Self::NotChecked => cell.add_attribute(Attribute::Dim),
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// What was looked at: `configuration`, `kafka`, `database`, `registry`, `telemetry`.
    pub part: &'static str,
    /// What of it.
    pub check: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it, where there is something to mend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Row {
    /// Whether another row differs in nothing but what was looked at.
    fn says_the_same(&self, other: &Self) -> bool {
        (self.part, self.verdict, &self.found, &self.remedy) == (other.part, other.verdict, &other.found, &other.remedy)
    }
}

/// All of them, in the order in which they were made.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// The checks.
    pub checks: Vec<Row>,
}

impl Report {
    /// It is as it should be.
    pub fn ok(&mut self, part: &'static str, check: impl Into<String>, found: impl Into<String>) {
        self.add(part, check.into(), Verdict::Ok, found.into(), None);
    }

    /// It works, and could be better.
    pub fn warning(
        &mut self,
        part: &'static str,
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(part, check.into(), Verdict::Warning, found.into(), Some(remedy.into()));
    }

    /// It is wrong, in a sentence as workers say it: what is wrong, a colon, what to do.
    pub fn wrong(&mut self, part: &'static str, check: impl Into<String>, sentence: &str) {
        let (found, remedy) = match sentence.rsplit_once(": ") {
            Some((found, remedy)) => (found, Some(remedy.to_owned())),
            None => (sentence, None),
        };
        self.add(part, check.into(), Verdict::Wrong, found.to_owned(), remedy);
    }

    /// The server does not answer.
    pub fn away(
        &mut self,
        part: &'static str,
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(part, check.into(), Verdict::Away, found.into(), Some(remedy.into()));
    }

    /// These could not be looked at.
    pub fn not_checked(&mut self, part: &'static str, checks: &[&str], why: &str) {
        for check in checks {
            self.add(part, (*check).to_owned(), Verdict::NotChecked, why.to_owned(), None);
        }
    }

    fn add(&mut self, part: &'static str, check: String, verdict: Verdict, found: String, remedy: Option<String>) {
        self.checks.push(Row { part, check, verdict, found, remedy });
    }

    /// How many came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|row| row.verdict == verdict).count()
    }

    /// What all of them mean: what is wrong needs a person, a server that is not there may come back.
    pub fn exit(&self) -> Exit {
        if self.count(Verdict::Wrong) > 0 {
            Exit::Config
        } else if self.count(Verdict::Away) > 0 {
            Exit::Unavailable
        } else {
            Exit::Ok
        }
    }

    /// Each row with how many others say the same of something else: ten topics with one trouble must not hide another.
    fn distinct(&self) -> Vec<(&Row, usize)> {
        let mut distinct: Vec<(&Row, usize)> = Vec::new();
        for row in &self.checks {
            let same = distinct.iter_mut().find(|(other, _)| row.verdict != Verdict::Ok && row.says_the_same(other));
            match same {
                Some((_, others)) => *others += 1,
                None => distinct.push((row, 0)),
            }
        }
        distinct
    }

    /// A table, and a last line that sums it up.
    pub fn text(&self) -> String {
        let rows = self.distinct().into_iter().map(|(row, others)| {
            let remedy = row.remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default();
            let found = format!("{}{remedy}", row.found);
            let more =
                if others == 0 { String::new() } else { format!(", and {}", counted(others, "other", "others")) };
            let check = format!("{}{more}", row.check);
            vec![Cell::new(row.part), Cell::new(plain(&check)), row.verdict.cell(), Cell::new(plain(&found))]
        });
        let mut text = output::table(&["part", "check", "verdict", "found, and how to mend it"], rows);
        let parts = [Verdict::Wrong, Verdict::Away, Verdict::Warning, Verdict::NotChecked]
            .map(|verdict| (self.count(verdict), verdict.word()));
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let all = counted(self.checks.len(), "check", "checks");
        text += &match parts.as_slice() {
            [] => format!("{all}: all ok\n"),
            parts => format!("{all}: {}, the others ok\n", parts.join(", ")),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_needs_a_person_whatever_else_is_away() {
        let mut report = Report::default();
        report.ok("kafka", "server", "1 broker");
        report.warning("kafka", "topic `payments`", "one replica", "make it three");
        report.not_checked("database", &["clock"], "the database is not there");
        assert_eq!(report.exit(), Exit::Ok);
        report.away("database", "server", "connection refused", "start it");
        assert_eq!(report.exit(), Exit::Unavailable);
        report.wrong("kafka", "input topics", "topic `a` has 2 partitions but `b` has 3: give all the same number");
        assert_eq!(report.exit(), Exit::Config);
    }

    #[test]
    fn the_answer_says_what_was_found_and_how_to_mend_it() {
        let mut report = Report::default();
        report.ok("kafka", "server", "1 broker");
        assert!(report.text().ends_with("1 check: all ok\n"));
        report.wrong("kafka", "input topics", "topic `a` has 2 partitions but `b` has 3: give all the same number");
        report.not_checked("database", &["clock"], "the database is not there");
        let text = report.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("wrong") && lines[2].ends_with("`b` has 3: give all the same number"), "{text}");
        assert_eq!(lines[4], "3 checks: 1 wrong, 1 not checked, the others ok");
        let json = serde_json::to_value(&report).expect("texts");
        report.warning("kafka", "topic `a`", "one replica", "make it three");
        report.warning("kafka", "topic `b`", "one replica", "make it three");
        let text = report.text();
        assert!(text.contains("topic `a`, and 1 other ") && !text.contains("topic `b`"), "{text}");
        assert!(text.ends_with("5 checks: 1 wrong, 2 warning, 1 not checked, the others ok\n"), "{text}");
        assert_eq!(json["checks"][1]["remedy"], "give all the same number");
        assert_eq!(json["checks"][2]["verdict"], "not_checked");
        assert!(json["checks"][2].get("remedy").is_none());
    }
}
