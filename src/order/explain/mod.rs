//! Why an order is what it is: the row of the table that matched, what is owed and until when, and what time will do next.
//!
//! Beside the path, for `orderstream order explain`. Invariant: which rule matched, what is owed and what a deadline needs are
//! asked of the very code that the derivation asks (`status`, `obligation`, `deadline`), and what a deadline would do is
//! tried on a copy; here that is only put into words, with the facts behind it.

mod clauses;
mod deadlines;
mod evidence;
mod notes;
mod owed;

use serde::Serialize;

use crate::ids::Timestamp;

use super::attention::{Attention, Flag};
use super::deadline::DeadlineName;
use super::facts::Facts;
use super::facts::told::Fact;
use super::obligation::Obligation;
use super::policy::Policy;
use super::reading::Reading;
use super::status::{Clause, Status};
use super::view::{View, derive};

use evidence::Evidence;

/// Why an order is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The view that is explained.
    pub view: View,
    /// The row of the table in DOMAIN section 7 that matched: 1 to 13.
    pub rule: usize,
    /// Why that row matched, a sentence for each of its clauses. The last row has none.
    pub because: Vec<Note<Clause>>,
    /// The rows above, from the top.
    pub passed_over: Vec<PassedOver>,
    /// The flags that are up.
    pub flags: Vec<Note<Flag>>,
    /// The reasons for a person to look.
    pub attention: Vec<Note<Attention>>,
    /// What is owed.
    pub owed: Vec<Owed>,
    /// The deadlines that are armed: the next to fire first, then those that wait for a fact.
    pub deadlines: Vec<Armed>,
}

/// Something that is said of an order, with the facts behind it, the earliest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// Lowercase and without a full stop. Holds ids as they came: whoever prints it takes care of control characters.
    pub text: String,
    /// What it rests on.
    pub facts: Vec<Fact>,
}

/// A row that did not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Its number: 1 to 12.
    pub rule: usize,
    /// The status that it would have given.
    pub status: Status,
    /// The clauses that do not hold.
    pub lacks: Vec<Note<Clause>>,
}

/// A clause, a flag or a reason for attention, and why it holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note<Name> {
    /// Which.
    pub name: Name,
    /// Why.
    #[serde(flatten)]
    pub why: Sentence,
}

/// Something that is owed, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// What is owed.
    #[serde(flatten)]
    pub obligation: Obligation,
    /// Why it is owed.
    pub why: Sentence,
    /// What has to be heard for it to end.
    pub until: String,
}

/// A deadline that is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Armed {
    /// Which deadline.
    pub name: DeadlineName,
    /// The authorization or reservation it is about; none for the order itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it is due.
    pub due: Timestamp,
    /// Whether what it needs is so, and it fires when it is due.
    pub holds: bool,
    /// What it would record, or why it does not hold; with the facts that it hangs on.
    pub why: Sentence,
    /// The view after it fired, if nothing else happened before; none if it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<View>>,
}

/// Explains an order of these facts.
#[must_use]
pub fn explain(facts: &Facts, policy: &Policy) -> Explanation {
    let view = derive(facts, policy);
    let reading = Reading::of(facts, policy);
    let evidence = Evidence { reading: &reading, owed: &view.owed, told: facts.told() };
    let owes = !view.owed.is_empty();
    let said = |name: &Clause| Note { name: *name, why: evidence.of_clause(*name) };
    let rows = (1..).zip(Status::ALL);
    let above = rows.clone().take_while(|(_, status)| *status != view.status);
    let passed_over = above.map(|(rule, status)| {
        let lacking = status.clauses().iter().filter(|clause| !clause.holds(&reading, owes));
        PassedOver { rule, status, lacks: lacking.map(said).collect() }
    });
    let passed_over: Vec<PassedOver> = passed_over.collect();
    Explanation {
        rule: passed_over.len() + 1,
        because: view.status.clauses().iter().map(said).collect(),
        passed_over,
        flags: view.flags.iter().map(|flag| Note { name: *flag, why: evidence.of_flag(*flag) }).collect(),
        attention: view.attention.iter().map(|name| Note { name: *name, why: evidence.of_attention(*name) }).collect(),
        owed: view.owed.iter().map(|obligation| evidence.of_obligation(obligation)).collect(),
        deadlines: evidence.deadlines(),
        view,
    }
}

impl Explanation {
    /// Adds the one reason for attention that facts do not know: a command had all its attempts and no answer.
    pub fn add_unanswered(&mut self) {
        let name = Attention::CommandUnanswered;
        if self.view.attention.insert(name) {
            let text = "a command for something that is owed was sent as often as the policy allows, without an answer";
            let why = Sentence { text: text.to_owned(), facts: Vec::new() };
            self.attention.push(Note { name, why });
            self.attention.sort_by_key(|note| note.name);
        }
    }
}
