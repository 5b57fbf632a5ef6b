//! What a check comes to: totals, differences, and how they are told to people and to programs.
//!
//! Invariant: exit code 0 means that nothing differs, in the text and in the JSON alike.

use std::collections::BTreeMap;
use std::fmt::Write;

use console::style;
use serde_json::{Value as Json, json};

use orderstream::order::Source;
use orderstream::persist::journal_format::{AppliedEntry, Outcome};

use super::entries::Outcomes;
use super::findings::{Class, Findings};

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Orders with a row.
    pub orders: u64,
    /// Records on the input topics.
    pub input_records: u64,
    /// How they fared.
    pub outcomes: Outcomes,
    /// What time did.
    pub time: Time,
    /// Records on the command topic.
    pub commands: u64,
    /// Rows of the journal.
    pub journal_rows: u64,
    /// Events on the status topic.
    pub status_events: u64,
    /// Orders by the status that was said last.
    pub by_status: BTreeMap<String, u64>,
    /// Status events, in the order of their publication.
    pub published: Vec<Published>,
}

/// What happened without a record, and which records were tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Deadlines that fired, by name.
    pub fired: BTreeMap<String, u64>,
    /// How often commands were sent again.
    pub reminded: u64,
    /// How often a person was asked to look, since all attempts were in vain.
    pub given_up: u64,
    /// Orders that were derived anew.
    pub rederived: u64,
    /// Dead letters that were tried again.
    pub replayed: u64,
}

impl Time {
    /// Counts an entry of the journal.
    pub fn count(&mut self, entry: &AppliedEntry) {
        if let (Source::Deadline, Some(event)) = (entry.place.source, &entry.event) {
            // `deadline:<name>:<entity id>:<due>`
            let name = event.event_id.as_str().split(':').nth(1).unwrap_or_default();
            *self.fired.entry(name.to_owned()).or_default() += 1;
        }
        match entry.outcome {
            Outcome::Reminded => self.reminded += entry.sent.len() as u64,
            Outcome::Unanswered => self.given_up += 1,
            Outcome::Rederived => self.rederived += 1,
            Outcome::Applied | Outcome::Duplicate | Outcome::Stale | Outcome::DeadLetter(_) => {}
        }
        self.replayed += u64::from(entry.place.letter.is_some());
    }

    /// How many deadlines fired.
    #[must_use]
    pub fn all_fired(&self) -> u64 {
        self.fired.values().sum()
    }
}

/// When and where a status event was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// When Kafka's record says that it was, in milliseconds.
    pub at_millis: i64,
    /// When the record that caused it was produced, in milliseconds.
    pub caused_at_millis: i64,
    /// The lane that decided it.
    pub lane: i32,
}

/// The result of a check.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What differs.
    pub findings: Findings,
    /// What was counted.
    pub totals: Totals,
}

impl Verdict {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_clean()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let totals = &self.totals;
        let differences: serde_json::Map<String, Json> = self
            .findings
            .by_kind()
            .map(|(kind, found)| (format!("{kind:?}"), json!({"count": found.count, "first": found.first})))
            .collect();
        json!({
            "orders": totals.orders,
            "events_in": totals.input_records,
            "applied": totals.outcomes.applied,
            "duplicates": totals.outcomes.duplicate,
            "stale": totals.outcomes.stale,
            "dead_letters": totals.outcomes.refused(),
            "dead_letters_by_reason": totals.outcomes.dead_letters,
            "dead_letters_repaired": totals.outcomes.repaired,
            "replays": totals.time.replayed,
            "deadlines_fired": totals.time.fired,
            "commands": totals.commands,
            "commands_sent_again": totals.time.reminded,
            "commands_given_up": totals.time.given_up,
            "orders_rederived": totals.time.rederived,
            "journal_rows": totals.journal_rows,
            "status_events_out": totals.status_events,
            "orders_by_status": totals.by_status,
            "lost": self.findings.count(Class::Lost),
            "doubled": self.findings.count(Class::Doubled),
            "mismatched_orders": self.findings.mismatched_orders(),
            "other_differences": self.findings.count(Class::Other),
            "differences": differences,
        })
    }

    /// For people: the totals in a few lines, then everything that differs.
    #[must_use]
    pub fn text(&self) -> String {
        let totals = &self.totals;
        let outcomes = &totals.outcomes;
        let mut text = String::new();
        let mut line = |words: String| _ = writeln!(text, "{words}");
        line(format!(
            "{} records in: {} applied, {} duplicates, {} stale, {} dead letters",
            totals.input_records,
            outcomes.applied,
            outcomes.duplicate,
            outcomes.stale,
            outcomes.refused()
        ));
        line(format!(
            "{} orders, {} status events out, {} journal rows",
            totals.orders, totals.status_events, totals.journal_rows
        ));
        let time = &totals.time;
        if time.all_fired() + totals.commands + time.replayed > 0 {
            line(format!(
                "{} deadlines fired, {} commands ({} of them sent again, {} given up), {} replays of dead letters, {} repaired",
                time.all_fired(),
                totals.commands,
                time.reminded,
                time.given_up,
                time.replayed,
                outcomes.repaired
            ));
        }
        for (kind, found) in self.findings.by_kind() {
            line(format!("{} {}", style(format!("{}x", found.count)).red().bold(), kind.words()));
            for name in &found.first {
                line(format!("    {name}"));
            }
            if found.count > found.first.len() as u64 {
                line(format!("    and {} more", found.count - found.first.len() as u64));
            }
        }
        line(self.summary());
        text
    }

    /// The promise in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let findings = &self.findings;
        let words = format!(
            "lost {}, doubled {}, mismatched {}",
            findings.count(Class::Lost),
            findings.count(Class::Doubled),
            findings.mismatched_orders()
        );
        match (self.is_good(), findings.count(Class::Other)) {
            (true, _) => style(words).green().bold().to_string(),
            (false, 0) => style(words).red().bold().to_string(),
            (false, other) => style(format!("{words}, other differences {other}")).red().bold().to_string(),
        }
    }
}
