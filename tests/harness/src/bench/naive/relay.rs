//! The relay of the naive service: takes rows from the outbox, publishes them, and deletes them once the broker has them.
//!
//! At least once: whoever dies between the broker's answer and the COMMIT publishes the same rows again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use tokio::runtime::Builder;

use super::tables;
use crate::background::Background;
use crate::database;
use crate::deployment::Deployment;
use crate::stack;

/// How many rows it takes at a time.
const ROWS: i64 = 500;
/// The pause when there was less.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Begins to publish, until it is told to end.
#[must_use]
pub fn begin(deployment: &Deployment) -> Background<Result<()>> {
    let deployment = deployment.clone();
    Background::begin(move |end| relay(&deployment, &end))
}

fn relay(deployment: &Deployment, end: &AtomicBool) -> Result<()> {
    let mut config = stack::client(&deployment.stack.brokers);
    config.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "2");
    config.set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut connection = runtime.block_on(database::connect(&deployment.stack.database))?;
    while !end.load(Ordering::SeqCst) {
        let taken = runtime.block_on(take(&mut connection))?;
        publish(&producer, &deployment.topics.status, &taken)?;
        runtime.block_on(connection.execute("commit"))?;
        if (taken.len() as i64) < ROWS {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// The next rows, deleted in a transaction that is left open: number, key, payload.
async fn take(connection: &mut PgConnection) -> Result<Vec<(i64, String, String)>> {
    connection.execute("begin").await?;
    let mut taken: Vec<(i64, String, String)> =
        sqlx::query_as(tables::TAKE).bind(ROWS).fetch_all(&mut *connection).await?;
    taken.sort_unstable();
    Ok(taken)
}

/// Publishes rows and waits until the broker has them.
fn publish(producer: &BaseProducer, topic: &str, taken: &[(i64, String, String)]) -> Result<()> {
    for (_, key, payload) in taken {
        let sent = producer.send(BaseRecord::to(topic).key(key).payload(payload));
        sent.map_err(|(error, _)| error).context("a row of the outbox cannot be sent")?;
    }
    let deadline = Instant::now() + PATIENCE;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
        if Instant::now() > deadline {
            bail!("{} rows of the outbox are not acknowledged", producer.in_flight_count());
        }
    }
    Ok(())
}
