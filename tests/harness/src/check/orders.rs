//! One order, four accounts of it: the fold of what went in, the fold of the journal, its row, and what was last said of it.
//!
//! Pure. Invariant: all four must agree; which of them is wrong is for the reader of the report to find out.

use orderstream::ids::OrderId;
use orderstream::order::{Facts, Policy, View, derive};
use serde_json::Value as Json;

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
}

/// Compares the accounts of an order.
pub fn compare(order: &OrderId, accounts: Accounts<'_>, policy: &Policy, findings: &mut Findings) {
    let Some(stored) = accounts.stored else {
        findings.add_of(Kind::OrderMissing, order, || "it has events and no row".to_owned());
        return;
    };
    let Some(folded) = accounts.folded else {
        findings.add_of(Kind::OrderInvented, order, || format!("its row says {}", stored.view.status));
        return;
    };
    let mut differs = |what: String| findings.add_of(Kind::OrderDiffers, order, || what);
    let expected = derive(folded, policy);
    if stored.view != expected {
        differs(differing_fields(&stored.view, &expected));
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
        };
        let mut findings = Findings::default();
        compare(&fixture::order(), accounts, &Policy::default(), &mut findings);
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
        };
        which(&mut accounts);
        let mut findings = Findings::default();
        compare(&fixture::order(), accounts, &Policy::default(), &mut findings);
        findings
    }

    #[test]
    fn four_accounts_that_agree_are_fine() {
        assert!(found(|_, _| {}).is_clean(), "{:?}", found(|_, _| {}));
    }

    #[test]
    fn a_column_a_fact_a_version_or_a_list_of_rows_that_differs_is_found() {
        let changes: [fn(&mut StoredOrder); 4] = [
            |stored| stored.view.lines[0].reserved = 1,
            |stored| stored.facts = Facts::default(),
            |stored| stored.version += 1,
            |stored| stored.journal_rows.clear(),
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
