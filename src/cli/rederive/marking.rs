//! Marks orders for the workers, never too many at once, and waits until they were taken.
//!
//! Invariant: breaking off loses nothing and repeats nothing: marks stay until a worker has looked at their orders, and looking at
//! an order that does not differ any more changes nothing.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::cli::output;
use crate::persist::{PgConnection, Result, marks};

/// The most marks that wait at once.
const AT_ONCE: u64 = 10_000;
/// What stands beside each mark.
const WHY: &str = "rederive";
/// How often marks are looked at.
const EVERY: Duration = Duration::from_millis(200);
/// How long nothing may be taken when no worker is connected.
const WITHOUT_WORKERS: Duration = Duration::from_secs(10);
/// How long nothing may be taken at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nobody takes the marks; the text says so and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NobodyWorks(pub String);

/// Marks on their way to the workers.
pub(super) struct Marking<'a> {
    /// What the workers' sessions begin their name with.
    prefix: &'a str,
    /// How many orders were marked by us.
    pub marked: u64,
    /// Marks at the last look, and since when there are not fewer.
    seen: (u64, Instant),
    bar: ProgressBar,
}

impl<'a> Marking<'a> {
    /// Nothing is marked yet.
    pub fn new(prefix: &'a str) -> Self {
        Self { prefix, marked: 0, seen: (0, Instant::now()), bar: ProgressBar::hidden() }
    }

    /// Marks orders once there is room for them.
    pub async fn mark(&mut self, connection: &mut PgConnection, orders: &[&str]) -> Result<Option<NobodyWorks>> {
        let room = AT_ONCE.saturating_sub(orders.len() as u64);
        if let Some(nobody) = self.until_at_most(connection, room).await? {
            return Ok(Some(nobody));
        }
        self.marked += marks::mark(connection, orders, WHY).await?;
        Ok(None)
    }

    /// Waits until all were taken.
    pub async fn wait(&mut self, connection: &mut PgConnection) -> Result<Option<NobodyWorks>> {
        self.bar = output::progress("orders taken by the workers", self.marked);
        let nobody = self.until_at_most(connection, 0).await;
        self.bar.finish_and_clear();
        nobody
    }

    /// Waits until no more than so many marks are left.
    async fn until_at_most(&mut self, connection: &mut PgConnection, most: u64) -> Result<Option<NobodyWorks>> {
        self.seen = (u64::MAX, Instant::now());
        loop {
            let left = marks::outstanding(connection, WHY).await?;
            self.bar.set_position(self.marked.saturating_sub(left));
            if left <= most {
                return Ok(None);
            }
            if left < self.seen.0 {
                self.seen = (left, Instant::now());
            }
            let idle = self.seen.1.elapsed();
            if idle >= WITHOUT_WORKERS && marks::writers(connection, self.prefix).await? == 0 {
                return Ok(Some(NobodyWorks(format!(
                    "no worker is connected to this database: {left} orders stay marked and are derived anew when one runs; start one with `orderstream run`"
                ))));
            }
            if idle >= PATIENCE {
                return Ok(Some(NobodyWorks(format!(
                    "no worker has taken a mark for {} s: {left} orders stay marked; look at the workers' logs and lag, nothing else is to be done here",
                    PATIENCE.as_secs()
                ))));
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
