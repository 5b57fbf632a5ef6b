//! What came of the mutants: for people a table, for programs JSON.
//!
//! Invariant: good means that every mutant was caught, in the text and in the JSON alike.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::table::Mutant;
use super::trial::Outcome;

/// How much the table shows of what a test said.
const SAID: usize = 120;

/// What came of all of them.
#[derive(Default)]
pub struct Report {
    tried: Vec<(Mutant, Outcome)>,
}

impl Report {
    /// Takes in what came of one.
    pub fn add(&mut self, mutant: Mutant, outcome: Outcome) {
        self.tried.push((mutant, outcome));
    }

    /// Whether every mutant was caught.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.tried.iter().all(|(_, outcome)| matches!(outcome, Outcome::Caught { .. }))
    }

    /// For people: a table as it may stand in a document, and a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "| switched off | caught by | within | what it said |\n|---|---|---|---|\n".to_owned();
        for (mutant, outcome) in &self.tried {
            let (by, within, said) = match outcome {
                Outcome::Caught { test, said, took, .. } => {
                    (format!("`{test}`"), format!("{:.1} s", took.as_secs_f64()), said.as_str())
                }
                Outcome::Doubtful { test, said } => {
                    (format!("`{test}`, which fails without it"), String::new(), said.as_str())
                }
                Outcome::Survived => ("nobody".to_owned(), String::new(), ""),
                Outcome::Impossible(why) => ("no such mutant".to_owned(), String::new(), why.as_str()),
            };
            let said: String = said.lines().next().unwrap_or_default().replace('|', "\\|").chars().take(SAID).collect();
            text.push_str(&format!("| {} | {by} | {within} | {said} |\n", mutant.mechanism));
        }
        let caught = self.tried.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Caught { .. })).count();
        text.push_str(&format!("\n{caught} of {} mutants were caught\n", self.tried.len()));
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let seconds = |duration: &Duration| (duration.as_secs_f64() * 10.0).round() / 10.0;
        let tried = self.tried.iter().map(|(mutant, outcome)| {
            let mut json = json!({ "name": mutant.name, "mechanism": mutant.mechanism });
            match outcome {
                Outcome::Caught { test, said, build, took } => {
                    json["caught_by"] = json!(test);
                    json["said"] = json!(said);
                    json["build_seconds"] = json!(seconds(build));
                    json["seconds"] = json!(seconds(took));
                }
                Outcome::Doubtful { test, said } => {
                    json["fails_without_it"] = json!(test);
                    json["said"] = json!(said);
                }
                Outcome::Survived => json["survived"] = json!(true),
                Outcome::Impossible(why) => json["impossible"] = json!(why),
            }
            json
        });
        json!({ "good": self.is_good(), "mutants": tried.collect::<Vec<_>>() })
    }
}

/// What came of one, in a line.
#[must_use]
pub fn line(mutant: &Mutant, outcome: &Outcome) -> String {
    let said = match outcome {
        Outcome::Caught { test, said, build, took } => {
            let (took, build) = (took.as_secs_f64(), build.as_secs_f64());
            format!("caught by {test} within {took:.1} s, built in {build:.0} s: {said}")
        }
        Outcome::Doubtful { test, said } => format!("DOUBTFUL: {test} fails without it: {said}"),
        Outcome::Survived => format!("SURVIVED {}", mutant.caught_by.join(", ")),
        Outcome::Impossible(why) => format!("impossible: {why}"),
    };
    format!("{}: {said}", mutant.name)
}
