//! What `recover` says: what it found, what that means in numbers, what it did or would do.
//!
//! The same facts as text and as JSON. Invariant: whatever is lost for good is said before it is accepted.

use serde_json::{Value, json};

use super::found::{Found, LaneFound, PartitionFound, Position, State};
use super::plan::{Move, Plan};
use crate::cli::output::{counted, table};
use crate::ids::{Lane, NextOffset};

/// The answer of the command.
pub(super) struct Report {
    group: String,
    pub found: Found,
    pub plan: Plan,
    /// What versions leap to, if they do.
    pub floor: i64,
    /// The number of the operation, once it is begun.
    pub operation: Option<i64>,
    /// How many orders were marked.
    pub marked: Option<u64>,
}

impl Report {
    pub fn new(group: String, found: Found, plan: Plan, floor: i64) -> Self {
        Self { group, found, plan, floor, operation: None, marked: None }
    }

    /// Where a partition is read on.
    pub fn next_offset(&self, topic: &str, lane: Lane, stored: NextOffset) -> NextOffset {
        let is_it = |moved: &&Move| moved.found.topic == topic && moved.found.partition == lane;
        self.plan.moves.iter().find(is_it).map_or(stored, |moved| moved.to)
    }

    fn lanes_that(&self, is_such: impl Fn(&LaneFound) -> bool) -> Vec<&LaneFound> {
        self.found.lanes.iter().filter(|lane| is_such(lane)).collect()
    }

    fn broken(&self) -> Vec<&PartitionFound> {
        self.found.partitions.iter().filter(|partition| partition.state != State::Sound).collect()
    }

    /// What is written down of it.
    pub fn what(&self) -> Value {
        json!({
            "lanes": self.found.lanes.len(),
            "lanes_behind": self.lanes_that(LaneFound::is_ahead).len(),
            "journal_rows_lost": self.found.lanes.iter().map(LaneFound::rows_lost).sum::<u64>(),
            "positions_gone": self.lanes_that(|lane| lane.position == Position::Gone).len(),
            "positions_of_another_database": self.lanes_that(|lane| matches!(lane.position, Position::Foreign(_))).len(),
            "offsets_read_again": self.found.partitions.iter().map(PartitionFound::unread).sum::<u64>(),
            "offsets_deleted_unread": self.plan.moves.iter().map(|moved| moved.lost).sum::<u64>(),
            "offsets_skipped": self.plan.moves.iter().map(|moved| moved.skipped).sum::<u64>(),
            "checkpoints_set": self.plan.moves,
            "orders": self.found.orders.0,
            "archived_orders": self.found.orders.1,
            "orders_told_again": if self.plan.tells_again() { self.found.orders.0 } else { 0 },
            "version_floor": self.plan.tells_again().then_some(self.floor),
        })
    }

    pub fn json(&self) -> Value {
        let mut answer = self.what();
        let state = |done| if done { "done" } else { "found" };
        answer["state"] = if self.plan.is_nothing() { "sound" } else { state(self.operation.is_some()) }.into();
        answer["broken_partitions"] = json!(self.broken());
        answer["needed"] = json!(self.plan.obstacles);
        answer["notes"] = json!(self.plan.notes);
        answer["operation"] = json!(self.operation);
        answer["marked"] = json!(self.marked);
        answer
    }

    pub fn text(&self) -> String {
        if self.plan.is_nothing() {
            return format!(
                "group `{}`: database and Kafka agree, and Kafka has everything that is still to be read: nothing to recover\n",
                self.group
            );
        }
        let mut text = self.positions();
        text += &self.partitions();
        text += &self.actions();
        if self.operation.is_some() {
            text += "done: start the workers\n";
        } else if self.plan.obstacles.is_empty() {
            text += "nothing was changed: add --yes to do it\n";
        } else {
            text += "nothing was changed\n";
        }
        text
    }

    fn positions(&self) -> String {
        let mut text = String::new();
        let behind = self.lanes_that(LaneFound::is_ahead);
        if !behind.is_empty() {
            let rows = behind.iter().map(|lane| {
                let Position::Ahead(seq, epoch) = lane.position else { unreachable!("only those were taken") };
                [lane.row.lane.0.into(), lane.row.last_seq.0, seq.0, lane.row.epoch.0, epoch.0]
                    .map(|n: i64| n.to_string())
            });
            text += "the database is behind what was published: it was restored from a backup, or lost commits\n\n";
            text += &table(
                &["lane", "last row", "published row", "epoch", "published under"],
                rows.map(|row| row.to_vec()),
            );
            let lost: u64 = self.found.lanes.iter().map(LaneFound::rows_lost).sum();
            let again: u64 = self.found.partitions.iter().map(PartitionFound::unread).sum();
            text += &format!(
                "\n{} lost; workers read {} again\n",
                counted(lost, "journal row is", "journal rows are"),
                counted(again, "offset", "offsets")
            );
        }
        let gone = self.lanes_that(|lane| lane.position == Position::Gone && lane.row.last_seq.0 > 0);
        if !gone.is_empty() {
            let again: i64 = gone.iter().map(|lane| lane.row.last_seq.0 - lane.row.published_seq.0).sum();
            text += &format!(
                "Kafka has no position of {}: up to {} may be published again\n",
                counted(gone.len() as u64, "lane", "lanes"),
                counted(again.unsigned_abs(), "journal row", "journal rows")
            );
        }
        text
    }

    fn partitions(&self) -> String {
        let broken = self.broken();
        if broken.is_empty() {
            return String::new();
        }
        let rows = broken.iter().map(|partition| {
            let what = match partition.state {
                State::Deleted => {
                    let lost = partition.begins_at.0 - partition.next_offset.0;
                    format!("{} deleted unread", counted(lost.unsigned_abs(), "offset was", "offsets were"))
                }
                State::CutShort => "ends before the checkpoint: Kafka lost records that it had confirmed".to_owned(),
                State::MadeAgain => "deleted and made again: the checkpoint means nothing in it".to_owned(),
                State::Sound => unreachable!("only broken ones were taken"),
            };
            let holds = format!("{} to {}", partition.begins_at, partition.ends_at);
            vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                partition.next_offset.to_string(),
                holds,
                what,
            ]
        });
        let headings = ["topic", "partition", "checkpoint", "Kafka has", "what happened"];
        format!("input partitions that do not have what comes next\n\n{}\n", table(&headings, rows))
    }

    fn actions(&self) -> String {
        let done = self.operation.is_some();
        let (were, is) = if done { ("were", "was") } else { ("would be", "would be") };
        let mut text = String::new();
        for note in &self.plan.notes {
            text += &format!("{note}\n");
        }
        if self.plan.claims() {
            let lanes = counted(self.found.lanes.len() as u64, "lane", "lanes");
            text += &format!("{lanes} {were} claimed, and their positions set to what the database has\n");
        }
        for moved in &self.plan.moves {
            let Move { found, to, lost, skipped } = moved;
            let losses = match (found.state, lost, skipped) {
                (State::MadeAgain, _, 0) => "what the old topic held behind the checkpoint is lost".to_owned(),
                (State::MadeAgain, _, skipped) => {
                    format!(
                        "what the old topic held behind the checkpoint is lost, and {skipped} offsets of the new one are skipped"
                    )
                }
                (_, lost, 0) => format!("{lost} offsets are lost"),
                (_, lost, skipped) => format!("{lost} offsets are lost, {skipped} are skipped"),
            };
            text += &format!(
                "the checkpoint of `{}` partition {} {is} set from {} to {to}: {losses}\n",
                found.topic, found.partition, found.next_offset
            );
        }
        if self.plan.tells_again() {
            let orders = counted(self.marked.unwrap_or(self.found.orders.0), "order", "orders");
            text += &format!("{orders} {were} marked to be told again, under versions above {}\n", self.floor);
            if self.found.orders.1 > 0 {
                let archived = counted(self.found.orders.1, "archived order is", "archived orders are");
                text += &format!("{archived} not told again: only those that are not archived are\n");
            }
        }
        text
    }
}
