//! `orderstream dead-letters show`: one letter, whole.
//!
//! Asks the database for the letter and the registry for its schema. Invariant: the registry may be away; everything that
//! can be said without it is said.

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::Refusal;
use super::filters::input_names;
use super::hex::hex;
use super::look::{self, Seen};
use super::reasons::meaning;
use super::{list, plan, words};
use crate::cli::exit::Exit;
use crate::cli::instant::shown;
use crate::cli::output::Output;
use crate::cli::{ConfigFile, print_bytes};
use crate::config::Config;
use crate::decode::inspect::{Contents, Verdict, inspect};
use crate::decode::{Access, Registry};
use crate::ids::Timestamp;
use crate::persist::letters::{self, Action, WholeLetter};
use crate::persist::{DatabaseClock, PgConnection};

/// Which letter, and in which form.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its number, as `list` shows it.
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// Prints nothing but the bytes of the value, for tools of your own.
    #[arg(long, conflicts_with = "output")]
    raw: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(super) config: ConfigFile,
}

/// Shows it.
pub(super) async fn run(connection: &mut PgConnection, config: &Config, args: &ShowArgs) -> Result<Exit, Refusal> {
    let letter = letters::one(connection, args.id).await?.ok_or_else(|| plan::no_such(args.id))?;
    if args.raw {
        let null = || Refusal::Request(Exit::DataErr, format!("dead letter {} has no value: it is null", args.id));
        return Ok(print_bytes(letter.value.as_ref().ok_or_else(null)?));
    }
    let actions = letters::action_history(connection, args.id).await?;
    let now = DatabaseClock::read(connection).await?.now();
    let seen = seen(config, &letter, now).await;
    let answer = || json(&letter, &seen, &actions);
    Ok(args.output.answer(&answer(), || words::harmless(&look::text(&letter, &seen, &actions, now))))
}

/// Looks into the record, as a worker of this configuration would.
async fn seen(config: &Config, letter: &WholeLetter, now: Timestamp) -> Seen {
    let topic = &letter.letter.topic;
    let Some((source, _)) = config.topics.inputs().find(|(_, name)| name == topic) else {
        let inputs = input_names(&config.topics);
        return Seen::Stray(format!("`{topic}` is no input of this configuration, which reads {inputs}"));
    };
    match Registry::new(Access::from(&config.registry)) {
        Ok(registry) => {
            let (record, formats) = (letter.record(source), config.topics.formats());
            Seen::Inspected(source, inspect(&registry, formats, &record, config.worker.record_max_bytes, now).await)
        }
        Err(error) => Seen::Stray(error.to_string()),
    }
}

fn json(letter: &WholeLetter, seen: &Seen, actions: &[Action]) -> Json {
    let mut answer = list::letter_json(&letter.letter);
    let said = meaning(letter.letter.reason);
    let header =
        |(name, value): &(String, Option<bytes::Bytes>)| json!({"name": name, "hex": value.as_deref().map(hex)});
    answer["means"] = said.means.into();
    answer["remedy"] = said.remedy.into();
    answer["record_timestamp"] = shown(letter.record_timestamp).into();
    answer["resolved_at"] = letter.resolved_at.map(shown).into();
    answer["schema_id"] = letter.schema_id.map(|id| id.0).into();
    answer["key_hex"] = letter.key.as_deref().map(hex).into();
    answer["headers"] = letter.headers.iter().map(header).collect();
    answer["value_bytes"] = letter.value.as_ref().map(bytes::Bytes::len).into();
    answer["value_hex"] = letter.value.as_deref().map(hex).into();
    answer["contents"] = Json::Null;
    answer["contents_problem"] = Json::Null;
    answer["verdict"] = Json::Null;
    match seen {
        Seen::Stray(text) => answer["contents_problem"] = text.as_str().into(),
        Seen::Inspected(source, inspection) => {
            match &inspection.contents {
                Ok(contents) => answer["contents"] = contents_json(source.as_str(), contents),
                Err(text) => answer["contents_problem"] = text.as_str().into(),
            }
            answer["verdict"] = verdict_json(&inspection.verdict);
        }
    }
    answer["actions"] = actions.iter().map(action_json).collect();
    answer
}

/// The record's schema, null in JSON, and its fields with the topic beside them, the form that `orderstream fold` reads.
fn contents_json(topic: &str, contents: &Contents) -> Json {
    let mut event = Map::from_iter([("topic".to_owned(), Json::from(topic))]);
    event.extend(contents.fields.iter().map(|field| (field.name.clone(), field.value.clone())));
    json!({"schema_id": contents.schema_id(), "record": contents.record(), "event": event})
}

fn verdict_json(verdict: &Verdict) -> Json {
    match verdict {
        Verdict::Event(event) => json!({"now": "an event", "kind": event.kind()}),
        Verdict::Refused(refusal) => {
            json!({"now": "refused", "reason": refusal.reason, "field": refusal.field, "explanation": refusal.text})
        }
        Verdict::Undecided => json!({"now": "undecided"}),
    }
}

fn action_json(action: &Action) -> Json {
    json!({"at": shown(action.at), "action": action.action, "actor": action.actor, "note": action.note})
}
