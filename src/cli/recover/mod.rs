//! `orderstream recover`: sets a deployment right whose database and Kafka went apart.
//!
//! ```text
//! look ─▶ plan ─▶ claim all lanes, checkpoints, floor (one transaction) ─▶ positions in Kafka ─▶ mark every order ─▶ done
//! ```
//!
//! Workers do the rest: they read again from the checkpoints and tell every marked order under a version above any that was
//! published. Invariant: broken off anywhere, it has lost nothing, and the same command again does what is left.

pub(super) mod found;
mod plan;
mod report;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::change::ChangeArgs;
use super::exit::Exit;
use super::offline::{From, Offline, Refusal, with_offline};
use super::output::progress;
use super::{complain, with_config};
use crate::ids::{Lane, NextOffset};
use crate::persist::deployment::Identity;
use crate::persist::letters::By;
use crate::persist::{DatabaseClock, operations, recovery};
use crate::publish::position::Mark;
use found::Found;
use plan::{Allowed, Plan};
use report::Report;

/// Orders that one statement looks at.
const PAGE: i64 = 5_000;

/// What may be done.
#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    /// An input topic whose checkpoints may be set where Kafka does not have what they point at; may be repeated.
    #[arg(long, value_name = "NAME", requires = "from", value_parser = NonEmptyStringValueParser::new())]
    input_topic: Vec<String>,
    /// Where those partitions are read on: at the first record that Kafka has, or behind the last.
    #[arg(long, value_name = "WHERE", value_enum, requires = "input_topic")]
    from: Option<From>,
    /// Publishes every order anew, also where the database is not behind: for after an output topic was made again.
    #[arg(long)]
    republish: bool,
    /// Overwrites positions that another database has published: for when that one is gone, or was used by mistake.
    #[arg(long)]
    foreign_positions: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl RecoverArgs {
    /// Looks, and does it where that was asked for.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.change.file, |config| {
            with_offline(&config, "recover", async |offline| self.recover(offline).await)
        })
    }

    async fn recover(&self, offline: &mut Offline) -> Result<Exit, Refusal> {
        // Partitions that were added are the business of `repartition`, which needs database and Kafka to agree.
        let lane_count = offline.stored.lane_count.max(offline.now.lane_count);
        let stored = Identity { lane_count, ..offline.stored.clone() };
        if let Some(text) = offline.now.difference(&stored) {
            return Err(Refusal::config(text));
        }
        offline.nobody_works().await?;
        let found = Found::look(offline).await?;
        let allowed = Allowed {
            topics: self.input_topic.clone(),
            from: self.from,
            republish: self.republish,
            foreign: self.foreign_positions,
        };
        let plan = Plan::of(&found, &allowed);
        let floor = match plan.continues {
            Some((_, floor)) => floor,
            None => next_floor(offline, &found).await?,
        };
        let mut report = Report::new(offline.now.group.clone(), found, plan, floor);
        let may = self.change.yes && report.plan.obstacles.is_empty() && !report.plan.is_nothing();
        if may {
            self.act(offline, &mut report).await?;
        }
        let answered = self.change.output.answer(&report.json(), || report.text());
        if report.plan.obstacles.is_empty() {
            return Ok(answered);
        }
        report.plan.obstacles.iter().for_each(complain);
        Ok(Exit::Config)
    }

    async fn act(&self, offline: &mut Offline, report: &mut Report) -> Result<(), Refusal> {
        let by = self.change.by.by();
        let operation = match report.plan.continues {
            Some((operation, _)) if !report.plan.claims() => operation,
            _ => begin(offline, report, &by).await?,
        };
        report.operation = Some(operation);
        if report.plan.tells_again() {
            report.marked = Some(mark(offline, report).await?);
        }
        operations::end(&mut offline.connection, operation).await?;
        Ok(())
    }
}

/// What versions leap to: milliseconds since 1970 by the database's clock.
///
/// What was published and lost cannot be asked of the database; of the status topic it can, but that may be huge, and retention or
/// a hand may have taken the highest version. The clock needs neither: an order would have to change more than once a
/// millisecond between two recoveries to come near it.
async fn next_floor(offline: &mut Offline, found: &Found) -> Result<i64, Refusal> {
    let now = DatabaseClock::read(&mut offline.connection).await?.said().0 / 1_000;
    let before = found.lanes.iter().map(|lane| lane.row.version_floor).max().unwrap_or_default();
    if now > before {
        return Ok(now);
    }
    Err(Refusal::config(format!(
        "the database's clock says {now} ms since 1970, and versions have leapt to {before} by it before: set the server's clock right"
    )))
}

/// Takes all lanes and writes the rest, first in the database, then in Kafka. In between a worker that starts is refused as
/// before, and the same command again begins anew.
async fn begin(offline: &mut Offline, report: &Report, by: &By) -> Result<i64, Refusal> {
    let recovery = report.plan.recovery(&report.found, report.floor);
    let written = recovery::write(&mut offline.connection, &recovery, by, &report.what()).await?;
    let Some(operation) = written else {
        return Err(Refusal::somebody_came());
    };
    let mut positions = Vec::new();
    for partition in &report.found.partitions {
        let seizure = recovery.seizures.iter().find(|seizure| seizure.seen.lane == partition.partition);
        let Some(seizure) = seizure else { continue };
        let mark = Mark { seq: seizure.published_seq, epoch: seizure.epoch, database: offline.database_id };
        let next_offset = report.next_offset(&partition.topic, partition.partition, partition.next_offset);
        positions.push((partition.topic.clone(), partition.partition, next_offset, mark.to_string()));
    }
    let placed = place(offline, &positions);
    placed.map_err(|text| {
        Refusal::Because(
            Exit::TempFail,
            format!("the lanes are claimed, but their positions could not be set ({text}): run the same command again"),
        )
    })?;
    Ok(operation)
}

/// Sets positions, and reads them back.
fn place(offline: &Offline, positions: &[(String, Lane, NextOffset, String)]) -> Result<(), String> {
    offline.observer.place(positions).map_err(|error| error.to_string())?;
    let mut lanes: Vec<Lane> = positions.iter().map(|(_, lane, ..)| *lane).collect();
    lanes.dedup();
    lanes.sort_unstable();
    lanes.dedup();
    let committed = offline.observer.committed(&offline.topics, &lanes).map_err(|error| error.to_string())?;
    let stands = |(_, lane, _, metadata): &(String, Lane, NextOffset, String)| {
        committed.get(lane).is_some_and(|all| all.iter().all(|one| one.as_ref() == Some(metadata)))
    };
    match positions.iter().find(|position| !stands(position)) {
        None => Ok(()),
        Some((topic, lane, ..)) => {
            Err(format!("the position of `{topic}` partition {lane} is another one when it is read back"))
        }
    }
}

/// Marks every order of which nothing was said above the floor yet. Returns how many.
async fn mark(offline: &mut Offline, report: &Report) -> Result<u64, Refusal> {
    let bar = progress("orders looked at", report.found.orders.0);
    let (mut marked, mut after) = (0, String::new());
    loop {
        let (looked, new, last) = recovery::mark_untold(&mut offline.connection, report.floor, &after, PAGE).await?;
        marked += new;
        bar.inc(looked);
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    bar.finish_and_clear();
    Ok(marked)
}
