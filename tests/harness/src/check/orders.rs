//! One order, four accounts of it: the fold of what went in, the fold of the journal, its row, and what was last said of it.
//!
//! Pure. Invariant: all four must agree; which of them is wrong is for the reader of the report to find out.

use orderstream::ids::OrderId;
use orderstream::order::{Facts, Policy, View, derive};
use serde_json::Value as Json;

use super::findings::{Findings, Kind};
use super::replay::Progress;
use super::stored::StoredOrder;
use crate::output::StatusChanged;

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
    pub last_word: Option<&'a StatusChanged>,
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
                differs(format!("it lists {} journal rows and is in {}", stored.journal_rows.len(), replayed.rows.len()));
            }
        }
    }
    match accounts.last_word {
        None => findings.add_of(Kind::LastWordDiffers, order, || format!("nothing was said of version {}", stored.version)),
        Some(said) if said.envelope.order_version != stored.version => {
            let last = said.envelope.order_version;
            findings.add_of(Kind::LastWordDiffers, order, || format!("version {last} was said and {} is stored", stored.version));
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
