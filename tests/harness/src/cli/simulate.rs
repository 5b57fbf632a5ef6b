//! `harness simulate`: traffic into the input topics, as fast as it goes or so many records a second.
//!
//! Every option is a field of `traffic::Shape`, or says where the traffic goes. The same options send the same records.

use anyhow::Result;
use clap::Args;

use super::target::Target;
use crate::produce::Producer;
use crate::simulate;
use crate::topics::{self, Layout};
use crate::traffic::{Answers, Shape, Traffic};

/// What `simulate` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness simulate --orders 20000 --seed 1 --topics-prefix try- --create-topics")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// How many orders.
    #[arg(long, default_value_t = 20_000)]
    orders: u64,
    /// Decides everything that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Records a second at most; as fast as it goes when left out.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Share of events that are sent again.
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    duplicates: f64,
    /// Share of events that arrive after later ones.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    out_of_order: f64,
    /// Records that must be refused, as a share of the events.
    #[arg(long, default_value_t = 0.005, value_parser = share)]
    malformed: f64,
    /// Records that come a little more than 24 hours before their time, or name a schema that a registry front keeps back, as a
    /// share of the events.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    repairable: f64,
    /// Share of orders that live in the present: deadlines come up within seconds, cancellations wait for their answers.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pressing: f64,
    /// Leaves the answers to what cancelled orders owe to `harness services`.
    #[arg(long)]
    leave_answers: bool,
    /// Share of orders of which the order topic says nothing.
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    without_order_topic: f64,
    /// How many orders are under way at a time.
    #[arg(long, default_value_t = 2_000)]
    in_flight: usize,
    /// How many times faster than in life things occur.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    speed: i64,
    /// The instant, in microseconds since 1970, by which everything has occurred; now when left out.
    #[arg(long)]
    now: Option<i64>,
    /// Makes the topics first, where they do not exist.
    #[arg(long)]
    create_topics: bool,
    /// Partitions of topics that are made.
    #[arg(long, default_value_t = 8)]
    partitions: i32,
}

/// Sends it and says how fast.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let now = arguments.now.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond());
    let shape = Shape {
        duplicates: arguments.duplicates,
        out_of_order: arguments.out_of_order,
        malformed: arguments.malformed,
        repairable: arguments.repairable,
        pressing: arguments.pressing,
        answers: if arguments.leave_answers { Answers::Left } else { Answers::Told },
        without_order_topic: arguments.without_order_topic,
        in_flight: arguments.in_flight,
        speed: arguments.speed,
        ..Shape::usual(arguments.orders, arguments.seed, now)
    };
    let deployment = arguments.target.deployment()?;
    let shape = Shape { record_max_bytes: deployment.record_max_bytes, ..shape };
    if arguments.create_topics {
        let layout = Layout { partitions: arguments.partitions, ..Layout::default() };
        topics::create(&deployment.stack.brokers, &deployment.topics, layout).await?;
    }
    let mut producer = Producer::open(&deployment.stack, &deployment.topics).await?;
    let went_in = simulate::run(Traffic::new(shape), &mut producer, arguments.rate)?;
    println!(
        "{} orders, {} records in {:.1} s: {:.0} a second; {} sent again, {} malformed, {} too early",
        went_in.orders,
        went_in.records,
        went_in.seconds,
        went_in.rate(),
        went_in.repeated,
        went_in.malformed_records(),
        went_in.early_records()
    );
    Ok(true)
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is no share: use a number from 0 to 1")),
    }
}
