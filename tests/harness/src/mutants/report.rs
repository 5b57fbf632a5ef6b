//! What came of the mutants: for people a table, for programs JSON.
//!
//! Invariant: good means that every mutant was caught, in the text and in the JSON alike.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::table::Mutant;
use super::trial::Outcome;

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
        let mut text = "| switched off | caught by | within |\n|---|---|---|\n".to_owned();
        for (mutant, outcome) in &self.tried {
            let (by, within) = match outcome {
                Outcome::Caught { test, took, .. } => (format!("`{test}`"), format!("{:.1} s", took.as_secs_f64())),
                Outcome::Survived => ("nobody".to_owned(), String::new()),
                Outcome::Impossible(_) => ("no such mutant".to_owned(), String::new()),
            };
            text.push_str(&format!("| {} | {by} | {within} |\n", mutant.mechanism));
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
        Outcome::Caught { test, build, took, .. } => {
            format!("caught by {test} within {:.1} s, built in {:.0} s", took.as_secs_f64(), build.as_secs_f64())
        }
        Outcome::Survived => format!("SURVIVED {}", mutant.caught_by.join(", ")),
        Outcome::Impossible(why) => format!("impossible: {why}"),
    };
    format!("{}: {said}", mutant.name)
}
