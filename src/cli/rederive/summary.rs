//! What deriving all orders anew came to, counted, and how that is said.
//!
//! Invariant: bounded however many orders differ: statuses and fields have names of ours, and of orders only a few are kept as
//! examples.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value as Json;

use super::difference::{Change, Difference};
use crate::cli::{instant, output};
use crate::ids::{OrderId, Timestamp};
use crate::order::status::Status;

/// How many orders are shown.
const EXAMPLES: usize = 5;
/// How many characters of a value are shown to a person.
const WIDTH: usize = 60;

/// What is printed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// How many orders were derived anew.
    pub orders: u64,
    /// How many archived ones were left out.
    pub archived: u64,
    /// How many differ in anything.
    pub differ: u64,
    /// How many of them in the view, so that it would be said.
    pub views: u64,
    /// How the status would change.
    pub statuses: Vec<StatusChange>,
    /// What would change.
    pub fields: BTreeMap<&'static str, u64>,
    /// A few of them.
    pub examples: Vec<Example>,
    /// What was done about it; nothing on a dry run.
    pub done: Option<Done>,
}

/// Orders of one status that would have another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct StatusChange {
    from: Status,
    to: Status,
    orders: u64,
}

/// An order that differs.
#[derive(Debug, Serialize)]
pub(super) struct Example {
    order_id: String,
    changes: Vec<Change>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Done {
    /// Orders that were marked; others were marked already.
    pub marked: u64,
    /// Orders that still differ after the workers looked at all that were marked; none where nobody waited for that.
    pub still_differ: Option<u64>,
}

impl Summary {
    /// Counts an order that differs.
    pub fn add(&mut self, order_id: &OrderId, difference: Difference) {
        self.differ += 1;
        self.views += u64::from(difference.view);
        let (from, to) = difference.status;
        if from != to {
            match self.statuses.iter_mut().find(|change| (change.from, change.to) == (from, to)) {
                Some(change) => change.orders += 1,
                None => self.statuses.push(StatusChange { from, to, orders: 1 }),
            }
        }
        for change in &difference.changes {
            *self.fields.entry(change.field).or_default() += 1;
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push(Example { order_id: order_id.to_string(), changes: difference.changes });
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} of {} orders would come out differently under this release's rules and this configuration's policy\n",
            self.differ, self.orders
        );
        if self.differ > 0 {
            self.tell_differences(&mut text);
        }
        if self.archived > 0 {
            // Writing to a String cannot fail.
            _ = writeln!(text, "{} archived orders are left out: they stay as they ended", self.archived);
        }
        match self.done {
            None if self.differ > 0 => text += "nothing was changed: say --yes to have the workers do it\n",
            None => {}
            Some(done) => tell_done(done, self.differ, &mut text),
        }
        text
    }

    fn tell_differences(&self, text: &mut String) {
        _ = writeln!(
            text,
            "{} of them in what consumers were told: each of these has a status event to come\n",
            self.views
        );
        if !self.statuses.is_empty() {
            let mut statuses: Vec<&StatusChange> = self.statuses.iter().collect();
            statuses.sort_by_key(|change| (std::cmp::Reverse(change.orders), change.from, change.to));
            let rows = statuses
                .into_iter()
                .map(|StatusChange { from, to, orders }| [format!("{from} -> {to}"), orders.to_string()].to_vec());
            *text += &(output::table(&["status", "orders"], rows) + "\n");
        }
        let rows = self.fields.iter().map(|(field, orders)| vec![(*field).to_owned(), orders.to_string()]);
        *text += &(output::table(&["changed", "orders"], rows) + "\n");
        let rows = self.examples.iter().flat_map(|example| {
            example.changes.iter().enumerate().map(|(index, change)| {
                let id = if index == 0 { output::plain(&example.order_id).into_owned() } else { String::new() };
                vec![id, change.field.to_owned(), shown(change.field, &change.from), shown(change.field, &change.to)]
            })
        });
        *text += &(output::table(&["for example", "changed", "from", "to"], rows) + "\n");
    }
}

fn tell_done(done: Done, differed: u64, text: &mut String) {
    let (others, marked) = (differed.saturating_sub(done.marked), done.marked);
    _ = match done.still_differ {
        _ if differed == 0 => writeln!(text, "nothing is to be done"),
        None => writeln!(text, "{marked} orders are marked: the workers derive them anew within seconds"),
        Some(0) => writeln!(text, "the workers derived {differed} orders anew"),
        Some(still) => writeln!(text, "the workers looked at {differed} orders, and {still} still differ"),
    };
    if others > 0 {
        _ = writeln!(text, "{others} were marked already, or changed meanwhile");
    }
}

/// A value for a person.
fn shown(field: &str, value: &Json) -> String {
    let text = match value {
        Json::Null => "none".to_owned(),
        Json::String(text) => text.clone(),
        Json::Number(micros) if field == "next_deadline" => {
            micros.as_i64().map_or_else(|| micros.to_string(), |micros| instant::shown(Timestamp(micros)))
        }
        other => other.to_string(),
    };
    if text.chars().count() <= WIDTH {
        return output::plain(&text).into_owned();
    }
    output::plain(&text.chars().take(WIDTH).collect::<String>()).into_owned() + "…"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(from: Status, to: Status) -> Difference {
        let changes = vec![
            Change { field: "status", from: json!(from), to: json!(to) },
            Change { field: "next_deadline", from: Json::Null, to: json!(1_760_000_000_000_000_i64) },
        ];
        Difference { status: (from, to), view: true, changes }
    }

    fn summary() -> Summary {
        let mut summary = Summary { orders: 10, archived: 3, ..Summary::default() };
        summary.add(&"ord-1".into(), difference(Status::Confirmed, Status::Pending));
        for number in 2..9 {
            summary.add(&format!("ord-{number}").into(), difference(Status::Shipped, Status::Pending));
        }
        summary
    }

    #[test]
    fn all_are_counted_and_a_few_are_shown() {
        let summary = summary();
        assert_eq!((summary.differ, summary.views, summary.examples.len()), (8, 8, EXAMPLES));
        let text = summary.text();
        for line in [
            "8 of 10 orders would come out differently",
            "SHIPPED -> PENDING",
            "2025-10-09T08:53:20Z",
            "3 archived orders are left out",
            "nothing was changed: say --yes",
        ] {
            assert!(text.contains(line), "`{line}` is not in:\n{text}");
        }
        assert!(text.find("SHIPPED -> PENDING") < text.find("CONFIRMED -> PENDING"), "the most frequent first");
    }

    #[test]
    fn what_was_done_is_said_with_what_still_differs() {
        let mut summary = summary();
        summary.done = Some(Done { marked: 6, still_differ: Some(0) });
        assert!(
            summary
                .text()
                .ends_with("the workers derived 8 orders anew\n2 were marked already, or changed meanwhile\n")
        );
        summary.done = Some(Done { marked: 8, still_differ: Some(5) });
        assert!(summary.text().ends_with("the workers looked at 8 orders, and 5 still differ\n"));
        summary.done = Some(Done { marked: 8, still_differ: None });
        assert!(summary.text().contains("8 orders are marked"));
        let nothing = Summary { orders: 4, done: Some(Done::default()), ..Summary::default() };
        assert!(nothing.text().ends_with("nothing is to be done\n"));
    }

    #[test]
    fn long_values_are_cut_and_strange_ones_escaped() {
        assert_eq!(shown("lines", &json!(["x".repeat(100)])).chars().count(), WIDTH + 1);
        assert_eq!(shown("currency", &Json::Null), "none");
        assert_eq!(shown("payment", &json!("a\u{1b}[2J")), "a\\u{1b}[2J");
    }
}
