//! One order, four accounts of it: the fold of what went in, the fold of the journal, its row, and what was last said of it; and
//! what its row remembers for the sake of time: what was asked for, and when to look again.
//!
//! Pure. Invariant: all four must agree; which of them is wrong is for the reader of the report to find out.

use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::attention::Attention;
use orderstream::order::{Facts, Policy, View, deadlines, derive};
use serde_json::Value as Json;

use super::commands::Asking;
use super::deadlines::overdue;

use super::findings::{Findings, Kind};
use super::outputs::LastWord;
use super::progress::Progress;
use super::stored::StoredOrder;

/// The accounts of one order, as far as there are any.
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a> {
    /// The registers by what went in.
    pub folded: Option<&'a Facts>,
    /// The order by its journal.
    pub replayed: Option<&'a Progress>,
    /// The order's row.
    pub stored: Option<&'a StoredOrder>,
    /// The last that was published of it.
    pub last_word: Option<&'a LastWord>,
    /// Whether a dead letter of it is neither applied nor discarded, or a mark asks to look at it.
    pub is_waiting: bool,
}

/// By what orders are judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How others are asked, and the policies.
    pub asking: Asking<'a>,
    /// When workers were last at work.
    pub until: Timestamp,
    /// Since when they were, the lane that was claimed last.
    pub since: Option<Timestamp>,
}

/// Compares the accounts of an order.
pub fn compare(order: &OrderId, accounts: Accounts<'_>, rules: Rules<'_>, findings: &mut Findings) {
    let Some(stored) = accounts.stored else {
        findings.add_of(Kind::OrderMissing, order, || "it has events and no row".to_owned());
        return;
    };
    let Some(folded) = accounts.folded else {
        findings.add_of(Kind::OrderInvented, order, || format!("its row says {}", stored.view.status));
        return;
    };
    let mut differs = |what: String| findings.add_of(Kind::OrderDiffers, order, || what);
    let view_by = |policy: &Policy| {
        let mut view = derive(folded, policy);
        // What all attempts were in vain for, facts do not know.
        if accounts.replayed.and_then(|replayed| replayed.view.as_ref()).is_some_and(is_unanswered) {
            view.attention.insert(Attention::CommandUnanswered);
        }
        view
    };
    if !rules.asking.policies.iter().any(|policy| stored.view == view_by(policy)) {
        let expected = rules.asking.policies.first().map(view_by);
        differs(expected.map_or_else(String::new, |expected| differing_fields(&stored.view, &expected)));
    } else if stored.facts != *folded {
        differs("its facts are not those of its events".to_owned());
    }
    match accounts.replayed {
        None => differs("the journal has no entry of it".to_owned()),
        Some(replayed) => {
            if replayed.facts != stored.facts {
                differs("its facts are not those of its journal".to_owned());
            }
            if replayed.version != stored.version {
                differs(format!("its version is {} and its journal leads to {}", stored.version, replayed.version));
            }
            if replayed.rows != stored.journal_rows {
                differs(format!(
                    "it lists {} journal rows and is in {}",
                    stored.journal_rows.len(),
                    replayed.rows.len()
                ));
            }
            let at_work = (rules.since, rules.until);
            replayed.asked.compare(order, (&stored.commands, at_work), rules.asking, findings);
            compare_time(order, (stored, replayed, accounts.is_waiting), rules, findings);
        }
    }
    match accounts.last_word {
        None => {
            findings.add_of(Kind::LastWordDiffers, order, || format!("nothing was said of version {}", stored.version))
        }
        Some(said) if said.version != stored.version => {
            let last = said.version;
            findings.add_of(Kind::LastWordDiffers, order, || {
                format!("version {last} was said and {} is stored", stored.version)
            });
        }
        Some(said) if said.view != stored.view => {
            findings.add_of(Kind::LastWordDiffers, order, || differing_fields(&said.view, &stored.view));
        }
        Some(_) => {}
    }
}

fn is_unanswered(view: &View) -> bool {
    view.attention.contains(&Attention::CommandUnanswered)
}

/// Whether no deadline was forgotten, and the order is looked at again when it must be.
fn compare_time(
    order: &OrderId,
    (stored, replayed, is_waiting): (&StoredOrder, &Progress, bool),
    rules: Rules<'_>,
    findings: &mut Findings,
) {
    // Nobody could fire it before the order was as it is, and before somebody had the lane.
    let from = replayed.written_at.max(rules.since);
    let overdue = |policy| overdue(&stored.facts, policy, (from, rules.until), is_waiting);
    // One that only a former policy knows need not have fired.
    if let Some(deadline) = rules.asking.policies.first().and_then(overdue) {
        findings.add_of(Kind::DeadlineLost, order, || {
            format!("{} of `{}`, due at {}", deadline.name, deadline.entity_id, deadline.due)
        });
    }
    let [policy] = rules.asking.policies else { return };
    let reminders = stored.commands.iter().filter(|pursuit| !pursuit.unanswered);
    let reminder = reminders.filter_map(|pursuit| Some(policy.command_retry.after(pursuit.asked_at?))).min();
    let next = |with_cancelling: bool| {
        let holding = deadlines(&stored.facts, policy).into_iter().filter(|deadline| deadline.holds);
        let due = holding.filter(|deadline| with_cancelling || !deadline.name.cancels()).map(|deadline| deadline.due);
        due.chain(reminder).min()
    };
    // While a dead letter is unresolved, those that cancel were left out at the last look, or not. What resolves it looks again.
    let may_leave_out = is_waiting && stored.next_deadline == next(false);
    if stored.next_deadline != next(true) && !may_leave_out && !stored.is_archived {
        findings.add_of(Kind::OrderDiffers, order, || {
            format!("it is to be looked at again at {:?} and must be at {:?}", stored.next_deadline, next(true))
        });
    }
}

/// The fields in which two views differ, with both values.
#[must_use]
pub fn differing_fields(found: &View, expected: &View) -> String {
    let json = |view: &View| serde_json::to_value(view).expect("a view is JSON");
    let (Json::Object(found), Json::Object(expected)) = (json(found), json(expected)) else {
        unreachable!("a view is a JSON object")
    };
    let differing = found.iter().filter(|(name, value)| expected.get(*name) != Some(value));
    let said: Vec<String> = differing
        .map(|(name, value)| format!("{name} is {value} and not {}", expected.get(name).unwrap_or(&Json::Null)))
        .collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use orderstream::order::Status;

    use super::super::fixture;
    use super::*;

    /// What is found when a row and the last word on it are changed before they are compared with the folds.
    fn found(change: impl FnOnce(&mut StoredOrder, &mut LastWord)) -> Findings {
        let (_, progress) = fixture::row();
        let (mut stored, mut last_word) = (fixture::stored(), fixture::last_word());
        change(&mut stored, &mut last_word);
        let folded = progress.facts.clone();
        let accounts = Accounts {
            folded: Some(&folded),
            replayed: Some(&progress),
            stored: Some(&stored),
            last_word: Some(&last_word),
            is_waiting: false,
        };
        let mut findings = Findings::default();
        compare(&fixture::order(), accounts, fixture::rules(), &mut findings);
        findings
    }

    fn found_without(which: impl FnOnce(&mut Accounts<'_>)) -> Findings {
        let (_, progress) = fixture::row();
        let (stored, last_word) = (fixture::stored(), fixture::last_word());
        let mut accounts = Accounts {
            folded: Some(&progress.facts),
            replayed: Some(&progress),
            stored: Some(&stored),
            last_word: Some(&last_word),
            is_waiting: false,
        };
        which(&mut accounts);
        let mut findings = Findings::default();
        compare(&fixture::order(), accounts, fixture::rules(), &mut findings);
        findings
    }

    #[test]
    fn four_accounts_that_agree_are_fine() {
        assert!(found(|_, _| {}).is_clean(), "{:?}", found(|_, _| {}));
    }

    #[test]
    fn a_column_a_fact_a_version_or_a_list_of_rows_that_differs_is_found() {
        let changes: [fn(&mut StoredOrder); 5] = [
            |stored| stored.view.lines[0].reserved = 1,
            |stored| stored.facts = Facts::default(),
            |stored| stored.version += 1,
            |stored| stored.journal_rows.clear(),
            |stored| stored.next_deadline = Some(fixture::NOW),
        ];
        for change in changes {
            let findings = found(|stored, _| change(stored));
            assert!(findings.of(Kind::OrderDiffers) > 0 && findings.mismatched_orders() == 1, "{findings:?}");
        }
    }

    #[test]
    fn a_last_word_of_another_version_or_view_is_found() {
        let older = |_: &mut StoredOrder, said: &mut LastWord| said.version -= 1;
        assert_eq!(found(older).of(Kind::LastWordDiffers), 1);
        let other = |_: &mut StoredOrder, said: &mut LastWord| said.view.status = Status::Cancelled;
        assert_eq!(found(other).of(Kind::LastWordDiffers), 1);
    }

    #[test]
    fn an_account_that_is_not_there_is_found() {
        assert_eq!(found_without(|accounts| accounts.stored = None).of(Kind::OrderMissing), 1);
        assert_eq!(found_without(|accounts| accounts.folded = None).of(Kind::OrderInvented), 1);
        assert_eq!(found_without(|accounts| accounts.replayed = None).of(Kind::OrderDiffers), 1);
        assert_eq!(found_without(|accounts| accounts.last_word = None).of(Kind::LastWordDiffers), 1);
    }

    #[test]
    fn differing_fields_are_named_with_both_values() {
        let view = fixture::stored().view;
        let other = View { status: Status::Shipped, ..view.clone() };
        assert_eq!(differing_fields(&other, &view), "status is \"SHIPPED\" and not \"CONFIRMED\"");
    }
}
