//! What `verify` found, and how much it looked at: the answer, in words and as JSON.
//!
//! Invariant: everything is counted; only so many findings as were asked for are kept, so memory does not grow with the damage.

use serde::Serialize;
use serde_json::Value;

use crate::cli::output::{counted, plain};
use crate::ids::{Lane, OrderId, Seq};

/// One thing that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Finding {
    /// The order, if it is one's.
    pub order_id: Option<OrderId>,
    /// The lane, if it is one's.
    pub lane: Option<Lane>,
    /// The row of the lane's journal.
    pub seq: Option<Seq>,
    /// What differs, or what is wrong in a sentence.
    pub what: String,
    /// What the row holds, where two values differ.
    pub stored: Option<Value>,
    /// What the journal leads to.
    pub folded: Option<Value>,
}

impl Finding {
    /// Two values that differ.
    pub fn differs(what: String, stored: impl Into<Value>, folded: impl Into<Value>) -> Self {
        Self { what, stored: Some(stored.into()), folded: Some(folded.into()), ..Self::default() }
    }

    /// Something that is wrong by itself.
    pub fn says(what: String) -> Self {
        Self { what, ..Self::default() }
    }

    /// Something that is wrong with a lane or one of its rows.
    pub fn of_lane(lane: Lane, seq: Option<Seq>, what: String) -> Self {
        Self { lane: Some(lane), seq, ..Self::says(what) }
    }

    fn text(&self) -> String {
        let order = self.order_id.as_ref().map(|id| format!("order {}: ", plain(id.as_str())));
        let lane = self.lane.map(|lane| match self.seq {
            Some(seq) => format!("journal row {lane}/{seq}: "),
            None => format!("lane {lane}: "),
        });
        let values = self.stored.as_ref().zip(self.folded.as_ref());
        let values = values.map(|(stored, folded)| format!(": stored {stored}, from the journal {folded}"));
        let subject = order.or(lane).unwrap_or_default();
        format!("{subject}{}{}\n", plain(&self.what), plain(&values.unwrap_or_default()))
    }
}

/// How much was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Orders that were compared, archived ones too.
    pub orders: u64,
    /// Those of them that are archived.
    pub archived: u64,
    /// Journal rows that were folded.
    pub journal_rows: u64,
    /// Entries of the orders in them.
    pub entries: u64,
    /// Orders that differ.
    pub different_orders: u64,
    /// Orders whose view this release or configuration would derive otherwise, though nothing is wrong with them.
    pub outdated_views: u64,
    /// Orders of which retention dropped journal rows: checked as far as the rest goes.
    pub partly_checked: u64,
    /// Orders that stand in a journal row which cannot be read, and were not compared.
    pub not_checked: u64,
    /// How many findings there are.
    pub finding_count: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    limit: usize,
}

impl Report {
    /// An empty one that keeps so many findings.
    pub fn keeping(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Counts a finding, and keeps it while there is room.
    pub fn add(&mut self, finding: Finding) {
        self.finding_count += 1;
        if self.findings.len() < self.limit {
            self.findings.push(finding);
        }
    }

    /// Whether everything is as it should be.
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    /// The answer for a person.
    pub fn text(&self) -> String {
        let mut text: String = self.findings.iter().map(Finding::text).collect();
        let left_out = self.finding_count - self.findings.len() as u64;
        if left_out > 0 {
            text.push_str(&format!("and {}: --limit shows more\n", count(left_out, "finding more", "findings more")));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "{} ({} archived) compared with {} in {}: {}\n",
            count(self.orders, "order", "orders"),
            self.archived,
            count(self.entries, "entry", "entries"),
            count(self.journal_rows, "journal row", "journal rows"),
            match (self.finding_count, self.different_orders) {
                (0, _) => "all equal".to_owned(),
                (found, 0) => format!("no order differs, {}", count(found, "finding", "findings")),
                (found, 1) => format!("1 order differs, {}", count(found, "finding", "findings")),
                (found, orders) => format!("{orders} orders differ, {found} findings"),
            }
        ));
        let notes = [
            (
                self.outdated_views,
                "derived under another release or policy, and would change under this one: see `orderstream rederive`",
            ),
            (
                self.partly_checked,
                "only partly in the journal since retention dropped the rest: checked as far as it goes",
            ),
            (self.not_checked, "not compared, because a journal row that speaks of it cannot be read"),
        ];
        for (number, note) in notes.into_iter().filter(|(number, _)| *number > 0) {
            text.push_str(&format!("{}: {note}\n", count(number, "order", "orders")));
        }
        text
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_counted_and_only_so_much_is_kept() {
        let mut report = Report::keeping(1);
        assert!(report.is_clean() && report.text().contains("all equal"));
        report.orders = 3;
        report.different_orders = 1;
        report.outdated_views = 2;
        let finding = Finding::differs("version".to_owned(), 3, 4);
        report.add(Finding { order_id: Some("ord-1".into()), ..finding });
        report.add(Finding::of_lane(Lane(3), Some(Seq(7)), "the row is missing".to_owned()));
        let text = report.text();
        assert!(!report.is_clean());
        assert!(text.starts_with("order ord-1: version: stored 3, from the journal 4\nand 1 finding more"), "{text}");
        assert!(
            text.contains("1 order differs, 2 findings") && text.contains("2 orders: derived under another"),
            "{text}"
        );
    }
}
