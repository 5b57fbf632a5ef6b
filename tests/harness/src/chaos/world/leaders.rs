//! Which broker leads what at this moment, asked of the brokers themselves.
//!
//! Groups and transactional ids go to partitions as Kafka does it: Java's hash of the name. Invariant: a broker is named only if the
//! brokers that answer hold it for the leader.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::metadata::Metadata;

use super::super::fault::Leads;
use crate::database;
use crate::deployment::Deployment;
use crate::topics;
use crate::traffic::Dice;

const PATIENCE: Duration = Duration::from_secs(5);
const OWNERS: &str = "select owner_transactional_id from lanes where owner_transactional_id is not null order by lane";

/// What brokers lead.
#[derive(Debug)]
pub struct Leaders {
    /// Of the input partitions, with the partitions' names.
    inputs: Vec<(String, i32)>,
    /// Of the partition with our group's offsets.
    offsets: Option<(String, i32)>,
    /// Of the partitions with our transactional ids.
    transactions: Vec<(String, i32)>,
}

impl Leaders {
    pub(super) async fn of(deployment: &Deployment) -> Result<Self> {
        // Without the database there are no transactional ids to be known, but everything else is.
        let ids = tokio::time::timeout(PATIENCE, transactional_ids(&deployment.stack.database)).await;
        let ids = ids.ok().and_then(Result::ok).unwrap_or_default();
        let brokers = deployment.stack.brokers.clone();
        let metadata = tokio::task::spawn_blocking(move || -> Result<Metadata> {
            topics::admin(&brokers)?.inner().fetch_metadata(None, PATIENCE).context("no broker answers")
        });
        let metadata = metadata.await??;
        let inputs = deployment.topics.inputs().flat_map(|(_, topic)| leaders(&metadata, topic)).collect();
        let by_name = |topic: &str, name: &str| {
            let all = leaders(&metadata, topic);
            let count = i32::try_from(all.len()).ok().filter(|count| *count > 0)?;
            let (partition, leader) = all.get(usize::try_from(java_hash(name) % count).ok()?)?;
            Some((format!("{partition} (`{name}`)"), *leader))
        };
        let offsets = by_name("__consumer_offsets", &deployment.group);
        let transactions = ids.iter().filter_map(|id| by_name("__transaction_state", id)).collect();
        Ok(Self { inputs, offsets, transactions })
    }

    /// The broker that a fault hits, among those that may be, and why it is that one. None where none of them leads such a thing.
    #[must_use]
    pub fn choose(&self, leads: Leads, allowed: &[u8], dice: &mut Dice) -> Option<(u8, String)> {
        let of = |list: &[(String, i32)], dice: &mut Dice| {
            let may = |(partition, leader): &(String, i32)| {
                let leader = u8::try_from(*leader).ok().filter(|leader| allowed.contains(leader))?;
                Some((leader, format!("leader of {partition}")))
            };
            let found: Vec<(u8, String)> = list.iter().filter_map(may).collect();
            (!found.is_empty()).then(|| dice.pick(&found).clone())
        };
        match leads {
            Leads::Inputs => of(&self.inputs, dice),
            Leads::Offsets => of(self.offsets.as_slice(), dice),
            Leads::Transactions => of(&self.transactions, dice),
            Leads::Any(place) => {
                let broker = allowed.get(usize::from(place) % allowed.len().max(1))?;
                Some((*broker, "whatever it leads".to_owned()))
            }
        }
    }
}

async fn transactional_ids(database: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(OWNERS).fetch_all(&mut database::connect(database).await?).await?)
}

/// The partitions of a topic by number, each with its leader.
fn leaders(metadata: &Metadata, topic: &str) -> Vec<(String, i32)> {
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let mut partitions: Vec<_> = found.map_or(&[][..], |topic| topic.partitions()).iter().collect();
    partitions.sort_by_key(|partition| partition.id());
    partitions.iter().map(|partition| (format!("{topic}-{}", partition.id()), partition.leader())).collect()
}

/// `String.hashCode` without its sign, as Kafka's coordinators use it.
fn java_hash(name: &str) -> i32 {
    let hash = name.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::java_hash;

    #[test]
    fn names_hash_as_in_java() {
        assert_eq!([java_hash(""), java_hash("hello"), java_hash("my-group")], [0, 99_162_322, 1906497762]);
    }
}
