//! The links of a world: one for each pair of parties that talk.
//!
//! Between brokers a pair has four: two ports each way. Invariant: nothing that belongs to the product or to Kafka goes around them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::fault::Between;
use crate::proxy::Link;
use crate::traffic::Dice;

/// Links that are being made while the cluster's addresses are settled.
pub(super) type Making<K> = Arc<Mutex<Vec<(K, Arc<Link>)>>>;

/// What stands between any two.
#[derive(Debug, Default)]
pub struct Links {
    /// By worker, from 0 on, and broker, from 1 on.
    brokers: BTreeMap<(usize, u8), Arc<Link>>,
    postgres: BTreeMap<usize, Arc<Link>>,
    registry: BTreeMap<usize, Arc<Link>>,
    /// By who connects to whom.
    between: BTreeMap<(u8, u8), Vec<Arc<Link>>>,
}

impl Links {
    pub(super) fn of_cluster(workers: &Making<(usize, u8)>, brokers: &Making<(u8, u8)>) -> Self {
        let mut links = Self::default();
        links.brokers.extend(workers.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
        for (pair, link) in brokers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            links.between.entry(pair).or_default().push(link);
        }
        links
    }

    pub(super) fn add_worker(&mut self, worker: usize, postgres: Arc<Link>, registry: Arc<Link>) {
        self.postgres.insert(worker, postgres);
        self.registry.insert(worker, registry);
    }

    /// All links of one worker.
    #[must_use]
    pub fn of_worker(&self, worker: usize) -> Vec<Arc<Link>> {
        let brokers = self.brokers.iter().filter(|((of, _), _)| *of == worker).map(|(_, link)| link);
        let servers = [&self.postgres, &self.registry].into_iter().filter_map(|links| links.get(&worker));
        brokers.chain(servers).cloned().collect()
    }

    /// The links that a fault hits, as its dice fall among `workers`, and whose they are.
    ///
    /// To brokers: those of everybody to one broker, of one worker to all, or of one worker to one. Between brokers: one pair, or one
    /// from both others. To the other servers: those of everybody, or of one worker.
    #[must_use]
    pub fn choose(&self, between: Between, workers: &[usize], dice: &mut Dice) -> (String, Vec<Arc<Link>>) {
        let worker = *dice.pick(workers);
        let broker = u8::try_from(dice.between(1, 3)).expect("one of three");
        let way = dice.index(3);
        let name = format!("worker-{}", worker + 1);
        match between {
            Between::WorkerBroker => {
                let hit = |(of, to): &(usize, u8)| match way {
                    0 => *to == broker,
                    1 => *of == worker,
                    _ => *of == worker && *to == broker,
                };
                let whose = match way {
                    0 => format!("all workers and broker {broker}"),
                    1 => format!("{name} and all brokers"),
                    _ => format!("{name} and broker {broker}"),
                };
                (whose, self.brokers.iter().filter(|(pair, _)| hit(pair)).map(|(_, link)| link.clone()).collect())
            }
            Between::WorkerPostgres => one_or_all(&self.postgres, worker, way, "postgres"),
            Between::WorkerRegistry => one_or_all(&self.registry, worker, way, "registry"),
            Between::BrokerBroker => {
                let other = broker % 3 + 1;
                let hit = |(from, to): &(u8, u8)| match way {
                    0 => [*from, *to].contains(&broker),
                    _ => [*from, *to].contains(&broker) && [*from, *to].contains(&other),
                };
                let whose = match way {
                    0 => format!("broker {broker} and both others"),
                    _ => format!("broker {broker} and broker {other}"),
                };
                let links = self.between.iter().filter(|(pair, _)| hit(pair)).flat_map(|(_, links)| links.clone());
                (whose, links.collect())
            }
        }
    }
}

fn one_or_all(links: &BTreeMap<usize, Arc<Link>>, worker: usize, way: usize, server: &str) -> (String, Vec<Arc<Link>>) {
    match (way, links.get(&worker)) {
        (1.., Some(link)) => (format!("worker-{} and {server}", worker + 1), vec![link.clone()]),
        _ => (format!("all workers and {server}"), links.values().cloned().collect()),
    }
}
