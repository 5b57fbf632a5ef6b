//! The checker: what went in, what the database holds and what came out, compared from outside. Trusts nobody.
//!
//! Reads the input topics, Postgres and the output topics by itself, and folds every order twice: once from what went in, once
//! from the journal. The comparisons are pure, one file each; this file reads and calls them.
//!
//! | compared | file |
//! |---|---|
//! | each input record has one journal entry, with the right event and outcome | [`entries`] |
//! | each entry leads to the version, the status and the status event that it must | [`replay`], [`progress`] |
//! | each record that the journal publishes is on its topic once; versions without gaps, in order | [`outputs`] |
//! | each order's row, its folds and its last status event agree | [`orders`] |
//! | each refused record is kept once, untouched | [`dead_letters`] |
//! | journal, checkpoints, committed offsets and ends agree | [`lanes`] |
//!
//! Memory holds one lane's events, all status events' digests, and the last status event of every order.

pub mod dead_letters;
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

use anyhow::Result;
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::{Event, Facts, Source};

use crate::deployment::Deployment;
use crate::progress::Progress as Bar;
use crate::topics::Input;
use findings::Findings;
use orders::Accounts;
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

/// Compares everything of a deployment whose workers have published all that went in.
///
/// # Errors
/// A server does not answer; differences are no errors.
pub async fn check(deployment: &Deployment) -> Result<Verdict> {
    let mut reading = Reading::open(deployment).await?;
    let mut findings = Findings::default();
    let mut totals = Totals::default();
    let outputs = reading.outputs(&mut findings).await?;
    let of_several_lanes = reading.stored.orders_of_several_lanes().await?;
    let mut check = Check {
        replay: Replay::new(&deployment.policy, &deployment.topics, &of_several_lanes),
        of_several_lanes: &of_several_lanes,
        deployment,
        outputs,
        findings: &mut findings,
        totals: &mut totals,
        folds_of_several_lanes: HashMap::new(),
    };
    let lanes = reading.stored.lanes().await?;
    let mut bar = Bar::towards(lanes.len() as u64, "lanes checked");
    for (done, lane) in lanes.iter().enumerate() {
        bar.show(done as u64, "");
        check.lane(&mut reading, lane).await?;
    }
    check.orders_of_several_lanes(&mut reading).await?;
    bar.end();
    check.outputs.close(check.findings);
    check.outputs.check_versions(|order| of_several_lanes.contains(order), check.findings);
    let outputs = check.outputs;
    totals.status_events = outputs.status_events();
    totals.by_status = outputs.by_status().into_iter().map(|(status, count)| (status.to_string(), count)).collect();
    totals.published.sort_unstable();
    Ok(Verdict { findings, totals })
}

/// A check under way.
struct Check<'a> {
    deployment: &'a Deployment,
    /// Orders that more than one lane speaks of: compared once all lanes have spoken.
    of_several_lanes: &'a HashSet<OrderId>,
    replay: Replay<'a>,
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
        let stored: HashMap<OrderId, StoredOrder> =
            stored.into_iter().map(|order| (order.order_id.clone(), order)).collect();
        self.totals.orders += stored.len() as u64;
        let names: HashSet<&OrderId> = folds.keys().chain(replayed.keys()).chain(stored.keys()).collect();
        for order in names {
            let accounts = Accounts {
                folded: folds.get(order),
                replayed: replayed.get(order),
                stored: stored.get(order),
                last_word: self.outputs.last_word(order),
            };
            orders::compare(order, accounts, &self.deployment.policy, self.findings);
        }
    }
}

/// The time by which nothing may have occurred that went in.
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}
