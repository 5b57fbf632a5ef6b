//! What a client that asks for the ends of partitions remembers of a topic: where a leader is back, its partition is seen again.

use std::collections::BTreeSet;

use orderstream::config::{Config, Environment};
use orderstream::consume::topics::InputTopics;
use orderstream::consume::watermarks::Watermarks;
use orderstream::ids::Lane;
use orderstream::order::Source;
use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::servers::{Cluster, Plan};
use orderstream_harness::stack::Stack;
use orderstream_harness::topics::{self, Topics};

use crate::patience;

const TOPIC: &str = "payments";
const PARTITIONS: i32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_had_no_leader_when_it_was_asked_for_is_seen_once_it_has_one() {
    let directory = std::env::temp_dir().join(format!("it_watermarks_{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut cluster = Cluster::start(&directory, Plan::three()).await.expect("three brokers");
    let brokers = cluster.bootstrap("CLIENTS").expect("a listener");
    topics::create_named(&brokers, &[(TOPIC, PARTITIONS)], 1)
        .await
        .expect("a topic of which each partition has one broker");
    cluster.broker(3).expect("the third").kill().expect("killed");

    let watermarks = Watermarks::open(&config(&brokers).kafka, "looks").expect("a client");
    let all: BTreeSet<Lane> = (0..PARTITIONS).map(Lane).collect();
    patience::until("the other brokers' partitions alone to be seen", async || {
        let seen = seen(&watermarks)?;
        Ok(!seen.is_empty() && seen.len() < all.len())
    })
    .await
    .expect("those of a dead broker have no leader");
    cluster.broker(3).expect("the third").start().await.expect("up again");
    patience::until("all partitions to be seen again", async || Ok(seen(&watermarks)? == all))
        .await
        .expect("a leader that is back is found");
    drop(cluster);
    std::fs::remove_dir_all(&directory).expect("nobody writes there any more");
}

fn seen(watermarks: &Watermarks) -> anyhow::Result<BTreeSet<Lane>> {
    let topics = InputTopics::new(vec![(Source::Payment, TOPIC.to_owned())]);
    let lanes: Vec<Lane> = (0..PARTITIONS).map(Lane).collect();
    Ok(watermarks.ends(&topics, &lanes)?.into_keys().collect())
}

fn config(brokers: &str) -> Config {
    let nowhere = || "127.0.0.1:1".to_owned();
    let stack = Stack {
        brokers: brokers.to_owned(),
        registry: format!("http://{}", nowhere()),
        database: format!("postgres://nobody@{}/none", nowhere()),
    };
    let file = ConfigFile::new(&stack, &Topics::with_prefix("it-"), "it");
    Config::read(Some(("this test", &file.text())), &Environment::default()).expect("a configuration")
}
