//! `orderstream dead-letters list`: how many wait, for which reason and since when, then the newest of them.
//!
//! Invariant: what is not shown is counted, so nobody takes a page for the whole.

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use super::Refusal;
use super::filters::{FilterArgs, input_names};
use super::words::{self, dead_letters};
use crate::cli::exit::Exit;
use crate::cli::instant::{relative, shown};
use crate::cli::output::{self, Output, counted};
use crate::cli::{ConfigFile, complain};
use crate::config::Config;
use crate::ids::Timestamp;
use crate::persist::letters::{self, Filter, Group, Letter, State};
use crate::persist::{DatabaseClock, PgConnection};

/// Which letters, and how many of them.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: FilterArgs,
    /// In this state; repeat it for several [default: open and replay, those that are not done with].
    #[arg(long, value_name = "STATE", value_enum)]
    state: Vec<Wanted>,
    /// How many to show, at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(super) config: ConfigFile,
}

/// A state as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Waits for a person.
    Open,
    /// Is marked and waits for a worker.
    Replay,
    /// Reached its order after all.
    Applied,
    /// Was given up.
    Discarded,
    /// Any of them.
    All,
}

impl Wanted {
    fn states(wanted: &[Self]) -> Vec<State> {
        let state = |wanted: &Self| match wanted {
            Self::Open => vec![State::Open],
            Self::Replay => vec![State::Replay],
            Self::Applied => vec![State::Applied],
            Self::Discarded => vec![State::Discarded],
            Self::All => State::ALL.to_vec(),
        };
        if wanted.is_empty() { State::UNRESOLVED.to_vec() } else { wanted.iter().flat_map(state).collect() }
    }
}

/// Lists them.
pub(super) async fn run(connection: &mut PgConnection, config: &Config, args: &ListArgs) -> Result<Exit, Refusal> {
    let now = DatabaseClock::read(connection).await?.now();
    let filter = args.filters.filter(&Wanted::states(&args.state), &config.topics, now)?;
    let groups = letters::groups(connection, &filter).await?;
    let page = letters::page(connection, &filter, args.limit.into()).await?;
    if groups.is_empty() {
        explain_stray_topics(config, &filter);
    }
    let total = total(&groups);
    let answer = json!({
        "letters": total,
        "groups": groups.iter().map(group_json).collect::<Vec<_>>(),
        "shown": page.iter().map(letter_json).collect::<Vec<_>>(),
    });
    Ok(args.output.answer(&answer, || text(&groups, &page, now, words::terminal_chars())))
}

/// A topic that is misspelt finds nothing; say so where nothing was found.
fn explain_stray_topics(config: &Config, filter: &Filter) {
    let is_input = |topic: &&String| config.topics.inputs().any(|(_, name)| name == topic.as_str());
    for topic in filter.topics.iter().filter(|topic| !is_input(topic)) {
        complain(format_args!("`{topic}` is no input topic here: the inputs are {}", input_names(&config.topics)));
    }
}

fn total(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.letters).sum()
}

fn text(groups: &[Group], page: &[Letter], now: Timestamp, terminal_chars: Option<usize>) -> String {
    let total = total(groups);
    if total == 0 {
        return "no dead letter matches\n".to_owned();
    }
    let mut text = format!("{}\n\n{}", dead_letters(total), groups_table(groups, now));
    text.push('\n');
    text.push_str(&words::table(page, terminal_chars));
    let more = total.saturating_sub(page.len() as u64);
    if more > 0 {
        text.push_str(&format!(
            "\n{} not shown: raise --limit, or narrow it down with --reason, --topic, --since, --until or --order\n",
            counted(more, "more is", "more are")
        ));
    }
    text
}

/// The counts as a table.
pub(super) fn groups_table(groups: &[Group], now: Timestamp) -> String {
    let row = |group: &Group| {
        let oldest = relative(group.oldest, now);
        vec![group.reason.to_string(), group.topic.clone(), indicatif::HumanCount(group.letters).to_string(), oldest]
    };
    output::table(&["reason", "topic", "letters", "oldest"], groups.iter().map(row))
}

/// A count for a program.
pub(super) fn group_json(group: &Group) -> Json {
    json!({"reason": group.reason, "topic": group.topic, "letters": group.letters, "oldest": shown(group.oldest)})
}

/// A letter for a program; named like the columns.
pub(super) fn letter_json(letter: &Letter) -> Json {
    json!({
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "order_id": letter.order_id,
        "reason": letter.reason,
        "explanation": letter.explanation,
        "attempts": letter.attempts,
        "state": letter.state,
        "first_seen_at": shown(letter.first_seen_at),
        "last_seen_at": shown(letter.last_seen_at),
    })
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::letter;
    use super::*;
    use crate::decode::Reason;

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000 + 3 * 3_600_000_000);

    fn group(letters: u64) -> Group {
        let oldest = Timestamp(1_760_000_000_000_000);
        Group { reason: Reason::UnknownSchema, topic: "payments".to_owned(), letters, oldest }
    }

    #[test]
    fn what_a_page_leaves_out_is_counted() {
        let text = text(&[group(2_000), group(1)], &[letter(9), letter(8)], NOW, None);
        assert!(text.starts_with("2,001 dead letters\n\n"), "{text}");
        assert!(text.contains("2,000") && text.contains("3 h ago"), "{text}");
        assert!(text.contains("\n1,999 more are not shown: raise --limit"), "{text}");
        let whole = super::text(&[group(1)], &[letter(9)], NOW, None);
        assert!(whole.starts_with("1 dead letter\n") && !whole.contains("not shown"), "{whole}");
    }

    #[test]
    fn nothing_is_said_in_one_line() {
        assert_eq!(text(&[], &[], NOW, None), "no dead letter matches\n");
    }

    #[test]
    fn a_list_is_of_what_is_not_done_with_unless_asked_otherwise() {
        assert_eq!(Wanted::states(&[]), State::UNRESOLVED);
        assert_eq!(Wanted::states(&[Wanted::All]), State::ALL);
        assert_eq!(Wanted::states(&[Wanted::Applied, Wanted::Open]), [State::Applied, State::Open]);
    }
}
