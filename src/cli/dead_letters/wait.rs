//! A replay under way: marks letters at the rate that was asked for, and looks what became of those marked before.
//!
//! One loop does both, so that never more letters are marked than the workers keep up with, whatever the rate. Invariant:
//! ending here at any instant leaves whole chunks of marks that workers work off without anybody watching.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::report::Report;
use crate::cli::complain;
use crate::cli::instant::to_the_second;
use crate::ids::Lane;
use crate::persist::letters::{self, By, Chunk, Filter, Owner};
use crate::persist::{self, PgConnection};

/// How often it is looked what became of the letters.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many letters may be marked and not worked off, whoever marked them. A worker reads its share of them once a second.
const OUTSTANDING_MAX: u64 = 10_000;
/// How many letters are marked in one statement.
const CHUNK_MAX: u64 = 1_000;
/// After so long without a letter worked off, it is said whom the command waits for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many lanes that are waited for are named.
const LANES_NAMED: usize = 8;

/// How a replay ended for the one who watched.
#[derive(Debug)]
pub(super) enum Ended {
    /// Everything is worked off, or nobody wanted to wait.
    Done,
    /// By Ctrl-C.
    Interrupted,
    /// By the database.
    Failed(persist::Error),
}

/// A replay under way.
pub(super) struct Replay<'a> {
    connection: &'a mut PgConnection,
    filter: &'a Filter,
    by: &'a By,
    pace: Pace,
    waits: bool,
    /// Letters up to this one were marked, or were not to be.
    after: i64,
    last: i64,
    is_marked: bool,
    /// Marked by us and not worked off, with their lanes.
    waiting: BTreeMap<i64, Lane>,
    moved_at: Instant,
    said_who: bool,
    bar: ProgressBar,
    report: Report,
}

impl<'a> Replay<'a> {
    /// Of the letters up to `last` that match, `rate` a second; 0 for no limit.
    pub fn new(
        connection: &'a mut PgConnection,
        filter: &'a Filter,
        by: &'a By,
        rate: u32,
        last: i64,
        bar: ProgressBar,
    ) -> Self {
        let now = Instant::now();
        Self {
            connection,
            filter,
            by,
            pace: Pace::new(rate, now),
            waits: true,
            after: 0,
            last,
            is_marked: false,
            waiting: BTreeMap::new(),
            moved_at: now,
            said_who: false,
            bar,
            report: Report::default(),
        }
    }

    /// Ends once everything is marked.
    pub fn without_waiting(self) -> Self {
        Self { waits: false, ..self }
    }

    /// Marks and waits, until all is worked off or Ctrl-C comes.
    pub async fn run(&mut self) -> Ended {
        tokio::select! {
            done = self.work() => done.map_or_else(Ended::Failed, |()| Ended::Done),
            _ = tokio::signal::ctrl_c() => Ended::Interrupted,
        }
    }

    /// What became of the letters.
    pub fn into_report(mut self) -> Report {
        self.report.waiting = self.waiting.len() as u64;
        self.report
    }

    async fn work(&mut self) -> persist::Result<()> {
        loop {
            let room = self.mark().await?;
            if self.is_marked && !self.waits {
                return Ok(());
            }
            self.look().await?;
            if self.is_marked && self.waiting.is_empty() {
                return Ok(());
            }
            self.say_who_is_waited_for().await?;
            if self.is_marked || room == 0 || !self.pace.is_unlimited() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Marks the letters that are due now. Returns how many might have been, for all that is marked already.
    async fn mark(&mut self) -> persist::Result<u64> {
        if self.is_marked {
            return Ok(0);
        }
        let room = OUTSTANDING_MAX.saturating_sub(letters::outstanding(self.connection).await?);
        let limit = self.pace.due(Instant::now(), room.min(CHUNK_MAX));
        if limit > 0 {
            let chunk = Chunk { after: self.after, last: self.last, limit: limit.cast_signed() };
            let marked = letters::mark(self.connection, self.filter, chunk, self.by).await?;
            let count = marked.len() as u64;
            self.pace.took(count);
            self.report.marked += count;
            self.is_marked = count < limit;
            self.after = marked.last().map_or(self.after, |letter| letter.id);
            if self.waiting.is_empty() {
                self.moved_at = Instant::now();
            }
            self.waiting.extend(marked.iter().map(|letter| (letter.id, letter.lane)));
            if !self.waits {
                self.bar.inc(count);
            }
        }
        Ok(room)
    }

    /// Asks what became of the letters that are waited for.
    async fn look(&mut self) -> persist::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = self.waiting.keys().copied().collect();
        let endings = letters::endings(self.connection, &ids).await?;
        if !endings.is_empty() {
            self.moved_at = Instant::now();
        }
        for (id, ending) in endings {
            self.waiting.remove(&id);
            self.report.add(id, ending);
            if self.waits {
                self.bar.inc(1);
            }
        }
        Ok(())
    }

    /// Says once, when nothing moves, who should be moving it.
    async fn say_who_is_waited_for(&mut self) -> persist::Result<()> {
        if self.said_who || self.waiting.is_empty() || self.moved_at.elapsed() < PATIENCE {
            return Ok(());
        }
        self.said_who = true;
        let mut lanes: Vec<Lane> = self.waiting.values().copied().collect();
        lanes.sort_unstable();
        lanes.dedup();
        let owners = letters::owners(self.connection, &lanes).await?;
        self.bar.suspend(|| complain(waited_for(&owners)));
        Ok(())
    }
}

/// A sentence about the owners of the lanes that are waited for.
fn waited_for(owners: &BTreeMap<Lane, Option<Owner>>) -> String {
    let seconds = PATIENCE.as_secs();
    let ownerless: Vec<Lane> = owners.iter().filter(|(_, owner)| owner.is_none()).map(|(lane, _)| *lane).collect();
    if !ownerless.is_empty() {
        return format!(
            "nothing was taken for {seconds} s: no worker has {}; start one with `orderstream run` (still waiting)",
            lanes_text(&ownerless)
        );
    }
    let owned = owners.iter().filter_map(|(lane, owner)| Some((lane, owner.as_ref()?)));
    let Some((_, owner)) = owned.max_by_key(|(_, owner)| owner.claimed_at) else {
        return format!("nothing was taken for {seconds} s (still waiting)");
    };
    let since = owner.claimed_at.map(|at| format!(" since {}", to_the_second(at))).unwrap_or_default();
    let lanes: Vec<Lane> = owners.keys().copied().collect();
    format!(
        "nothing was taken for {seconds} s: {} with `{}`{since}; if that worker died, another one takes over once its session \
         has ended, else its log says what keeps it (still waiting)",
        if lanes.len() == 1 { format!("{} is", lanes_text(&lanes)) } else { format!("{} are", lanes_text(&lanes)) },
        owner.transactional_id
    )
}

fn lanes_text(lanes: &[Lane]) -> String {
    let named: Vec<String> = lanes.iter().take(LANES_NAMED).map(ToString::to_string).collect();
    let more = lanes.len().saturating_sub(LANES_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {}{more}", if lanes.len() == 1 { "lane" } else { "lanes" }, named.join(", "))
}

/// So many letters a second, in portions of what has become due since the last.
#[derive(Debug)]
struct Pace {
    rate: u32,
    due: f64,
    at: Instant,
}

impl Pace {
    fn new(rate: u32, now: Instant) -> Self {
        // The first one need not wait.
        Self { rate, due: 1.0, at: now }
    }

    fn is_unlimited(&self) -> bool {
        self.rate == 0
    }

    /// How many may be taken now, at most `most`. What was not taken is saved up for one second, not longer.
    fn due(&mut self, now: Instant, most: u64) -> u64 {
        if self.is_unlimited() {
            return most;
        }
        let rate = f64::from(self.rate);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.due, self.at) = ((self.due + passed * rate).min(rate), now);
        most.min(self.due as u64)
    }

    fn took(&mut self, count: u64) {
        self.due -= count as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;

    #[test]
    fn letters_become_due_at_the_rate_and_are_not_saved_up_for_long() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(10, begin);
        assert_eq!(pace.due(begin, 1_000), 1, "the first at once");
        pace.took(1);
        assert_eq!(pace.due(after(50), 1_000), 0);
        assert_eq!(pace.due(after(250), 1_000), 2);
        pace.took(2);
        assert_eq!(pace.due(after(300), 1_000), 1, "fractions add up");
        assert_eq!(pace.due(after(60_000), 1_000), 10, "a second's worth, however long the wait");
        assert_eq!(pace.due(after(60_000), 3), 3);
    }

    #[test]
    fn without_a_rate_all_that_there_is_room_for_is_due() {
        let mut pace = Pace::new(0, Instant::now());
        assert_eq!(pace.due(Instant::now(), 700), 700);
        pace.took(700);
        assert_eq!(pace.due(Instant::now(), 700), 700);
    }

    #[test]
    fn one_letter_a_second_is_one_letter_a_second() {
        let begin = Instant::now();
        let mut pace = Pace::new(1, begin);
        let first = pace.due(begin, 1_000);
        pace.took(first);
        let counts = (1..=50).map(|step| {
            let count = pace.due(begin + LOOK_EVERY * step, 1_000);
            pace.took(count);
            count
        });
        let total: u64 = counts.sum();
        assert!((9..=10).contains(&total), "{total}");
    }

    #[test]
    fn it_is_said_whom_one_waits_for() {
        let owner = |name: &str, at| Some(Owner { transactional_id: name.to_owned(), claimed_at: Some(Timestamp(at)) });
        let none = BTreeMap::from([(Lane(0), owner("w1", 5)), (Lane(3), None)]);
        assert!(waited_for(&none).contains("no worker has lane 3; start one"), "{}", waited_for(&none));
        let some = BTreeMap::from([(Lane(0), owner("w1", 5)), (Lane(3), owner("w2", 1_760_000_000_000_000))]);
        let text = waited_for(&some);
        assert!(text.contains("lanes 0, 3 are with `w2` since 2025-10-09T08:53:20Z"), "{text}");
        let many: Vec<Lane> = (0..20).map(Lane).collect();
        assert_eq!(lanes_text(&many), "lanes 0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
    }
}
