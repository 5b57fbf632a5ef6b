//! `orderstream schema`: our schemas and the registry. `register` puts the schema of every configured topic there and prints the
//! ids, and is safe to repeat: what is registered already keeps its id. `list` and `check` only look.
//!
//! Inputs in Avro too, so that a producer finds the contract where its serializer looks for it; those in JSON have no subject.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::exit::Exit;
use super::output::{self, Output};
use super::{ConfigFile, complain, finish, in_runtime, logging, print, with_config};
use crate::config::{Config, Topics};
use crate::decode::{Access, Format, Registry};
use crate::ids::SchemaId;
use crate::publish::schemas::{self, COMPATIBILITY, SchemaError, TopicSchema};
use crate::publish::subjects::{self, Side, Subject};

/// What can be done about the schemas.
#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Registers them in the schema registry, each under its topic.
    #[command(after_help = "Example:\n  orderstream schema register --config orderstream.toml")]
    Register(ConfigFile),
    /// Lists our schemas and what the registry has of each: version, id, compatibility rule.
    #[command(after_help = "Example:\n  orderstream schema list -o json")]
    List(LookArgs),
    /// Compares our schemas with every version that the registry has: 0 when all go together, 65 when one does not.
    ///
    /// What we publish must be readable from every version and the other way round; what producers write must be readable by us.
    #[command(after_help = "Examples:\n  orderstream schema check --config orderstream.toml\n  \
        orderstream schema check -o json | jq '.[] | select(.apart != [])'\n\n\
        With -o json each subject has `apart`, the versions that do not go together with ours: {version, reason, remedy}. \
        Exit code 69 means that the registry is not there.")]
    Check(LookArgs),
}

/// How to look.
#[derive(Debug, Args)]
pub(super) struct LookArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl SchemaCommand {
    /// Does what was asked.
    pub(super) fn run(self) -> Exit {
        match self {
            Self::Register(file) => with_config(&file, |config| {
                logging::start(&config.log);
                finish(in_runtime(register(&config)), exit)
            }),
            Self::List(args) => args.look(|answer| {
                let text =
                    || output::table(&["subject", "record", "version", "id", "rule"], answer.iter().map(Listed::row));
                args.output.answer(&answer, text)
            }),
            Self::Check(args) => args.look(|answer| {
                let answered = args.output.answer(&answer, || answer.iter().map(Listed::verdict).collect());
                let apart = answer.iter().any(|listed| !listed.apart.is_empty());
                if answered == Exit::Ok && apart { Exit::DataErr } else { answered }
            }),
        }
    }
}

impl LookArgs {
    /// Looks at all subjects and hands on what was found.
    fn look(&self, then: impl FnOnce(Vec<Listed>) -> Exit) -> Exit {
        with_config(&self.file, |config| {
            logging::start(&config.log);
            match in_runtime(listed(&config)) {
                Ok(listed) => then(listed),
                Err(error) => {
                    complain(&error);
                    exit(&error)
                }
            }
        })
    }
}

async fn listed(config: &Config) -> Result<Vec<Listed>, SchemaError> {
    let registry = Registry::new(Access::from(&config.registry))?;
    let mut listed = Vec::new();
    for (side, schema) in of_topics(&config.topics) {
        let subject = subjects::look(&registry, &schema, side).await?;
        listed.push(Listed::of(&schema, subject, side));
    }
    Ok(listed)
}

/// One of our subjects.
#[derive(Debug, Serialize)]
struct Listed {
    subject: String,
    record: &'static str,
    /// Whether exactly our schema is registered.
    registered: bool,
    version: Option<u32>,
    id: Option<u32>,
    compatibility: Option<String>,
    /// All versions that are there.
    versions: Vec<u32>,
    /// Those that do not go together with ours.
    apart: Vec<Apart>,
}

#[derive(Debug, Serialize)]
struct Apart {
    version: u32,
    reason: String,
    remedy: &'static str,
}

/// What to do about a version that does not go together with ours.
pub(super) fn remedy(side: Side) -> &'static str {
    match side {
        Side::Written => "whoever registered it must take it back, or use another topic",
        Side::Read => "have producers write with a schema that ours can be read from",
    }
}

impl Listed {
    fn of(schema: &TopicSchema, subject: Subject, side: Side) -> Self {
        Self {
            subject: schema.subject.clone(),
            record: schema.record,
            registered: subject.ours.is_some(),
            version: subject.ours.and_then(|(_, version)| version),
            id: subject.ours.map(|(id, _)| id.0),
            compatibility: subject.rule,
            versions: subject.versions,
            apart: subject
                .apart
                .into_iter()
                .map(|(version, reason)| Apart { version, reason, remedy: remedy(side) })
                .collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let or_dash = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let version = if self.registered { or_dash(self.version) } else { "not registered".to_owned() };
        let rule = self.compatibility.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.subject.clone(), self.record.to_owned(), version, or_dash(self.id), rule]
    }

    fn verdict(&self) -> String {
        if self.versions.is_empty() {
            return format!("{}: no version is registered, so there is nothing to compare with\n", self.subject);
        }
        if self.apart.is_empty() {
            return format!("{}: versions {:?} go together with {}\n", self.subject, self.versions, self.record);
        }
        let apart = self.apart.iter();
        let lines = apart.map(|Apart { version, reason, remedy }| {
            format!(
                "{}: version {version} does not go together with {} ({}): {remedy}\n",
                self.subject,
                self.record,
                output::plain(reason)
            )
        });
        lines.collect()
    }
}

/// Registers the schemas of all topics and prints a table of them.
///
/// # Errors
/// The registry is away, or takes one of them not; those before it stay registered.
pub async fn register(config: &Config) -> Result<(), SchemaError> {
    let registry = Registry::new(Access::from(&config.registry))?;
    let mut registered = Vec::new();
    for (_, schema) in of_topics(&config.topics) {
        let id = schemas::register(&registry, &schema).await?;
        registered.push((schema, id));
    }
    print(&table(&registered));
    Ok(())
}

/// How a registration that failed ends the process.
#[must_use]
pub fn exit(error: &SchemaError) -> Exit {
    match error {
        SchemaError::Registry(error) if error.denied => Exit::Config,
        SchemaError::Registry(_) => Exit::Unavailable,
        SchemaError::Refused { .. } | SchemaError::NotRegistered { .. } => Exit::Config,
    }
}

/// The schema of every topic that is configured and in Avro, and who writes with it.
pub(super) fn of_topics(topics: &Topics) -> Vec<(Side, TopicSchema)> {
    let formats = topics.formats();
    let inputs = topics.inputs().filter(|(source, _)| formats.of(*source) == Format::Avro);
    let inputs = inputs.filter_map(|(source, topic)| Some((Side::Read, TopicSchema::of_input(source, topic)?)));
    let outputs =
        [Some(TopicSchema::of_status(&topics.status)), topics.command.as_deref().map(TopicSchema::of_commands)];
    inputs.chain(outputs.into_iter().flatten().map(|schema| (Side::Written, schema))).collect()
}

fn table(registered: &[(TopicSchema, SchemaId)]) -> String {
    let width = registered.iter().map(|(schema, _)| schema.subject.len()).max().unwrap_or(0);
    let rows = registered.iter().map(|(TopicSchema { subject, record, .. }, id)| {
        format!("{subject:width$}  {record:18}  id {id:<5}  {COMPATIBILITY}\n")
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(order: Option<&str>, command: Option<&str>) -> Topics {
        Topics {
            payment: "payments".to_owned(),
            inventory: "inventory".to_owned(),
            shipping: "shipping".to_owned(),
            order: order.map(str::to_owned),
            status: "order-status".to_owned(),
            command: command.map(str::to_owned),
            dead_letter: Some("order-dead-letters".to_owned()),
            cloud_events_source: None,
            payment_format: Format::Avro,
            inventory_format: Format::Avro,
            shipping_format: Format::Avro,
            order_format: Format::Avro,
        }
    }

    #[test]
    fn every_topic_that_is_configured_gets_the_schema_of_its_records() {
        let of = |topics: &Topics| -> Vec<String> {
            of_topics(topics).iter().map(|(_, schema)| format!("{} {}", schema.subject, schema.record)).collect()
        };
        let least = ["payments-value PaymentEvent", "inventory-value InventoryEvent", "shipping-value ShippingEvent"];
        assert_eq!(of(&topics(None, None)), [&least[..], &["order-status-value OrderStatusChanged"]].concat());
        let all = of(&topics(Some("orders"), Some("commands")));
        assert_eq!(
            all[3..],
            ["orders-value OrderEvent", "order-status-value OrderStatusChanged", "commands-value OrderCommand"]
        );
    }

    #[test]
    fn a_topic_of_json_has_no_subject() {
        let topics =
            Topics { payment_format: Format::Json, order_format: Format::Json, ..topics(Some("orders"), None) };
        let subjects: Vec<String> = of_topics(&topics).into_iter().map(|(_, schema)| schema.subject).collect();
        assert_eq!(subjects, ["inventory-value", "shipping-value", "order-status-value"]);
    }

    #[test]
    fn the_table_lines_up() {
        let topics = topics(None, None);
        let registered: Vec<(TopicSchema, SchemaId)> =
            of_topics(&topics).into_iter().map(|(_, schema)| schema).zip([7, 12, 3, 12_345].map(SchemaId)).collect();
        assert_eq!(
            table(&registered),
            "payments-value      PaymentEvent        id 7      FULL_TRANSITIVE\n\
             inventory-value     InventoryEvent      id 12     FULL_TRANSITIVE\n\
             shipping-value      ShippingEvent       id 3      FULL_TRANSITIVE\n\
             order-status-value  OrderStatusChanged  id 12345  FULL_TRANSITIVE\n"
        );
    }
    #[test]
    fn what_is_registered_and_what_goes_apart_is_told() {
        let schema = TopicSchema::of_status("order-status");
        let subject = Subject { ours: None, versions: vec![1], rule: None, apart: vec![(1, "no `status`".to_owned())] };
        let listed = Listed::of(&schema, subject, Side::Written);
        assert_eq!(listed.row()[2..], ["not registered", "-", "-"]);
        assert_eq!(
            listed.verdict(),
            "order-status-value: version 1 does not go together with OrderStatusChanged (no `status`): \
             whoever registered it must take it back, or use another topic\n"
        );
        let subject = Subject {
            ours: Some((SchemaId(7), Some(2))),
            versions: vec![1, 2],
            rule: Some(COMPATIBILITY.to_owned()),
            apart: Vec::new(),
        };
        let listed = Listed::of(&schema, subject, Side::Written);
        assert_eq!(listed.row()[2..], ["2", "7", "FULL_TRANSITIVE"]);
        assert_eq!(listed.verdict(), "order-status-value: versions [1, 2] go together with OrderStatusChanged\n");
    }
}
