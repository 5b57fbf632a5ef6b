//! One order's row against what the journal says of it: everything that differs, and why it may.
//!
//! Pure. Invariant: a row that equals its journal under this release and configuration has no finding; a view that only another
//! configuration or release would derive is told apart from a row that somebody changed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::{Account, Unlike};
use super::finding::Finding;
use crate::cli::differences;
use crate::cli::journal::entry::outcome;
use crate::order::decision::Order;
use crate::order::facts::register::Merged;
use crate::order::{Facts, Policy, Shell, View};
use crate::persist::audit::LaneState;
use crate::persist::journal::place_of;
use crate::persist::lookup::StoredOrder;
use crate::persist::orders::{MACHINE_VERSION, MAX_JOURNAL_ROWS};

/// What came of comparing one order.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Everything that differs.
    pub findings: Vec<Finding>,
    /// Whether only another release or configuration would derive the stored view.
    pub is_outdated: bool,
}

/// What an order is compared by, beside its row and its journal.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// How far the journal of each lane reaches.
    pub lanes: &'a [LaneState],
    /// What versions leapt to, at each recovery of the database.
    pub version_floors: &'a BTreeSet<i64>,
    /// The policy of now.
    pub policy: &'a Policy,
}

/// Compares an order's row with its account.
pub(super) fn compare(stored: &StoredOrder, account: &mut Account, known: Known<'_>) -> Compared {
    let mut compared = Compared::default();
    if !account.is_part && *account.facts() != stored.order.facts {
        compared.findings.extend(facts(&stored.order.facts, account.facts()));
    }
    // The journal is the truth; of what is only partly in it, the stored facts are.
    let facts = if account.is_part { stored.order.facts.clone() } else { account.facts().clone() };
    let truth = Order { facts, ..stored.order.clone() };
    view(&truth, stored.machine_version, known.policy, &mut compared);
    versions(stored, account, known.version_floors, &mut compared.findings);
    rows(stored, account, known.lanes, &mut compared.findings);
    if let Some(unlike) = &account.unlike {
        compared.findings.extend(outcomes(unlike, account));
    }
    for finding in &mut compared.findings {
        finding.order_id = Some(stored.order_id.clone());
    }
    compared
}

/// The kinds of entities by the letter of the stored form, as `order/facts/stored` gives them.
const ENTITIES: [(&str, &str); 13] = [
    ("a", "authorization"),
    ("c", "capture"),
    ("r", "refund"),
    ("d", "dispute"),
    ("w", "review"),
    ("i", "reservation"),
    ("s", "shipment"),
    ("b", "return"),
    ("h", "hold"),
    ("p", "PLACED"),
    ("m", "AMENDED"),
    ("x", "CANCEL_REQUESTED"),
    ("f", "fired deadline"),
];

/// The entities whose facts differ, in their stored form.
fn facts(stored: &Facts, folded: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for of_kind in differences::between(stored, folded) {
        let name =
            ENTITIES.iter().find(|(letter, _)| *letter == of_kind.field).map_or(&*of_kind.field, |(_, name)| name);
        if of_kind.before.is_array() || of_kind.after.is_array() {
            findings.push(Finding::differs(format!("fact {name}"), of_kind.before, of_kind.after));
            continue;
        }
        let entities = |value: Value| if value.is_object() { value } else { json!({}) };
        for one in differences::between(&entities(of_kind.before), &entities(of_kind.after)) {
            findings.push(Finding::differs(format!("facts of {name} `{}`", one.field), one.before, one.after));
        }
    }
    findings
}

/// The stored view against the one that the facts have now.
fn view(order: &Order, machine_version: i16, policy: &Policy, compared: &mut Compared) {
    let derived = order.derive(policy);
    let Some(stored) = &order.view else {
        compared.findings.push(Finding::says("the row has version 0: its first transaction never ended".to_owned()));
        return;
    };
    if *stored == derived {
        return;
    }
    if machine_version != MACHINE_VERSION || is_of_another_policy(order, stored, policy) {
        compared.is_outdated = true;
        return;
    }
    let fields = differences::between(stored, &derived);
    compared.findings.extend(fields.into_iter().map(|field| Finding::differs(field.field, field.before, field.after)));
}

/// Whether the stored view is what the facts mean when money of shells is judged the other way: the one setting that a view
/// depends on. (The others move deadlines, and what a deadline did is a fact.)
fn is_of_another_policy(order: &Order, stored: &View, policy: &Policy) -> bool {
    Shell::ALL.into_iter().any(|shell| order.derive(&Policy { shell, ..policy.clone() }) == *stored)
}

/// The versions that the journal led to: 1, 2, 3 … up to the stored one, each with one status; but for the leaps of recoveries.
fn versions(stored: &StoredOrder, account: &Account, floors: &BTreeSet<i64>, findings: &mut Vec<Finding>) {
    let mut said = account.said.clone();
    said.sort_unstable();
    said.dedup();
    let Some((last, status)) = said.last().copied() else { return };
    if last != stored.order.version {
        findings.push(Finding::differs("version".to_owned(), stored.order.version, last));
    } else if let Some(view) = &stored.order.view
        && view.status != status
        && findings.iter().all(|finding| finding.what != "status")
    {
        findings.push(Finding::differs(
            "status after the last entry".to_owned(),
            view.status.as_str(),
            status.as_str(),
        ));
    }
    let is_leap = |to: i64| floors.contains(&(to - 1));
    if said[0].0 != 1 && !account.is_part && !is_leap(said[0].0) {
        findings.push(Finding::says(format!("the journal begins with version {}", said[0].0)));
    }
    for pair in said.windows(2) {
        let [(one, status), (next, other)] = pair else { continue };
        if one == next {
            findings.push(Finding::says(format!("entries give version {one} two statuses: {status} and {other}")));
        } else if one + 1 != *next && !is_leap(*next) {
            findings.push(Finding::says(format!("no entry leads to the versions from {} to {}", one + 1, next - 1)));
        }
    }
}

/// The rows that the order lists against those that speak of it.
fn rows(stored: &StoredOrder, account: &Account, lanes: &[LaneState], findings: &mut Vec<Finding>) {
    let found: BTreeSet<i64> = account.rows.iter().copied().collect();
    let listed: BTreeSet<i64> = stored.journal_rows.iter().copied().collect();
    let is_kept = |number: &&i64| {
        let (lane, seq) = place_of(**number);
        lanes.iter().find(|state| state.lane == lane).is_none_or(|state| seq >= state.first_kept)
    };
    let name = |number: &i64| {
        let (lane, seq) = place_of(*number);
        format!("{lane}/{seq}")
    };
    let silent: Vec<String> = listed.difference(&found).filter(is_kept).map(name).collect();
    if !silent.is_empty() {
        findings.push(Finding::says(format!("it lists journal rows that do not speak of it: {}", silent.join(", "))));
    }
    let is_capped = stored.journal_rows.len() >= usize::try_from(MAX_JOURNAL_ROWS).unwrap_or(usize::MAX);
    let unlisted: Vec<String> = found.difference(&listed).map(name).collect();
    if !unlisted.is_empty() && !is_capped {
        findings
            .push(Finding::says(format!("it does not list journal rows that speak of it: {}", unlisted.join(", "))));
    }
}

/// An entry that does something else than it says. Of an order of several lanes the true order of entries is not known here.
fn outcomes(unlike: &Unlike, account: &Account) -> Option<Finding> {
    let lane = |number: &i64| place_of(*number).0;
    let is_of_one_lane = account.rows.windows(2).all(|rows| lane(&rows[0]) == lane(&rows[1]));
    if !account.is_part && !is_of_one_lane {
        return None;
    }
    let is = match unlike.is {
        Merged::Changed if account.is_part => "not among the stored facts",
        Merged::Changed => "applied",
        Merged::Duplicate => "duplicate",
        Merged::Stale => "stale",
    };
    let (place, said) = (unlike.place, outcome(unlike.said));
    Some(Finding::says(format!(
        "event `{}` of journal row {}/{} is written down as {said} and is {is}",
        unlike.event_id, place.lane, place.seq
    )))
}
