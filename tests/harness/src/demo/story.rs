//! Orders told as stories: what was heard of them, in the order in which it was heard, and what it made of them.
//!
//! Read from the journal, so a story is what the workers really did. Which orders are worth telling follows from their plots.

use anyhow::{Context, Result};
use orderstream::decode::json::to_json;
use orderstream::ids::OrderId;
use orderstream::order::Status;
use orderstream::persist::journal_format::{AppliedEntry, Outcome, read_applied};
use sqlx::postgres::PgConnection;

use crate::event::FlatEvent;
use crate::stage::Stage;
use crate::topics::Input;
use crate::traffic::{Plot, Shape, plot_of};

/// How many orders of a plot are looked at for the one that is told.
const LOOKED_AT: usize = 12;
/// How many orders are searched for plots.
const SEARCHED: u64 = 3_000;

/// The plots that make good stories: one of each list is told.
const WORTH_TELLING: [&[Plot]; 3] = [
    &[Plot::CancelledPaid, Plot::CancelledWhilePacked, Plot::SentAfterCancel],
    &[Plot::SplitParcels, Plot::PartlyReturned, Plot::Returned],
    &[Plot::DisputeLost, Plot::DisputeWon, Plot::BackToSender, Plot::LostAndFound],
];

/// One order's story.
#[derive(Clone, Debug)]
pub struct Story {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub plot: Plot,
    /// What was heard, one after the other.
    pub heard: Vec<Heard>,
}

/// One event of a story.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The event.
    pub event: FlatEvent,
    /// What became of it.
    pub outcome: Outcome,
    /// The status it left the order in.
    pub status: Option<Status>,
    /// Whether something that occurred later had been heard before it.
    pub late: bool,
}

/// Three orders worth telling.
///
/// # Errors
/// Postgres does not answer, or the journal cannot be read.
pub async fn three(stage: &Stage, shape: &Shape) -> Result<Vec<Story>> {
    let mut connection = stage.connect().await?;
    let mut stories = Vec::new();
    for plots in WORTH_TELLING {
        let numbers = (0..shape.orders.min(SEARCHED)).filter(|number| plots.contains(&plot_of(shape, *number)));
        let mut best: Option<Story> = None;
        for number in numbers.take(LOOKED_AT) {
            let story = tell(&mut connection, shape, number).await?;
            if best.as_ref().is_none_or(|best| story.interest() > best.interest()) {
                best = Some(story);
            }
        }
        stories.extend(best);
    }
    Ok(stories)
}

impl Story {
    /// Late and repeated events are what ordinary systems stumble over; a few of them, or nobody can follow.
    fn interest(&self) -> usize {
        let is_told_from_the_start = self.heard.iter().any(|heard| heard.event.topic == Input::Order);
        let odd = self.heard.iter().filter(|heard| heard.late || heard.outcome != Outcome::Applied).count();
        usize::from(is_told_from_the_start) * 100 + usize::from((1..=4).contains(&odd)) * 50 + self.heard.len().min(14)
    }
}

async fn tell(connection: &mut PgConnection, shape: &Shape, number: u64) -> Result<Story> {
    let order = OrderId::from(crate::traffic::order_id(shape.seed, number));
    let rows = sqlx::query_scalar::<_, Vec<u8>>(
        "select j.applied from orders o, unnest(o.journal_rows) with ordinality as r(number, place)
           join journal j on j.lane = r.number >> 40 and j.seq = r.number & ((1::bigint << 40) - 1)
          where o.order_id = $1 order by r.place",
    );
    let rows = rows.bind(order.as_str()).fetch_all(connection).await?;
    let mut heard: Vec<Heard> = Vec::new();
    let mut latest = i64::MIN;
    for row in rows {
        for entry in read_applied(&row)?.into_iter().filter(|entry| entry.order_id.as_ref() == Some(&order)) {
            heard.extend(hear(entry, &mut latest)?);
        }
    }
    Ok(Story { order, plot: plot_of(shape, number), heard })
}

fn hear(entry: AppliedEntry, latest: &mut i64) -> Result<Option<Heard>> {
    let Some(event) = &entry.event else { return Ok(None) };
    let event: FlatEvent = serde_json::from_str(&to_json(event)).context("an event of the journal is not flat")?;
    let late = event.occurred_at < *latest && entry.outcome == Outcome::Applied;
    *latest = event.occurred_at.max(*latest);
    Ok(Some(Heard { event, outcome: entry.outcome, status: entry.status, late }))
}
