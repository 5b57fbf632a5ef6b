//! What the commands share that change a deployment while no worker runs: `recover`, `topics add`, `repartition`.
//!
//! They look at the database and at Kafka, and refuse where anybody is in the group or writes to the database. Invariant: such a
//! command never joins the group and never publishes; what it changes, it changes under the locks of all lanes.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::exit::Exit;
use super::{complain, database, in_runtime, logging};
use crate::config::Config;
use crate::consume::observer::{Observer, TopicError};
use crate::consume::topics::InputTopics;
use crate::ids::{Lane, NextOffset};
use crate::persist::deployment::Identity;
use crate::persist::{self, PgConnection, deployment, marks, recovery};
use crate::pipeline;

/// How long an unfinished transaction of a worker that is gone may keep positions from being read: its time-out and the
/// broker's interval of looking for such, generously.
const TRANSACTIONS_END_WITHIN: Duration = Duration::from_secs(90);
/// How long a member may take to be missed by the group after its end.
const LEFT_WITHIN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);

/// Where a partition is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    /// From the first record that Kafka has.
    Earliest,
    /// Behind the last record that Kafka has.
    Latest,
}

/// Why a command does not do what it was asked to.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The database's fault.
    Database(persist::Error),
    /// How the process ends, and a sentence.
    Because(Exit, String),
}

impl Refusal {
    /// Something that a person has to set right, or to say.
    pub fn config(text: impl Into<String>) -> Self {
        Self::Because(Exit::Config, text.into())
    }

    /// Somebody claimed a lane between the look and the change.
    pub fn somebody_came() -> Self {
        let text = "somebody claimed a lane while this command looked: stop all workers, then run it again; nothing was changed";
        Self::Because(Exit::TempFail, text.to_owned())
    }

    /// Says it, and how that ends the process.
    pub fn told(self) -> Exit {
        match self {
            Self::Database(error) => database::failed(&error),
            Self::Because(exit, text) => {
                complain(text);
                exit
            }
        }
    }

    /// Kafka does not do what it was asked for.
    pub fn kafka(error: impl std::fmt::Display) -> Self {
        Self::Because(Exit::Unavailable, format!("kafka: {error}"))
    }
}

impl std::convert::From<persist::Error> for Refusal {
    fn from(error: persist::Error) -> Self {
        Self::Database(error)
    }
}

impl std::convert::From<TopicError> for Refusal {
    fn from(error: TopicError) -> Self {
        let exit = if error.is_away() { Exit::Unavailable } else { Exit::Config };
        Self::Because(exit, error.to_string())
    }
}

/// A deployment at rest.
pub(super) struct Offline {
    /// A session without a limit on a statement's time.
    pub connection: PgConnection,
    /// Asks Kafka.
    pub observer: Observer,
    /// The configured input topics.
    pub topics: InputTopics,
    /// The database's own id.
    pub database_id: uuid::Uuid,
    /// What the database says that it belongs to.
    pub stored: Identity,
    /// What is configured, and how many partitions there are.
    pub now: Identity,
    /// What the workers' sessions begin their name with.
    prefix: String,
}

/// Runs a command on a deployment and says why where it is refused.
pub(super) fn with_offline(
    config: &Config,
    part: &str,
    command: impl AsyncFnOnce(&mut Offline) -> Result<Exit, Refusal>,
) -> Exit {
    logging::start(&config.log);
    in_runtime(async {
        let done = match Offline::open(config, part).await {
            Ok(mut offline) => command(&mut offline).await,
            Err(refusal) => Err(refusal),
        };
        done.unwrap_or_else(Refusal::told)
    })
}

impl Offline {
    async fn open(config: &Config, part: &str) -> Result<Self, Refusal> {
        let mut connection = database::open(config, part).await?;
        recovery::take_time(&mut connection).await?;
        let Some((database_id, stored)) = deployment::read(&mut connection).await? else {
            return Err(Refusal::config(
                "no worker has ever run on this database: there is nothing to set right; look at `database.url`",
            ));
        };
        let observer = Observer::open(&config.kafka, "cli").map_err(Refusal::config)?;
        let topics = pipeline::input_topics(config);
        let names: Vec<String> = topics.iter().map(|(_, name)| name.to_owned()).collect();
        let lane_count = topics.lane_count(&observer.partition_counts(&names)?).map_err(Refusal::config)?;
        let cluster = observer.cluster_id().ok_or_else(|| Refusal::kafka("it does not say its cluster id"))?;
        let now = pipeline::identity(config, cluster, lane_count);
        let prefix = persist::Settings::of(&config.database, "cli")?.application_prefix();
        Ok(Self { connection, observer, topics, database_id, stored, now, prefix })
    }

    /// Refuses while anybody is in the group, or a worker has a session on the database. One that has just ended is waited for.
    pub async fn nobody_works(&mut self) -> Result<(), Refusal> {
        let since = Instant::now();
        loop {
            let members = self.observer.members(&self.now.group)?;
            let writers = marks::writers(&mut self.connection, &self.prefix).await?;
            if members.is_empty() && writers == 0 {
                return Ok(());
            }
            if since.elapsed() < LEFT_WITHIN {
                sleep(AGAIN);
                continue;
            }
            let group = &self.now.group;
            let text = if members.is_empty() {
                format!(
                    "{writers} sessions of workers are open on this database: stop all workers first, and look at other machines too"
                )
            } else {
                let named: Vec<String> =
                    members.iter().take(5).map(|member| format!("`{}` at {}", member.client_id, member.host)).collect();
                format!(
                    "the group `{group}` has {} members ({}): stop all workers first; one that was killed leaves after `kafka.session_timeout`",
                    members.len(),
                    named.join(", ")
                )
            };
            return Err(Refusal::Because(Exit::TempFail, text));
        }
    }

    /// The metadata of the group's offsets of each lane. Waits for transactions that nobody finishes any more.
    pub fn committed(&self, lanes: &[Lane]) -> Result<BTreeMap<Lane, Vec<Option<String>>>, Refusal> {
        let since = Instant::now();
        let mut told = false;
        loop {
            match self.observer.committed(&self.topics, lanes) {
                Ok(committed) => return Ok(committed),
                Err(error) if since.elapsed() > TRANSACTIONS_END_WITHIN => return Err(Refusal::kafka(error)),
                Err(error) if !told => {
                    complain(format_args!(
                        "the group's offsets cannot be read yet ({error}): waiting for Kafka to end what a worker left open"
                    ));
                    told = true;
                }
                Err(_) => {}
            }
            sleep(AGAIN);
        }
    }

    /// Where every partition of an input topic begins and ends, by its number.
    pub fn extents(&self, topic: &str, lanes: i32) -> Result<Vec<(NextOffset, NextOffset)>, Refusal> {
        (0..lanes).map(|lane| Ok(self.observer.extent(topic, Lane(lane))?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_property_that_is_not_taken_is_named_without_its_value() {
        for property in ["sasl.pasword", "ssl.endpoint.identification.algorithm"] {
            let text = format!(
                "[kafka]\nbrokers = \"b:1\"\nproperties = {{ \"{property}\" = \"hunter2\" }}\n[registry]\nurl = \"http://r\"\n\
                 [database]\nurl = \"postgres://d/d\"\n"
            );
            let config = Config::read(Some(("o.toml", &text)), &Environment::default()).expect("a configuration");
            let said = Observer::open(&config.kafka, "cli").err().expect("librdkafka does not take it");
            assert!(said.contains(property) && !said.contains("hunter2"), "{said}");
        }
    }
}
