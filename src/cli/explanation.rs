//! An explanation of an order as text for a terminal.
//!
//! Only the form; what is said comes from `order::explain`. Invariant: nothing of an explanation is left out, and texts from
//! outside cannot steer the terminal.

use std::fmt::{Display, Write};

use crate::cli::instant::shown;
use crate::cli::output::plain;
use crate::order::explain::{Armed, Explanation, Sentence};
use crate::order::facts::told::Fact;
use crate::order::{Status, View};

/// Writes an explanation, with a newline at its end. `changes` says in words what one view changed against another.
#[must_use]
pub fn to_text(explanation: &Explanation, changes: impl Fn(&View, &View) -> Vec<String>) -> String {
    let mut page = Page(String::new());
    let status = explanation.view.status;
    page.line(0, format_args!("{status}, by rule {} of {}", explanation.rule, Status::ALL.len()));
    if explanation.because.is_empty() {
        page.line(1, "no rule above it matched");
    }
    for note in &explanation.because {
        page.sentence(1, &note.why.text, &note.why);
    }

    page.heading(!explanation.passed_over.is_empty(), "Rules above that did not match");
    for row in &explanation.passed_over {
        let lacks: Vec<&str> = row.lacks.iter().map(|note| note.why.text.as_str()).collect();
        page.line(1, format_args!("{:>2} {:<18} {}", row.rule, row.status, lacks.join("; ")));
    }
    page.heading(!explanation.flags.is_empty(), "Flags");
    for note in &explanation.flags {
        page.sentence(1, format_args!("{}: {}", note.name, note.why.text), &note.why);
    }
    page.heading(!explanation.attention.is_empty(), "Attention");
    for note in &explanation.attention {
        page.sentence(1, format_args!("{}: {}", note.name, note.why.text), &note.why);
    }
    page.heading(!explanation.owed.is_empty(), "Owed");
    for owed in &explanation.owed {
        let (kind, id) = (owed.obligation.kind(), owed.obligation.id());
        page.sentence(1, format_args!("{kind} {id}: {}", owed.why.text), &owed.why);
        page.line(2, format_args!("ends with {}", owed.until));
    }
    page.heading(!explanation.deadlines.is_empty(), "Deadlines");
    for deadline in &explanation.deadlines {
        page.deadline(deadline, |after| changes(&explanation.view, after));
    }
    page.0
}

/// A text that grows by lines.
struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: impl Display) {
        let (text, indent) = (text.to_string(), indent * 2);
        writeln!(self.0, "{:indent$}{}", "", plain(&text)).expect("a text takes any line");
    }

    fn heading(&mut self, has_any: bool, heading: &str) {
        if has_any {
            self.0.push('\n');
            self.line(0, heading);
        }
    }

    /// A sentence, and below it the facts behind it in columns.
    fn sentence(&mut self, indent: usize, text: impl Display, sentence: &Sentence) {
        self.line(indent, text);
        let facts: Vec<(&Fact, String)> = sentence.facts.iter().map(|fact| (fact, fact.to_string())).collect();
        let width = facts.iter().map(|(_, address)| address.chars().count()).max().unwrap_or_default();
        for (fact, address) in facts.iter().take(MAX_FACTS_SHOWN) {
            let at = shown(fact.occurred_at);
            self.line(indent + 1, format_args!("{at}  {address:<width$}  {}", fact.event_id));
        }
        if let Some(more @ 1..) = facts.len().checked_sub(MAX_FACTS_SHOWN) {
            self.line(indent + 1, format_args!("and {more} more facts, all in `-o json`"));
        }
    }

    fn deadline(&mut self, deadline: &Armed, changes: impl Fn(&View) -> Vec<String>) {
        let of = deadline.id.as_deref().map(|id| format!(" of {id}")).unwrap_or_default();
        let head =
            format_args!("{}{of}, due {}: {}", deadline.name, shown(deadline.due), deadline.why.text).to_string();
        self.sentence(1, head, &deadline.why);
        let Some(after) = &deadline.after else { return };
        let changes = changes(after);
        if changes.is_empty() {
            self.line(2, "then nothing changes");
        }
        for change in changes {
            self.line(2, format_args!("then {change}"));
        }
    }
}

/// The most facts that stand below a sentence.
const MAX_FACTS_SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::json::from_json;
    use crate::ids::Timestamp;
    use crate::order::explain::explain;
    use crate::order::{Facts, Policy};

    fn facts(events: serde_json::Value) -> Facts {
        let mut facts = Facts::default();
        for mut event in serde_json::from_value::<Vec<serde_json::Value>>(events).unwrap() {
            event["order_id"] = "ord-1".into();
            let _ = facts.merge(&from_json(event, Timestamp(i64::MAX / 4)).unwrap());
        }
        facts
    }

    #[test]
    fn an_explanation_reads_from_the_rule_to_the_deadlines() {
        let facts = facts(serde_json::json!([
            {"topic": "order", "kind": "PLACED", "event_id": "e1", "occurred_at": 0, "total_minor": 500,
             "currency": "EUR", "payment_due_at": 60_000_000},
            {"topic": "inventory", "kind": "RESERVED", "event_id": "e2", "occurred_at": 1, "reservation_id": "res-1"},
        ]));
        let text = to_text(&explain(&facts, &Policy::default()), |before, after| {
            vec![format!("status {} -> {}", before.status, after.status)]
        });
        let expected = r#"AWAITING_PAYMENT, by rule 12 of 13
  inventory is RESERVED: line *: 1 of 1 reserved
    1970-01-01T00:00:00.000001Z  (reservation, "res-1", line "*", RESERVED)  e2

Rules above that did not match
   1 CANCELLED          no cancel intent: nothing asked to cancel
   2 CANCELLING         no cancel intent: nothing asked to cancel
   3 RETURNED           returns are NONE: no return was heard of
   4 PARTIALLY_RETURNED returns are NONE: no return was heard of
   5 COMPLETED          fulfilment is NOT_STARTED: line *: 0 of 1 delivered; not settled: nothing taken, against the 5.00 EUR that we should have
   6 DELIVERED          fulfilment is NOT_STARTED: line *: 0 of 1 delivered
   7 SHIPPED            not every line left: line *: 0 of 1 shipped
   8 PARTIALLY_SHIPPED  nothing left: line *: 0 of 1 shipped
   9 IN_FULFILMENT      fulfilment is NOT_STARTED: no shipment is being made ready
  10 CONFIRMED          not secured: nothing held or taken, against the 5.00 EUR that we should have
  11 AWAITING_STOCK     not secured: nothing held or taken, against the 5.00 EUR that we should have

Deadlines
  payment_due, due 1970-01-01T00:01:00Z: unless another fact comes before, records FIRED of payment_due, which gives the order up
    1970-01-01T00:00:00Z  (order, PLACED)  e1
    then status AWAITING_PAYMENT -> CANCELLING
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn an_id_cannot_steer_the_terminal_and_long_evidence_is_cut() {
        let shipped = |number: usize| {
            serde_json::json!({"topic": "shipping", "kind": "DISPATCHED", "event_id": format!("e{number:02}"),
                "occurred_at": number, "shipment_id": format!("\u{1b}[2J{number}")})
        };
        let facts = facts((0..20).map(shipped).collect());
        let text = to_text(&explain(&facts, &Policy::default()), |_, _| Vec::new());
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[2J0"), "{text}");
        assert_eq!(text.matches("LEFT").count(), MAX_FACTS_SHOWN);
        assert!(text.contains("\n    and 8 more facts, all in `-o json`\n"), "{text}");
    }
}
