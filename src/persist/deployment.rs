//! The table `deployment`: what this database belongs to, and the first rows of `lanes` and `checkpoints`.
//!
//! Compared at every start and every assignment. Invariant: a database serves one consumer group of one Kafka cluster over one
//! set of topics and lanes; anything else is refused with the value that differs, before a record is read.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::checkpoints::{self, Checkpoint};
use super::connection::{begin, commit};
use super::error::{Error, Result};
use crate::ids::Lane;

/// What a process was configured with and found in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Kafka's own id of its cluster.
    pub kafka_cluster_id: String,
    /// The consumer group.
    pub group: String,
    /// Input topic by role, in the order of the roles.
    pub topics: Vec<(String, String)>,
    /// How many partitions each input topic has.
    pub lane_count: i32,
}

impl Identity {
    fn topics_json(&self) -> serde_json::Value {
        self.topics
            .iter()
            .map(|(role, topic)| (role.clone(), topic.clone().into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// What to do about other input topics: one may be added, none taken away or exchanged.
    fn way_out(&self, stored: &Self) -> String {
        let name =
            |of: &Self, role: &str| of.topics.iter().find(|(other, _)| other == role).map(|(_, name)| name.clone());
        match stored.topics.iter().find(|(role, topic)| name(self, role).as_ref() != Some(topic)) {
            Some((role, topic)) => format!(
                "an input topic cannot be taken away or exchanged; set `topics.{role}` to `{topic}` again, for all workers"
            ),
            None => "stop all workers, then add the new one on purpose with `orderstream topics add`, and configure it for all workers"
                .to_owned(),
        }
    }

    /// The first thing in which the stored identity differs, as a sentence with both values and the remedy.
    #[must_use]
    pub fn difference(&self, stored: &Self) -> Option<String> {
        if stored.kafka_cluster_id != self.kafka_cluster_id {
            return Some(format!(
                "this database belongs to the Kafka cluster `{}` and not to `{}`: point `kafka.brokers` or `database.url` at the other one",
                stored.kafka_cluster_id, self.kafka_cluster_id
            ));
        }
        if stored.group != self.group {
            return Some(format!(
                "this database belongs to the consumer group `{}` and not to `{}`: give each group a database of its own",
                stored.group, self.group
            ));
        }
        if stored.topics_json() != self.topics_json() {
            return Some(format!(
                "this database was filled from the input topics {} and not from {}: {}",
                stored.topics_json(),
                self.topics_json(),
                self.way_out(stored)
            ));
        }
        if stored.lane_count != self.lane_count {
            return Some(format!(
                "the input topics have {} partitions and had {} when this database was made: stop all workers, then move the orders with `orderstream repartition`",
                self.lane_count, stored.lane_count
            ));
        }
        None
    }
}

/// Makes the rows of a new deployment, or compares with those that are there. Returns the database's own id.
///
/// `beginnings` are the partitions' first offsets, used only for checkpoints that do not exist yet.
///
/// # Errors
/// A misconfiguration when the database belongs to something else, or a topic is not the one the checkpoints were made for.
pub async fn settle(
    connection: &mut PgConnection,
    identity: &Identity,
    beginnings: &[Checkpoint],
) -> Result<uuid::Uuid> {
    begin(connection).await?;
    sqlx::query(
        "insert into deployment (id, kafka_cluster_id, consumer_group, topics, lane_count)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
    )
    .bind(uuid::Uuid::new_v4())
    .bind(&identity.kafka_cluster_id)
    .bind(&identity.group)
    .bind(identity.topics_json())
    .bind(identity.lane_count)
    .execute(&mut *connection)
    .await?;
    let id = compare(connection, identity).await?;
    // Only what is missing: `on conflict do nothing` alone waits for whoever is updating the row that is there, and a frozen
    // process would keep new ones from starting.
    sqlx::query(
        "insert into lanes (lane)
         select n from generate_series(0, $1 - 1) as n where not exists (select from lanes where lane = n)
         on conflict do nothing",
    )
    .bind(identity.lane_count)
    .execute(&mut *connection)
    .await?;
    checkpoints::insert_missing(connection, beginnings).await?;
    let known = beginnings.iter().filter_map(|beginning| Some((beginning.topic.clone(), beginning.topic_id.clone()?)));
    checkpoints::fill_in_ids(connection, &known.collect()).await?;
    let topics: Vec<String> = identity.topics.iter().map(|(_, topic)| topic.clone()).collect();
    let lanes: Vec<Lane> = (0..identity.lane_count).map(Lane).collect();
    for stored in checkpoints::read(connection, &topics, &lanes).await? {
        let now = beginnings.iter().find(|b| b.topic == stored.topic && b.lane == stored.lane);
        let now = now.and_then(|beginning| beginning.topic_id.as_ref());
        if let Some(text) = made_again(&stored, stored.topic_id.as_ref(), now) {
            return Err(Error::misconfigured(text));
        }
    }
    commit(connection).await?;
    Ok(id)
}

/// What to say when a topic is not the one that a checkpoint was made for; `None` when it is, or when either id is unknown.
#[must_use]
pub fn made_again(checkpoint: &Checkpoint, then: Option<&String>, now: Option<&String>) -> Option<String> {
    let (then, now) = (then?, now?);
    (then != now).then(|| {
        format!(
            "topic `{}` was deleted and made again (its id was {then} and is {now}): offset {} of partition {} means nothing in the new one; stop all workers and set the checkpoints on purpose with `orderstream recover --input-topic {} --from earliest` (or latest)",
            checkpoint.topic, checkpoint.next_offset, checkpoint.lane, checkpoint.topic
        )
    })
}

/// Compares with the stored deployment, which must be there. Returns the database's own id.
///
/// # Errors
/// As [`settle`].
pub async fn compare(connection: &mut PgConnection, identity: &Identity) -> Result<uuid::Uuid> {
    let stored = read(connection).await?;
    let (id, stored) = stored.ok_or_else(|| Error::bug("the row of `deployment` is gone".to_owned()))?;
    match identity.difference(&stored) {
        Some(text) => Err(Error::misconfigured(text)),
        None => Ok(id),
    }
}

/// What the database belongs to, with its own id; none before the first worker.
///
/// # Errors
/// The query's failure.
pub async fn read(connection: &mut PgConnection) -> Result<Option<(uuid::Uuid, Identity)>> {
    let row = sqlx::query("select id, kafka_cluster_id, consumer_group, topics, lane_count from deployment");
    let Some(row) = row.fetch_optional(connection).await? else { return Ok(None) };
    let topics: serde_json::Value = row.try_get(3)?;
    let stored = Identity {
        kafka_cluster_id: row.try_get(1)?,
        group: row.try_get(2)?,
        topics: topics
            .as_object()
            .map(|map| {
                map.iter().map(|(role, topic)| (role.clone(), topic.as_str().unwrap_or_default().to_owned())).collect()
            })
            .unwrap_or_default(),
        lane_count: row.try_get(4)?,
    };
    Ok(Some((row.try_get(0)?, stored)))
}

/// Writes down what the database belongs to from now on. For commands that change it on purpose, while nobody works.
///
/// # Errors
/// The statement's failure.
pub async fn change(connection: &mut PgConnection, identity: &Identity) -> Result<()> {
    sqlx::query("update deployment set topics = $1, lane_count = $2")
        .bind(identity.topics_json())
        .bind(identity.lane_count)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Identity;

    fn identity() -> Identity {
        Identity {
            kafka_cluster_id: "cluster".to_owned(),
            group: "orders".to_owned(),
            topics: vec![
                ("payment".to_owned(), "payments".to_owned()),
                ("inventory".to_owned(), "inventory".to_owned()),
            ],
            lane_count: 8,
        }
    }

    #[test]
    fn the_same_identity_in_another_order_of_topics_is_the_same() {
        let mut other = identity();
        other.topics.reverse();
        assert_eq!(identity().difference(&other), None);
    }

    #[test]
    fn a_second_group_on_one_database_is_refused_by_name() {
        let stored = Identity { group: "others".to_owned(), ..identity() };
        let text = identity().difference(&stored).expect("differs");
        assert!(text.contains("`others`") && text.contains("`orders`"), "{text}");
    }

    #[test]
    fn more_partitions_than_before_are_refused_with_both_numbers() {
        let stored = Identity { lane_count: 4, ..identity() };
        let text = identity().difference(&stored).expect("differs");
        assert!(text.contains("8 partitions") && text.contains("had 4"), "{text}");
    }
}
