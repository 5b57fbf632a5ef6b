//! Deadlines, judged against the stream: wherever the payment that came in time may hide, nothing is cancelled for want of it; and
//! where there is none, the order is given up within seconds, on any lane.
//!
//! One partition a topic unless a test is about lanes, so that everything is in the way of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use orderstream_harness::output;
use orderstream_harness::produce::{Manner, Producer, RawRecord};
use orderstream_harness::topics::Input;
use orderstream_harness::wait;
use serde_json::{Value as Json, json};

use crate::events::{captured, event, now_micros, sound};
use crate::stage::Stage;
use crate::under_load::metric;

const SECOND: i64 = 1_000_000;

/// An order that is to be paid by `due`, placed a minute ago.
fn placed(order: &str, due: i64) -> Json {
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let terms = json!({"total_minor": 500, "currency": "EUR", "lines": lines, "payment_due_at": due});
    occurred(event(Input::Order, "PLACED", order, 0, &terms), now_micros() - 60 * SECOND)
}

/// The payment of an order, made half a minute ago.
fn paid(order: &str) -> Json {
    occurred(captured(order, "cap-1"), now_micros() - 30 * SECOND)
}

fn occurred(mut event: Json, at: i64) -> Json {
    event["occurred_at"] = at.into();
    event
}

fn in_seconds(seconds: i64) -> i64 {
    now_micros() + seconds * SECOND
}

/// Every order's status and why it is cancelled.
async fn orders(stage: &Stage) -> BTreeMap<String, (String, Option<String>)> {
    let rows: Vec<(String, String, Option<String>)> =
        stage.rows("select order_id, status::text, cancel_reason from orders").await;
    rows.into_iter().map(|(order, status, reason)| (order, (status, reason))).collect()
}

async fn status(stage: &Stage, order: &str) -> Option<String> {
    orders(stage).await.remove(order).map(|(status, _)| status)
}

async fn reaches(stage: &Stage, order: &str, wanted: &str) {
    wait::within(30, &format!("{order} to be {wanted}"), async || {
        Ok(status(stage, order).await.as_deref() == Some(wanted))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

fn send(producer: &mut Producer, events: &[Json]) {
    events.iter().for_each(|event| producer.send_json(event).expect("an event"));
    producer.flush().expect("kafka has them");
}

async fn transactional(stage: &Stage) -> Producer {
    let manner = Manner { transactional_id: Some(format!("upstream-{}", uuid::Uuid::new_v4())), ..Manner::default() };
    Producer::open_as(&stage.deployment.stack, &stage.deployment.topics, manner).await.expect("a producer")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_in_time_is_given_up_within_seconds_and_told_once() {
    let stage = Stage::new("due", 1).await;
    let worker = stage.worker("worker");
    send(&mut stage.producer().await, &[placed("unpaid", in_seconds(2)), placed("paid", in_seconds(2)), paid("paid")]);
    reaches(&stage, "unpaid", "CANCELLED").await;
    stage.all_published(20).await;
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let told: Vec<_> = told.iter().filter(|told| told.envelope.order_id == "unpaid").collect();
    assert_eq!(told.len(), 2, "placed and given up: {told:?}");
    let cause = told[1].envelope.cause.as_ref().expect("a deadline");
    assert!(cause.event_id.starts_with("deadline:payment_due::"), "{cause:?}");
    assert_eq!((cause.kind.as_str(), &cause.topic, cause.offset), ("FIRED", &None, None));
    assert_eq!(orders(&stage).await["unpaid"].1.as_deref(), Some("payment_expired"));
    assert_ne!(status(&stage, "paid").await.as_deref(), Some("CANCELLED"));
    assert!(metric(&worker, "orderstream_deadlines_fired_total{name=\"payment_due\"}").await >= 1.0);
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_lane_that_is_never_idle_a_deadline_fires_all_the_same() {
    let stage = Stage::new("never_idle", 1).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    // What follows in the other topics never stops; this one ends with the marker of a transaction.
    let upstream = transactional(&stage).await;
    let mut upstream = upstream;
    upstream.begin().expect("a transaction");
    send(&mut upstream, &[placed("unpaid", in_seconds(2))]);
    upstream.commit().expect("committed");
    let mut count = 0;
    wait::within(30, "the order to be given up under load", async || {
        for _ in 0..20 {
            count += 1;
            producer.send_json(&sound(Input::Payment, &format!("other-{count}")))?;
        }
        producer.flush()?;
        Ok(status(&stage, "unpaid").await.as_deref() == Some("CANCELLED"))
    })
    .await
    .expect("it fires while events come");
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_a_stopped_worker_has_not_read_is_not_missed_when_it_comes_back() {
    let mut stage = Stage::new("unread", 1).await;
    // Small batches, so that many a second pass before the payment is reached.
    stage.reconfigure(|config| {
        config.set("worker.batch_max_records", 50).set("worker.writers", 1);
    });
    let worker = stage.worker("first");
    let mut producer = stage.producer().await;
    send(&mut producer, &[placed("paid", in_seconds(5)), placed("unpaid", in_seconds(5))]);
    stage.all_published(20).await;
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    let backlog: Vec<Json> = (0..20_000).map(|n| sound(Input::Payment, &format!("other-{n}"))).collect();
    send(&mut producer, &backlog);
    send(&mut producer, &[paid("paid")]);
    wait::within(20, "the deadline to pass", async || Ok(now_micros() > in_seconds(0))).await.expect("time passes");
    let due: Vec<(bool,)> = stage.rows("select bool_and(next_deadline is not null) from orders").await;
    assert_eq!(due, [(true,)]);
    wait::within(20, "both to be due", async || {
        let due: Vec<(bool,)> = stage.rows("select bool_and(next_deadline < now()) from orders").await;
        Ok(due == [(true,)])
    })
    .await
    .expect("time passes");
    let worker = stage.worker("second");
    reaches(&stage, "unpaid", "CANCELLED").await;
    stage.all_published(60).await;
    assert_ne!(status(&stage, "paid").await.as_deref(), Some("CANCELLED"));
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_an_open_transaction_holds_the_deadline_back_and_an_aborted_one_does_not() {
    let stage = Stage::new("open", 2).await;
    let worker = stage.worker("worker");
    let mut upstream = transactional(&stage).await;
    let mut producer = stage.producer().await;
    let (blocked, free) = orders_of_two_lanes();
    for (order, outcome) in [(&blocked[0], true), (&blocked[1], false)] {
        upstream.begin().expect("a transaction");
        send(&mut upstream, &[paid(order)]);
        let witness = if outcome { &free[0] } else { &free[1] };
        send(&mut producer, &[placed(order, in_seconds(2)), placed(witness, in_seconds(2))]);
        // The other lane shows that deadlines of that time have fired long since.
        reaches(&stage, witness, "CANCELLED").await;
        assert_eq!(status(&stage, order).await.as_deref(), Some("PENDING"), "its payment is there, only not committed");
        if outcome {
            upstream.commit().expect("committed");
            wait::within(20, "the payment to be applied", async || {
                Ok(status(&stage, order).await.is_some_and(|status| status == "AWAITING_STOCK"))
            })
            .await
            .expect("it was paid in time");
        } else {
            upstream.abort().expect("aborted");
            reaches(&stage, order, "CANCELLED").await;
        }
    }
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

/// Two orders of lane 0 and two of lane 1, as a producer with murmur2 places them among two partitions.
fn orders_of_two_lanes() -> (Vec<String>, Vec<String>) {
    let orders = (0..).map(|n| format!("order-{n}"));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for order in orders {
        if murmur2(order.as_bytes()) & 0x7fff_ffff & 1 == 0 {
            first.push(order)
        } else {
            second.push(order)
        }
        if first.len() >= 2 && second.len() >= 2 {
            return (first, second);
        }
    }
    unreachable!("the numbers do not end")
}

/// Kafka's hash of a key.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).expect("a short key");
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    for (place, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_an_unresolved_dead_letter_is_not_given_up_until_somebody_decides() {
    let stage = Stage::new("letter", 1).await;
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    // The payment is there, and cannot be understood.
    let torn = RawRecord {
        topic: stage.deployment.topics.payment.clone(),
        key: Some("torn".into()),
        value: Some(b"\x00\x00\x00\x00\x01".to_vec()),
        ..RawRecord::default()
    };
    producer.send_raw(&torn).expect("sent");
    send(&mut producer, &[placed("torn", in_seconds(2)), placed("unpaid", in_seconds(2))]);
    reaches(&stage, "unpaid", "CANCELLED").await;
    assert_eq!(status(&stage, "torn").await.as_deref(), Some("PENDING"));
    let held: Vec<(bool,)> = stage.rows("select next_deadline is null from orders where order_id = 'torn'").await;
    assert_eq!(held, [(true,)], "nobody looks again and again");
    stage.run_command(&["dead-letters", "discard", "--order", "torn", "--note", "not a payment", "--yes"]);
    reaches(&stage, "torn", "CANCELLED").await;
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_two_lanes_waits_until_both_have_been_read() {
    let stage = Stage::new("foreign", 2).await;
    let worker = stage.worker("worker");
    let mut upstream = transactional(&stage).await;
    let producer = stage.producer().await;
    let (home, _) = orders_of_two_lanes();
    let [order, witness] = [&home[0], &home[1]];
    let mut by_hand = ByHand { stage: &stage, producer };
    // The order is known in lane 0, and something of it came through lane 1.
    by_hand.send(0, &placed(order, in_seconds(4)));
    let hold = occurred(event(Input::Order, "HOLD_PLACED", order, 0, &json!({"hold_id": "h"})), now_micros());
    by_hand.send(1, &hold);
    by_hand.send(0, &placed(witness, in_seconds(4)));
    stage.all_published(20).await;
    // Its payment comes through lane 1 too, and is not committed yet.
    upstream.begin().expect("a transaction");
    ByHand { stage: &stage, producer: upstream }
        .send_and_keep(1, &paid(order), async |upstream| {
            reaches(&stage, witness, "CANCELLED").await;
            assert_eq!(status(&stage, order).await.as_deref(), Some("PENDING"), "lane 1 has not been read that far");
            upstream.commit().expect("committed");
        })
        .await;
    reaches(&stage, order, "AWAITING_STOCK").await;
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}

/// A producer that chooses the partition itself.
struct ByHand<'a> {
    stage: &'a Stage,
    producer: Producer,
}

impl ByHand<'_> {
    fn send(&mut self, partition: i32, event: &Json) {
        let input: Input = serde_json::from_value(event["topic"].clone()).expect("a topic's role");
        let raw = RawRecord {
            topic: self.stage.deployment.topics.input(input).expect("a topic of the test").to_owned(),
            partition: Some(partition),
            key: event["order_id"].as_str().map(Into::into),
            value: Some(self.producer.encode(event).expect("an event")),
            ..RawRecord::default()
        };
        self.producer.send_raw(&raw).expect("sent");
        self.producer.flush().expect("kafka has it");
    }

    async fn send_and_keep(mut self, partition: i32, event: &Json, meanwhile: impl AsyncFnOnce(&Producer)) {
        self.send(partition, event);
        meanwhile(&self.producer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deadlines_at_once_are_worked_off_in_batches_between_which_events_pass() {
    let mut stage = Stage::new("many", 2).await;
    stage.reconfigure(|config| {
        config.set("worker.batch_max_records", 100);
    });
    let worker = stage.worker("first");
    let mut producer = stage.producer().await;
    let due = in_seconds(8);
    let placed: Vec<Json> = (0..3_000).map(|n| placed(&format!("unpaid-{n}"), due)).collect();
    send(&mut producer, &placed);
    stage.all_published(60).await;
    let overdue = async || {
        let rows: Vec<(i64,)> = stage.rows("select count(*) from orders where next_deadline < now()").await;
        rows[0].0
    };
    let cancelled = async || {
        let rows: Vec<(i64,)> = stage.rows("select count(*) from orders where status = 'CANCELLED'").await;
        rows[0].0
    };
    let mut passed_meanwhile = false;
    let mut count = 0;
    wait::within(60, "all of them to be given up", async || {
        count += 1;
        let order = format!("other-{count}");
        send(&mut producer, &[sound(Input::Payment, &order)]);
        wait::within(20, "an event to pass", async || Ok(status(&stage, &order).await.is_some())).await?;
        let (overdue, cancelled) = (overdue().await, cancelled().await);
        passed_meanwhile |= overdue > 0 && cancelled > 0;
        Ok(cancelled == 3_000)
    })
    .await
    .expect("all are worked off");
    assert!(passed_meanwhile, "no event was applied while some had fired and some were due");
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    let sizes: Vec<(i32,)> = stage.rows("select max(events) from journal").await;
    assert!(sizes[0].0 <= 200, "a batch of {} entries", sizes[0].0);
    stage.check().await;
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_deadline_fires_by_its_policy() {
    let mut stage = Stage::new("others", 1).await;
    stage.reconfigure(|config| {
        config.set("policy.payment_retry_window", "3s").set("policy.rejection_grace", "2s");
    });
    let worker = stage.worker("worker");
    let mut producer = stage.producer().await;
    let now = now_micros();
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let at_now = |topic, kind, order, more: Json| occurred(event(topic, kind, order, 0, &more), now);
    send(
        &mut producer,
        &[
            at_now(Input::Payment, "DECLINED", "declined", json!({"authorization_id": "a"})),
            at_now(Input::Inventory, "REJECTED", "rejected", json!({"reservation_id": "r", "lines": lines})),
            at_now(
                Input::Inventory,
                "RESERVED",
                "held",
                json!({"reservation_id": "r", "lines": lines, "expires_at": in_seconds(2)}),
            ),
            at_now(
                Input::Payment,
                "AUTHORIZED",
                "authorized",
                json!({"authorization_id": "a", "amount_minor": 500, "currency": "EUR", "expires_at": in_seconds(2)}),
            ),
        ],
    );
    reaches(&stage, "declined", "CANCELLED").await;
    reaches(&stage, "rejected", "CANCELLED").await;
    wait::within(20, "stock and money to lapse", async || {
        let rows: Vec<(String, String)> =
            stage.rows("select inventory::text, payment::text from orders where order_id in ('held', 'authorized') order by order_id").await;
        Ok(rows == [("NONE".to_owned(), "EXPIRED".to_owned()), ("EXPIRED".to_owned(), "UNPAID".to_owned())])
    })
    .await
    .expect("both expire");
    assert_eq!(orders(&stage).await["declined"].1.as_deref(), Some("payment_failed"));
    assert_eq!(orders(&stage).await["rejected"].1.as_deref(), Some("out_of_stock"));
    worker.stop(Duration::from_secs(20)).await.expect("exit code 0");
    stage.check().await;
    stage.strike().await;
}
