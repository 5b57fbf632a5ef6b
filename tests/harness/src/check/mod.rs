//! The checker: what went in, what the database holds and what came out, compared from outside. Trusts nobody.
//!
//! Reads the input topics, Postgres and the output topics by itself, and folds every order twice: once from what went in, once
//! from the journal. The comparisons are pure, one file each; this file reads and calls them.
//!
//! | compared | file |
//! |---|---|
//! | each input record has one journal entry, with the right event and outcome; its dead letter more, until it is applied | [`entries`] |
//! | each entry leads to the version, the status and the status event that it must | [`replay`], [`progress`] |
//! | each deadline that fired was due, held, and had waited for what came in before; none is forgotten | [`deadlines`] |
//! | each obligation has its commands, in sequence and in time | [`commands`] |
//! | each record that the journal publishes is on its topic once; versions without gaps, in order | [`outputs`] |
//! | each order's row, its folds and its last status event agree | [`orders`] |
//! | each refused record is kept once, untouched, with what became of it | [`dead_letters`] |
//! | journal, checkpoints, committed offsets and ends agree | [`lanes`] |
//!
//! Memory holds one lane's events, all status events' digests, and the last status event of every order.

pub mod commands;
pub mod dead_letters;
pub mod deadlines;
pub mod entries;
pub mod findings;
#[cfg(test)]
mod fixture;
pub mod input_log;
pub mod judge;
mod lane;
pub mod lanes;
pub mod orders;
pub mod outputs;
pub mod progress;
mod reading;
pub mod replay;
pub mod stored;
pub mod verdict;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::{Event, Facts, Source};

use self::deadlines::Unreplicated;
use crate::deployment::Deployment;
use crate::progress::Progress as Bar;
use crate::topic_log::Partition;
use crate::topics::Input;
use commands::Asking;
use findings::{Findings, Kind};
use orders::{Accounts, Rules};
use outputs::Outputs;
use progress::Progress;
use reading::Reading;
use replay::Replay;
use stored::StoredOrder;

pub use verdict::{Published, Totals, Verdict};

/// The input topic that a journal entry's source stands for; none for a deadline.
#[must_use]
pub fn input_of(source: Source) -> Option<Input> {
    match source {
        Source::Payment => Some(Input::Payment),
        Source::Inventory => Some(Input::Inventory),
        Source::Shipping => Some(Input::Shipping),
        Source::Order => Some(Input::Order),
        Source::Deadline => None,
    }
}

/// Compares everything of a deployment whose workers have published all that went in, and were at work until just now.
///
/// # Errors
/// A server does not answer; differences are no errors.
pub async fn check(deployment: &Deployment) -> Result<Verdict> {
    check_as_of(deployment, now(), &[]).await
}

/// The same where workers were last at work at `until`, and brokers were kept from replicating at times: what became due after that, or
/// came in then, was nobody's to do or to see.
///
/// # Errors
/// As [`check`].
pub async fn check_as_of(deployment: &Deployment, until: Timestamp, unreplicated: &[Unreplicated]) -> Result<Verdict> {
    let mut reading = Reading::open(deployment).await?;
    let mut findings = Findings::default();
    let mut totals = Totals::default();
    let waited = reading.until_no_transaction_is_open().await?;
    if waited > Duration::from_secs(1) {
        eprintln!("waited {:.1} s for a transaction on the topics to end", waited.as_secs_f64());
    }
    let outputs = reading.outputs(&mut findings).await?;
    let of_several_lanes = reading.stored.orders_of_several_lanes().await?;
    let waiting = reading.stored.waiting_orders().await?;
    let policies = deployment.policies();
    let lanes = reading.stored.lanes().await?;
    let asking = Asking { policies: &policies, since: deployment.commands_since() };
    let mut check = Check {
        replay: Replay::new(asking, &deployment.topics, &of_several_lanes),
        rules: Rules { asking, until, since: lanes.iter().filter_map(|lane| lane.claimed_at).max() },
        waiting: &waiting,
        of_several_lanes: &of_several_lanes,
        unreplicated,
        deployment,
        outputs,
        findings: &mut findings,
        totals: &mut totals,
        folds_of_several_lanes: HashMap::new(),
    };
    let mut bar = Bar::towards(lanes.len() as u64, "lanes checked");
    for (done, lane) in lanes.iter().enumerate() {
        bar.show(done as u64, "");
        check.lane(&mut reading, lane).await?;
    }
    for (Partition { topic, number }, offset) in reading.beside(&lanes)? {
        check.totals.input_records += 1;
        check.findings.add(Kind::InputLost, || input_log::place(&topic, number, offset));
    }
    check.orders_of_several_lanes(&mut reading).await?;
    bar.end();
    check.outputs.close(check.findings);
    check.outputs.check_versions(|order| of_several_lanes.contains(order), check.findings);
    let outputs = check.outputs;
    totals.status_events = outputs.status_events();
    totals.commands = outputs.commands();
    totals.by_status = outputs.by_status().into_iter().map(|(status, count)| (status.to_string(), count)).collect();
    totals.published.sort_unstable();
    Ok(Verdict { findings, totals })
}

/// A check under way.
struct Check<'a> {
    deployment: &'a Deployment,
    /// Orders that more than one lane speaks of: compared once all lanes have spoken.
    of_several_lanes: &'a HashSet<OrderId>,
    /// When brokers were kept from replicating.
    unreplicated: &'a [Unreplicated],
    replay: Replay<'a>,
    rules: Rules<'a>,
    /// Orders whose deadlines wait for a dead letter, or for the look that a mark asks for.
    waiting: &'a HashSet<OrderId>,
    outputs: Outputs,
    findings: &'a mut Findings,
    totals: &'a mut Totals,
    /// What went in of them.
    folds_of_several_lanes: HashMap<OrderId, Facts>,
}

impl Check<'_> {
    /// Merges what went in; without regard to the journal.
    fn fold(&mut self, folds: &mut HashMap<OrderId, Facts>, event: &Event) {
        let of_several = self.of_several_lanes.contains(&event.order_id);
        let folds = if of_several { &mut self.folds_of_several_lanes } else { folds };
        _ = folds.entry(event.order_id.clone()).or_default().merge(event);
    }

    /// The orders that had to wait for all lanes.
    async fn orders_of_several_lanes(&mut self, reading: &mut Reading<'_>) -> Result<()> {
        let stored = reading.stored.orders_named(self.of_several_lanes).await?;
        let rows = stored.iter().map(|order| (order.order_id.clone(), order.journal_rows.clone())).collect();
        let replayed = self.replay.close_waiting(&rows, self.findings);
        let folds = std::mem::take(&mut self.folds_of_several_lanes);
        self.orders(folds, replayed, stored);
        Ok(())
    }

    /// Compares the accounts of all these orders.
    fn orders(
        &mut self,
        folds: HashMap<OrderId, Facts>,
        replayed: HashMap<OrderId, Progress>,
        stored: Vec<StoredOrder>,
    ) {
        let mut by_name: HashMap<OrderId, StoredOrder> = HashMap::new();
        for order in stored {
            if let Some(twice) = by_name.insert(order.order_id.clone(), order) {
                self.findings.add_of(Kind::OrderDoubled, &twice.order_id, || "once in each table".to_owned());
            }
        }
        let stored = by_name;
        self.totals.orders += stored.len() as u64;
        let names: HashSet<&OrderId> = folds.keys().chain(replayed.keys()).chain(stored.keys()).collect();
        for order in names {
            let accounts = Accounts {
                folded: folds.get(order),
                replayed: replayed.get(order),
                stored: stored.get(order),
                last_word: self.outputs.last_word(order),
                is_waiting: self.waiting.contains(order),
            };
            orders::compare(order, accounts, self.rules, self.findings);
            // What several lanes publish of an order has no order between them.
            if !self.of_several_lanes.contains(order) {
                let sent = accounts.replayed.map_or(&[][..], |replayed| &replayed.asked.all);
                self.outputs.check_commands(order, sent, self.findings);
            }
        }
    }
}

/// The time by which nothing may have occurred that went in.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}
