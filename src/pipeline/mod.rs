//! The guarantee on one screen: `apply` is one batch in one transaction, step by step.
//!
//! Around it: `batch` is what it applies, `decide` what follows from it, `commit` what its end means, `writer` and `visiting` where
//! batches come from, `spacing` how often, `turns` who works for whom, `lookout` how far lanes can see, `handover` how lanes come and go, `start` what is checked first, [`run`] how it all begins and ends.
//! Invariant: orders, checkpoints and journal move together or not at all, and only under the claim that the fence compared.

mod batch;
mod census;
mod commit;
mod counting;
mod decide;
mod decided;
mod handover;
mod journal_reader;
mod lane;
mod lookout;
mod meaning;
mod observe;
mod outputs;
mod process;
mod quarantine;
mod queue;
mod retention;
mod run;
mod spacing;
mod start;
mod topic_watch;
mod turns;
mod upkeep;
mod visiting;
mod watchdog;
mod writer;

use std::time::Instant;

use crate::crash::{self, Point};
use crate::ids::Lane;
use crate::metrics;
use crate::persist::checkpoints::{self, Advanced};
use crate::persist::lanes::{self, Fenced};
use crate::persist::orders::{self, ByOrder, Wrote};
use crate::persist::{Error, PgConnection, connection, dead_letters, journal, visits};
use batch::Batch;
use decide::{Verdict, decide};
use decided::Decided;
use process::Process;

pub use outputs::names as output_topics;
pub use run::run;
pub use start::{identity, input_topics, needed_message_bytes, refuses_ours};

/// What one attempt at a batch comes to.
enum Attempt {
    /// Done: this is what it decided.
    Committed(Box<Decided>),
    /// These lanes are not ours any more. The transaction is open, with nothing written; roll it back.
    Lost(Vec<Lane>),
    /// It would publish too much. The transaction is open; roll it back and cut the batch in two.
    TooMuch,
    /// Another lane made an order of this batch meanwhile. The transaction is open; roll it back and do the batch again.
    Overtaken,
    /// A checkpoint stands elsewhere than we believe; the text says both numbers.
    Mismatch(String),
}

/// An attempt that ended in an error; the connection is not to be used again.
struct Failed {
    error: Error,
    /// What was decided, if COMMIT was sent: then the outcome is unknown.
    decided: Option<Box<Decided>>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, decided: None }
    }
}

/// One batch in one transaction (DESIGN section 3).
async fn apply(connection: &mut PgConnection, batch: &Batch, process: &Process) -> Result<Attempt, Failed> {
    let mut steps = Steps::begin();
    let limit = process.answer_timeout;
    // Steps 1 to 5; nothing of them is seen by anybody before the COMMIT.
    let decided = match connection::answered(limit, write(connection, batch, process, &mut steps)).await? {
        Written::Ready(decided) => decided,
        Written::Not(attempt) => return Ok(attempt),
    };
    // 6. Every row count was right. From here on, only the database knows.
    match connection::answered(limit, connection::commit(connection)).await {
        Ok(()) => {
            crash::at(Point::BatchCommitted);
            steps.end("commit");
            steps.total();
            Ok(Attempt::Committed(decided))
        }
        Err(error) => Err(Failed { error, decided: Some(decided) }),
    }
}

/// How far a batch was written.
enum Written {
    /// All of it; COMMIT may be sent.
    Ready(Box<Decided>),
    /// Not at all, for this reason.
    Not(Attempt),
}

async fn write(
    connection: &mut PgConnection,
    batch: &Batch,
    process: &Process,
    steps: &mut Steps,
) -> Result<Written, Error> {
    let rules = &process.rules;
    connection::begin(connection).await?;
    crash::at(Point::BatchBegun);

    // 1. The fence: every lane is still ours, and its next journal row is the one we think.
    let held = match lanes::fence(connection, &batch.steps()).await? {
        Fenced::Held(held) => held,
        Fenced::Lost(lanes) => return Ok(Written::Not(Attempt::Lost(lanes))),
    };
    steps.end("fence");

    // 2. The checkpoints move from where we believe them to be.
    if let Advanced::Mismatch { text, .. } = checkpoints::advance(connection, &batch.advances(&rules.topics)).await? {
        return Ok(Written::Not(Attempt::Mismatch(text)));
    }
    steps.end("checkpoints");

    // 3. Every order under lock, but those that are new.
    let touched = orders_of(batch);
    let mut orders = orders::lock(connection, &touched, batch.visits()).await?;
    orders.values_mut().for_each(|locked| locked.order.version_floor = held.version_floor);
    let ground = visits::ground(connection, &batch.ground(&rules.topics)).await?;
    steps.end("lock_orders");

    // 4. Decide, purely.
    let mut decided = match decide(batch, &mut orders, &ground, rules, held.now)? {
        Verdict::Write(decided) => decided,
        Verdict::TooMuch => return Ok(Written::Not(Attempt::TooMuch)),
    };
    steps.end("decide");
    crash::at(Point::BatchDecided);

    // 5. Orders, dead letters and one journal row a lane.
    if orders::write(connection, &decided.orders(&orders, rules)).await? == Wrote::Overtaken {
        return Ok(Written::Not(Attempt::Overtaken));
    }
    dead_letters::write(connection, &decided.dead_letters(batch, &rules.topics)).await?;
    dead_letters::settle(connection, &decided.replayed, &process.transactional_id).await?;
    visits::unmark(connection, &ground).await?;
    journal::append(connection, &decided.journal_rows(batch)).await?;
    steps.end("write");
    Ok(Written::Ready(decided))
}

/// The orders that a batch speaks of, each with the lane of its first event in the batch.
fn orders_of(batch: &Batch) -> ByOrder<Lane> {
    let mut orders = ByOrder::default();
    for item in batch.items() {
        if let Ok(event) = &item.decoded
            && !orders.contains_key(&event.order_id)
        {
            orders.insert(event.order_id.clone(), item.record.lane);
        }
    }
    orders
}

/// Takes the time of each step.
struct Steps {
    began: Instant,
    last: Instant,
}

impl Steps {
    fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, last: now }
    }

    fn end(&mut self, step: &'static str) {
        let now = Instant::now();
        metrics::BATCH_SECONDS.record_duration(now - self.last, &[step]);
        self.last = now;
    }

    fn total(&self) {
        metrics::BATCH_SECONDS.record_duration(self.last - self.began, &["total"]);
    }
}
