//! Deadlines wait: wherever the payment that came in time may hide, nothing is cancelled for want of it.
//!
//! Unread, inside an open transaction, in a dead letter, in a foreign lane: each with a witness beside it, an order of the same
//! deadline without a payment, whose end shows that the time had come.

use orderstream_harness::produce::RawRecord;
use orderstream_harness::topics::Input;
use serde_json::{Value as Json, json};

use crate::by_hand::{ByHand, orders_of_two_lanes};
use crate::deadlines::{in_seconds, occurred, paid, placed, reaches, send, status, transactional};
use crate::events::{event, now_micros, sound};
use crate::patience::{self, LONG_PATIENCE};
use crate::stage::{GOODBYE, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_a_stopped_worker_has_not_read_is_not_missed_when_it_comes_back() {
    let mut stage = Stage::new("unread", 1).await;
    // Batches of two, so that seconds pass before the payment is reached: time enough to look for what is due.
    stage.reconfigure(|config| {
        config.set("worker.batch_max_records", 2).set("worker.writers", 1);
    });
    let worker = stage.worker("first");
    let mut producer = stage.producer().await;
    send(&mut producer, &[placed("paid", in_seconds(15)), placed("unpaid", in_seconds(15))]);
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    let backlog: Vec<Json> = (0..3_000).map(|n| sound(Input::Payment, &format!("other-{n}"))).collect();
    send(&mut producer, &backlog);
    send(&mut producer, &[paid("paid")]);
    patience::until("both to be due", async || {
        let due: Vec<(bool,)> = stage.rows("select bool_and(next_deadline < now()) from orders").await;
        Ok(due == [(true,)])
    })
    .await
    .expect("time passes");
    let worker = stage.worker("second");
    stage.all_published_within(LONG_PATIENCE).await;
    reaches(&stage, "unpaid", "CANCELLED").await;
    stage.all_published().await;
    assert_ne!(status(&stage, "paid").await.as_deref(), Some("CANCELLED"));
    stage.finish([worker]).await;
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
            patience::until("the payment to be applied", async || {
                Ok(status(&stage, order).await.is_some_and(|status| status == "AWAITING_STOCK"))
            })
            .await
            .expect("it was paid in time");
        } else {
            upstream.abort().expect("aborted");
            reaches(&stage, order, "CANCELLED").await;
        }
    }
    stage.all_published().await;
    stage.finish([worker]).await;
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
    stage.finish([worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_two_lanes_waits_until_both_have_been_read() {
    let stage = Stage::new("foreign", 2).await;
    let worker = stage.worker("worker");
    let upstream = transactional(&stage).await;
    let producer = stage.producer().await;
    let (home, _) = orders_of_two_lanes();
    let [order, witness] = [&home[0], &home[1]];
    let mut by_hand = ByHand { stage: &stage, producer };
    // The order is at home in lane 0, and something of it came through lane 1.
    by_hand.send(0, &placed(order, in_seconds(12)));
    reaches(&stage, order, "PENDING").await;
    let hold = occurred(event(Input::Order, "HOLD_PLACED", order, 0, &json!({"hold_id": "h"})), now_micros());
    by_hand.send(1, &hold);
    by_hand.send(0, &placed(witness, in_seconds(12)));
    stage.all_published().await;
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
    stage.all_published().await;
    stage.finish([worker]).await;
}
