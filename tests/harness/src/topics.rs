//! The topics of one deployment: their names by role, and how they are made and removed.
//!
//! Input topics are co-partitioned, so one partition number across them is a lane (DESIGN section 2). Invariant: what
//! [`create`] made has the partitions that were asked for when it returns, on every broker that was asked.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};

/// The input topics by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Payment events.
    #[default]
    Payment,
    /// Inventory events.
    Inventory,
    /// Shipping events.
    Shipping,
    /// Events of the order itself.
    Order,
}

impl Input {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Payment, Self::Inventory, Self::Shipping, Self::Order];

    /// The role's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Inventory => "inventory",
            Self::Shipping => "shipping",
            Self::Order => "order",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The names of a deployment's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Payment events.
    pub payment: String,
    /// Inventory events.
    pub inventory: String,
    /// Shipping events.
    pub shipping: String,
    /// Events of the order itself; none where the deployment does without.
    pub order: Option<String>,
    /// Status events.
    pub status: String,
    /// Commands; none where they are off.
    pub command: Option<String>,
    /// Refused records; none where they are only kept in the database.
    pub dead_letter: Option<String>,
}

impl Topics {
    /// All topics but the commands', with this in front of their usual names.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |plain: &str| format!("{prefix}{plain}");
        Self {
            payment: name("payments"),
            inventory: name("inventory"),
            shipping: name("shipping"),
            order: Some(name("orders")),
            status: name("order-status"),
            command: None,
            dead_letter: Some(name("order-dead-letters")),
        }
    }

    /// The name of an input topic, where the deployment has it.
    #[must_use]
    pub fn input(&self, input: Input) -> Option<&str> {
        match input {
            Input::Payment => Some(&self.payment),
            Input::Inventory => Some(&self.inventory),
            Input::Shipping => Some(&self.shipping),
            Input::Order => self.order.as_deref(),
        }
    }

    /// The input topics that there are, with their roles.
    pub fn inputs(&self) -> impl Iterator<Item = (Input, &str)> {
        Input::ALL.into_iter().filter_map(|input| Some((input, self.input(input)?)))
    }

    /// The output topics that there are.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        [Some(&self.status), self.command.as_ref(), self.dead_letter.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

/// How topics are made.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Partitions of each input topic, that is lanes, and of the status and command topics.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// Whose time records of the input topics have.
    pub time: Time,
}

/// Whose time a record has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The producer's: when it made the record.
    #[default]
    OfProducer,
    /// The broker's: when it wrote the record. Then the checker can judge what a deadline must have waited for.
    OfAppend,
}

impl Default for Layout {
    fn default() -> Self {
        Self { partitions: 8, replication: 1, time: Time::OfProducer }
    }
}

impl From<Time> for Layout {
    fn from(time: Time) -> Self {
        Self { time, ..Self::default() }
    }
}

/// The largest record that topics made here take: more than a worker's own limit, so that the worker gets to refuse one.
pub const MAX_MESSAGE_BYTES: usize = 12 * 1024 * 1024;

/// Makes the topics; those that exist stay as they are. Dead letters get one partition.
///
/// # Errors
/// What the broker refuses, or that the topics do not appear within ten seconds.
pub async fn create(brokers: &str, topics: &Topics, layout: Layout) -> Result<()> {
    let inputs: Vec<(&str, i32)> = topics.inputs().map(|(_, name)| (name, layout.partitions)).collect();
    let wide = [&*topics.status].into_iter().chain(topics.command.as_deref());
    let mut outputs: Vec<(&str, i32)> = wide.map(|name| (name, layout.partitions)).collect();
    outputs.extend(topics.dead_letter.as_deref().map(|name| (name, 1)));
    create_as(brokers, &inputs, layout.replication, layout.time).await?;
    create_named(brokers, &outputs, layout.replication).await
}

/// Makes topics of these names and numbers of partitions; those that exist stay as they are.
///
/// # Errors
/// As [`create`].
pub async fn create_named(brokers: &str, wanted: &[(&str, i32)], replication: i32) -> Result<()> {
    create_as(brokers, wanted, replication, Time::OfProducer).await
}

async fn create_as(brokers: &str, wanted: &[(&str, i32)], replication: i32, time: Time) -> Result<()> {
    let limit = MAX_MESSAGE_BYTES.to_string();
    let time = match time {
        Time::OfProducer => "CreateTime",
        Time::OfAppend => "LogAppendTime",
    };
    let new: Vec<NewTopic<'_>> = wanted
        .iter()
        .map(|(name, partitions)| {
            let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(replication));
            topic.set("max.message.bytes", &limit).set("message.timestamp.type", time)
        })
        .collect();
    let admin = admin(brokers)?;
    for made in admin.create_topics(&new, &options()).await.context("topics cannot be made")? {
        if let Err((topic, code)) = made
            && code != RDKafkaErrorCode::TopicAlreadyExists
        {
            bail!("topic `{topic}` cannot be made: {code}");
        }
    }
    wait_for_partitions(&admin, wanted).await
}

/// Removes topics; those that do not exist are no error.
///
/// # Errors
/// What the broker refuses.
pub async fn delete(brokers: &str, names: &[&str]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    for gone in admin(brokers)?.delete_topics(names, &options()).await.context("topics cannot be removed")? {
        if let Err((topic, code)) = gone
            && code != RDKafkaErrorCode::UnknownTopicOrPartition
        {
            bail!("topic `{topic}` cannot be removed: {code}");
        }
    }
    Ok(())
}

/// Removes all consumer groups whose name passes `wanted` and that nobody is in.
///
/// # Errors
/// The broker does not answer.
pub async fn delete_groups(brokers: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let admin = admin(brokers)?;
    let mut names = Vec::new();
    // A broker that was started a moment ago is still reading which groups there are, and says so.
    crate::wait::within(30, "groups to be listed", async || {
        let groups =
            admin.inner().fetch_group_list(None, Duration::from_secs(10)).context("groups cannot be listed")?;
        names = groups.groups().iter().map(|group| group.name().to_owned()).filter(|name| wanted(name)).collect();
        Ok(true)
    })
    .await?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !names.is_empty() {
        // One that somebody is still in stays: a worker of an earlier run that is about to leave.
        admin.delete_groups(&names, &options()).await.context("groups cannot be removed")?;
    }
    Ok(())
}

/// The names of all topics whose name passes `wanted`.
///
/// # Errors
/// The broker does not answer.
pub fn list(brokers: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let metadata = admin(brokers)?
        .inner()
        .fetch_metadata(None, Duration::from_secs(10))
        .with_context(|| format!("kafka at `{brokers}` does not answer"))?;
    Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).filter(|name| wanted(name)).collect())
}

/// A client for the cluster's administration.
///
/// # Errors
/// librdkafka refuses the address.
pub fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(crate::stack::client(brokers).create()?)
}

/// A topic that was made is known to its controller first and to other brokers' metadata a moment later.
async fn wait_for_partitions(admin: &AdminClient<DefaultClientContext>, wanted: &[(&str, i32)]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    for (name, partitions) in wanted {
        crate::wait::until(deadline, &format!("topic `{name}` to have {partitions} partitions"), async || {
            let metadata = admin.inner().fetch_metadata(Some(name), Duration::from_secs(5))?;
            let found = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
            let ready = found.iter().all(|partition| partition.error().is_none() && partition.leader() >= 0);
            Ok(ready && found.len() >= usize::try_from(*partitions).unwrap_or(0))
        })
        .await?;
    }
    Ok(())
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)))
}
