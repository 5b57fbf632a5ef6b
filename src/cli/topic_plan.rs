//! `orderstream topics plan` and `topics create`: the topics that this configuration needs, as they should be and as they are.
//!
//! Only what is missing is ever made: partitions of a topic that is there are changed on purpose (`repartition`), and its settings are
//! its owner's. Invariant: without `--yes` nothing is made.

use clap::Args;
use serde::Serialize;

use super::exit::Exit;
use super::offline::Refusal;
use super::output::{self, Output, counted};
use super::{ConfigFile, in_runtime, logging, with_config};
use crate::config::Config;
use crate::consume::configs::{self, MAX_MESSAGE_BYTES, Settings};
use crate::consume::creation::{self, Made, Wanted};
use crate::consume::layout::Layout;
use crate::consume::observer::Observer;
use crate::pipeline;

const INSTANCE: &str = "cli";
/// The partitions of a first topic, where nobody says: lanes for eight writers.
const PARTITIONS: i32 = 8;
const REPLICAS: usize = 3;
const RETENTION: &str = "retention.ms";
const WEEK_MILLIS: &str = "604800000";
/// What a topic takes unless it is told otherwise.
const DEFAULT_MESSAGE_BYTES: usize = 1_048_588;

/// How topics are to be that are not there yet.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Partitions of each topic that is not there; left out: as many as the input topics have that are there, else 8.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: Option<i32>,
    /// Replicas of each partition; left out: 3, or as many as there are brokers.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=100))]
    replicas: Option<i32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

/// The same, and whether to do it.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Makes what is missing; without this it only says what would be made.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    plan: PlanArgs,
}

/// A topic as it should be and as it is.
#[derive(Debug, Serialize)]
struct Planned {
    topic: String,
    role: &'static str,
    partitions: i32,
    replicas: i32,
    settings: Vec<Setting>,
    /// `missing`, `there`, `created` or `refused`.
    state: &'static str,
    /// In what it differs from what is recommended, or why it was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Setting {
    name: &'static str,
    value: String,
}

impl PlanArgs {
    /// Says what is needed and what is there.
    pub(super) fn run(&self) -> Exit {
        self.with_plan(async |_, plan| Ok(self.output.answer(&plan, || text(&plan))))
    }

    fn with_plan(&self, then: impl AsyncFnOnce(&Config, Vec<Planned>) -> Result<Exit, Refusal>) -> Exit {
        with_config(&self.file, |config| {
            logging::start(&config.log);
            let done = in_runtime(async {
                let plan = self.plan(&config).await?;
                then(&config, plan).await
            });
            done.unwrap_or_else(|refusal| refusal.told())
        })
    }

    async fn plan(&self, config: &Config) -> Result<Vec<Planned>, Refusal> {
        let observer = Observer::open(&config.kafka, INSTANCE).map_err(Refusal::config)?;
        let brokers = observer.brokers(&config.topics.payment)?.len();
        let inputs = config.topics.inputs().map(|(_, topic)| (topic.to_owned(), "input"));
        let outputs = pipeline::output_topics(config).into_iter().map(|topic| (topic, "output"));
        let mut found = Vec::new();
        for (topic, role) in inputs.chain(outputs) {
            let layout = observer.layout(&topic)?;
            found.push((topic, role, layout));
        }
        let names: Vec<String> =
            found.iter().filter(|(.., layout)| layout.is_some()).map(|(topic, ..)| topic.clone()).collect();
        let settings = configs::of_topics(&config.kafka, INSTANCE, &names).await?;
        let there = found.iter().filter(|(_, role, _)| *role == "input").filter_map(|(.., layout)| *layout);
        let partitions = self.partitions.or(there.map(|layout| layout.partitions).max()).unwrap_or(PARTITIONS);
        let replicas = i32::try_from(brokers.min(REPLICAS)).unwrap_or(1);
        let replicas = self.replicas.unwrap_or(replicas);
        let planned = found.into_iter().map(|(topic, role, layout)| {
            let recommended = recommended(pipeline::needed_message_bytes(config), role, replicas);
            let there = layout.map(|layout| (layout, settings.get(&topic).cloned().unwrap_or_default()));
            Planned::of((topic, role), (partitions, replicas), recommended, there.as_ref())
        });
        Ok(planned.collect())
    }
}

impl CreateArgs {
    /// Makes what is missing, or says what it would make.
    pub(super) fn run(&self) -> Exit {
        self.plan.with_plan(async |config, mut plan| {
            if self.yes {
                create(config, &mut plan).await?;
            }
            let answered = self.plan.output.answer(&plan, || text(&plan) + self.end(&plan));
            let refused = plan.iter().any(|planned| planned.state == "refused");
            Ok(if answered == Exit::Ok && refused { Exit::Config } else { answered })
        })
    }

    fn end(&self, plan: &[Planned]) -> &'static str {
        let missing = plan.iter().any(|planned| planned.state == "missing");
        if missing && !self.yes { "nothing was made: add --yes to do it\n" } else { "" }
    }
}

async fn create(config: &Config, plan: &mut [Planned]) -> Result<(), Refusal> {
    let mut missing: Vec<&mut Planned> = plan.iter_mut().filter(|planned| planned.state == "missing").collect();
    let wanted = missing.iter().map(|planned| Wanted {
        topic: planned.topic.clone(),
        partitions: planned.partitions,
        replicas: planned.replicas,
        settings: planned.settings.iter().map(|setting| (setting.name, setting.value.clone())).collect(),
    });
    let wanted: Vec<Wanted> = wanted.collect();
    let made = creation::create(&config.kafka, INSTANCE, &wanted).await?;
    for (planned, made) in missing.iter_mut().zip(made) {
        planned.state = match made {
            Made::Created => "created",
            Made::There => "there",
            Made::Refused(why) => {
                planned.remarks.push(why);
                "refused"
            }
        };
    }
    Ok(())
}

/// The settings that we recommend for a topic that is to be made.
fn recommended(message_bytes: usize, role: &str, replicas: i32) -> Vec<Setting> {
    let setting = |name, value: &str| Setting { name, value: value.to_owned() };
    let mut settings = vec![
        setting("cleanup.policy", "delete"),
        setting(RETENTION, WEEK_MILLIS),
        setting("min.insync.replicas", if replicas >= 3 { "2" } else { "1" }),
        setting("unclean.leader.election.enable", "false"),
    ];
    if role == "output" && message_bytes > DEFAULT_MESSAGE_BYTES {
        settings.push(setting(MAX_MESSAGE_BYTES, &message_bytes.to_string()));
    }
    settings
}

/// Whether a topic may stay as it is: what we recommend, or more of it. Kafka's -1 is without end.
fn is_enough(name: &str, found: &str, recommended: &str) -> bool {
    if found == recommended {
        return true;
    }
    let (Ok(found), Ok(recommended)) = (found.parse::<i64>(), recommended.parse::<i64>()) else { return false };
    (name == RETENTION && found < 0) || found >= recommended
}

impl Planned {
    fn of(
        (topic, role): (String, &'static str),
        (partitions, replicas): (i32, i32),
        settings: Vec<Setting>,
        there: Option<&(Layout, Settings)>,
    ) -> Self {
        let mut remarks = Vec::new();
        if let Some((layout, found)) = there {
            // Outputs may have other numbers of partitions than inputs.
            if role == "input" && layout.partitions != partitions {
                remarks.push(format!(
                    "{} and not {partitions}",
                    counted(layout.partitions.unsigned_abs(), "partition", "partitions")
                ));
            }
            if i32::try_from(layout.replicas).is_ok_and(|found| found < replicas) {
                remarks.push(format!("{} and not {replicas}", counted(layout.replicas, "replica", "replicas")));
            }
            let other = settings.iter().filter_map(|Setting { name, value }| {
                let found = found.text(name).filter(|found| !is_enough(name, found, value))?;
                Some(format!("{name} = {found} and not {value}"))
            });
            remarks.extend(other);
        }
        let state = if there.is_some() { "there" } else { "missing" };
        let (partitions, replicas) = match there {
            Some((layout, _)) => (layout.partitions, i32::try_from(layout.replicas).unwrap_or(i32::MAX)),
            None => (partitions, replicas),
        };
        Self { topic, role, partitions, replicas, settings, state, remarks }
    }
}

fn text(plan: &[Planned]) -> String {
    let rows = plan.iter().map(|planned| {
        let settings = planned.settings.iter().map(|setting| format!("{}={}", setting.name, setting.value));
        let last = match (planned.state, planned.remarks.as_slice()) {
            ("missing" | "created", _) => settings.collect::<Vec<_>>().join(" "),
            (_, []) => "as recommended".to_owned(),
            (_, remarks) => remarks.join(", "),
        };
        let (partitions, replicas) = (planned.partitions.to_string(), planned.replicas.to_string());
        vec![planned.topic.clone(), planned.role.to_owned(), planned.state.to_owned(), partitions, replicas, last]
    });
    output::table(
        &["topic", "role", "state", "partitions", "replicas", "settings, or what is not as recommended"],
        rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { partitions: 4, replicas: 3, lagging: 0, leaderless: 0 };

    fn planned(role: &'static str, there: Option<&(Layout, Settings)>) -> Planned {
        Planned::of(("payments".to_owned(), role), (8, 3), recommended(1, role, 3), there)
    }

    #[test]
    fn a_topic_that_is_missing_is_planned_with_its_settings() {
        let missing = planned("input", None);
        assert_eq!((missing.state, missing.partitions, missing.replicas), ("missing", 8, 3));
        let text = text(&[missing]);
        assert!(text.contains("min.insync.replicas=2") && text.contains("retention.ms=604800000"), "{text}");
    }

    #[test]
    fn what_differs_of_one_that_is_there_is_told_and_partitions_of_inputs_only() {
        let there = (LAYOUT, Settings::from([("retention.ms", "1000"), ("cleanup.policy", "delete")]));
        assert_eq!(
            planned("input", Some(&there)).remarks,
            ["4 partitions and not 8", "retention.ms = 1000 and not 604800000"]
        );
        assert_eq!(planned("output", Some(&there)).remarks, ["retention.ms = 1000 and not 604800000"]);
        for retention in ["-1", "604800001"] {
            let longer = (LAYOUT, Settings::from([("retention.ms", retention)]));
            assert!(planned("output", Some(&longer)).remarks.is_empty(), "{retention} keeps longer than we ask for");
        }
        let compacted = (LAYOUT, Settings::from([("cleanup.policy", "compact")]));
        assert_eq!(planned("output", Some(&compacted)).remarks, ["cleanup.policy = compact and not delete"]);
        let one = (Layout { replicas: 1, ..LAYOUT }, Settings::default());
        assert!(planned("output", Some(&one)).remarks.contains(&"1 replica and not 3".to_owned()));
    }

    #[test]
    fn an_output_of_large_records_is_told_to_take_them() {
        assert!(recommended(2_000_000, "output", 3).iter().any(|setting| setting.value == "2000000"));
        assert!(recommended(2_000_000, "input", 3).iter().all(|setting| setting.name != MAX_MESSAGE_BYTES));
        assert!(recommended(1_000_000, "output", 3).iter().all(|setting| setting.name != MAX_MESSAGE_BYTES));
        let alone = recommended(1, "input", 1);
        assert!(alone.iter().any(|setting| setting.name == "min.insync.replicas" && setting.value == "1"));
    }
}
