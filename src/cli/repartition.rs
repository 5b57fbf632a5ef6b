//! `orderstream repartition`: moves orders to other lanes after partitions were added to the input topics.
//!
//! ```text
//! look ─▶ claim all lanes ─▶ move orders, page by page ─▶ lanes, checkpoints and deployment of the new partitions (one transaction)
//! ```
//!
//! An order's new home is where murmur2 puts its key, as producers do. Invariant: until the last step workers refuse the deployment;
//! broken off before, the same command does it again, and moving an order twice moves it once.

use clap::Args;
use serde_json::{Value, json};

use super::change::ChangeArgs;
use super::exit::Exit;
use super::offline::{Offline, Refusal, with_offline};
use super::output::{counted, progress};
use super::recover::found::{Found, LaneFound, Position};
use super::{complain, with_config};
use crate::consume::partitioner::partition_of;
use crate::ids::Lane;
use crate::persist::checkpoints::Checkpoint;
use crate::persist::deployment::Identity;
use crate::persist::widening::{self, Table};

/// Orders that one transaction moves.
const PAGE: i64 = 2_000;

/// Whether to do it.
#[derive(Debug, Args)]
pub(super) struct RepartitionArgs {
    /// Goes on although lanes have rows that are not published yet: versions of their orders may be published out of order.
    #[arg(long)]
    unpublished: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What a pass over all orders found.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    orders: u64,
    moved: u64,
    /// Those that are not where murmur2 puts them among the lanes of before.
    misplaced: u64,
}

impl RepartitionArgs {
    /// Looks, and does it where that was asked for.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.change.file, |config| {
            with_offline(&config, "repartition", async |offline| self.repartition(offline).await)
        })
    }

    async fn repartition(&self, offline: &mut Offline) -> Result<Exit, Refusal> {
        let (before, now) = (offline.stored.lane_count, offline.now.lane_count);
        if before == now {
            if let Some(text) = offline.now.difference(&offline.stored) {
                return Err(Refusal::config(text));
            }
            let answer = json!({ "state": "there", "lanes": now });
            let text =
                format!("the input topics have {now} partitions, and the database {now} lanes: nothing to move\n");
            return Ok(self.change.output.answer(&answer, || text));
        }
        self.may_move(offline)?;
        offline.nobody_works().await?;
        let found = Found::look(offline).await?;
        self.is_published(&found)?;
        let mut answer = json!({
            "state": "found", "lanes_before": before, "lanes": now,
            "offsets_unread": found.partitions.iter().map(|partition| partition.unread()).sum::<u64>(),
            "lanes_unpublished": found.lanes.iter().filter(|lane| unpublished(lane) > 0).count(),
        });
        let moves = self.pass(offline, found.orders.0 + found.orders.1, false).await?;
        answer["orders"] = moves.orders.into();
        answer["orders_moved"] = moves.moved.into();
        answer["orders_misplaced_before"] = moves.misplaced.into();
        if self.change.yes {
            self.act(offline, &found, &answer).await?;
            answer["state"] = "done".into();
        }
        Ok(self.change.output.answer(&answer, || text(&answer, self.change.yes)))
    }

    /// Only the number of partitions may differ, and only upwards.
    fn may_move(&self, offline: &Offline) -> Result<(), Refusal> {
        let (stored, now) = (&offline.stored, &offline.now);
        let as_wide = Identity { lane_count: now.lane_count, ..stored.clone() };
        if let Some(text) = now.difference(&as_wide) {
            return Err(Refusal::config(text));
        }
        if now.lane_count < stored.lane_count {
            return Err(Refusal::config(format!(
                "the input topics have {} partitions and had {}: Kafka takes none away, so these are other topics; look at [topics]",
                now.lane_count, stored.lane_count
            )));
        }
        Ok(())
    }

    fn is_published(&self, found: &Found) -> Result<(), Refusal> {
        let apart = |lane: &&LaneFound| matches!(lane.position, Position::Ahead(..) | Position::Foreign(_));
        if let Some(lane) = found.lanes.iter().find(apart) {
            return Err(Refusal::config(format!(
                "lane {}: database and Kafka went apart: set that right first with `orderstream recover`",
                lane.row.lane
            )));
        }
        let rows: i64 = found.lanes.iter().map(unpublished).sum();
        if rows > 0 && self.change.yes && !self.unpublished {
            return Err(Refusal::config(format!(
                "{rows} journal rows are not published yet, and the orders in them would be published by two lanes: add --unpublished to go on all the same; nothing is lost, but consumers may see versions of those orders out of order"
            )));
        }
        Ok(())
    }

    async fn act(&self, offline: &mut Offline, found: &Found, what: &Value) -> Result<(), Refusal> {
        let by = self.change.by.by();
        let seen: Vec<_> = found.lanes.iter().map(|lane| lane.row).collect();
        let operation = widening::begin_moving(&mut offline.connection, &seen, &by, what).await?;
        let Some(operation) = operation else { return Err(Refusal::somebody_came()) };
        self.pass(offline, found.orders.0 + found.orders.1, true).await?;
        let names: Vec<String> = offline.topics.iter().map(|(_, name)| name.to_owned()).collect();
        let ids = offline.observer.topic_ids(&names)?;
        let mut checkpoints = Vec::new();
        for topic in &names {
            for lane in (offline.stored.lane_count..offline.now.lane_count).map(Lane) {
                let (next_offset, _) = offline.observer.extent(topic, lane)?;
                checkpoints.push(Checkpoint {
                    topic: topic.clone(),
                    lane,
                    next_offset,
                    topic_id: ids.get(topic).cloned(),
                });
            }
        }
        widening::widen(&mut offline.connection, &offline.now, &checkpoints, operation).await?;
        Ok(())
    }

    /// Counts the orders that have another home among the new lanes, and moves them where that is asked for.
    async fn pass(&self, offline: &mut Offline, orders: u64, moves: bool) -> Result<Moves, Refusal> {
        let (before, now) = (offline.stored.lane_count, offline.now.lane_count);
        let bar = progress(if moves { "orders moved" } else { "orders looked at" }, orders);
        let mut counted = Moves::default();
        for table in [Table::Orders, Table::Archived] {
            let mut after = String::new();
            loop {
                let page = widening::homes(&mut offline.connection, table, &after, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                counted.orders += page.len() as u64;
                counted.misplaced +=
                    page.iter().filter(|(order, home)| partition_of(order, before) != *home).count() as u64;
                bar.inc(page.len() as u64);
                let elsewhere: Vec<(String, Lane)> = page
                    .into_iter()
                    .filter_map(|(order, home)| {
                        let lane = partition_of(&order, now);
                        (lane != home).then_some((order, lane))
                    })
                    .collect();
                counted.moved += elsewhere.len() as u64;
                if moves {
                    widening::rehome(&mut offline.connection, table, &elsewhere).await?;
                }
            }
        }
        bar.finish_and_clear();
        if !moves && counted.misplaced > 0 {
            complain(format_args!(
                "{} not where murmur2 puts their keys: their producers partition otherwise, and their events may come through another lane than the one they are moved to",
                super::output::counted(counted.misplaced, "order is", "orders are")
            ));
        }
        Ok(counted)
    }
}

/// How many rows of a lane are not known to be published.
fn unpublished(lane: &LaneFound) -> i64 {
    lane.row.last_seq.0 - lane.published().0
}

fn text(answer: &Value, done: bool) -> String {
    let number = |name: &str| answer[name].as_u64().unwrap_or_default();
    let unread = match number("offsets_unread") {
        0 => String::new(),
        unread => format!(
            "{} unread in the partitions of before: versions of their orders may be published out of order\n",
            counted(unread, "offset is", "offsets are")
        ),
    };
    format!(
        "{} of {} {} to another lane, of {} instead of {}\n{unread}{}\n",
        number("orders_moved"),
        counted(number("orders"), "order", "orders"),
        if done { "moved" } else { "would move" },
        number("lanes"),
        number("lanes_before"),
        if done { "done: start the workers" } else { "nothing was changed: add --yes to do it" }
    )
}
