//! The same traffic in batches of one, of a few and of thousands: the same orders in the end, and the same told on the way.
//!
//! Precisely: whatever the batches, every order ends with the same facts and the same view. Which of several topics is read first is
//! Kafka's choice, so what is told on the way is compared for orders whose events come through one topic: each of its versions says
//! the same, for the same cause, and nothing is merged; only the instant at which it was decided differs.

use std::collections::BTreeMap;

use orderstream_harness::output::{self, StatusChanged};
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::{Planned, Shape, Traffic};

use crate::events::now_micros;
use crate::patience::LONG_PATIENCE;
use crate::stage::{GOODBYE, Stage};

/// Everything occurred and fell due so long ago that time has nothing left to decide, in microseconds.
const LONG_AGO: i64 = 30 * 86_400 * 1_000_000;

/// What one way of batching came to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Status, amounts, lines, what is owed and the facts of every order.
    ends: BTreeMap<String, String>,
    /// What was told of orders of one topic, version by version.
    told: BTreeMap<String, Vec<StatusChanged>>,
}

/// The usual traffic, and that of orders of which only one topic speaks.
fn traffic(now: i64) -> Vec<Planned> {
    let shape = |orders, seed| Shape { malformed: 0.0, in_flight: 50, ..Shape::usual(orders, seed, now - LONG_AGO) };
    let of_one_topic = Traffic::new(shape(200, 12)).filter(|planned| {
        let number = planned.event.order_id.bytes().map(usize::from).sum::<usize>();
        planned.input == Input::ALL[number % Input::ALL.len()]
    });
    Traffic::new(shape(150, 11)).chain(of_one_topic).collect()
}

async fn outcome(records_in_a_batch: i64, traffic: &[Planned]) -> Outcome {
    let name = format!("batches_of_{records_in_a_batch}");
    let stage = Stage::with(&name, 3, |config| {
        config.set("worker.batch_max_records", records_in_a_batch);
    })
    .await;
    let mut producer = stage.producer().await;
    traffic.iter().for_each(|planned| _ = producer.send(planned).expect("kafka takes the record"));
    producer.flush().expect("kafka has it");
    // All of it waits when the worker starts, so batches are as large as they may be.
    let worker = stage.worker("w");
    stage.all_published_within(LONG_PATIENCE).await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.check().await;
    let rows: Vec<(String, String)> = stage
        .rows(
            "select order_id, concat_ws(' ', status, payment, inventory, fulfilment, returns, flags, attention, cancel_reason,
                              currency, total_minor, authorized_minor, captured_minor, refunded_minor, charged_back_minor,
                              lines, owed, facts)
               from orders",
        )
        .await;
    let mut told: BTreeMap<String, Vec<StatusChanged>> = BTreeMap::new();
    for mut event in output::status_events(&stage.deployment).await.expect("status events") {
        event.envelope.changed_at = 0;
        // Topics have names of their own in each deployment.
        if let Some(cause) = &mut event.envelope.cause {
            cause.topic = cause.topic.take().map(|topic| topic.rsplit('-').next().unwrap_or_default().to_owned());
        }
        told.entry(event.envelope.order_id.clone()).or_default().push(event);
    }
    told.retain(|order, _| topics_of(order, traffic) == 1);
    stage.strike().await;
    Outcome { ends: rows.into_iter().collect(), told }
}

fn topics_of(order: &str, traffic: &[Planned]) -> usize {
    let has =
        |input: &&Input| traffic.iter().any(|planned| planned.input == **input && planned.event.order_id == order);
    Input::ALL.iter().filter(has).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_batches_every_order_ends_the_same_and_the_same_is_told() {
    let traffic = traffic(now_micros());
    let alone = outcome(1, &traffic).await;
    assert!(alone.ends.len() > 250 && alone.told.len() > 80, "{} and {}", alone.ends.len(), alone.told.len());
    assert!(alone.told.values().any(|told| told.len() > 3), "a sample that says something");
    for records in [7, 5_000] {
        let together = outcome(records, &traffic).await;
        for (order, end) in &alone.ends {
            assert_eq!(together.ends.get(order), Some(end), "order `{order}` in batches of {records}");
        }
        for (order, told) in &alone.told {
            assert_eq!(together.told.get(order), Some(told), "order `{order}` in batches of {records}");
        }
        assert_eq!((together.ends.len(), together.told.len()), (alone.ends.len(), alone.told.len()));
    }
}
