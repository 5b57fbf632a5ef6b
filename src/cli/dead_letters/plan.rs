//! What a change would change: the letters that match, counted and with examples, before anything is done.
//!
//! Printed alone without `--yes`, checked before everything else with it. Invariant: numbers that name nothing stop the
//! command before it changes anything.

use serde_json::json;

use super::list;
use super::words::{self, dead_letters};
use super::{Refusal, filters};
use crate::cli::complain;
use crate::cli::exit::Exit;
use crate::cli::output::{self, Format, Output, counted};
use crate::config::Topics;
use crate::ids::Timestamp;
use crate::persist::letters::{self, Filter, Group, Letter, State};
use crate::persist::{self, PgConnection};

/// How many letters are shown as examples.
const EXAMPLES: i64 = 3;

/// What would be changed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Counts by reason and topic.
    pub groups: Vec<Group>,
    /// The newest few.
    pub examples: Vec<Letter>,
}

impl Plan {
    /// Counts what a filter finds.
    pub async fn of(connection: &mut PgConnection, filter: &Filter) -> persist::Result<Self> {
        let groups = letters::groups(connection, filter).await?;
        Ok(Self { groups, examples: letters::page(connection, filter, EXAMPLES).await? })
    }

    /// How many letters it finds.
    pub fn letters(&self) -> u64 {
        self.groups.iter().map(|group| group.letters).sum()
    }

    /// The newest letter that it finds.
    pub fn last(&self) -> i64 {
        self.examples.first().map_or(0, |letter| letter.id)
    }

    /// Refuses letters of topics that no worker of this configuration reads: they would stay marked for ever.
    pub fn only_of_inputs(&self, topics: &Topics) -> Result<(), Refusal> {
        let is_input = |group: &&Group| topics.inputs().any(|(_, name)| name == group.topic);
        let Some(stray) = self.groups.iter().find(|group| !is_input(group)) else { return Ok(()) };
        Err(Refusal::Request(
            Exit::Config,
            format!(
                "{} of these came from the topic `{}`, which is no input of this configuration (its inputs are {}): no worker \
                 would take them; use the workers' configuration, or choose others with --topic",
                counted(stray.letters, "dead letter", "dead letters"),
                stray.topic,
                filters::input_names(topics)
            ),
        ))
    }

    /// Prints it, and that nothing was done. `verb` is what would be, as in `replay`, `replayed`.
    pub fn print(&self, output: Output, verb: (&str, &str), now: Timestamp) -> Exit {
        let answer = json!({
            "would": verb.0,
            "letters": self.letters(),
            "groups": self.groups.iter().map(list::group_json).collect::<Vec<_>>(),
            "examples": self.examples.iter().map(list::letter_json).collect::<Vec<_>>(),
        });
        output.answer(&answer, || self.text(verb, now, words::terminal_chars()))
    }

    fn text(&self, (verb, done): (&str, &str), now: Timestamp, terminal_chars: Option<usize>) -> String {
        let examples = if self.letters() > self.examples.len() as u64 { "\nthe newest of them:\n" } else { "\n" };
        format!(
            "{} would be {done}:\n\n{}{examples}{}\nnothing was changed: add --yes to {verb} {}\n",
            dead_letters(self.letters()),
            list::groups_table(&self.groups, now),
            words::table(&self.examples, terminal_chars),
            if self.letters() == 1 { "it" } else { "them" },
        )
    }
}

/// Refuses numbers that no letter has, and says which letters are not in one of these states and so left alone.
pub(super) async fn check_numbers(
    connection: &mut PgConnection,
    ids: &[i64],
    wanted: &[State],
    done: &str,
) -> Result<(), Refusal> {
    let found = letters::states(connection, ids).await?;
    if let Some(missing) = ids.iter().find(|id| !found.iter().any(|(found, _)| found == *id)) {
        return Err(no_such(*missing));
    }
    for (id, state) in found.iter().filter(|(_, state)| !wanted.contains(state)) {
        let state = match state {
            State::Open => "open",
            State::Replay => "marked for replay already",
            State::Applied => "applied already",
            State::Discarded => "discarded already",
        };
        complain(format_args!("dead letter {id} is {state}: it is not {done}"));
    }
    Ok(())
}

/// The refusal of a number that no letter has.
pub(super) fn no_such(id: i64) -> Refusal {
    Refusal::Request(
        Exit::DataErr,
        format!("there is no dead letter {id}: find its number with `orderstream dead-letters list --state all`"),
    )
}

/// Says that nothing matches; that is no failure.
pub(super) fn nothing(output: Output, verb: &str) -> Exit {
    let text = format!("no dead letter that can be {verb} matches: nothing to do\n");
    match output.output {
        Format::Text => crate::cli::print(&text),
        Format::Json => crate::cli::print(&output::json(&json!({ "letters": 0 }))),
    }
}

/// A line about letters that an earlier command marked.
pub(super) fn marked_already(count: u64) -> String {
    format!(
        "{} marked already; see `orderstream dead-letters list --state replay`",
        counted(count, "more that matches is", "more that match are")
    )
}
