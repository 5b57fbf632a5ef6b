//! `orderstream topics add`: an input topic more, while no worker runs. (`plan` and `create` are in `topic_plan.rs`.)
//!
//! All workers of a group read the same topics, or a lane would be read in part; so the database names them, and this is the one
//! way to change that. Invariant: without `--yes` nothing is written, and with it everything at once.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::change::ChangeArgs;
use super::exit::Exit;
use super::offline::{From, Offline, Refusal, with_offline};
use super::output::counted;
use super::topic_plan::{CreateArgs, PlanArgs};
use super::with_config;
use crate::ids::Lane;
use crate::persist::checkpoints::Checkpoint;
use crate::persist::{recovery, widening};

/// What can be done about the input topics.
#[derive(Debug, Subcommand)]
pub(super) enum TopicsCommand {
    /// Adds an input topic that the configuration names already; without --yes it only says what would be done.
    #[command(after_help = "Example:\n  orderstream topics add orders --config orderstream.toml --yes\n\n\
        Exit code 75 means that somebody works on it: stop all workers first.")]
    Add(AddArgs),
    /// Says which topics this configuration needs, as they should be and as they are.
    #[command(after_help = "Example:\n  orderstream topics plan --partitions 16 -o json")]
    Plan(PlanArgs),
    /// Makes the topics that are missing, with the settings that we recommend; without --yes it only says which.
    #[command(after_help = "Example:\n  orderstream topics create --partitions 16 --yes")]
    Create(CreateArgs),
}

/// Which, and from where.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The topic's name, as the configuration has it.
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Where it is read from: the first record that Kafka has, or behind the last.
    #[arg(long, value_name = "WHERE", value_enum, default_value = "earliest")]
    from: From,
    #[command(flatten)]
    change: ChangeArgs,
}

impl TopicsCommand {
    /// Does what was asked.
    pub(super) fn run(self) -> Exit {
        match self {
            Self::Plan(args) => args.run(),
            Self::Create(args) => args.run(),
            Self::Add(args) => with_config(&args.change.file, |config| {
                with_offline(&config, "topics-add", async |offline| args.add(offline).await)
            }),
        }
    }
}

impl AddArgs {
    async fn add(&self, offline: &mut Offline) -> Result<Exit, Refusal> {
        let name = &self.name;
        if offline.now.difference(&offline.stored).is_none() {
            return if offline.stored.topics.iter().any(|(_, topic)| topic == name) {
                let answer = json!({ "state": "there", "topic": name });
                Ok(self
                    .change
                    .output
                    .answer(&answer, || format!("`{name}` is an input topic of this deployment: nothing to add\n")))
            } else {
                Err(Refusal::config(format!(
                    "`{name}` is in no role of the configuration: set `topics.order` to it first, for all workers"
                )))
            };
        }
        let role = self.role(offline)?;
        offline.nobody_works().await?;
        let lanes = offline.now.lane_count;
        let topic_id = offline.observer.topic_ids(std::slice::from_ref(name))?.remove(name);
        let (mut checkpoints, mut unread, mut skipped) = (Vec::new(), 0, 0);
        for (lane, (begin, end)) in (0..).map(Lane).zip(offline.extents(name, lanes)?) {
            let held = (end.0 - begin.0).unsigned_abs();
            let (next_offset, read, left_out) = match self.from {
                From::Earliest => (begin, held, 0),
                From::Latest => (end, 0, held),
            };
            checkpoints.push(Checkpoint { topic: name.clone(), lane, next_offset, topic_id: topic_id.clone() });
            (unread, skipped) = (unread + read, skipped + left_out);
        }
        let mut answer = json!({
            "state": "found", "topic": name, "role": role, "partitions": lanes, "from": self.from,
            "offsets_to_be_read": unread, "offsets_skipped": skipped,
        });
        if self.change.yes {
            let by = self.change.by.by();
            let connection = &mut offline.connection;
            let seen = recovery::lanes(connection).await?;
            let added = widening::add_topics(connection, &seen, (&offline.now, &checkpoints), &by, &answer).await?;
            if !added {
                return Err(Refusal::somebody_came());
            }
            answer["state"] = "done".into();
        }
        Ok(self.change.output.answer(&answer, || text(&answer, self.change.yes)))
    }

    /// The role that the topic fills; refused where it is not the only change.
    fn role(&self, offline: &Offline) -> Result<String, Refusal> {
        let (now, stored) = (&offline.now, &offline.stored);
        let added: Vec<_> = now.topics.iter().filter(|topic| !stored.topics.contains(topic)).collect();
        let widened = crate::persist::deployment::Identity { topics: now.topics.clone(), ..stored.clone() };
        if let ([(role, topic)], None) = (added.as_slice(), now.difference(&widened))
            && *topic == self.name
            && stored.topics.iter().all(|topic| now.topics.contains(topic))
        {
            return Ok(role.clone());
        }
        Err(Refusal::config(now.difference(stored).unwrap_or_default()))
    }
}

fn text(answer: &Value, done: bool) -> String {
    let number = |name: &str| answer[name].as_u64().unwrap_or_default();
    let [topic, role] = ["topic", "role"].map(|name| answer[name].as_str().unwrap_or_default());
    let skipped = match number("offsets_skipped") {
        0 => String::new(),
        skipped => format!(", {} skipped", counted(skipped, "offset is", "offsets are")),
    };
    format!(
        "`{topic}` {} the input topic of the role {role}, with {}: {} to be read{skipped}\n{}\n",
        if done { "is now" } else { "would be" },
        counted(number("partitions"), "partition", "partitions"),
        counted(number("offsets_to_be_read"), "offset", "offsets"),
        if done { "done: start the workers" } else { "nothing was changed: add --yes to do it" }
    )
}
