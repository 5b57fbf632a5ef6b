//! `orderstream verify`: folds the journal again and compares it with the stored orders.
//!
//! One snapshot; the orders in ranges of their ids, one pass over the journal for each, so that memory is bounded. Invariant: a
//! good answer means that every order, archived or not, is what its events make of it, and that no journal row is missing.

mod account;
mod compare;
mod finding;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use clap::Args;
use indicatif::ProgressBar;

use super::ConfigFile;
use super::database::with_database;
use super::exit::Exit;
use super::order::{order_id, unknown};
use super::output::{Output, progress};
use super::with_config;
use crate::ids::{OrderId, Seq};
use crate::order::{Facts, Policy};
use crate::persist::audit::{self, LaneState, Range};
use crate::persist::history::{self, JournalRow, Span, Stretch};
use crate::persist::journal::{place_of, row_number};
use crate::persist::lookup::{self, StoredOrder};
use crate::persist::orders::MAX_JOURNAL_ROWS;
use crate::persist::{self, PgConnection, operations, snapshot};
use account::{Account, Accounts};
use compare::{Known, compare};
use finding::{Finding, Report};

/// What is to be verified.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Only this order, in the journal rows that it lists.
    #[arg(long, value_name = "ID", value_parser = order_id)]
    order: Option<OrderId>,
    /// How many findings are shown at most; all are counted.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// How many orders are held in memory at a time, some 2 kB each; more than that take more passes over the journal.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    orders_per_pass: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl VerifyArgs {
    /// Verifies and answers: 0 when everything is equal, 65 when something differs.
    pub(super) fn run(self) -> Exit {
        with_config(&self.file, |config| {
            with_database(&config, "verify", async |connection| {
                snapshot::begin_unhurried(connection).await?;
                let lanes = audit::lanes(connection).await?;
                let report = Report::keeping(self.limit);
                let version_floors = operations::version_floors(connection).await?;
                let policy = config.order_policy();
                let mut run = Verification { policy, lanes, version_floors, damaged: BTreeSet::new(), report };
                match &self.order {
                    None => run.everything(connection, self.orders_per_pass).await?,
                    Some(order_id) => match lookup::order(connection, order_id).await? {
                        Some(stored) => run.one(connection, stored).await?,
                        None => {
                            let letters = lookup::unresolved_letters(connection, order_id).await?;
                            return Ok(unknown(order_id, letters.len()));
                        }
                    },
                }
                let report = run.report;
                let printed = self.output.answer(&report, || report.text());
                Ok(if report.is_clean() { printed } else { Exit::DataErr })
            })
        })
    }
}

struct Verification {
    policy: Policy,
    lanes: Vec<LaneState>,
    /// What versions leapt to at recoveries.
    version_floors: BTreeSet<i64>,
    /// The numbers of journal rows that cannot be read.
    damaged: BTreeSet<i64>,
    report: Report,
}

impl Verification {
    async fn everything(&mut self, connection: &mut PgConnection, orders_per_pass: u32) -> persist::Result<()> {
        let (orders, ranges) = audit::ranges(connection, orders_per_pass).await?;
        let twice = audit::stored_twice(connection).await?;
        for order_id in &twice {
            let what = "it is in `orders` and in `archived_orders`".to_owned();
            self.report.add(Finding { order_id: Some(order_id.clone()), ..Finding::says(what) });
        }
        let rows: u64 = self.lanes.iter().map(|lane| lane.rows).sum();
        let bar = progress("rows and orders", rows * ranges.len() as u64 + orders);
        for (pass, range) in ranges.iter().enumerate() {
            let accounts = self.fold(connection, range, pass == 0, &bar).await?;
            self.compare_range(connection, range, accounts, &twice, &bar).await?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Folds what the journal says of the orders of a range. The first pass also looks for rows that are missing.
    async fn fold(
        &mut self,
        connection: &mut PgConnection,
        range: &Range,
        is_first: bool,
        bar: &ProgressBar,
    ) -> persist::Result<Accounts> {
        let mut accounts = Accounts::default();
        for (order_id, facts) in audit::partly_dropped(connection, range, &self.lanes).await? {
            // Facts that cannot be read are found when their row is.
            let facts: Option<Facts> = facts.and_then(|text| serde_json::from_str(&text).ok());
            accounts.begin_part(order_id, &facts.unwrap_or_default());
        }
        for lane in self.lanes.clone() {
            let mut expected = lane.first_kept;
            let span = Span { lane: lane.lane, first: lane.first_kept, last: lane.last_kept, rows: lane.rows };
            loop {
                let page = history::page(connection, Stretch::default(), span, expected).await?;
                let Some(last) = page.last() else { break };
                let next = last.place.seq.next();
                for row in &page {
                    if is_first {
                        self.follows(&lane, expected, row);
                    }
                    expected = row.place.seq.next();
                    self.take(row, range, &mut accounts);
                }
                bar.inc(page.len() as u64);
                expected = next;
            }
            if is_first {
                self.report.journal_rows += lane.rows;
                self.ends(&lane);
            }
        }
        Ok(accounts)
    }

    fn take(&mut self, row: &JournalRow, range: &Range, accounts: &mut Accounts) {
        match row.entries_where(|order_id| range.holds(order_id)) {
            Ok(entries) => {
                self.report.entries += entries.len() as u64;
                entries.iter().for_each(|entry| accounts.take(row.place, entry));
            }
            Err(error) => self.damage(row, &error),
        }
    }

    fn damage(&mut self, row: &JournalRow, error: &persist::Error) {
        if self.damaged.insert(row_number(row.place.lane, row.place.seq)) {
            let what = format!("it cannot be read: {error}");
            self.report.add(Finding::of_lane(row.place.lane, Some(row.place.seq), what));
        }
    }

    /// Whether the row is the one that its lane's journal goes on with.
    fn follows(&mut self, lane: &LaneState, expected: Seq, row: &JournalRow) {
        if row.place.seq != expected {
            let last = row.place.seq.0 - 1;
            let what = if last == expected.0 {
                "it is missing".to_owned()
            } else {
                format!("it is missing, and all up to {last}")
            };
            self.report.add(Finding::of_lane(lane.lane, Some(expected), what));
        }
    }

    /// Whether the journal of a lane ends where the lane says.
    fn ends(&mut self, lane: &LaneState) {
        match lane.last_seq {
            None => {
                let what = "the journal has rows of it, `lanes` does not know it".to_owned();
                self.report.add(Finding::of_lane(lane.lane, None, what));
            }
            Some(last_seq) if last_seq != lane.last_kept => {
                let what = format!("last_seq is {last_seq}, the last row of its journal is {}", lane.last_kept);
                self.report.add(Finding::of_lane(lane.lane, None, what));
            }
            Some(_) => {}
        }
    }

    async fn compare_range(
        &mut self,
        connection: &mut PgConnection,
        range: &Range,
        mut accounts: Accounts,
        twice: &[OrderId],
        bar: &ProgressBar,
    ) -> persist::Result<()> {
        audit::open(connection, range).await?;
        loop {
            let page = audit::fetch(connection).await?;
            if page.is_empty() {
                break;
            }
            bar.inc(page.len() as u64);
            for (order_id, stored) in page {
                self.report.orders += 1;
                match (stored, accounts.remove(&order_id)) {
                    (Ok(stored), Some(account)) => self.compare_one(&stored, account),
                    // Of two rows of one order the first was compared.
                    (Ok(_), None) if twice.contains(&order_id) => {}
                    (Ok(stored), None) => self.compare_one(&stored, Account::default()),
                    (Err(error), _) => self.differs(Finding {
                        order_id: Some(order_id),
                        ..Finding::says(format!("its row cannot be read: {error}"))
                    }),
                }
            }
        }
        for (order_id, account) in accounts.left() {
            if !account.rows.iter().any(|row| self.damaged.contains(row)) {
                let what = "the journal speaks of it, and it has no row".to_owned();
                self.differs(Finding { order_id: Some(order_id), ..Finding::says(what) });
            }
        }
        Ok(())
    }

    fn differs(&mut self, finding: Finding) {
        self.report.different_orders += 1;
        self.report.add(finding);
    }

    fn known(&self) -> Known<'_> {
        Known { lanes: &self.lanes, version_floors: &self.version_floors, policy: &self.policy }
    }

    fn compare_one(&mut self, stored: &StoredOrder, mut account: Account) {
        self.report.archived += u64::from(stored.archived_at.is_some());
        if account.rows.iter().chain(&stored.journal_rows).any(|row| self.damaged.contains(row)) {
            self.report.not_checked += 1;
            return;
        }
        self.report.partly_checked += u64::from(account.is_part);
        let compared = compare(stored, &mut account, self.known());
        self.report.outdated_views += u64::from(compared.is_outdated);
        self.report.different_orders += u64::from(!compared.findings.is_empty());
        compared.findings.into_iter().for_each(|finding| self.report.add(finding));
    }

    /// One order alone, from the rows that it lists.
    async fn one(&mut self, connection: &mut PgConnection, stored: StoredOrder) -> persist::Result<()> {
        self.report.orders = 1;
        let is_dropped = |number: &i64| {
            let (lane, seq) = place_of(*number);
            self.lanes.iter().any(|state| state.lane == lane && seq < state.first_kept)
        };
        let is_capped = stored.journal_rows.len() >= usize::try_from(MAX_JOURNAL_ROWS).unwrap_or(usize::MAX);
        let is_part = is_capped || stored.journal_rows.iter().any(is_dropped);
        let mut account = if is_part { Account::of_part(&stored.order.facts) } else { Account::default() };
        for numbers in stored.journal_rows.chunks(64) {
            for row in history::listed(connection, numbers).await? {
                self.report.journal_rows += 1;
                match row.entries_of(&stored.order_id) {
                    Ok(entries) => {
                        self.report.entries += entries.len() as u64;
                        entries.iter().for_each(|entry| account.take(row.place, entry));
                    }
                    Err(error) => self.damage(&row, &error),
                }
            }
        }
        self.compare_one(&stored, account);
        Ok(())
    }
}
