//! `orderstream archive`: moves orders that reached their end long ago out of `orders`, a few at a time, while everything runs.
//!
//! Without `--yes` it only counts. Invariant: each chunk is one transaction, so whenever it is broken off, every order is in
//! exactly one of the two tables; and an event that comes later brings its order back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::TypedValueParser;
use serde::Serialize;

use super::database::{failed, with_database};
use super::exit::Exit;
use super::instant::to_the_second;
use super::output::{self, Output};
use super::{ConfigFile, complain, with_config};
use crate::config::units::parse_duration;
use crate::ids::Timestamp;
use crate::order::status::Status;
use crate::persist::archive::{self, Ended, Held, Which};
use crate::persist::{self, DatabaseClock, PgConnection, census};

/// Orders that are looked at with one statement.
const PAGE: i64 = 5_000;
/// Orders that one transaction moves, at most.
const CHUNK: usize = 200;

/// Which orders, and how fast.
#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// Only orders that did not change for so long, for example 90d.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Duration,
    /// Only with this status: CANCELLED, COMPLETED or RETURNED; may be repeated. Left out: all three.
    #[arg(long, value_name = "STATUS", value_parser = clap::builder::NonEmptyStringValueParser::new().try_map(|text| end(&text)))]
    status: Vec<Status>,
    /// Moves them. Without it, they are only counted.
    #[arg(long)]
    yes: bool,
    /// How many orders are moved in a second, at most; 0 for as fast as they go.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    rate: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl ArchiveArgs {
    /// Counts or moves, and says what came of it.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.file, |config| {
            with_database(&config, "archive", async |connection| {
                let now = DatabaseClock::read(connection).await?.now();
                let statuses = Status::ALL.into_iter().filter(|status| status.is_terminal());
                let statuses =
                    statuses.filter(|status| self.status.is_empty() || self.status.contains(status)).collect();
                let age = i64::try_from(self.older_than.as_micros()).unwrap_or(i64::MAX);
                let which = Which { statuses, unchanged_since: Timestamp(now.0.saturating_sub(age)) };
                let mut work = Work::of(which, self.yes.then_some(self.rate));
                let exit = match work.run(connection).await {
                    Ok(()) => Exit::Ok,
                    Err(error) => {
                        let exit = failed(&error);
                        complain("broken off; what is archived stays so: run it again for the rest");
                        exit
                    }
                };
                let answered = self.output.answer(&work.report, || work.report.text());
                Ok(if exit == Exit::Ok { answered } else { exit })
            })
        })
    }
}

/// A status after which nothing more is expected.
fn end(text: &str) -> Result<Status, String> {
    let status: Status = text.parse().map_err(|error| format!("{error}"))?;
    if status.is_terminal() {
        return Ok(status);
    }
    Err(format!("an order that is {status} is not at its end: use CANCELLED, COMPLETED or RETURNED"))
}

/// The work under way.
struct Work {
    which: Which,
    /// Orders a second, 0 for no limit; none to count only.
    rate: Option<u32>,
    report: Report,
    began: Instant,
    analyzed: u64,
}

impl Work {
    fn of(which: Which, rate: Option<u32>) -> Self {
        let unchanged_since = which.unchanged_since;
        let report = Report { done: rate.is_some(), unchanged_since, ..Report::default() };
        Self { which, rate, report, began: Instant::now(), analyzed: 0 }
    }

    async fn run(&mut self, connection: &mut PgConnection) -> persist::Result<()> {
        let bar = output::progress("orders looked at", census::about(connection).await?);
        let mut after = String::new();
        loop {
            let page = archive::page(connection, &self.which, &after, PAGE).await?;
            bar.inc(page.orders);
            self.report.orders += page.orders;
            self.take(connection, &page.ended).await?;
            match page.last {
                Some(last) => after = last,
                None => break,
            }
        }
        if self.report.moved() > 0 {
            archive::analyze(connection).await?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Counts orders that are at their end, and moves those that nothing keeps.
    async fn take(&mut self, connection: &mut PgConnection, ended: &[Ended]) -> persist::Result<()> {
        for order in ended {
            match order.held {
                Some(held) => *self.report.held.entry(held.as_str()).or_default() += 1,
                None if self.rate.is_none() => self.report.count(order),
                None => {}
            }
        }
        let Some(rate) = self.rate else { return Ok(()) };
        let free: Vec<&Ended> = ended.iter().filter(|order| order.held.is_none()).collect();
        for chunk in free.chunks(CHUNK) {
            let ids: Vec<&str> = chunk.iter().map(|order| order.order_id.as_str()).collect();
            let moved = archive::move_out(connection, &self.which, &ids).await?;
            chunk.iter().filter(|order| moved.contains(&order.order_id)).for_each(|order| self.report.count(order));
            self.report.left_alone += (chunk.len() - moved.len()) as u64;
            self.keep_plans_true(connection).await?;
            let due = (self.report.moved() * 1_000_000)
                .checked_div(u64::from(rate))
                .map_or(Duration::ZERO, Duration::from_micros);
            tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
        }
        Ok(())
    }

    /// Has the planner look at the archive whenever it has doubled, the first time at once.
    async fn keep_plans_true(&mut self, connection: &mut PgConnection) -> persist::Result<()> {
        if self.report.moved() > 2 * self.analyzed {
            archive::analyze(connection).await?;
            self.analyzed = self.report.moved();
        }
        Ok(())
    }
}

/// What is printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Whether they were moved, or only counted.
    done: bool,
    /// What changed later is not old enough.
    unchanged_since: Timestamp,
    /// How many orders were looked at.
    orders: u64,
    /// Those that are archived, or would be, by status.
    archived: BTreeMap<&'static str, Group>,
    /// Those that are as old and stay, by what keeps them.
    held: BTreeMap<&'static str, u64>,
    /// Those to which something happened meanwhile.
    left_alone: u64,
}

#[derive(Debug, Serialize)]
struct Group {
    orders: u64,
    /// When the one that rested longest last changed.
    oldest_changed_at: Timestamp,
}

impl Report {
    fn count(&mut self, order: &Ended) {
        let new = Group { orders: 0, oldest_changed_at: order.changed_at };
        let group = self.archived.entry(order.status.as_str()).or_insert(new);
        group.orders += 1;
        group.oldest_changed_at = group.oldest_changed_at.min(order.changed_at);
    }

    fn moved(&self) -> u64 {
        self.archived.values().map(|group| group.orders).sum()
    }

    fn text(&self) -> String {
        let (orders, all, since) = (self.moved(), self.orders, to_the_second(self.unchanged_since));
        let mut text = String::new();
        if orders > 0 {
            let rows = self.archived.iter().map(|(status, group)| {
                vec![(*status).to_owned(), group.orders.to_string(), to_the_second(group.oldest_changed_at)]
            });
            text += &output::table(&["status", "orders", "oldest change"], rows);
        }
        let verb = if self.done { "were archived" } else { "would be archived" };
        text += &format!("{orders} of {all} orders {verb}: at their end, and unchanged since {since}\n");
        let held = Held::ALL.into_iter().filter_map(|held| {
            let count = self.held.get(held.as_str())?;
            Some(format!("{count} {}\n", why(held)))
        });
        text.extend(held);
        if self.left_alone > 0 {
            text += &format!(
                "{} are left where they are: something happened to them, or somebody worked on them, meanwhile; run it again to look anew\n",
                self.left_alone
            );
        }
        if !self.done && orders > 0 {
            text += "nothing was changed: say --yes to do it\n";
        }
        text
    }
}

fn why(held: Held) -> &'static str {
    match held {
        Held::Owes => "more stay: something is owed",
        Held::Deadline => "more stay: a deadline or a command of theirs waits",
        Held::DeadLetter => "more stay: a dead letter under their key is neither applied nor discarded",
        Held::Mark => "more stay: marked to be looked at",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: Status, changed_at: i64) -> Ended {
        Ended { order_id: "ord-1".to_owned(), status, changed_at: Timestamp(changed_at), held: None }
    }

    #[test]
    fn only_what_is_at_its_end_can_be_asked_for() {
        assert_eq!(end("RETURNED"), Ok(Status::Returned));
        assert!(end("SHIPPED").unwrap_err().contains("SHIPPED is not at its end: use CANCELLED"));
        assert!(end("DONE").unwrap_err().contains("`DONE`"));
    }

    #[test]
    fn the_answer_counts_by_status_and_says_why_others_stay() {
        let mut report = Report { orders: 9, unchanged_since: Timestamp(172_800_000_000), ..Report::default() };
        for (status, at) in
            [(Status::Completed, 2_000_000), (Status::Cancelled, 7_000_000), (Status::Completed, 1_000_000)]
        {
            report.count(&ended(status, at));
        }
        report.held.insert("dead_letter", 2);
        let text = report.text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(lines[1].contains("CANCELLED") && lines[2].contains("1970-01-01T00:00:01Z"), "{text}");
        assert_eq!(
            lines[3..],
            [
                "3 of 9 orders would be archived: at their end, and unchanged since 1970-01-03T00:00:00Z",
                "2 more stay: a dead letter under their key is neither applied nor discarded",
                "nothing was changed: say --yes to do it",
            ]
        );
        report.done = true;
        assert!(report.text().contains("3 of 9 orders were archived"));
    }
}
