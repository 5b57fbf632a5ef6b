//! `orderstream order history`: every entry of the journal that speaks of an order, and what it changed.
//!
//! Reads the journal rows that the order's row lists, folds their events again and compares the view after each with the view
//! before. Invariant: where the beginning is gone, nothing is folded: then each entry shows only what it says itself.

use serde::Serialize;

use super::words;
use super::{Found, Question};
use crate::cli::differences::{self, Difference};
use crate::cli::exit::Exit;
use crate::cli::instant::shown;
use crate::cli::journal::entry::{self, Entry};
use crate::cli::output::{counted, plain};
use crate::config::Topics;
use crate::ids::OrderId;
use crate::order::attention::Attention;
use crate::order::{Facts, Policy, Source, View, derive};
use crate::persist::history::{self, Place};
use crate::persist::journal_format::{AppliedEntry, Outcome};
use crate::persist::lookup::StoredOrder;
use crate::persist::{self, PgConnection};

/// How many rows are unpacked at a time: only what they say of the order stays.
const ROWS_AT_A_TIME: usize = 64;

/// Answers with what happened to the order.
pub(super) async fn answer(
    connection: &mut PgConnection,
    found: Found,
    question: Question<'_>,
) -> persist::Result<Exit> {
    let Found { stored, letters, now: _ } = found;
    let mut read = Read::default();
    for numbers in stored.journal_rows.chunks(ROWS_AT_A_TIME) {
        let rows = history::listed(connection, numbers).await?;
        read.missing += numbers.len() - rows.len();
        for row in rows {
            read.entries.extend(row.entries_of(&stored.order_id)?.into_iter().map(|entry| (row.place, entry)));
        }
    }
    let history = History::of(&stored, &read, letters.len(), &question.config.order_policy());
    let topics = &question.config.topics;
    Ok(question.output.answer(&history.as_json(topics), || history.text(topics)))
}

/// What the journal still has of an order.
#[derive(Default)]
struct Read {
    entries: Vec<(Place, AppliedEntry)>,
    /// How many rows that the order lists are gone.
    missing: usize,
}

impl Read {
    /// Whether the order's first entry is among them, and every one after it.
    fn is_whole(&self) -> bool {
        let first = self.entries.iter().find_map(|(_, entry)| entry.version);
        self.missing == 0 && first == Some(1)
    }
}

/// An order's history, folded.
struct History<'a> {
    order_id: &'a OrderId,
    version: i64,
    missing: usize,
    is_whole: bool,
    /// Whether an entry led to another status than the same events lead to now.
    is_otherwise_now: bool,
    letters: usize,
    steps: Vec<Step<'a>>,
}

/// One entry, and the views between which it stands.
struct Step<'a> {
    place: Place,
    entry: &'a AppliedEntry,
    change: Option<(View, View)>,
}

impl<'a> History<'a> {
    fn of(stored: &'a StoredOrder, read: &'a Read, letters: usize, policy: &Policy) -> Self {
        let is_whole = read.is_whole();
        let mut fold = Folding::new(policy);
        let mut is_otherwise_now = false;
        let mut steps = Vec::with_capacity(read.entries.len());
        for (index, (place, entry)) in read.entries.iter().enumerate() {
            let change = is_whole.then(|| fold.step(entry));
            // Of deadlines that fire together only the last says what came of them.
            let is_deadline = |entry: &AppliedEntry| entry.event.is_some() && entry.place.source == Source::Deadline;
            let next = read.entries.get(index + 1);
            let fires_on = is_deadline(entry) && next.is_some_and(|(row, next)| row == place && is_deadline(next));
            if let (Some((_, after)), Some(status)) = (&change, entry.status) {
                is_otherwise_now |= after.status != status && !fires_on;
            }
            steps.push(Step { place: *place, entry, change });
        }
        let (order_id, version, missing) = (&stored.order_id, stored.order.version, read.missing);
        Self { order_id, version, missing, is_whole, is_otherwise_now, letters, steps }
    }

    fn text(&self, topics: &Topics) -> String {
        let entries = counted(self.steps.len(), "entry", "entries");
        let mut text = format!("order {}: {entries}, version {}\n", plain(self.order_id.as_str()), self.version);
        for step in &self.steps {
            text.push('\n');
            text.push_str(&step.text(topics));
        }
        let notes = self.notes();
        if !notes.is_empty() {
            text.push('\n');
            notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
        }
        text
    }

    /// What a reader has to know to read the history right.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.is_whole {
            let gone = match self.missing {
                0 => "its beginning is not listed any more".to_owned(),
                some => format!("{} of it dropped by retention", counted(some, "journal row was", "journal rows were")),
            };
            notes.push(format!(
                "{gone}; the history starts from what is left, and what each entry changed cannot be folded"
            ));
        }
        if self.is_otherwise_now {
            notes.push(
                "an entry led to another status than the same events lead to under this release and configuration; \
                 the changes shown are those of now"
                    .to_owned(),
            );
        }
        if self.letters > 0 {
            let records = counted(self.letters, "record", "records");
            let id = plain(self.order_id.as_str());
            notes.push(format!(
                "{records} under this key could not be applied: see `orderstream dead-letters list --order {id}`"
            ));
        }
        notes
    }

    fn as_json<'t>(&'t self, topics: &'t Topics) -> Json<'t> {
        let entries = self.steps.iter().map(|step| JsonStep {
            entry: Entry::of(step.place, step.entry, topics),
            changes: step.change.as_ref().map(|(before, after)| differences::between(before, after)),
        });
        Json {
            order_id: self.order_id,
            version: self.version,
            is_whole: self.is_whole,
            missing_journal_rows: self.missing,
            unresolved_dead_letters: self.letters,
            entries: entries.collect(),
        }
    }
}

impl Step<'_> {
    fn text(&self, topics: &Topics) -> String {
        let entry = self.entry;
        let version = entry.version.map(|version| format!("v{version}")).unwrap_or_default();
        let status = entry.status.map(|status| status.to_string()).unwrap_or_default();
        let mut text = format!("{version:<4} {status:<18} {}\n", self.what());
        let mut told = vec![format!("{}; journal {}/{}", self.when(topics), self.place.lane, self.place.seq)];
        told.extend(entry.sent.iter().map(|sent| {
            let again = if sent.attempt > 1 { format!(", attempt {}", sent.attempt) } else { String::new() };
            format!("sent {} of {}{again}", sent.kind, plain(&sent.id))
        }));
        if let Some((before, after)) = &self.change {
            let changes = words::changes(before, after);
            if changes.is_empty() && entry.outcome == Outcome::Applied {
                told.push("a fact more; nothing that is told of the order changed".to_owned());
            }
            told.extend(changes);
        }
        told.iter().for_each(|line| text.push_str(&format!("     {line}\n")));
        text
    }

    /// The kind and the id of the event, and what became of it.
    fn what(&self) -> String {
        let event = self.entry.event.as_ref();
        let event =
            event.map(|event| format!("{} {}", event.kind(), plain(event.event_id.as_str()))).unwrap_or_default();
        let replayed = self.entry.place.letter.map(|id| format!(" (dead letter {id}, replayed)")).unwrap_or_default();
        match self.entry.outcome {
            Outcome::Applied => format!("{event}{replayed}"),
            Outcome::Duplicate => format!("{event}: duplicate, nothing changed{replayed}"),
            Outcome::Stale => format!("{event}: stale, something later is known{replayed}"),
            Outcome::DeadLetter(reason) => format!("a record that could not be applied: {}", reason.as_str()),
            Outcome::Reminded => "commands without an answer were sent again".to_owned(),
            Outcome::Unanswered => "a command stayed unanswered, a person is asked to look".to_owned(),
            Outcome::Rederived => "derived anew, as a person asked for".to_owned(),
        }
    }

    /// When it occurred and was applied, and where it was read.
    fn when(&self, topics: &Topics) -> String {
        let occurred = self.entry.event.as_ref().map(|event| format!("occurred {}, ", shown(event.occurred_at)));
        let from = entry::topic(topics, self.entry.place.source).zip(self.entry.place.offset);
        let from = from.map(|(topic, offset)| format!("; {topic}[{}]@{offset}", self.place.lane));
        format!("{}applied {}{}", occurred.unwrap_or_default(), shown(self.place.written_at), from.unwrap_or_default())
    }
}

/// An order as it grows, entry by entry.
struct Folding<'a> {
    policy: &'a Policy,
    facts: Facts,
    view: View,
    /// Whether a command had all its attempts in vain. Which one the journal does not say: it lasts as long as anything is owed.
    is_unanswered: bool,
}

impl<'a> Folding<'a> {
    fn new(policy: &'a Policy) -> Self {
        let facts = Facts::default();
        // Before anything was heard there was no line, not one that stands for all.
        let view = View { lines: Vec::new(), ..derive(&facts, policy) };
        Self { policy, facts, view, is_unanswered: false }
    }

    /// Lets the entry meet the order. Returns the view before and after.
    fn step(&mut self, entry: &AppliedEntry) -> (View, View) {
        if let Some(event) = &entry.event {
            let _ = self.facts.merge(event);
        }
        let mut view = if self.facts.is_empty() { self.view.clone() } else { derive(&self.facts, self.policy) };
        self.is_unanswered |= entry.outcome == Outcome::Unanswered;
        self.is_unanswered &= !view.owed.is_empty();
        if self.is_unanswered {
            view.attention.insert(Attention::CommandUnanswered);
        }
        (std::mem::replace(&mut self.view, view.clone()), view)
    }
}

#[derive(Serialize)]
struct Json<'a> {
    order_id: &'a OrderId,
    version: i64,
    /// Whether the journal still has all of it. If not, no changes are said.
    is_whole: bool,
    missing_journal_rows: usize,
    unresolved_dead_letters: usize,
    entries: Vec<JsonStep<'a>>,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    #[serde(flatten)]
    entry: Entry<'a>,
    changes: Option<Vec<Difference>>,
}
