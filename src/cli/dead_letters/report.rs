//! What became of replayed letters, counted and told.
//!
//! Invariant: every letter that was marked is in exactly one of the numbers.

use std::collections::BTreeMap;

use indicatif::HumanCount;
use serde_json::{Value as Json, json};

use super::words::{self, dead_letters, harmless};
use crate::cli::exit::Exit;
use crate::cli::output::counted;
use crate::decode::Reason;
use crate::persist::letters::Ending;

/// How many letters of a reason are explained.
const EXPLAINED: usize = 3;
/// How many more are named by number.
const NAMED: usize = 20;

/// What became of the letters of one replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// How many were marked.
    pub marked: u64,
    /// How many of them nobody has worked off yet.
    pub waiting: u64,
    applied: BTreeMap<String, u64>,
    refused: BTreeMap<Reason, Refused>,
    discarded: u64,
    gone: u64,
}

/// Letters that were refused again for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refused {
    ids: Vec<i64>,
    /// Of the first few, in the order of their numbers.
    explanations: Vec<String>,
}

impl Report {
    /// Counts a letter.
    pub fn add(&mut self, id: i64, ending: Ending) {
        match ending {
            Ending::Applied(how) => *self.applied.entry(how).or_default() += 1,
            Ending::Discarded => self.discarded += 1,
            Ending::Gone => self.gone += 1,
            Ending::Refused(reason, explanation) => {
                let refused = self.refused.entry(reason).or_default();
                refused.ids.push(id);
                if refused.explanations.len() < EXPLAINED {
                    refused.explanations.push(explanation);
                }
            }
        }
    }

    /// How the command ends when it was not broken off.
    pub fn exit(&self) -> Exit {
        if self.refused.is_empty() { Exit::Ok } else { Exit::DataErr }
    }

    /// For a person: one line of numbers, then what was refused again.
    pub fn text(&self) -> String {
        let applied = self.applied.iter().map(|(how, count)| format!("{} {how}", HumanCount(*count)));
        let mut numbers: Vec<String> = applied.collect();
        let refused = self.refused.values().map(|refused| refused.ids.len() as u64).sum();
        let others = [
            (refused, "refused again"),
            (self.discarded, "discarded by somebody meanwhile"),
            (self.gone, "removed meanwhile"),
            (self.waiting, "not worked off yet"),
        ];
        numbers.extend(
            others.iter().filter(|(count, _)| *count > 0).map(|(n, what)| format!("{} {what}", HumanCount(*n))),
        );
        let mut text = format!("{} marked: {}\n", dead_letters(self.marked), numbers.join(", "));
        for (reason, refused) in &self.refused {
            text.push_str(&refused.text(*reason));
        }
        if refused > 0 {
            text.push_str(
                "\nthey are open as before and nothing is lost: look at one with `orderstream dead-letters show ID`\n",
            );
        }
        harmless(&text)
    }

    /// For a program.
    pub fn json(&self) -> Json {
        let count = |how: &str| self.applied.get(how).copied().unwrap_or(0);
        let refused = self.refused.iter().map(|(reason, refused)| {
            let explained = refused.ids.iter().zip(&refused.explanations);
            let examples: Vec<Json> = explained.map(|(id, text)| json!({"id": id, "explanation": text})).collect();
            json!({"reason": reason, "letters": refused.ids.len(), "ids": refused.ids, "examples": examples})
        });
        json!({
            "marked": self.marked,
            "applied": count("applied"),
            "duplicate": count("duplicate"),
            "stale": count("stale"),
            "refused": refused.collect::<Vec<_>>(),
            "discarded": self.discarded,
            "removed": self.gone,
            "waiting": self.waiting,
        })
    }

    /// What the command leaves behind when it ends before everything is worked off.
    pub fn what_stays(&self) -> String {
        if self.waiting == 0 {
            return "nothing is marked any more; say it again for the rest".to_owned();
        }
        format!(
            "{} marked, and the workers go on with them; see `orderstream dead-letters list --state replay`",
            counted(self.waiting, "dead letter stays", "dead letters stay")
        )
    }
}

impl Refused {
    fn text(&self, reason: Reason) -> String {
        let mut text = format!("\nrefused again as {reason}: {}\n", dead_letters(self.ids.len() as u64));
        for (id, explanation) in self.ids.iter().zip(&self.explanations) {
            text.push_str(&format!("  {id}  {}\n", words::shortened(explanation, 200)));
        }
        let others: Vec<String> = self.ids.iter().skip(EXPLAINED).take(NAMED).map(ToString::to_string).collect();
        if !others.is_empty() {
            let more = self.ids.len().saturating_sub(EXPLAINED + NAMED);
            let more = if more > 0 { format!(" and {} more", HumanCount(more as u64)) } else { String::new() };
            text.push_str(&format!("  also {}{more}\n", others.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Ending {
        Ending::Refused(Reason::UnknownSchema, text.to_owned())
    }

    #[test]
    fn all_applied_is_one_line_and_a_good_end() {
        let mut report = Report { marked: 3, ..Report::default() };
        for (id, how) in [(1, "applied"), (2, "applied"), (3, "stale")] {
            report.add(id, Ending::Applied(how.to_owned()));
        }
        assert_eq!(report.text(), "3 dead letters marked: 2 applied, 1 stale\n");
        assert_eq!(report.exit(), Exit::Ok);
        assert_eq!(report.json()["applied"], 2);
        assert_eq!(report.json()["refused"], json!([]));
    }

    #[test]
    fn what_is_refused_again_is_named_and_the_first_are_explained() {
        let mut report = Report { marked: 40, ..Report::default() };
        (1..=30).for_each(|id| report.add(id, refused(&format!("text {id}"))));
        report.add(31, Ending::Refused(Reason::BadAvro, "evil \u{1b}[2J".to_owned()));
        report.add(32, Ending::Discarded);
        let report = Report { waiting: 8, ..report };
        let text = report.text();
        assert!(
            text.starts_with(
                "40 dead letters marked: 31 refused again, 1 discarded by somebody meanwhile, 8 not worked off yet\n"
            ),
            "{text}"
        );
        assert!(text.contains("\nrefused again as unknown_schema: 30 dead letters\n  1  text 1\n"), "{text}");
        assert!(text.contains("also 4, 5,") && text.contains("22, 23 and 7 more"), "{text}");
        assert!(text.contains("show ID") && !text.contains("text 4\n") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(report.exit(), Exit::DataErr);
        assert_eq!(report.json()["refused"][0]["ids"].as_array().map(Vec::len), Some(30));
    }

    #[test]
    fn what_is_broken_off_says_what_goes_on_without_it() {
        let report = Report { marked: 5, waiting: 1, ..Report::default() };
        assert!(report.what_stays().starts_with("1 dead letter stays marked"), "{}", report.what_stays());
        assert!(Report::default().what_stays().contains("nothing is marked"));
    }
}
