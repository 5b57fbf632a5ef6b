//! The show: two workers share the lanes, traffic pours in, one worker is killed, started again, and all is caught up with;
//! then some orders more at a gentle pace, for the latency; then some for whom time and debts matter (`pressing`).
//!
//! Everything waits for what the database and Kafka say, under a deadline that tells why it was missed.

use anyhow::Result;

use super::Options;
use super::pressing::{self, Pressed};
use crate::produce::Producer;
use crate::progress::Progress;
use crate::registry_front::Front;
use crate::simulate::{self, WentIn};
use crate::stage::Stage;
use crate::traffic::{Shape, Traffic};
use crate::watch::{Kill, Watch};
use crate::worker::Program;

/// Records a second of the gentle part.
const GENTLE_RATE: u64 = 1_000;
/// At most so many orders are kept for the gentle part, and one in so many.
const GENTLE_MOST: u64 = 400;
const GENTLE_ONE_IN: u64 = 20;

/// What happened, and when.
#[derive(Clone, Debug)]
pub struct Showing {
    /// The traffic of the busy part.
    pub shape: Shape,
    /// What went in, all parts together.
    pub went_in: WentIn,
    /// When the first record was sent, in milliseconds since 1970.
    pub began_millis: i64,
    /// Records of the busy part.
    pub busy_records: u64,
    /// How many of them were sent a second.
    pub busy_rate: f64,
    /// The kill.
    pub kill: Kill,
    /// When the gentle part began.
    pub gentle_from_millis: i64,
    /// Records a second of the gentle part.
    pub gentle_rate: u64,
    /// How often lanes were claimed in all.
    pub claims: i64,
    /// Time and debts.
    pub pressed: Pressed,
}

/// Runs the show.
///
/// # Errors
/// A worker ends by itself, something takes too long, or a server does not answer.
pub async fn run(stage: &Stage, program: &Program, front: &Front, options: &Options) -> Result<Showing> {
    let mut watch = Watch::over_two(stage.place(program)).await?;

    let gentle_orders = (options.orders / GENTLE_ONE_IN).min(GENTLE_MOST);
    let now = jiff::Timestamp::now().as_microsecond();
    let shape = Shape {
        record_max_bytes: stage.deployment.record_max_bytes,
        ..Shape::usual(options.orders - gentle_orders, options.seed, now)
    };
    let mut producer = Producer::open(&stage.deployment.stack, &stage.deployment.topics).await?;
    let busy = Traffic::new(shape.clone());
    let busy_records = Traffic::new(shape.clone()).count() as u64;
    let began_millis = millis();
    let feed = tokio::task::spawn_blocking(move || {
        let went_in = simulate::send(busy, &mut producer, None, |_| {});
        went_in.map(|went_in| (went_in, producer))
    });

    let mut progress = Progress::towards(busy_records, "records applied");
    watch.until_applied(busy_records / 2, busy_records, &mut progress).await?;
    let kill = watch.kill_one().await?;
    progress.say(&format!("killed {} after {} records; started again", kill.worker, kill.applied));
    let (mut went_in, mut producer) = feed.await??;
    let busy_rate = went_in.rate();
    watch.until_applied(busy_records, busy_records, &mut progress).await?;
    watch.until_published(busy_records).await?;
    progress.end();

    let gentle_from_millis = millis();
    let gentle =
        Shape { orders: gentle_orders, first_order: shape.orders, in_flight: 50, malformed: 0.0, ..shape.clone() };
    let traffic = Traffic::new(gentle);
    let more = tokio::task::spawn_blocking(move || simulate::run(traffic, &mut producer, Some(GENTLE_RATE)));
    went_in.add(&more.await??);
    watch.until_published(went_in.records).await?;
    let pressed = pressing::run(stage.place(program), front, &mut watch, &shape, options).await?;
    went_in.add(&pressed.went_in);
    let claims = watch.claims().await?;
    watch.stop_all().await?;
    let gentle_rate = GENTLE_RATE;
    Ok(Showing {
        shape,
        went_in,
        began_millis,
        busy_records,
        busy_rate,
        kill,
        gentle_from_millis,
        gentle_rate,
        claims,
        pressed,
    })
}

fn millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
