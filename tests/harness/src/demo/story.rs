//! Orders told as stories: what was heard of them, in the order in which it was heard, and what it made of them; what time did to
//! them, what was asked for, what could not be understood at first.
//!
//! Read from the journal, so a story is what the workers really did. Which orders are worth telling follows from their plots.

use anyhow::{Context, Result};
use orderstream::decode::json::to_json;
use orderstream::ids::OrderId;
use orderstream::order::{Source, Status};
use orderstream::persist::journal_format::{AppliedEntry, Outcome, Sent, read_applied};
use sqlx::postgres::PgConnection;

use super::show::Showing;
use crate::event::FlatEvent;
use crate::stage::Stage;
use crate::topics::Input;
use crate::traffic::{Plot, Shape, plot_of};

/// How many orders of a plot are looked at for the one that is told.
const LOOKED_AT: usize = 12;
/// How many orders are searched for plots.
const SEARCHED: u64 = 3_000;
/// How many repaired letters are looked at.
const LETTERS: i64 = 40;

/// The plots that make good stories: one of each list is told.
const WORTH_TELLING: [&[Plot]; 3] = [
    &[Plot::CancelledPaid, Plot::CancelledWhilePacked, Plot::SentAfterCancel],
    &[Plot::SplitParcels, Plot::PartlyReturned, Plot::Returned],
    &[Plot::DisputeLost, Plot::DisputeWon, Plot::BackToSender, Plot::LostAndFound],
];

/// Everything that is told.
#[derive(Clone, Debug)]
pub struct Stories {
    /// Three orders of the busy part.
    pub three: Vec<Story>,
    /// One that a deadline cancelled, with what it owed and who answered.
    pub given_up: Option<Story>,
    /// One record that was refused, repaired and replayed.
    pub repaired: Option<Letter>,
}

/// One order's story.
#[derive(Clone, Debug)]
pub struct Story {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub plot: Plot,
    /// What was heard and done, one after the other.
    pub heard: Vec<Heard>,
}

/// One line of a story.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When it occurred, in microseconds; what time did, when it was done.
    pub at: i64,
    /// When the journal took it up, in microseconds.
    pub taken_at: i64,
    /// What it is.
    pub what: What,
    /// What became of it.
    pub outcome: Outcome,
    /// The status it left the order in.
    pub status: Option<Status>,
    /// Whether something that occurred later had been heard before it.
    pub late: bool,
}

/// What a line of a story is of.
#[derive(Clone, Debug)]
pub enum What {
    /// A record said it.
    Said(FlatEvent),
    /// A dead letter said it when it was replayed.
    Replayed(FlatEvent),
    /// A deadline of this name fired.
    Fired(String),
    /// Somebody was asked to do something.
    Asked(Sent),
    /// All attempts to ask were in vain.
    GivenUp,
    /// The order was derived anew.
    Rederived,
}

/// A dead letter that was applied in the end, and its order.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Letter {
    /// Its id.
    pub id: i64,
    /// Where the record stands.
    pub topic: String,
    /// The topic's partition.
    pub partition: i32,
    /// The offset there.
    pub record_offset: i64,
    /// Why it was refused.
    pub reason: String,
    /// The same in a sentence.
    pub explanation: String,
    /// When, in microseconds.
    pub refused_at: i64,
    /// When it was applied, in microseconds.
    pub applied_at: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// Who had it tried again, and why.
    pub replayed_by: Option<String>,
    /// The order.
    pub order_id: String,
    /// What became of the order.
    #[sqlx(skip)]
    pub story: Option<Story>,
}

impl Stories {
    /// Finds what is worth telling.
    ///
    /// # Errors
    /// Postgres does not answer, or the journal cannot be read.
    pub async fn of(stage: &Stage, showing: &Showing) -> Result<Self> {
        let mut connection = stage.connect().await?;
        let mut three = Vec::new();
        for plots in WORTH_TELLING {
            let told = best(&mut connection, &showing.shape, plots, LOOKED_AT, Story::interest).await?;
            three.extend(told.map(Story::without_questions));
        }
        let pressed = &showing.pressed.shape;
        let given_up =
            best(&mut connection, pressed, &[Plot::PaymentDuePasses], usize::MAX, Story::interest_of_debts).await?;
        let repaired = repaired(&mut connection, pressed).await?;
        Ok(Self { three, given_up, repaired })
    }
}

/// The most interesting order with one of these plots.
async fn best(
    connection: &mut PgConnection,
    shape: &Shape,
    plots: &[Plot],
    looked_at: usize,
    interest: impl Fn(&Story) -> usize,
) -> Result<Option<Story>> {
    let numbers = (0..shape.orders.min(SEARCHED)).map(|number| shape.first_order + number);
    let mut best: Option<Story> = None;
    for number in numbers.filter(|number| plots.contains(&plot_of(shape, *number))).take(looked_at) {
        let story = tell(connection, shape, number).await?;
        if best.as_ref().is_none_or(|best| interest(&story) > interest(best)) {
            best = Some(story);
        }
    }
    Ok(best)
}

/// The repaired letter that changed its order most visibly.
async fn repaired(connection: &mut PgConnection, shape: &Shape) -> Result<Option<Letter>> {
    let letters: Vec<Letter> = sqlx::query_as(
        "select id, topic, partition, record_offset, reason::text as reason, explanation, attempts, order_id,
                (extract(epoch from first_seen_at) * 1000000)::bigint as refused_at,
                (extract(epoch from resolved_at) * 1000000)::bigint as applied_at,
                (select a.actor || coalesce(': ' || a.note, '') from dead_letter_actions a
                  where a.letter_id = d.id and a.action = 'replay' order by a.id desc limit 1) as replayed_by
           from dead_letters d where state = 'applied' and order_id is not null order by id limit $1",
    )
    .bind(LETTERS)
    .fetch_all(&mut *connection)
    .await?;
    let mut best: Option<(usize, Letter)> = None;
    for mut letter in letters {
        let number = (0..shape.orders).map(|number| shape.first_order + number);
        let mut of_order = number.filter(|number| crate::traffic::order_id(shape.seed, *number) == letter.order_id);
        let Some(number) = of_order.next() else { continue };
        let story = tell(connection, shape, number).await?;
        let interest = story.interest_of_replay();
        if best.as_ref().is_none_or(|(most, _)| interest > *most) {
            letter.story = Some(story);
            best = Some((interest, letter));
        }
    }
    Ok(best.map(|(_, letter)| letter))
}

impl Story {
    /// What is asked today about a life of weeks that was told in seconds only confuses.
    fn without_questions(mut self) -> Self {
        self.heard.retain(|heard| !matches!(heard.what, What::Asked(_) | What::GivenUp));
        self
    }

    /// Late and repeated events are what ordinary systems stumble over; a few of them, or nobody can follow.
    fn interest(&self) -> usize {
        let is_order = |heard: &Heard| matches!(&heard.what, What::Said(event) if event.topic == Input::Order);
        let is_told_from_the_start = self.heard.iter().any(is_order);
        let odd = self.heard.iter().filter(|heard| heard.late || heard.outcome != Outcome::Applied).count();
        usize::from(is_told_from_the_start) * 100 + usize::from((1..=4).contains(&odd)) * 50 + self.heard.len().min(14)
    }

    /// Until when the order was to be paid, if the shop said that.
    #[must_use]
    pub fn payment_due_at(&self) -> Option<i64> {
        self.heard.iter().find_map(|heard| match &heard.what {
            What::Said(event) => event.payment_due_at,
            _ => None,
        })
    }

    /// A deadline that fired, a question, another one, and an answer that came after all.
    fn interest_of_debts(&self) -> usize {
        let fired = self.heard.iter().any(|heard| matches!(heard.what, What::Fired(_)));
        let asked = self.heard.iter().filter(|heard| matches!(heard.what, What::Asked(_))).count();
        let is_over = self.heard.last().is_some_and(|heard| heard.status == Some(Status::Cancelled));
        usize::from(fired) * 100 + usize::from(is_over) * 50 + usize::from((1..=3).contains(&asked)) * 10 * asked
    }

    /// A replay that moved the order on, best of all one that brought the payment, in a story that is not too long.
    fn interest_of_replay(&self) -> usize {
        let replay = self.heard.iter().position(|heard| matches!(heard.what, What::Replayed(_)));
        let moved = replay.is_some_and(|at| at > 0 && self.heard[at].status != self.heard[at - 1].status);
        let paid = |heard: &Heard| matches!(&heard.what, What::Replayed(event) if event.topic == Input::Payment);
        let fired = self.heard.iter().any(|heard| matches!(heard.what, What::Fired(_)));
        let waited = self.plot == Plot::PaidInTime && !fired && self.heard.iter().any(paid);
        let others = self.heard.iter().filter(|heard| heard.outcome != Outcome::Applied).count();
        usize::from(moved) * 100
            + usize::from(waited) * 50
            + usize::from((3..=9).contains(&self.heard.len())) * 20
            + 10_usize.saturating_sub(others)
    }
}

async fn tell(connection: &mut PgConnection, shape: &Shape, number: u64) -> Result<Story> {
    let order = OrderId::from(crate::traffic::order_id(shape.seed, number));
    let rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
        "select (extract(epoch from j.written_at) * 1000000)::bigint, j.applied
           from orders o, unnest(o.journal_rows) with ordinality as r(number, place)
           join journal j on j.lane = r.number >> 40 and j.seq = r.number & ((1::bigint << 40) - 1)
          where o.order_id = $1 order by r.place",
    );
    let rows = rows.bind(order.as_str()).fetch_all(connection).await?;
    let mut heard: Vec<Heard> = Vec::new();
    let mut latest = i64::MIN;
    for (taken_at, row) in rows {
        for entry in read_applied(&row)?.into_iter().filter(|entry| entry.order_id.as_ref() == Some(&order)) {
            heard.extend(hear(entry, taken_at, &mut latest)?);
        }
    }
    Ok(Story { order, plot: plot_of(shape, number), heard })
}

/// The lines of an entry: what happened, then what was asked because of it.
fn hear(entry: AppliedEntry, taken_at: i64, latest: &mut i64) -> Result<Vec<Heard>> {
    let line = |at, what| Heard { at, taken_at, what, outcome: entry.outcome, status: entry.status, late: false };
    let first = match &entry.event {
        Some(event) if entry.place.source == Source::Deadline => {
            let name = event.event_id.as_str().split(':').nth(1).unwrap_or_default();
            Some(line(event.occurred_at.0, What::Fired(name.to_owned())))
        }
        Some(event) => {
            let said: FlatEvent =
                serde_json::from_str(&to_json(event)).context("an event of the journal is not flat")?;
            let at = said.occurred_at;
            let late = at < *latest && entry.outcome == Outcome::Applied;
            *latest = at.max(*latest);
            let what = if entry.place.letter.is_some() { What::Replayed(said) } else { What::Said(said) };
            Some(Heard { late, ..line(at, what) })
        }
        None => match entry.outcome {
            Outcome::Unanswered => Some(line(taken_at, What::GivenUp)),
            Outcome::Rederived => Some(line(taken_at, What::Rederived)),
            _ => None,
        },
    };
    let asked = entry.sent.iter().map(|sent| line(taken_at, What::Asked(sent.clone())));
    Ok(first.into_iter().chain(asked).collect())
}
